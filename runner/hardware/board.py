"""All readings of a machine as one sample. Reading never blocks: every source has its own thread, and with a
hung driver the last reading stays, with its age."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace

from runner.hardware.host import HostSampler
from runner.hardware.samples import with_own_gpu
from runner.hardware.source import Asked, Reading, Source
from runner.model import GpuSample, HardwareSample

#: an older reading is outdated; it is still shown with its age
OLD_S = 10.0
#: machine values that a GPU source may also provide
OF_THE_SYSTEM = ("pressure", "swapped_out_bytes", "footprint_bytes")


class _Asker(threading.Thread):
    """Polls one source. `reading`: its last answer, None before the first; `at`: when it arrived, else when
    it was first requested."""

    def __init__(self, source: Source, asked: Callable[[], Asked]) -> None:
        super().__init__(name=f"hardware {source.name}", daemon=True)
        self.source, self._asked = source, asked
        self.reading: Reading | None = None
        self.at = time.monotonic()
        self.ended = threading.Event()  # Thread already has a _stop, which join() calls

    def run(self) -> None:
        while True:
            try:
                reading = self.source.read(self._asked())
            except Exception as error:  # a failing source must only lose its own readings
                text = f"{self.source.name} failed: {type(error).__name__}: {error}"
                reading = Reading(reason=text)
            self.at, self.reading = time.monotonic(), reading
            if reading.final or self.ended.wait(self.source.period_s):
                break
        self.source.close()


class Board:
    """`start` it once, then `sample` any number of times. `device`: as reported by the training."""

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
        """Hung threads stay; they are daemons and end with the process."""
        for asker in self._askers:
            asker.ended.set()

    @property
    def run_pids(self) -> frozenset[int]:
        """The training's processes, as last seen."""
        return self._host.tree.pids

    def _asked(self) -> Asked:
        return Asked(self.run_pids, self.root_pid, self.members)

    @property
    def answered(self) -> bool:
        """Has every source answered, if only why it has no readings?"""
        return not self.silent

    @property
    def silent(self) -> tuple[str, ...]:
        """Sources without an answer yet."""
        return tuple(asker.source.name for asker in self._askers if asker.reading is None)

    def sample(
        self,
        root_pid: int | None = None,
        device: str | None = None,
        members: frozenset[int] = frozenset(),
    ) -> HardwareSample | None:
        """The newest of everything; None before the first reading. `root_pid`, `members`: the training's
        processes, see `TreeMeter.read`."""
        self.root_pid, self.members, self.device = root_pid, members, device or self.device
        if (host := self._askers[0].reading) is None:
            return None
        now, wall = time.monotonic(), time.time()
        sample = replace(host.host or HardwareSample(wall), at=wall)
        reasons, ages, gpus = dict(sample.reasons), dict[str, float](), list[GpuSample]()
        for asker in self._askers:
            name, reading = asker.source.name, asker.reading
            if reading is None or not reading.final:
                ages[name] = round(max(0.0, now - asker.at), 1)
            if reading is None:
                continue
            gpus += reading.gpus
            if reading.reason is not None and not reading.gpus:
                reasons[name] = reading.reason
            told = {field: getattr(reading, field) for field in OF_THE_SYSTEM}
            sample = replace(sample, **{k: value for k, value in told.items() if value is not None})
        whole = replace(sample, gpus=tuple(gpus), reasons=reasons, ages_s=ages)
        return with_own_gpu(whole, self.device)


def read_once(sources: Sequence[Source], wait_s: float) -> tuple[GpuSample, ...]:
    """Current answers of the sources; late ones are skipped, as in a `Board`."""
    askers = [_Asker(source, Asked) for source in sources]
    for asker in askers:
        asker.ended.set()  # one reading each
        asker.start()
    deadline = time.monotonic() + wait_s
    for asker in askers:
        asker.join(max(0.0, deadline - time.monotonic()))
    readings = [asker.reading for asker in askers if asker.reading is not None]
    return tuple(gpu for reading in readings for gpu in reading.gpus)


def default_sources() -> list[Source]:
    """Every source that may work here; the others report that once."""
    from runner.hardware.amd import AmdSource
    from runner.hardware.apple import AppleSource
    from runner.hardware.nvidia import NvidiaSource

    return [NvidiaSource(), AppleSource(), AmdSource()]
