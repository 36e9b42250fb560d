"""A /sys and a /proc as Linux lays them out, in a folder of a test."""

from __future__ import annotations

import os
from pathlib import Path

PCI_IDS = """\
# a list of PCI devices
1000  Broadcom / LSI
\t73bf  Not this one
1002  Advanced Micro Devices, Inc. [AMD/ATI]
\t73bf  Navi 21 [Radeon RX 6800/6800 XT / 6900 XT]
\t\t1002 0e3a  Radeon RX 6900 XT
\t164e  Raphael
8086  Intel Corporation
\t56a0  DG2 [Arc A770]
"""


class Tree:
    def __init__(self, root: Path, *, names: bool = True) -> None:
        self.root = root
        (root / "proc").mkdir()
        (root / "sys/class/drm").mkdir(parents=True)
        if names:
            self.write(root / "usr/share/misc/pci.ids", PCI_IDS)

    @staticmethod
    def write(path: Path, text: str | bytes) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(text if isinstance(text, bytes) else text.encode())

    def card(
        self, number: int, address: str, vendor: int, device: int, driver: str, **files: str | bytes
    ) -> Path:
        """`files`: content by name below the device, `/` written as `__`."""
        folder = self.root / "sys/devices/pci0000:00" / address
        folder.mkdir(parents=True)
        drivers = self.root / "sys/bus/pci/drivers" / driver
        drivers.mkdir(parents=True, exist_ok=True)
        if driver:
            (folder / "driver").symlink_to(drivers)
        self.write(folder / "vendor", f"{vendor:#06x}\n")
        self.write(folder / "device", f"{device:#06x}\n")
        for name, text in files.items():
            self.write(folder / name.replace("__", "/"), text)
        drm = folder / "drm" / f"card{number}"
        drm.mkdir(parents=True)
        (drm / "device").symlink_to(folder)
        (self.root / "sys/class/drm" / f"card{number}").symlink_to(drm)
        connector = self.root / "sys/class/drm" / f"card{number}-DP-1"
        connector.mkdir()
        return folder

    def process(self, pid: int, name: str, *, opened: dict[int, tuple[str, str]]) -> None:
        """`opened`: by descriptor, where it leads and what the kernel says of it."""
        folder = self.root / "proc" / str(pid)
        self.write(folder / "comm", f"{name}\n")
        for descriptor, (target, text) in opened.items():
            (folder / "fd").mkdir(exist_ok=True)
            os.symlink(target, folder / "fd" / str(descriptor))
            self.write(folder / "fdinfo" / str(descriptor), text)
