"""Verdicts on a run whose trainer is at work."""

from __future__ import annotations

from runner.model import AlarmKind, Phase, RunSnapshot, RunState, Status
from runner.model.units import ago, change_percent, count, duration, loss, pace
from tui.text import clean
from tui.viewmodel.alarms import alarm_clauses, guard_reason, has_alarm, must_be_whole, past_clause
from tui.viewmodel.clauses import (
    Clause,
    Kind,
    Verdict,
    file_clauses,
    health,
    nan_words,
    problem_clauses,
    sentence,
    still_good,
)
from tui.viewmodel.expected import next_expected
from tui.viewmodel.progress import Progress, loss_now, newest_event
from tui.viewmodel.stopping import GUARD, next_save, price_of_stopping
from tui.viewmodel.trend import loss_trend, pace_change

#: a supervisor writes status.json every second or so; silence beyond this is worth a word
STALE_S = 15.0
#: a step that takes so many times the usual step is a silence worth a word
SILENT_STEPS = 20
SILENT_FLOOR_S = 60.0
_BUSY_WORDS = {
    Phase.LAUNCHING: "launching the trainer",
    Phase.DATASET: "preparing the data",
    Phase.LOADING: "loading the model",
    Phase.CACHING: "caching",
    Phase.PREPARING: "preparing the training",
    Phase.SAVING: "saving a checkpoint",
    Phase.SAMPLING: "drawing sample images",
    Phase.VALIDATING: "validating",
    Phase.FINISHED: "the last step is trained",
}


def training(snapshot: RunSnapshot, progress: Progress, now: float) -> Verdict:
    """Alarms, then loss, pace and warnings; then what stopping would cost."""
    alarms = alarm_clauses(snapshot)
    urgent = any(clause.role == "bad" for clause in alarms)
    second = (*_safety(snapshot, progress, now, brief=bool(alarms)), *problem_clauses(snapshot))
    if urgent:
        return Verdict(Kind.TROUBLE, alarms, second, urgent=True)
    state = [
        *alarms,
        *_silent_steps(snapshot, progress, now),
        _loss_clause(snapshot, progress),
        *file_clauses(snapshot),
    ]
    paces = _pace_clauses(snapshot, progress)
    kind = health((*state, *paces, *silence(snapshot, now)))
    past = past_clause(snapshot)
    first = (*state, *([past] if past is not None else []), *paces, *_warning_clauses(snapshot))
    return Verdict(kind, first, second, urgent=must_be_whole(snapshot))


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
            f"no step for {ago(silent_s)}, the usual pace is {pace(progress.seconds_per_step)}",
            "bad",
        ),
    )


def _last_step_at(snapshot: RunSnapshot) -> float | None:
    buckets = snapshot.loss.buckets
    if snapshot.spec is None or not buckets or buckets[-1].elapsed_s is None:
        return None
    return snapshot.spec.created_at + buckets[-1].elapsed_s


def _loss_clause(snapshot: RunSnapshot, progress: Progress) -> Clause:
    """The loss and, from two epochs on, how it changed from one to the next."""
    if progress.step <= 0:
        return Clause("no step yet", "dim")
    what = "loss" if snapshot.loss.exact or not snapshot.loss.rows else "average loss"
    said = f"{what} {loss(loss_now(snapshot))}"
    trend = loss_trend(snapshot.loss, progress.steps_per_epoch)
    if trend.kind == "unknown":
        return Clause(said)
    size = f"{'down' if trend.kind == 'falling' else 'up'} {change_percent(trend.change * 100)}"
    if trend.change > 1:
        size = "more than doubled"
    change = "no clear change" if trend.kind == "flat" else size
    role = "warn" if trend.kind == "rising" else "text"
    return Clause(f"{said}, {change} from {trend.noun} {trend.before} to {trend.after}", role)


def _pace_clauses(snapshot: RunSnapshot, progress: Progress) -> tuple[Clause, ...]:
    if has_alarm(snapshot, AlarmKind.SLOW):
        return ()
    recent = progress.seconds_per_step
    kind, usual = pace_change(snapshot.loss, recent)
    words = {
        "steady": Clause("pace steady"),
        "slower": Clause(f"slowing down: {pace(recent)}, was {pace(usual)}", "warn"),
        "faster": Clause(f"faster than before: {pace(recent)}, was {pace(usual)}"),
    }
    return (words[kind],) if kind in words else ()


def _warning_clauses(snapshot: RunSnapshot) -> tuple[Clause, ...]:
    status = snapshot.status
    if status is None or not status.warnings:
        return ()
    last = f": {clean(status.last_warning, 200)}" if status.last_warning else ""
    return (Clause(f"{count(status.warnings, 'warning')}{last}", "warn"),)


