"""Whether a running training still makes progress, and how fast compared to its start. Pure.

Time here is time awake: the sum of short spans between two checks. A sleeping machine, a clock change or a
stopped supervisor adds nothing, so none of them looks like a hung trainer.
"""

from __future__ import annotations

from collections import deque
from statistics import median

from runner.model import Phase

#: How long a phase may be silent before that is a stall. Loading from a slow disk, compiling and the first
#: kernels are long and silent; caching, sampling and validation move a bar.
PHASE_LIMIT_S: dict[Phase, float] = {
    Phase.LAUNCHING: 900.0,
    Phase.DATASET: 900.0,
    Phase.LOADING: 900.0,
    Phase.CACHING: 900.0,
    Phase.PREPARING: 900.0,
    Phase.SAVING: 300.0,
    Phase.SAMPLING: 600.0,
    Phase.VALIDATING: 600.0,
    Phase.FINISHED: 900.0,
}
#: once steps are known (sd-scripts.md §7 row 78): max(60 s, 20 steps)
STEP_LIMIT_S = 60.0
STEPS_OF_PATIENCE = 20.0
#: before that: the first step compiles and warms up
FIRST_STEP_LIMIT_S = 900.0
#: the first step of an epoch waits for its workers, which macOS and Windows spawn (row 77: 10 s each)
EPOCH_LIMIT_S = 180.0
KNOWN_STEPS = 5
#: a silence that ended well may recur and be longer; one reported as a stall counts less
LEARNT = 3.0
LEARNT_FROM_STALL = 1.2
#: bytes without a step are a sign of life in training, but not forever
WITHOUT_STEP = 3.0

#: steps per block of pace; this many blocks make a level, and a slow one must last as long
BLOCK_STEPS = 10
BLOCK_S = 20.0
LEVEL_BLOCKS = 6
SLOW = 1.5
#: compared with other runs: even the fastest of so many blocks takes so many times as long
KNOWN_BLOCKS, FAR_TOO_SLOW = 3, 3.0
#: seconds per step with a full card that spills into main memory, where no other run is known
SPILLED_S = 8.0
#: every block of a slow period must be this much slower; below that it ends
SLOW_EACH = 1.25


class StallWatch:
    """Silence compared to what this phase of this run has shown. Times are seconds awake."""

    def __init__(self) -> None:
        self.phase = Phase.LAUNCHING
        self.stalled = False
        self._epoch_start = False
        self._step = 0
        self._steps = 0
        self._moved = 0.0
        self._stepped = 0.0
        self._longest: dict[str, float] = {}
        self._longest_idle = 0.0

    def enter(self, phase: Phase, at: float) -> None:
        if phase is not self.phase:
            self.move(at)
            self.phase = phase
        self._stepped = at

    def epoch(self, at: float) -> None:
        """A new epoch starts: its workers start before its first step."""
        self.move(at)
        self._epoch_start, self._stepped = True, at

    def step(self, step: int, at: float) -> None:
        """The bar shows `step`; the same one again is bytes, not a step."""
        if step == self._step:
            return
        factor = LEARNT_FROM_STALL if self.stalled else LEARNT
        self._longest_idle = max(self._longest_idle, (at - self._stepped) * factor)
        self.move(at)
        self._step, self._stepped, self._epoch_start = step, at, False
        self._steps += 1

    def move(self, at: float) -> None:
        """The trainer printed something: the silence is over, and its length is learned."""
        silent = at - self._moved
        taught = silent * (LEARNT_FROM_STALL if self.stalled else LEARNT)
        key = self._key
        self._longest[key] = max(self._longest.get(key, 0.0), taught)
        self._moved, self.stalled = at, False

    @property
    def epoch_starts(self) -> bool:
        """An epoch has started without a step yet."""
        return self._epoch_start

    @property
    def _key(self) -> str:
        if self.phase is not Phase.TRAINING:
            return str(self.phase)
        return "epoch" if self._epoch_start else "step"

    def limit_s(self, seconds_per_step: float | None) -> float:
        """How long silence may last now."""
        return max(self._floor_s(seconds_per_step), self._longest.get(self._key, 0.0))

    def _floor_s(self, seconds_per_step: float | None) -> float:
        if self.phase is not Phase.TRAINING:
            return PHASE_LIMIT_S[self.phase]
        if self._steps < KNOWN_STEPS or seconds_per_step is None:
            return FIRST_STEP_LIMIT_S
        floor = EPOCH_LIMIT_S if self._epoch_start else STEP_LIMIT_S
        return max(floor, STEPS_OF_PATIENCE * seconds_per_step)

    def silent_s(self, at: float) -> float:
        """How long there has been no output."""
        return at - self._moved

    def still_s(self, at: float) -> float:
        """How long there has been no progress: a step in training, any sign of life elsewhere."""
        return at - (self._stepped if self.phase is Phase.TRAINING else self._moved)

    def look(self, at: float, seconds_per_step: float | None) -> bool:
        """Is it stalled now? True until there is output."""
        quiet = self.silent_s(at) > self.limit_s(seconds_per_step)
        longest = max(WITHOUT_STEP * self._floor_s(seconds_per_step), self._longest_idle)
        idle = self.phase is Phase.TRAINING and at - self._stepped > longest
        self.stalled = self.stalled or quiet or idle
        return self.stalled


