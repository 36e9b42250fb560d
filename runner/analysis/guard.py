"""The guard of a running training: what it sees in, alarms out. Pure; the clock is handed in.

It raises an alarm once, lets it stand as long as it is true, and ends it by itself. Feeding it an
attempt's output again (a new supervisor does) gives the same findings; `restore` tells it which alarms
are told already.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from runner.analysis import guard_words as words
from runner.analysis.guard_loss import ROW_OF_BAD, LossWatch
from runner.analysis.guard_pace import PaceWatch, StallWatch
from runner.model import (
    Alarm,
    AlarmKind,
    Checkpoint,
    ConsoleEvent,
    EpochStarted,
    Phase,
    PhaseChanged,
    StepShown,
)
from runner.state.clock import Awake

#: an alarm is over when it has not been true for so long: what flickers is one alarm
CLEAR_S = 10.0
#: of one kind, so many alarms of an attempt are told; what comes after that stands in the status alone
TOLD_OF_A_KIND = 10
ALARMS_KEPT = 20
#: exact losses come a moment after the bar's: so long an average alone proves nothing
AVERAGE_ALONE_S = 5.0


@dataclass(frozen=True, slots=True)
class Change:
    """An alarm that was raised, or (`over_at` set) has ended. `data`: what belongs into the journal with it."""

    alarm: Alarm
    data: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Finding:
    """What is true now. `since_at`: None, from now on."""

    text: str
    step: int | None = None
    good_step: int | None = None
    since_at: float | None = None


class Guard:
    """Watches one attempt. Steps are true steps."""

    def __init__(self, clear_s: float = CLEAR_S) -> None:
        self.losses = LossWatch()
        self.stall = StallWatch()
        self.pace = PaceWatch()
        self.silent = False  # an attempt's past is being read again: it says nothing about time
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
        """The trainer has printed something, whatever it is."""
        self.stall.move(self._at(now))

    def on_console(self, event: ConsoleEvent, step: int, average: float | None, now: float) -> None:
        """An event of the console. `step`, `average`: the true step and the average that it leads to."""
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
        """The standing ones and the newest of those that are over, oldest first."""
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
        """What a predecessor has raised and ended, in order."""
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
        """Look at everything; about once a second. `evidence`: asked for a word on the trainer's
        processes when they are found to be stalled. `more`: what the hardware warns of."""
        at = self._at(now)
        self._look_at_pace(at)
        found = self._findings(now, at, checkpoints)
        for kind, text in (more or {}).items():
            found[kind] = Finding(text, self._step or None)
        changes: list[Change] = []
        for kind in AlarmKind:
            finding, standing = found.get(kind), self._standing.get(kind)
            if finding is not None:
                self._clear_since.pop(kind, None)
            if finding is not None and standing is None:
                if kind is AlarmKind.STALLED:
                    finding = replace(finding, text=finding.text + evidence())
                changes += self._raise(kind, finding, now)
            elif finding is not None and standing is not None:
                self._keep_true(kind, standing, finding)
            elif standing is not None:
                changes += self._end(kind, standing, now, at)
        return changes

    def refresh(self, checkpoints: Sequence[Checkpoint]) -> None:
        """The words of what stands, by what is known of the files now; raises and ends nothing."""
        found: dict[AlarmKind, Finding] = {}
        self._bad_losses(found, self._awake.elapsed_s, checkpoints)
        for kind, finding in found.items():
            if kind in self._standing:
                self._keep_true(kind, self._standing[kind], finding)

    def explain(self, kind: AlarmKind, reason: str) -> Alarm | None:
        """Add to a standing alarm why it is so."""
        standing = self._standing.get(kind)
        if standing is None:
            return None
        self._standing[kind] = replace(standing, text=f"{standing.text}, {reason}")
        return self._standing[kind]

    def _look_at_pace(self, at: float) -> None:
        resting = self.stall.phase is not Phase.TRAINING or self.stall.epoch_starts
        if self._paused or resting:
            self.pace.pause()
        else:
            self.pace.look(self._step, at)
        self._paused = False

    def _raise(self, kind: AlarmKind, finding: Finding, now: float) -> list[Change]:
        since = now if finding.since_at is None else finding.since_at
        alarm = Alarm(kind, since, finding.text, finding.step, finding.good_step)
        self._standing[kind] = alarm
        self._told[kind] = self._told.get(kind, 0) + 1
        if self._told[kind] > TOLD_OF_A_KIND:
            return []
        slow = kind is AlarmKind.SLOW
        return [Change(alarm, {"baseline_s": self.pace.baseline_s} if slow else {})]

    def _keep_true(self, kind: AlarmKind, standing: Alarm, finding: Finding) -> None:
        """Bad steps become more, and a checkpoint before them is found good: the words follow."""
        if kind in (AlarmKind.NONFINITE, AlarmKind.ONE_BAD_STEP):
            self._standing[kind] = replace(
                standing, text=finding.text, step=finding.step, good_step=finding.good_step
            )

    def _end(self, kind: AlarmKind, standing: Alarm, now: float, at: float) -> list[Change]:
        clear_at, clear_now = self._clear_since.setdefault(kind, (at, now))
        if at - clear_at < self._clear_s:
            return []
        self._clear_since.pop(kind)
        del self._standing[kind]
        alarm = replace(standing, over_at=clear_now)
        self._over = [*self._over, alarm][-ALARMS_KEPT:]
        return [Change(alarm)] if self._told.get(kind, 0) <= TOLD_OF_A_KIND else []

    # ----------------------------------------------------------------- what is true

    def _findings(
        self, now: float, at: float, checkpoints: Sequence[Checkpoint]
    ) -> dict[AlarmKind, Finding]:
        found: dict[AlarmKind, Finding] = {}
        self._bad_losses(found, at, checkpoints)
        losses, levels = self.losses, self.losses.diverged
        if levels is not None and AlarmKind.NONFINITE not in found:
            good = newest_good(checkpoints, levels.since)
            text = words.diverging(levels.since, levels.now, levels.low, good, exact=losses.exact)
            found[AlarmKind.DIVERGING] = Finding(text, levels.since, good)
        if losses.same.frozen:
            same = losses.same
            found[AlarmKind.FROZEN] = Finding(words.frozen(same.value, same.since), same.since)
        if self.stall.look(at, self.pace.seconds_per_step):
            silent = self.stall.still_s(at)
            text = words.stalled(self.stall.phase, silent, self.pace.seconds_per_step)
            found[AlarmKind.STALLED] = Finding(text, self._step or None, None, now - silent)
        if self.pace.slow:
            text = words.slow(self.pace.recent_s, self.pace.baseline_s, self.pace.since)
            found[AlarmKind.SLOW] = Finding(text, self.pace.since)
        return found

    def _bad_losses(
        self, found: dict[AlarmKind, Finding], at: float, checkpoints: Sequence[Checkpoint]
    ) -> None:
        losses, bad = self.losses, self.losses.bad
        if losses.exact:
            if bad.lasting:
                good = newest_good(checkpoints, bad.lasting_first)
                text = words.nonfinite(bad.lasting_first, good)
                if not bad.without_end:
                    text = words.many_bad(bad.lasting_first, bad.last, bad.recent)
                found[AlarmKind.NONFINITE] = Finding(text, bad.lasting_first, good)
            elif losses.recovered and (losses.poisoned or bad.good_after < ROW_OF_BAD):
                good = newest_good(checkpoints, bad.first)
                text = words.one_bad_step(bad.first, bad.last, bad.count, poisoned=losses.poisoned)
                found[AlarmKind.ONE_BAD_STEP] = Finding(text, bad.first, good)
            return
        first = losses.average_bad_first
        if first is None:
            self._average_bad_at = None
            return
        self._average_bad_at = at if self._average_bad_at is None else self._average_bad_at
        alone = at - self._average_bad_at >= AVERAGE_ALONE_S
        if alone and losses.average_bad_steps >= ROW_OF_BAD:
            good = newest_good(checkpoints, first)
            found[AlarmKind.NONFINITE] = Finding(words.average_only(first, good), first, good)


def newest_good(checkpoints: Sequence[Checkpoint], before: int | None) -> int | None:
    """True step of the newest whole, finite checkpoint whose weights no step from `before` on has touched."""
    steps = [
        c.step
        for c in checkpoints
        if c.complete and c.finite and not c.removed and not c.missing and c.step is not None
    ]
    return max((step for step in steps if before is None or step < before), default=None)
