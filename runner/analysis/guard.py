"""The guard of a running training: observations in, alarms out. Pure; the caller passes the clock.

It raises an alarm once, keeps it active while it is true, and ends it. Replaying an attempt's output (a new
supervisor does) gives the same findings; `restore` marks alarms as already reported.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from runner.analysis.guard_findings import (
    bad_losses,
    not_loaded,
    other_losses,
    slow,
    slow_start,
    stalled,
)
from runner.analysis.guard_loss import LossWatch
from runner.analysis.guard_pace import PaceWatch, StallWatch
from runner.analysis.usual_pace import UsualPace
from runner.model import Alarm, AlarmKind, Checkpoint, Phase
from runner.model.events import (
    ConsoleEvent,
    EpochStarted,
    PhaseChanged,
    StepShown,
    WarningSeen,
)
from runner.state.pace import Awake
from runner.trainers.sd_scripts.parts import not_loaded as part_not_loaded

#: an alarm ends after this long without its condition: flicker stays one alarm
CLEAR_S = 10.0
#: reported alarms of one kind per attempt; later ones are only in the status
TOLD_OF_A_KIND = 10
ALARMS_KEPT = 20
#: exact losses arrive a moment after the bar's; until then an average alone proves nothing
AVERAGE_ALONE_S = 5.0


@dataclass(frozen=True, slots=True)
class Change:
    """An alarm that was raised, or (`over_at` set) has ended. `data`: what the journal records with it."""

    alarm: Alarm
    data: dict[str, Any] = field(default_factory=dict)


class Guard:
    """Watches one attempt. Steps are true steps."""

    def __init__(self, clear_s: float = CLEAR_S) -> None:
        self.losses = LossWatch()
        self.stall = StallWatch()
        self.pace = PaceWatch()
        #: of earlier runs like this one, if there were any
        self.usual: UsualPace | None = None
        #: a full GPU spills into main memory here (Windows, WSL)
        self.spills = False
        self._parts: dict[str, None] = {}
        self.silent = False  # replaying an attempt's past: no timing information
        self._clear_s = clear_s
        self._awake = Awake()
        self._paused = False
        self._step = 0
        self._average_bad_at: float | None = None
        self._standing: dict[AlarmKind, Alarm] = {}
        self._clear_since: dict[AlarmKind, tuple[float, float]] = {}
        self._over: list[Alarm] = []
        self._told: dict[AlarmKind, int] = {}

    # ----------------------------------------------------------------- in

    def on_exact(self, step: int, loss: float) -> None:
        """The exact loss of a step."""
        self.losses.on_exact(step, loss)

    def on_bytes(self, now: float) -> None:
        """The trainer printed something."""
        self.stall.move(self._at(now))

    def on_console(self, event: ConsoleEvent, step: int, average: float | None, now: float) -> None:
        """An event of the console. `step`, `average`: the resulting true step and average."""
        at = self._at(now)
        match event:
            case StepShown():
                self._step = step
                self.stall.step(step, at)
                if event.average is not None and step:
                    value = event.average if average is None else average
                    self.losses.on_average(
                        step, value if math.isfinite(event.average) else math.nan
                    )
            case PhaseChanged(phase=phase):
                self._paused = self._paused or phase is not Phase.TRAINING
                self.stall.enter(phase, at)
            case WarningSeen(text=text) if (part := part_not_loaded(text)) is not None:
                self._parts[part] = None
            case EpochStarted():
                self._paused = True
                self.stall.epoch(at)
            case _:
                pass

    def _at(self, now: float) -> float:
        return self._awake.elapsed_s if self.silent else self._awake.look(now)

    # ----------------------------------------------------------------- out

    @property
    def alarms(self) -> tuple[Alarm, ...]:
        """The active alarms and the newest ended ones, oldest first."""
        kept = [*self._over, *self._standing.values()]
        return tuple(sorted(kept, key=lambda alarm: alarm.since_at)[-ALARMS_KEPT:])

    @property
    def standing(self) -> tuple[Alarm, ...]:
        return tuple(self._standing.values())

    @property
    def silent_s(self) -> float:
        """How long the trainer has been silent, in seconds awake."""
        return self.stall.silent_s(self._awake.elapsed_s)

    @property
    def silence_limit_s(self) -> float:
        return self.stall.limit_s(self.pace.seconds_per_step)

    def restore(self, told: Sequence[Change]) -> None:
        """What a previous supervisor raised and ended, in order."""
        for change in told:
            alarm = change.alarm
            self._standing.pop(alarm.kind, None)
            if alarm.over_at is not None:
                self._over.append(alarm)
                continue
            self._standing[alarm.kind] = alarm
            self._told[alarm.kind] = self._told.get(alarm.kind, 0) + 1
        if AlarmKind.STALLED in self._standing:
            self.stall.stalled = True
        slow, base = self._standing.get(AlarmKind.SLOW), None
        if slow is not None:
            base = next((c.data.get("baseline_s") for c in told[::-1] if c.alarm == slow), None)
        if slow is not None and isinstance(base, int | float):
            self.pace.restore(float(base), slow.step)

    def tick(
        self,
        now: float,
        checkpoints: Sequence[Checkpoint],
        evidence: Callable[[], str],
        more: Mapping[AlarmKind, str] | None = None,
    ) -> list[Change]:
        """Check everything, about once a second. `evidence`: called for the state of the trainer's processes
        when they stall. `more`: hardware warnings."""
        at = self._at(now)
        self._look_at_pace(at)
        found = self._bad_losses(now, at, checkpoints)
        others = {alarm.kind: alarm for alarm in other_losses(self.losses, checkpoints, now)}
        if AlarmKind.NONFINITE in found:
            others.pop(AlarmKind.DIVERGING, None)
        per_step = self.pace.seconds_per_step
        full = self.spills and AlarmKind.GPU_MEMORY_LOW in (more or {})
        rest = (
            *stalled(self.stall, per_step, at, now, self._step),
            *slow(self.pace, now),
            *slow_start(self.pace, self.usual, now, spills=full),
            *not_loaded(tuple(self._parts), now),
        )
        found |= others | {alarm.kind: alarm for alarm in rest}
        for kind, text in (more or {}).items():
            found[kind] = Alarm(kind, now, text, self._step or None)
        changes: list[Change] = []
        for kind in AlarmKind:
            alarm, standing = found.get(kind), self._standing.get(kind)
            if alarm is not None:
                self._clear_since.pop(kind, None)
                if standing is not None:
                    self._follow(standing, alarm)
                    continue
                extra = evidence() if kind is AlarmKind.STALLED else ""
                changes += self._raise(replace(alarm, text=alarm.text + extra))
            elif standing is not None:
                changes += self._end(standing, now, at)
        return changes

    def refresh(self, checkpoints: Sequence[Checkpoint]) -> None:
        """Refresh the text of active alarms from the current files; raises and ends nothing."""
        for kind, alarm in self._bad_losses(0.0, self._awake.elapsed_s, checkpoints).items():
            if kind in self._standing:
                self._follow(self._standing[kind], alarm)

    def explain(self, kind: AlarmKind, reason: str) -> Alarm | None:
        """Add the reason to an active alarm."""
        standing = self._standing.get(kind)
        if standing is None:
            return None
        self._standing[kind] = replace(standing, text=f"{standing.text}, {reason}")
        return self._standing[kind]

    def _bad_losses(
        self, now: float, at: float, checkpoints: Sequence[Checkpoint]
    ) -> dict[AlarmKind, Alarm]:
        if self.losses.average_bad_first is None:
            self._average_bad_at = None
        elif self._average_bad_at is None:
            self._average_bad_at = at
        since = at if self._average_bad_at is None else self._average_bad_at
        proven = at - since >= AVERAGE_ALONE_S
        found = bad_losses(self.losses, checkpoints, now, average_proves=proven)
        return {alarm.kind: alarm for alarm in found}

    def _look_at_pace(self, at: float) -> None:
        resting = self.stall.phase is not Phase.TRAINING or self.stall.epoch_starts
        if self._paused or resting:
            self.pace.pause()
        else:
            self.pace.look(self._step, at)
        self._paused = False

    def _raise(self, alarm: Alarm) -> list[Change]:
        self._standing[alarm.kind] = alarm
        self._told[alarm.kind] = self._told.get(alarm.kind, 0) + 1
        if self._told[alarm.kind] > TOLD_OF_A_KIND:
            return []
        slow = alarm.kind is AlarmKind.SLOW
        return [Change(alarm, {"baseline_s": self.pace.baseline_s} if slow else {})]

    def _follow(self, standing: Alarm, alarm: Alarm) -> None:
        """Update the text when more steps are bad or an earlier checkpoint is verified."""
        if alarm.kind in (AlarmKind.NONFINITE, AlarmKind.ONE_BAD_STEP):
            self._standing[alarm.kind] = replace(alarm, since_at=standing.since_at)

    def _end(self, standing: Alarm, now: float, at: float) -> list[Change]:
        kind = standing.kind
        clear_at, clear_now = self._clear_since.setdefault(kind, (at, now))
        if at - clear_at < self._clear_s:
            return []
        del self._clear_since[kind], self._standing[kind]
        alarm = replace(standing, over_at=clear_now)
        self._over = [*self._over, alarm][-ALARMS_KEPT:]
        return [Change(alarm)] if self._told.get(kind, 0) <= TOLD_OF_A_KIND else []
