"""Reading the kernel's small files: each by itself, and each failure in words. Graphics cards as Linux lists
them, and what PCI calls them."""

from __future__ import annotations

import errno
import re
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

#: raises OSError and UnicodeDecodeError
ReadText = Callable[[Path], str]

_WORDS = {
    errno.ENOENT: "the driver does not tell",
    errno.ENODEV: "the driver does not tell",
    errno.EOPNOTSUPP: "the driver does not tell",
    errno.ENODATA: "the driver has no figure now",
    errno.EBUSY: "the driver is busy",
    errno.EINVAL: "the driver refuses to tell",
    errno.EACCES: "not allowed to read it",
    errno.EPERM: "not allowed to read it",
}
_CARD = re.compile(r"card\d+")
_PCI_IDS = ("usr/share/hwdata/pci.ids", "usr/share/misc/pci.ids")


def read_text(path: Path) -> str:
    return path.read_text(encoding="ascii", errors="replace").strip()


@dataclass(frozen=True, slots=True)
class Card:
    """One card: its folder in /sys, where it sits (`0000:03:00.0`) and which driver has it, "" for none."""

    folder: Path
    address: str
    driver: str
    device_id: int


class Figures:
    """Numbers of one folder; what cannot be read is None, and `reasons` says why under the field's name."""

    def __init__(self, folder: Path, read: ReadText = read_text) -> None:
        self.folder, self._read = folder, read
        self.reasons: dict[str, str] = {}

    def number(self, field: str, *names: str) -> int | None:
        """The first file among `names` that holds a number."""
        why = _WORDS[errno.ENOENT]
        for name in names:
            try:
                value = int(self._read(self.folder / name))
            except OSError as error:
                if error.errno != errno.ENOENT:
                    why = _WORDS.get(error.errno or 0, f"not measured: {error.strerror}")
            except ValueError:
                why = "what the driver tells is no number"
            else:
                self.reasons.pop(field, None)
                return value
        self.reasons[field] = why
        return None

    def text(self, name: str) -> str:
        """ "" for what cannot be read."""
        try:
            return self._read(self.folder / name)
        except (OSError, ValueError):
            return ""


def cards(root: Path, vendor: int, read: ReadText = read_text) -> tuple[Card, ...]:
    """Cards of one maker in the order of their addresses. Reads nothing that would wake a card."""
    found: dict[str, Card] = {}
    try:
        links = sorted((root / "sys/class/drm").iterdir())
    except OSError:
        return ()
    for link in links:
        device = link / "device"
        if not _CARD.fullmatch(link.name):
            continue  # card0-DP-1, renderD128
        figures = Figures(device, read)
        if _hex(figures.text("vendor")) != vendor:
            continue
        folder = device.resolve()
        driver = device / "driver"
        name = driver.resolve().name if driver.exists() else ""
        found[folder.name] = Card(folder, folder.name, name, _hex(figures.text("device")) or 0)
    return tuple(found[address] for address in sorted(found))


def pci_name(root: Path, vendor: int, device: int) -> str | None:
    """What the machine's list of PCI devices calls it; None: there is no list, or it is not in it."""
    for name in _PCI_IDS:
        try:
            with (root / name).open(encoding="utf-8", errors="replace") as stream:
                inside = False
                for line in stream:
                    if not line.startswith(("\t", "#", "\n")):
                        if inside:
                            break
                        inside = line.startswith(f"{vendor:04x}  ")
                    elif inside and line.startswith(f"\t{device:04x}  "):
                        return line[7:].strip()
        except OSError:
            continue
    return None


def _hex(text: str) -> int | None:
    try:
        return int(text, 16)
    except ValueError:
        return None
