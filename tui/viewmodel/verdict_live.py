"""Verdicts on a run whose trainer is at work."""

from __future__ import annotations

import math

from runner.model import AlarmKind, Phase, RunSnapshot, Status
from runner.model.units import ago, change_percent, count, loss, pace
from tui.text import clean
from tui.viewmodel.alarms import alarm_clauses, guard_reason, has_alarm, must_be_whole, past_clause
from tui.viewmodel.clauses import (
    Clause,
    Verdict,
    file_clauses,
    first_nonfinite,
    problem_clauses,
    sentence,
    still_good,
)
from tui.viewmodel.progress import Progress, newest_event
from tui.viewmodel.stopping import GUARD, next_save, price_of_stopping
from tui.viewmodel.trend import loss_trend, pace_of

#: a supervisor writes status.json every second or so; silence beyond this is worth a word
STALE_S = 15.0
#: a step that takes so many times the usual step is a silence worth a word
SILENT_STEPS = 20
SILENT_FLOOR_S = 60.0
_BUSY_WORDS = {
    Phase.LAUNCHING: "Starting the trainer",
    Phase.DATASET: "Preparing the data",
    Phase.LOADING: "Loading the model",
    Phase.CACHING: "Caching",
    Phase.PREPARING: "Preparing the training",
    Phase.SAVING: "Saving",
    Phase.SAMPLING: "Drawing sample images",
    Phase.VALIDATING: "Validating",
    Phase.FINISHED: "The training loop is through; finishing",
}


def training(snapshot: RunSnapshot, progress: Progress, now: float) -> Verdict:
    """Alarms, then loss, pace and warnings; then what stopping would cost."""
    alarms = alarm_clauses(snapshot)
    urgent = any(clause.role == "bad" for clause in alarms)
    second = (*_safety(snapshot, progress, now, brief=urgent), *problem_clauses(snapshot))
    if urgent:
        return Verdict(alarms, second, urgent=True)
    past = past_clause(snapshot)
    first = [
        *alarms,
        *_silent_steps(snapshot, progress, now),
        _loss_clause(snapshot, progress),
        *file_clauses(snapshot),
        *([past] if past is not None else []),
        *_pace_clauses(snapshot),
        _warning_clause(snapshot),
    ]
    return Verdict(tuple(first), second, urgent=must_be_whole(snapshot))


def _silent_steps(snapshot: RunSnapshot, progress: Progress, now: float) -> tuple[Clause, ...]:
    """No step for far longer than a step takes, by the clock of the step journal: a guess for where no
    supervisor tells."""
    last_at = _last_step_at(snapshot)
    if last_at is None or progress.seconds_per_step is None:
        return ()
    silent_s = now - last_at
    if silent_s < max(SILENT_FLOOR_S, SILENT_STEPS * progress.seconds_per_step):
        return ()
    return (
        Clause(
            f"No step for {ago(silent_s)}, the usual pace is {pace(progress.seconds_per_step)}",
            "bad",
        ),
    )


def _last_step_at(snapshot: RunSnapshot) -> float | None:
    buckets = snapshot.loss.buckets
    if snapshot.spec is None or not buckets or buckets[-1].elapsed_s is None:
        return None
    return snapshot.spec.created_at + buckets[-1].elapsed_s


def _loss_clause(snapshot: RunSnapshot, progress: Progress) -> Clause:
    trend = loss_trend(snapshot.loss, progress.steps_per_epoch)
    what = "Loss" if snapshot.loss.exact or not snapshot.loss.rows else "Average loss"
    if trend.kind == "early":
        if progress.step <= 0:
            return Clause("No step yet", "dim")
        return Clause(f"{what} {loss(snapshot.loss.last)}, too early for a trend")
    if trend.kind == "flat":
        return Clause(f"{what} flat: no clear trend in its noise")
    role = "warn" if trend.kind == "rising" else "text"
    return Clause(f"{what} {trend.kind} {change_percent(trend.percent)} {trend.span}", role)


def _pace_clauses(snapshot: RunSnapshot) -> list[Clause]:
    if has_alarm(snapshot, AlarmKind.SLOW):
        return []
    found = pace_of(snapshot.loss)
    if found.kind == "steady":
        return [Clause("pace steady")]
    if found.kind == "slower":
        return [Clause(f"slowing down: {pace(found.recent_s)}, was {pace(found.usual_s)}", "warn")]
    if found.kind == "faster":
        return [Clause(f"faster than before: {pace(found.recent_s)}")]
    return []


def _warning_clause(snapshot: RunSnapshot) -> Clause:
    status = snapshot.status
    if status is None or not status.warnings:
        return Clause("no warnings")
    last = f": {clean(status.last_warning, 200)}" if status.last_warning else ""
    return Clause(f"{count(status.warnings, 'warning')}{last}", "warn")