class PaceWatch:
    """Seconds per step without pauses, compared to this run's fastest level."""

    def __init__(self) -> None:
        self.baseline_s: float | None = None
        self.slow = False
        self.since: int | None = None
        #: the fastest block so far, and how many there were
        self.fastest_s: float | None = None
        self.blocks = 0
        self._last: tuple[int, float] | None = None
        self._blocks: deque[tuple[int, float]] = deque(maxlen=LEVEL_BLOCKS)
        self._first_block = True
        self._first_s: float | None = None
        self._steps = 0
        self._seconds = 0.0
        #: of complete steps only: silence after the last one is not part of them
        self._whole_s = 0.0

    def restore(self, baseline_s: float, since: int | None) -> None:
        """What a previous supervisor found: slow until the blocks show otherwise."""
        self.baseline_s, self.slow, self.since = baseline_s, True, since

    def pause(self) -> None:
        """The time between the last check and the next one is not training."""
        self._last = None

    def look(self, step: int, at: float) -> None:
        """The newest step at `at`, while training."""
        last, self._last = self._last, (step, at)
        if last is None or step < last[0]:
            return
        self._steps += step - last[0]
        self._seconds += at - last[1]
        if step > last[0]:
            self._whole_s = self._seconds
        # a block ends with a step: its time is that of complete steps
        if self._steps >= BLOCK_STEPS and self._seconds >= BLOCK_S and step > last[0]:
            self._close(step)

    def _close(self, step: int) -> None:
        pace, self._steps, self._seconds = self._seconds / self._steps, 0, 0.0
        self._first_s = self._first_s or pace
        if self._first_block:  # it includes the warm-up
            self._first_block = False
            return
        self._blocks.append((step, pace))
        self.blocks += 1
        self.fastest_s = pace if self.fastest_s is None else min(pace, self.fastest_s)
        if len(self._blocks) < LEVEL_BLOCKS:
            return
        level = self.recent_s
        assert level is not None
        if self.baseline_s is None or level < self.baseline_s:
            self.baseline_s = level
        least = min(pace for _, pace in self._blocks)
        if self.slow:
            self.slow = level > self.baseline_s * SLOW_EACH
        else:
            self.slow = level > self.baseline_s * SLOW and least > self.baseline_s * SLOW_EACH
            self.since = self._blocks[0][0] if self.slow else None

    @property
    def known(self) -> bool:
        """Were there enough steps after the warm-up to compare their pace with other runs?"""
        return self.blocks >= KNOWN_BLOCKS

    @property
    def recent_s(self) -> float | None:
        """Median of the last blocks; None before there are enough."""
        if len(self._blocks) < LEVEL_BLOCKS:
            return None
        return median(pace for _, pace in self._blocks)

    @property
    def seconds_per_step(self) -> float | None:
        """The best estimate of a step's time, however few there were."""
        if self._blocks:
            return median(pace for _, pace in self._blocks)
        return self._whole_s / self._steps if self._steps else self._first_s