def _safety(
    snapshot: RunSnapshot, progress: Progress, now: float, brief: bool = False
) -> tuple[Clause, ...]:
    """A silent supervisor, an ordered stop, and always the price of stopping."""
    said = [*_armed(snapshot, progress), *silence(snapshot, now)]
    short = brief or bool(said)
    then = sentence(price_of_stopping(progress, short, "stopping then would have lost"))
    price = Clause(sentence(price_of_stopping(progress, short)), "dim", then)
    # what a person has ordered, or must know, first; the price must fit behind it
    coming = () if short else _coming(snapshot, progress)
    return (*said[:1], price, *said[1:], *coming)


def _coming(snapshot: RunSnapshot, progress: Progress) -> tuple[Clause, ...]:
    """The next save, with its time."""
    coming = next_expected(snapshot, progress)
    if coming is None:
        return ()
    wait = progress.seconds_until(coming.step)
    when = f", in {duration(wait)}" if wait is not None else ""
    return (Clause(f"Next save: step {coming.step}{when}.", "dim"),)


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
        text = "The supervisor is gone; training continues. o restarts the supervisor."
        return (Clause(text, "bad"),)
    silent_s = now - snapshot.status.heartbeat_at if snapshot.status is not None else 0.0
    if silent_s > STALE_S:
        return (Clause(f"No word from the supervisor for {ago(silent_s)}.", "warn"),)
    return ()


def busy(snapshot: RunSnapshot, status: Status, progress: Progress, now: float) -> Verdict:
    """A phase without steps: what it is, and since when."""
    what = _BUSY_WORDS.get(status.phase, clean(status.phase.value))
    detail = clean(status.phase_detail, 120)
    since_s = now - status.phase_since if status.phase_since > 0 else 0.0
    since = f", for {ago(since_s)}" if since_s >= 5 else ""
    alarms = alarm_clauses(snapshot)
    kind = health((*alarms, *silence(snapshot, now)))
    clauses = [*alarms, Clause(f"{what}: {detail}{since}" if detail else f"{what}{since}")]
    past = past_clause(snapshot)
    clauses += [*([past] if past is not None else []), *_warning_clauses(snapshot)]
    second = _safety(snapshot, progress, now) if progress.step else silence(snapshot, now)
    if kind is Kind.HEALTHY and status.phase is Phase.FINISHED:
        kind = Kind.FINISHING
    elif kind is Kind.HEALTHY and not progress.step:
        kind = Kind.STARTING
    return Verdict(
        kind,
        tuple(clauses),
        (*second, *problem_clauses(snapshot)),
        urgent=must_be_whole(snapshot),
    )


def evaluating(snapshot: RunSnapshot, status: Status) -> Verdict:
    """The supervisor reads again what was printed before, or verifies what the training has left."""
    head = Clause(clean(status.evaluating, 200))
    kind = Kind.STARTING if snapshot.state is RunState.STARTING else Kind.FINISHING
    return Verdict(kind, (head, *alarm_clauses(snapshot)), problem_clauses(snapshot))


def stopping(snapshot: RunSnapshot, progress: Progress, now: float) -> Verdict:
    """What has been done to stop it, and what is kept."""
    status = snapshot.status
    signalled = newest_event(snapshot, "signalled")
    if status is not None and status.saving_since is not None and signalled is None:
        head = "waiting until the checkpoint being written is complete"
    elif signalled is not None:
        name = clean(str(signalled.data.get("signal", "a signal")), 20)
        head = f"{name} sent {_past(now - signalled.at)}, waiting for the trainer to exit"
    else:
        head = "ordered, no signal sent yet"
    by_guard = status is not None and status.stop_by == GUARD
    kept = progress.stop_cost.kept_step
    text = f"Kept: everything up to step {kept}." if kept else "Nothing is saved yet."
    reason = guard_reason(snapshot) if by_guard else ""
    why = (Clause(sentence(reason), "bad"),) if reason else ()
    second = (*why, *silence(snapshot, now), Clause(text, "dim"))
    first = (Clause(f"by the guard: {head}" if by_guard else head, "warn"),)
    return Verdict(Kind.STOPPING, first, second, urgent=by_guard)


def _past(seconds: float) -> str:
    return "just now" if seconds < 5 else f"{ago(seconds)} ago"


def nonfinite(snapshot: RunSnapshot, progress: Progress, now: float, since: int) -> Verdict:
    """Every weight from there on is suspect."""
    first = (Clause(nan_words(since), "bad"), *alarm_clauses(snapshot))
    rest = (*_safety(snapshot, progress, now, brief=True), *problem_clauses(snapshot))
    return Verdict(Kind.TROUBLE, first, (still_good(snapshot), *rest), urgent=True)
