"""Which processes of our own user use an AMD card's memory and time: /proc/PID/fdinfo.

Facts: each open connection has `drm-pdev`, `drm-client-id`, `drm-memory-vram` and `drm-engine-NAME` (ns since
it was opened); copies of a descriptor show the same client again. Work through ROCm (/dev/kfd) is missing
from the engines' times, so its share is unknown. Not tested on a real card yet.
"""

from __future__ import annotations

import contextlib
import os
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from runner.hardware.source import share_of_time
from runner.model import GpuUser

#: engines that trainings and other programs use; the rest decodes video
_ENGINES = ("drm-engine-gfx", "drm-engine-compute")
_CARDS, _ROCM = "/dev/dri/", "/dev/kfd"
_UNITS = {"": 1, "KiB": 1 << 10, "MiB": 1 << 20, "GiB": 1 << 30}
_SIZE = re.compile(r"(\d+)\s*([KMG]iB)?")


@dataclass(slots=True)
class Use:
    """What one process does with one card. `clients`: GPU time (ns) by connection; `timed`: is it all?"""

    name: str
    timed: bool
    vram_bytes: int = 0
    clients: dict[str, int] = field(default_factory=dict)


#: by the card's address and the process
Uses = Mapping[str, Mapping[int, Use]]


def uses(proc: Path, uid: int) -> Uses:
    """Processes of other users are skipped: they are not readable."""
    found: dict[str, dict[int, Use]] = {}
    for process in proc.glob("[0-9]*"):
        texts, rocm = _open_cards(process, uid)
        seen: set[tuple[str, str]] = set()
        for text in texts:
            pairs = (line.partition(":") for line in text.splitlines())
            facts = {key.strip(): value.strip() for key, _, value in pairs}
            card, client = facts.get("drm-pdev", ""), facts.get("drm-client-id", "")
            if not card or (card, client) in seen:
                continue
            seen.add((card, client))
            by_pid = found.setdefault(card, {})
            pid = int(process.name)
            use = by_pid.get(pid) or by_pid.setdefault(pid, Use(_name(process), not rocm))
            size = facts.get("drm-memory-vram") or facts.get("drm-resident-vram") or ""
            use.vram_bytes += _size(size)
            use.clients[client] = sum(_size(facts.get(engine, "")) for engine in _ENGINES)
    return found


def users_of(
    found: Mapping[int, Use],
    before: Mapping[int, Use] | None,
    passed_s: float,
    run_pids: frozenset[int],
) -> tuple[GpuUser, ...]:
    """Who uses the card, the largest first. Shares of its time need an earlier reading."""
    users = []
    for pid, use in found.items():
        percent: float | None = None
        if before is not None and use.timed:
            known = before[pid].clients if pid in before else {}
            percent = share_of_time(use.clients, known, passed_s)
        users.append(GpuUser(pid, use.name, use.vram_bytes, percent, pid in run_pids))
    return tuple(sorted(users, key=lambda user: -(user.memory_bytes or 0)))


def _open_cards(process: Path, uid: int) -> tuple[list[str], bool]:
    """The kernel's report on each open graphics device, and whether ROCm is used. Nothing else is opened: a
    descriptor's link names its target."""
    texts: list[str] = []
    rocm = False
    with contextlib.suppress(OSError):
        links = list((process / "fd").iterdir()) if process.stat().st_uid == uid else []
        for link in links:
            with contextlib.suppress(OSError, UnicodeDecodeError):
                target = os.readlink(link)  # noqa: PTH115 - thousands of them
                rocm = rocm or target == _ROCM
                if target.startswith(_CARDS):
                    texts.append((process / "fdinfo" / link.name).read_text(encoding="ascii"))
    return texts, rocm


def _size(text: str) -> int:
    """`123 KiB` in bytes, `4567 ns` unchanged."""
    found = _SIZE.match(text)
    return int(found[1]) * _UNITS[found[2] or ""] if found else 0


def _name(process: Path) -> str:
    with contextlib.suppress(OSError):
        return (process / "comm").read_text(encoding="utf-8", errors="replace").strip()
    return ""
