"""What the drivers say about the GPUs, without the trainer's torch and without a context on a GPU.

NVIDIA: NVML, else nvidia-smi (a table with "Driver Version" and "CUDA Version", and `compute_cap` since driver
470). AMD: the kernel's topology in /sys, where `gfx_target_version 100300` is gfx1030 (the last two digits
are the step, in hexadecimal: 90010 is gfx90a).
"""

from __future__ import annotations

import re
import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from runner.hardware.nvidia import find
from runner.hardware.nvidia_facts import Trouble
from runner.hardware.nvml import Nvml
from runner.hardware.source import Unanswered, ask

#: do not wait longer for a driver
PATIENCE_S = 1.5
_KFD = Path("/sys/class/kfd/kfd/topology/nodes")


@dataclass(frozen=True, slots=True)
class Card:
    """`capability`: `8.6` of NVIDIA, `gfx1030` of AMD, "" if unknown. `key`: the UUID, as in hardware
    readings."""

    name: str
    capability: str = ""
    key: str = ""
    index: int | None = None

    @property
    def nvidia(self) -> bool:
        return not self.capability.startswith("gfx")


@dataclass(frozen=True, slots=True)
class Driver:
    """`version`: of the NVIDIA driver, `cuda`: the newest CUDA that it runs; "" if unknown."""

    version: str = ""
    cuda: str = ""
    cards: tuple[Card, ...] = ()

    @property
    def nvidia(self) -> tuple[Card, ...]:
        return tuple(card for card in self.cards if card.nvidia)


def read_driver(patience_s: float = PATIENCE_S) -> Driver:
    """Empty without a driver; a hung one is not waited for."""
    found: list[Driver] = []
    asking = threading.Thread(target=lambda: found.append(_read()), name="driver", daemon=True)
    asking.start()
    asking.join(patience_s)
    return found[0] if found else Driver()


def _read() -> Driver:
    nvidia = _by_library() or _by_command() or Driver()
    return Driver(nvidia.version, nvidia.cuda, (*nvidia.cards, *amd_cards()))


def _by_library() -> Driver | None:
    try:
        nvml = Nvml()
    except (ImportError, Trouble):
        return None
    try:
        cards = tuple(_card(nvml, index) for index in range(int(nvml.call("nvmlDeviceGetCount"))))
        cuda = _optional(lambda: nvml.call("nvmlSystemGetCudaDriverVersion"))
        version = _optional(lambda: nvml.call("nvmlSystemGetDriverVersion"))
    except Trouble:
        return None
    finally:
        nvml.close()
    text = version.decode(errors="replace") if isinstance(version, bytes) else str(version or "")
    # 12040 is 12.4
    return Driver(text, f"{cuda // 1000}.{cuda % 1000 // 10}" if cuda else "", cards)


def _card(nvml: Nvml, index: int) -> Card:
    """Raises Trouble for a card that does not answer at all."""
    handle = nvml.call("nvmlDeviceGetHandleByIndex", index)
    name, key = (nvml.text(handle, f"nvmlDeviceGet{what}") for what in ("Name", "UUID"))
    pair = _optional(lambda: nvml.call("nvmlDeviceGetCudaComputeCapability", handle))
    return Card(name, ".".join(map(str, pair)) if pair else "", key, index)


def _optional(call: Callable[[], Any]) -> Any:
    try:
        return call()
    except Trouble:
        return None


_QUERY = "--query-gpu=index,uuid,name,compute_cap"


def _by_command() -> Driver | None:
    if (path := find()) is None:
        return None
    try:
        table = ask([path], PATIENCE_S).decode(errors="replace")
    except Unanswered:
        return None
    try:
        rows = ask([path, _QUERY, "--format=csv,noheader"], PATIENCE_S).decode(errors="replace")
    except Unanswered:  # older than compute_cap
        rows = ""
    return parse_smi(table, rows)


def parse_smi(table: str, rows: str) -> Driver:
    """`table`: of the bare command; `rows`: index, uuid, name, compute capability."""
    version = re.search(r"Driver Version:\s*([\d.]+)", table)
    cuda = re.search(r"CUDA Version:\s*([\d.]+)", table)
    cells = [[cell.strip() for cell in row.split(",")] for row in rows.splitlines()]
    cards = tuple(
        Card(row[2], row[3] if re.fullmatch(r"\d+\.\d+", row[3]) else "", row[1], int(row[0]))
        for row in cells
        if len(row) == 4 and row[0].isdecimal()
    )
    return Driver(version[1] if version else "", cuda[1] if cuda else "", cards)


def amd_cards(nodes: Path = _KFD) -> tuple[Card, ...]:
    """The GPUs that ROCm can use; CPUs are nodes of version 0."""
    try:
        texts = [(node / "properties").read_text() for node in sorted(nodes.iterdir())]
    except OSError:
        return ()
    versions = (re.search(r"^gfx_target_version (\d+)$", text, re.M) for text in texts)
    names = (gfx_name(int(found[1])) for found in versions if found)
    return tuple(Card("AMD GPU", name) for name in names if name)


def gfx_name(version: int) -> str:
    """100300 -> gfx1030; "" for 0."""
    major, minor, step = version // 10000, version // 100 % 100, version % 100
    return f"gfx{major}{minor:x}{step:x}" if version else ""


def visible(cards: Sequence[Card], env: Mapping[str, str], gpu_ids: str = "") -> tuple[Card, ...]:
    """The NVIDIA cards that the training may use. The launcher's `gpu_ids` overwrite CUDA_VISIBLE_DEVICES.
    Numbers follow the driver's order only with CUDA_DEVICE_ORDER=PCI_BUS_ID, one card or
    several equal ones; else every card is possible."""
    asked = gpu_ids if gpu_ids not in ("", "all") else env.get("CUDA_VISIBLE_DEVICES")
    if asked is None:
        return tuple(cards)
    words = [word.strip() for word in asked.split(",") if word.strip()]
    ordered = env.get("CUDA_DEVICE_ORDER") == "PCI_BUS_ID" or len({c.name for c in cards}) == 1
    found: list[Card] = []
    for word in words:
        if word.startswith("GPU-"):
            found += [card for card in cards if card.key.startswith(word)]
        elif word.isdigit() and not ordered:
            return tuple(cards)
        elif word.isdigit():
            found += [card for card in cards if str(card.index) == word]
        else:  # -1 ends the list
            break
    return tuple(found)
