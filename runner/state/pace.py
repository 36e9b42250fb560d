"""How fast the training goes. tqdm's own rate is wrong since sd-scripts v0.10 and after a resume, so it is
measured: steps against the clock, without pauses for saving, sampling and validation. A live run calls `look`
often: then sleep time is left out too."""

from __future__ import annotations

from collections import deque

#: time window of the pace
WINDOW_STEPS = 200
WINDOW_S = 120.0
#: the longest span between two calls that counts as time awake
LONGEST_SPAN_S = 5.0


class Awake:
    """Seconds that this process was awake, from a clock that may jump."""

    def __init__(self) -> None:
        self._seen: float | None = None
        self.elapsed_s = 0.0

    def look(self, now: float) -> float:
        """Call often: spans longer than LONGEST_SPAN_S count as that."""
        if self._seen is not None:
            self.elapsed_s += min(max(0.0, now - self._seen), LONGEST_SPAN_S)
        self._seen = now
        return self.elapsed_s


class Pace:
    """Seconds per step of the recent past, and of the full attempt with its pauses."""

    def __init__(self) -> None:
        self._points: deque[tuple[int, float]] = deque()
        self._paused_s = 0.0
        self._paused_since: float | None = None
        self._first: tuple[int, float] | None = None
        self._last: tuple[int, float] | None = None
        self._awake = Awake()
        self._looked_at: float | None = None
        self._asleep_s = 0.0

    def look(self, now: float) -> None:
        """The clock is at `now`. A long gap since the previous call beyond one short span was not
        training: the machine slept, or its clock was set."""
        before = self._awake.elapsed_s
        awake_s = self._awake.look(now) - before
        if self._looked_at is not None:
            self._asleep_s += (now - self._looked_at) - awake_s
        self._looked_at = now

    def on_step(self, step: int, now: float) -> None:
        """A step was finished at `now`. The end of a pause is unknown: the step after it is estimated from
        the earlier pace."""
        now -= self._asleep_s
        if self._paused_since is not None:
            self._resume(max(self._paused_since, now - (self.seconds_per_step or 0.0)))
        if self._first is None:
            self._first = (step, now)
        self._last = (step, now)
        clock = now - self._paused_s
        if self._points and self._points[-1][1] >= clock:
            self._points[-1] = (step, self._points[-1][1])
            return
        self._points.append((step, clock))
        while len(self._points) > 2 and (
            len(self._points) > WINDOW_STEPS or clock - self._points[0][1] > WINDOW_S
        ):
            self._points.popleft()

    def pause(self, now: float) -> None:
        if self._paused_since is None and self._first is not None:
            self._paused_since = now - self._asleep_s

    def _resume(self, now: float) -> None:
        if self._paused_since is not None:
            self._paused_s += max(0.0, now - self._paused_since)
            self._paused_since = None

    @property
    def seconds_per_step(self) -> float | None:
        """Of recent steps, without pauses; None before there are two."""
        if len(self._points) < 2:
            return None
        (first, begin), (last, end) = self._points[0], self._points[-1]
        return (end - begin) / (last - first) if last > first and end > begin else None

    @property
    def seconds_per_step_with_pauses(self) -> float | None:
        """Of the full attempt: used for the remaining time."""
        if self._first is None or self._last is None or self._last[0] <= self._first[0]:
            return None
        return (self._last[1] - self._first[1]) / (self._last[0] - self._first[0])

    def eta_s(self, step: int, total: int | None, now: float) -> float | None:
        """Seconds until `total`, from the slower of the two paces (there will be more pauses)."""
        recent, whole = self.seconds_per_step, self.seconds_per_step_with_pauses
        if total is None or recent is None or self._last is None:
            return None
        done = self._last[0] - self._first[0] if self._first else 0
        overhead = max(0.0, whole - recent) if whole is not None and done > 50 else 0.0
        remaining = max(0, total - step) * (recent + min(overhead, recent))
        since_step = now - self._asleep_s - self._last[1]  # negative if the clock was set meanwhile
        return max(0.0, remaining - min(max(0.0, since_step), recent))
