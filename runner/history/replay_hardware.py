"""The readings of hardware.jsonl by their time: a week of them is 40 MB, so only line offsets are kept in
memory, plus periodic sums."""

from __future__ import annotations

import contextlib
import math
from array import array
from bisect import bisect_right
from collections.abc import Callable
from copy import copy
from dataclasses import replace
from pathlib import Path

import msgspec

from runner.files.regular_file import open_regular
from runner.hardware.used import UseMeter
from runner.model import HardwareSample, HardwareUse
from runner.store.journal import LineTail

#: as many as a reader of a live run keeps
SAMPLES = 900
KEYFRAME = 256

#: constants of a GPU
_OF_GPU = ("key", "name", "index", "memory_total_bytes", "power_limit_w", "reasons")

#: (time, attempt's device, was it training then?)
Doing = Callable[[float], tuple[str | None, bool]]


class HardwareIndex:
    """`newest`: the last reading with its texts, which supplies names for the others. `until_at`: later times
    are invalid."""

    def __init__(
        self, path: Path, doing: Doing, newest: HardwareSample | None, until_at: float = math.inf
    ) -> None:
        self._path, self._doing, self._newest, self._until = path, doing, newest, until_at
        self.times, self._offsets = array("d"), array("q")
        self._tail = LineTail(path)
        self._meter = UseMeter()
        self._frames: list[UseMeter] = []
        self._decoder = msgspec.json.Decoder(HardwareSample)
        self._held: tuple[int, tuple[HardwareSample, ...]] = (0, ())

    def build(self, budget_s: float) -> float:
        """Continue reading for about that long; the share read, 1.0 when done."""
        share = 1.0
        for block in self._tail.read(budget_s):
            offset = self._tail.offset - len(block)
            for line in block.splitlines(keepends=True):
                self._take(line, offset)
                offset += len(line)
            share = min(0.999, self._tail.offset / self._tail.size)
        return share

    def _take(self, line: bytes, offset: int) -> None:
        sample = self._decoded(line)
        if sample is None or not math.isfinite(sample.at) or sample.at > self._until:
            return
        if self.times and sample.at < self.times[-1]:
            return  # the clock was set back: keep earlier readings
        if len(self.times) % KEYFRAME == 0:
            self._frames.append(copy(self._meter))
        self.times.append(sample.at)
        self._offsets.append(offset)
        self._add(self._meter, sample)

    def _add(self, meter: UseMeter, sample: HardwareSample) -> None:
        device, training = self._doing(sample.at)
        meter.add(sample, training=training, device=device)

    def _decoded(self, line: bytes) -> HardwareSample | None:
        with contextlib.suppress(msgspec.DecodeError, UnicodeDecodeError):
            return self._decoder.decode(line)
        return None

    def then(self, at: float) -> tuple[tuple[HardwareSample, ...], HardwareUse]:
        """The readings that a screen would have had at `at`, and their sums."""
        n = bisect_right(self.times, at)
        if n == 0:
            return (), HardwareUse()
        samples = self._read(n)
        k = (n - 1) // KEYFRAME
        meter = copy(self._frames[k])
        for sample in samples[k * KEYFRAME - n :] if n > k * KEYFRAME else ():
            self._add(meter, sample)
        return samples, meter.use

    def _read(self, n: int) -> tuple[HardwareSample, ...]:
        """The last ones of the first `n`."""
        if self._held[0] != n:
            first = max(0, n - SAMPLES)
            with open_regular(self._path) as stream:
                stream.seek(self._offsets[first])
                data = stream.read(self._offsets[n - 1] - self._offsets[first]) + stream.readline()
            found = [s for line in data.split(b"\n") if (s := self._decoded(line)) is not None]
            found = [s for s in found if s.at <= self.times[n - 1]]
            self._held = (n, tuple(map(self._named, found[-(n - first) :])))
        return self._held[1]

    def _named(self, sample: HardwareSample) -> HardwareSample:
        """Names and sizes that do not change are not in the journal."""
        newest = self._newest
        if newest is None:
            return sample
        known = {
            gpu.key[-8:]: {name: getattr(gpu, name) for name in _OF_GPU} for gpu in newest.gpus
        }
        output = next((disk for disk in newest.disks if disk.what == "output"), None)
        free = sample.disk_free_bytes
        return replace(
            sample,
            gpus=tuple(replace(gpu, **known.get(gpu.key, {})) for gpu in sample.gpus),
            disks=(replace(output, free_bytes=free),) if output is not None else (),
            reasons=newest.reasons,
            swap_total_bytes=newest.swap_total_bytes,
            cpu_count=newest.cpu_count,
        )
