"""Prints the GPUs of this machine as JSON, for a process that must stay small or must not block:
`[[key, kind, index], ...]`; with --in-use `{"gpus": these, "in_use": {key: by whom}}`. A process of an earlier
version may still ask without it."""

from __future__ import annotations

import contextlib
import json
import os
import pwd
import sys
from collections.abc import Callable, Iterable

from runner.hardware.board import read_once
from runner.hardware.processes import running
from runner.hardware.programs import WAIT
from runner.hardware.source import Source
from runner.hardware.users import HOLDING_BYTES, Listing, other_users, roots_of
from runner.model import GpuSample
from runner.model.units import memory_size
from runner.store.registry import live_runs

WAIT_S = 15.0
IN_USE = "--in-use"


def kind_of(gpu: GpuSample) -> str | None:
    """None: no card that a queue gives to a run."""
    if gpu.index is None or gpu.problem is not None:
        return None
    if gpu.source in ("nvml", "nvidia-smi"):
        return "nvidia"
    return "amd" if gpu.source == "amdgpu" else None


def usable(gpus: tuple[GpuSample, ...]) -> list[tuple[str, str, int]]:
    """(key, kind, index), in the driver's order. Beside NVIDIA cards an AMD one is the processor's own
    graphics."""
    found = [(g.key, kind, g.index or 0) for g in gpus if (kind := kind_of(g)) is not None]
    nvidia = sorted((one for one in found if one[1] == "nvidia"), key=lambda one: one[2])
    return nvidia or sorted(found, key=lambda one: one[2])


def in_use(
    gpus: Iterable[GpuSample], listing: Listing, ours: frozenset[int], owner: Callable[[int], str]
) -> dict[str, str]:
    """By key, the GPUs that are not free although no run of ours uses them, and who uses them, one phrase: a
    training started without this program, or whatever large another user of the machine runs. What the user
    of this queue has open, such as ComfyUI, is left to the preflight's warning. `ours`: processes of our runs;
    `owner`: of a process, "" for this user."""
    found: dict[str, str] = {}
    for gpu in gpus:
        for user in other_users(listing, (gpu,), ours):
            if not user.on_gpu or user.pid is None or user.outside:
                continue
            memory, name = user.gpu_memory_bytes, owner(user.pid)
            large = memory is not None and memory >= HOLDING_BYTES
            if large and (name or user.how == WAIT):
                size = memory_size(memory or 0)
                of = f" of {name}" if name else ""
                found.setdefault(gpu.key, f"{user.title}{of} (pid {user.pid}, {size})")
    return found


def _owner(pid: int) -> str:
    with contextlib.suppress(OSError, KeyError):
        uid = os.stat(f"/proc/{pid}").st_uid  # noqa: PTH116
        return "" if uid == os.getuid() else pwd.getpwuid(uid).pw_name
    return ""


def main() -> None:
    from runner.hardware.amd import AmdSource
    from runner.hardware.nvidia import NvidiaSource

    sources: list[Source] = [NvidiaSource(), AmdSource()]
    gpus = read_once(sources, WAIT_S)
    if IN_USE not in sys.argv:
        print(json.dumps(usable(gpus)))
        return
    listing = Listing.of(running()) if any(gpu.users for gpu in gpus) else Listing.of(())
    ours = roots_of(live_runs()) if listing.processes else frozenset[int]()
    print(json.dumps({"gpus": usable(gpus), "in_use": in_use(gpus, listing, ours, _owner)}))


if __name__ == "__main__":
    main()
