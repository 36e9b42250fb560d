"""All readings of a machine as one sample. Asking never blocks: every source has a thread of its own, and a
driver that hangs leaves its last reading behind, with its age."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace

from runner.hardware.host import HOST as HOST
from runner.hardware.host import HostSampler
from runner.hardware.samples import with_own_gpu
from runner.hardware.source import Asked, Reading, Source
from runner.model import GpuSample, HardwareSample

#: a reading that is older says nothing about now; it is shown with its age all the same
OLD_S = 10.0


@dataclass(frozen=True, slots=True)
class _Answer:
    reading: Reading
    at: float


class _Asker(threading.Thread):
    """Asks one source again and again."""

    def __init__(self, source: Source, asked: Callable[[], Asked]) -> None:
        super().__init__(name=f"hardware {source.name}", daemon=True)
        self.source, self._asked = source, asked
        self.answer: _Answer | None = None
        self.began_at = time.monotonic()
        self._ended = threading.Event()  # Thread has a _stop of its own, which join() calls

    def run(self) -> None:
        while True:
            try:
                reading = self.source.read(self._asked())
            except Exception as error:  # a source's fault must cost its own readings alone
                reading = Reading(
                    reason=f"{self.source.name} failed: {type(error).__name__}: {error}"
                )
            self.answer = _Answer(reading, time.monotonic())
            if reading.final or self._ended.wait(self.source.period_s):
                break
        self.source.close()

    def stop(self) -> None:
        self._ended.set()

    def age_s(self, now: float) -> float:
        """Since the last answer, else since the first question."""
        return now - (self.answer.at if self.answer is not None else self.began_at)


class Board:
    """`start` it once, then `sample` as often as wanted. `device`: what the training says that it uses."""

    def __init__(
        self, places: Mapping[str, str | None] | str | None, sources: Sequence[Source]
    ) -> None:
        self.root_pid: int | None = None
        self.device: str | None = None
        self.members: frozenset[int] = frozenset()
        self._host = HostSampler(places)
        self._askers = [_Asker(source, self._asked) for source in (self._host, *sources)]

    def start(self) -> None:
        for asker in self._askers:
            asker.start()

    def stop(self) -> None:
        """Threads that hang stay behind; they are daemons and end with the process."""
        for asker in self._askers:
            asker.stop()

    @property
    def run_pids(self) -> frozenset[int]:
        """The training's processes, as last seen."""
        return self._host.tree.pids

    def _asked(self) -> Asked:
        return Asked(self.run_pids, self.root_pid, self.members)

    @property
    def answered(self) -> bool:
        """Has everybody said something, if only why there is nothing?"""
        return not self.silent

    @property
    def silent(self) -> tuple[str, ...]:
        """Who has never said anything yet."""
        return tuple(asker.source.name for asker in self._askers if asker.answer is None)

    def sample(
        self,
        root_pid: int | None = None,
        device: str | None = None,
        members: frozenset[int] = frozenset(),
    ) -> HardwareSample | None:
        """The newest of everything; None before the first reading. `root_pid`, `members`: the training's
        processes, see `TreeMeter.read`."""
        self.root_pid, self.members, self.device = root_pid, members, device or self.device
        if (host := self._askers[0].answer) is None:
            return None
        now, wall = time.monotonic(), time.time()
        ages: dict[str, float] = {}
        gpus: list[GpuSample] = []
        merged = host.reading.host or HardwareSample(wall)
        reasons = dict(merged.reasons)
        for asker in self._askers:
            name, answer = asker.source.name, asker.answer
            if answer is None or not answer.reading.final:
                ages[name] = round(max(0.0, asker.age_s(now)), 1)
            if answer is None:
                continue
            reading = answer.reading
            gpus += reading.gpus
            if reading.reason is not None and not reading.gpus:
                reasons[name] = reading.reason
            merged = replace(
                merged,
                pressure=reading.pressure if reading.pressure is not None else merged.pressure,
                swapped_out_bytes=reading.swapped_out_bytes or merged.swapped_out_bytes,
                footprint_bytes=reading.footprint_bytes or merged.footprint_bytes,
            )
        return with_own_gpu(
            replace(merged, at=wall, gpus=tuple(gpus), reasons=reasons, ages_s=ages), self.device
        )


def read_once(sources: Sequence[Source], wait_s: float) -> tuple[GpuSample, ...]:
    """What the sources say now; one that does not answer in time is left behind, as in a `Board`."""
    askers = [_Asker(source, Asked) for source in sources]
    for asker in askers:
        asker.stop()  # one reading each
        asker.start()
    deadline = time.monotonic() + wait_s
    for asker in askers:
        asker.join(max(0.0, deadline - time.monotonic()))
    readings = [asker.answer.reading for asker in askers if asker.answer is not None]
    return tuple(gpu for reading in readings for gpu in reading.gpus)


def default_sources() -> list[Source]:
    """Every source that may have something here; those that have not say so once."""
    from runner.hardware.amd import AmdSource
    from runner.hardware.apple import AppleSource
    from runner.hardware.nvidia import NvidiaSource

    return [NvidiaSource(), AppleSource(), AmdSource()]