def _safety(
    snapshot: RunSnapshot, progress: Progress, now: float, brief: bool = False
) -> tuple[Clause, ...]:
    """A silent supervisor, an ordered stop, and always the price of stopping."""
    said = [*_armed(snapshot, progress), *silence(snapshot, now)]
    price = Clause(sentence(price_of_stopping(progress, brief or bool(said))), "dim")
    # what a person has ordered, or must know, first; the price must fit behind it
    return (*said[:1], price, *said[1:])


def _armed(snapshot: RunSnapshot, progress: Progress) -> tuple[Clause, ...]:
    status = snapshot.status
    if status is None or not status.stop_after_save:
        return ()
    save = next_save(snapshot, progress)
    if status.stop_by == GUARD:
        return (Clause(f"The guard stops it after {save}.", "warn"),)
    return (Clause(f"Stops after {save}.", "warn"),)


def silence(snapshot: RunSnapshot, now: float) -> tuple[Clause, ...]:
    """Whether the supervisor still speaks."""
    if not snapshot.supervisor_alive and snapshot.status is not None:
        text = "The supervisor is gone; the training goes on. o gives it a new one."
        return (Clause(text, "bad"),)
    silent_s = now - snapshot.status.heartbeat_at if snapshot.status is not None else 0.0
    if silent_s > STALE_S:
        return (Clause(f"No word from the supervisor for {ago(silent_s)}.", "warn"),)
    return ()


def busy(snapshot: RunSnapshot, status: Status, progress: Progress, now: float) -> Verdict:
    """A phase without steps: what it is, and since when."""
    what = _BUSY_WORDS.get(status.phase, clean(status.phase.value).capitalize())
    detail = clean(status.phase_detail, 120)
    since_s = now - status.phase_since if status.phase_since > 0 else 0.0
    since = f", for {ago(since_s)}" if since_s >= 5 else ""
    alarms = alarm_clauses(snapshot)
    clauses = [*alarms, Clause(f"{what}: {detail}{since}" if detail else f"{what}{since}")]
    past = past_clause(snapshot)
    if past is not None:
        clauses.append(past)
    if status.warnings:
        clauses.append(_warning_clause(snapshot))
    second = _safety(snapshot, progress, now) if progress.step else silence(snapshot, now)
    urgent = must_be_whole(snapshot)
    return Verdict(tuple(clauses), (*second, *problem_clauses(snapshot)), urgent=urgent)


def evaluating(snapshot: RunSnapshot, status: Status) -> Verdict:
    """The supervisor reads again what was printed before, or verifies what the training has left."""
    head = Clause(sentence(clean(status.evaluating, 200)).rstrip("."))
    return Verdict((head, *alarm_clauses(snapshot)), (*problem_clauses(snapshot),))


def stopping(snapshot: RunSnapshot, progress: Progress, now: float) -> Verdict:
    """What has been done to stop it, and what is kept."""
    status = snapshot.status
    signalled = newest_event(snapshot, "signalled")
    if status is not None and status.saving_since is not None and signalled is None:
        head = "Stopping: waits until the checkpoint that is being written is whole"
    elif signalled is not None:
        name = clean(str(signalled.data.get("signal", "a signal")), 20)
        head = (
            f"Stopping: {name} sent {_past(now - signalled.at)}, waiting for the trainer to leave"
        )
    else:
        head = "Stopping: ordered, no signal sent yet"
    by_guard = status is not None and status.stop_by == GUARD
    if by_guard:
        head = head.replace("Stopping", "The guard stops it", 1)
    kept = progress.stop_cost.kept_step
    text = f"Kept: everything up to step {kept}." if kept else "Nothing is saved yet."
    reason = guard_reason(snapshot) if by_guard else ""
    why = (Clause(sentence(reason), "bad"),) if reason else ()
    second = (*why, *silence(snapshot, now), Clause(text, "dim"))
    return Verdict((Clause(head, "warn"),), second, urgent=by_guard)


def _past(seconds: float) -> str:
    return "just now" if seconds < 5 else f"{ago(seconds)} ago"


def nonfinite(snapshot: RunSnapshot, progress: Progress, now: float) -> Verdict:
    """Where no supervisor tells: single exact losses may recover (a skipped step); sd-scripts' running
    average never does."""
    first = first_nonfinite(snapshot)
    last = snapshot.loss.last
    rest = (*_safety(snapshot, progress, now, brief=True), *problem_clauses(snapshot))
    if snapshot.loss.exact and last is not None and math.isfinite(last):
        text = f"The loss was not finite at step {first} and is finite again"
        check = Clause("Trust only checkpoints that are marked finite.", "warn")
        return Verdict((Clause(text, "warn"),), (check, *rest))
    head = Clause(f"The loss is not finite since step {first}: training on is of no use", "bad")
    return Verdict((head,), (still_good(snapshot), *rest))
