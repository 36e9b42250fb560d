"""Prints the GPUs of this machine as JSON, for a process that must stay small or must not block:
`[[key, kind, index], ...]`."""

from __future__ import annotations

import json

from runner.hardware.board import read_once
from runner.hardware.source import Source
from runner.model import GpuSample

WAIT_S = 15.0


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


def main() -> None:
    from runner.hardware.amd import AmdSource
    from runner.hardware.nvidia import NvidiaSource

    sources: list[Source] = [NvidiaSource(), AmdSource()]
    print(json.dumps(usable(read_once(sources, WAIT_S))))


if __name__ == "__main__":
    main()
