"""What `ioreg` prints about a Mac's GPU, as numbers. Pure: bytes in, frozen types out.

Facts: `-c IOAccelerator` matches the driver of every generation; `Device Utilization %` is the total
(Renderer and Tiler are parts of it); `In use system memory` is live memory of all GPU clients, `Alloc system
memory` counts address space and exceeds the RAM; a virtual machine returns nothing.
"""

from __future__ import annotations

import plistlib
import re
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, replace
from itertools import pairwise
from typing import Any
from xml.parsers.expat import ExpatError

from runner.hardware.source import Unanswered, number_in
from runner.model import GpuSample

#: macOS truncates the client creator's name to this length
NAME_LENGTH = 16
#: why a GPU has no total: its memory is the system's
UNIFIED = "shared with the system"
_CREATOR = re.compile(r"pid (\d+)(?:, *(.*))?", re.S)
_TEXT_NODE = re.compile(r"^[\s|]*\+-o .*?\bid (0x[0-9a-f]+)", re.M)
_TEXT_CREATOR = re.compile(r'"IOUserClientCreator"\s*=\s*"([^"]*)"')
_TEXT_TIME = re.compile(r'"accumulatedGPUTime"\s*=\s*(\d+)')


class NotUnderstood(Unanswered):
    """The answer is unusable; the text is one sentence for display."""


@dataclass(frozen=True, slots=True)
class Client:
    """One connection of a process to the GPU. `node`: its number in the registry, empty: not reported;
    `gpu_ns`: GPU time since it was opened."""

    node: str
    pid: int
    name: str
    gpu_ns: int


def accelerators(answer: bytes) -> tuple[GpuSample, ...]:
    """The GPUs in the answer of `ioreg -r -d 1 -w 0 -c IOAccelerator -a`, without the run's share.
    Raises NotUnderstood."""
    entries = [
        one for one in _entries(answer) if isinstance(one.get("PerformanceStatistics"), dict)
    ]
    if not entries:
        raise NotUnderstood("ioreg lists no GPU with values, as in a virtual machine")
    found, alike = [], Counter[str]()
    for index, entry in enumerate(entries):
        gpu = _accelerator(entry, index)
        alike[gpu.key] += 1
        number = alike[gpu.key]
        found.append(replace(gpu, key=f"{gpu.key}#{number}") if number > 1 else gpu)
    return tuple(found)


def clients(answer: bytes) -> tuple[Client, ...]:
    """All clients in the answer of `ioreg -r -w 0 -c AGXDeviceUserClient`, as a property list (`-a`) or as
    text. Raises NotUnderstood."""
    is_list = answer.lstrip().startswith((b"<", b"bplist"))
    found = _listed(answer) if is_list else _printed(answer.decode("utf-8", "replace"))
    return tuple(
        Client(node, int(creator[1]), (creator[2] or "")[:NAME_LENGTH], gpu_ns)
        for node, text, gpu_ns in found
        if (creator := _CREATOR.match(text))  # `pid 4245, python3.12`
    )


def _listed(answer: bytes) -> Iterator[tuple[str, str, int]]:
    for entry in _entries(answer):
        usage = entry.get("AppUsage")
        uses = [one for one in usage if isinstance(one, dict)] if isinstance(usage, list) else []
        gpu_ns = sum(_whole(one.get("accumulatedGPUTime")) or 0 for one in uses)
        node = str(entry.get("IORegistryEntryID", ""))
        yield node, _text(entry.get("IOUserClientCreator")), gpu_ns


def _printed(text: str) -> Iterator[tuple[str, str, int]]:
    heads = list(_TEXT_NODE.finditer(text))
    for head, after in pairwise([*heads, None]):
        assert head is not None
        body = text[head.end() : after.start() if after else None]
        creator = _TEXT_CREATOR.search(body)
        yield head[1], creator[1] if creator else "", sum(map(int, _TEXT_TIME.findall(body)))


def _entries(answer: bytes) -> list[dict[str, Any]]:
    if not answer.strip():
        raise NotUnderstood("ioreg lists nothing, as in a virtual machine")
    try:
        found = plistlib.loads(answer)
    except (plistlib.InvalidFileException, ExpatError, ValueError, TypeError, LookupError,
            OverflowError, AttributeError, RecursionError):  # fmt: skip
        raise NotUnderstood("unknown output of ioreg") from None
    entries = found if isinstance(found, list) else [found]
    return [entry for entry in entries if isinstance(entry, dict)]


def _accelerator(entry: dict[str, Any], index: int) -> GpuSample:
    figures: dict[str, Any] = entry["PerformanceStatistics"]
    percent = _share(figures.get("Device Utilization %"))
    if percent is None:
        percent = _share(figures.get("GPU Activity(%)"))
    used, total = _whole(figures.get("In use system memory")), None
    own, free = _whole(figures.get("vramUsedBytes")), _whole(figures.get("vramFreeBytes"))
    if own is not None:
        used, total = own, own + free if free is not None else None
    values = {
        "percent": (percent, "not reported by the driver"),
        "memory_used_bytes": (used, "not reported by the driver"),
        "memory_total_bytes": (total, UNIFIED if own is None else "not reported"),
        "recoveries": (_whole(figures.get("recoveryCount")), "not counted by this chip"),
    }
    kind = _text(entry.get("IOClass"))
    model = _text(entry.get("model")) or kind
    # the registry's own numbers change with every boot; the chip's name does not
    key = f"apple:{_text(entry.get('IONameMatched')) or kind or model}"
    reasons = {name: why for name, (value, why) in values.items() if value is None}
    known: dict[str, Any] = {name: value for name, (value, _) in values.items()}
    return GpuSample(key, "ioreg", model, index, reasons=reasons, **known)


def _text(value: object) -> str:
    """A string, or data that ends with a NUL."""
    if isinstance(value, bytes):
        return value.split(b"\0")[0].decode("utf-8", "replace").strip()
    return value.strip() if isinstance(value, str) else ""


def _share(value: object) -> float | None:
    """Integer or real; some drivers report 137."""
    number = number_in(value)
    return None if number is None else min(100.0, max(0.0, number))


def _whole(value: object) -> int | None:
    return value if isinstance(value, int) and not isinstance(value, bool) and value >= 0 else None
