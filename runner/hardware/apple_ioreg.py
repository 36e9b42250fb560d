"""What `ioreg` prints about a Mac's GPU, as numbers. Pure: bytes in, frozen types out.

Facts: `-c IOAccelerator` matches the driver of every generation; `Device Utilization %` is the whole figure
(Renderer and Tiler are parts of it); `In use system memory` is live memory of all GPU clients, `Alloc system
memory` counts address space and exceeds the RAM; a virtual machine answers with nothing at all.
"""

from __future__ import annotations

import plistlib
import re
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any
from xml.parsers.expat import ExpatError

from runner.hardware.source import Unanswered, number_in
from runner.model import GpuSample

#: macOS cuts the names of a client's creator there
NAME_LENGTH = 16
_CREATOR = re.compile(r"pid (\d+)(?:, *(.*))?", re.S)
_TEXT_NODE = re.compile(r"^[\s|]*\+-o .*?\bid (0x[0-9a-f]+)", re.M)
_TEXT_CREATOR = re.compile(r'"IOUserClientCreator"\s*=\s*"([^"]*)"')
_TEXT_TIME = re.compile(r'"accumulatedGPUTime"\s*=\s*(\d+)')


class NotUnderstood(Unanswered):
    """The answer holds nothing to go by; the text is one sentence for people."""


@dataclass(frozen=True, slots=True)
class Accelerator:
    """One GPU, without what it does for the run. `unified`: its memory is the system's."""

    gpu: GpuSample
    unified: bool


@dataclass(frozen=True, slots=True)
class Client:
    """One connection of a process to the GPU. `node`: its number in the registry, empty: not told;
    `gpu_ns`: GPU time since it was opened."""

    node: str
    pid: int
    name: str
    gpu_ns: int


def accelerators(answer: bytes) -> tuple[Accelerator, ...]:
    """The GPUs in the answer of `ioreg -r -d 1 -w 0 -c IOAccelerator -a`. Raises NotUnderstood."""
    entries = [
        one for one in _entries(answer) if isinstance(one.get("PerformanceStatistics"), dict)
    ]
    if not entries:
        raise NotUnderstood("ioreg lists no GPU with figures, as in a virtual machine")
    found: list[Accelerator] = []
    for index, entry in enumerate(entries):
        one = _accelerator(entry, index)
        alike = sum(seen.gpu.key.split("#")[0] == one.gpu.key for seen in found)
        key = f"{one.gpu.key}#{alike + 1}" if alike else one.gpu.key
        found.append(replace(one, gpu=replace(one.gpu, key=key)))
    return tuple(found)


def clients(answer: bytes) -> tuple[Client, ...]:
    """All clients in the answer of `ioreg -r -w 0 -c AGXDeviceUserClient`, as a property list (`-a`) or as
    text. Raises NotUnderstood."""
    if not answer.lstrip().startswith((b"<", b"bplist")):
        return tuple(_text_clients(answer.decode("utf-8", "replace")))
    found = []
    for entry in _entries(answer):
        pid, name = _creator(_text(entry.get("IOUserClientCreator")))
        usage = entry.get("AppUsage")
        times = [
            _whole(one.get("accumulatedGPUTime"))
            for one in (usage if isinstance(usage, list) else [])
            if isinstance(one, dict)
        ]
        if pid is not None:
            node = str(entry.get("IORegistryEntryID", ""))
            found.append(Client(node, pid, name, sum(time or 0 for time in times)))
    return tuple(found)


def _text_clients(text: str) -> Iterator[Client]:
    heads = list(_TEXT_NODE.finditer(text))
    for head, after in zip(heads, [*heads[1:], None], strict=True):
        body = text[head.end() : after.start() if after else None]
        creator = _TEXT_CREATOR.search(body)
        pid, name = _creator(creator[1] if creator else "")
        if pid is not None:
            yield Client(head[1], pid, name, sum(int(time) for time in _TEXT_TIME.findall(body)))


def _creator(text: str) -> tuple[int | None, str]:
    """`pid 4245, python3.12` -> 4245, `python3.12`."""
    found = _CREATOR.match(text)
    return (int(found[1]), (found[2] or "")[:NAME_LENGTH]) if found else (None, "")


def _entries(answer: bytes) -> list[dict[str, Any]]:
    if not answer.strip():
        raise NotUnderstood("ioreg lists nothing, as in a virtual machine")
    try:
        found = plistlib.loads(answer)
    except (plistlib.InvalidFileException, ExpatError, ValueError, TypeError, KeyError,
            IndexError, OverflowError, AttributeError, RecursionError):  # fmt: skip
        raise NotUnderstood("the answer of ioreg is not understood") from None
    entries = found if isinstance(found, list) else [found]
    return [entry for entry in entries if isinstance(entry, dict)]


def _accelerator(entry: dict[str, Any], index: int) -> Accelerator:
    figures: dict[str, Any] = entry["PerformanceStatistics"]
    percent = _share(figures.get("Device Utilization %"))
    if percent is None:
        percent = _share(figures.get("GPU Activity(%)"))
    used, total = _whole(figures.get("In use system memory")), None
    own, free = _whole(figures.get("vramUsedBytes")), _whole(figures.get("vramFreeBytes"))
    if own is not None:
        used, total = own, own + free if free is not None else None
    recoveries = _whole(figures.get("recoveryCount"))
    told: tuple[tuple[str, object, str], ...] = (
        ("percent", percent, "the driver does not tell"),
        ("memory_used_bytes", used, "the driver does not tell"),
        ("memory_total_bytes", total, "shared with the system" if own is None else "not told"),
        ("recoveries", recoveries, "this chip does not count them"),
    )
    kind = _text(entry.get("IOClass"))
    model = _text(entry.get("model")) or kind
    gpu = GpuSample(
        # the registry's own numbers change with every boot; the chip's name does not
        key=f"apple:{_text(entry.get('IONameMatched')) or kind or model}",
        source="ioreg",
        name=model,
        index=index,
        percent=percent,
        memory_used_bytes=used,
        memory_total_bytes=total,
        recoveries=recoveries,
        reasons={name: why for name, value, why in told if value is None},
    )
    return Accelerator(gpu, unified=own is None)


def _text(value: object) -> str:
    """A string, or data that ends with a NUL."""
    if isinstance(value, bytes):
        return value.split(b"\0")[0].decode("utf-8", "replace").strip()
    return value.strip() if isinstance(value, str) else ""


def _share(value: object) -> float | None:
    """Whole or real; a driver was seen to say 137."""
    number = number_in(value)
    return None if number is None else min(100.0, max(0.0, number))


def _whole(value: object) -> int | None:
    return value if isinstance(value, int) and not isinstance(value, bool) and value >= 0 else None
