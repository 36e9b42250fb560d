"""The verdict: one word and one sentence, most important first, and what a stop would cost."""

from __future__ import annotations

import math
import time
from collections.abc import Sequence
from dataclasses import replace
from itertools import pairwise

from rich.cells import cell_len
from textual.reactive import reactive

from runner.analysis.diagnosis.titles import cause_title
from runner.analysis.smoke import smoke_passed
from runner.model import (
    AlarmKind,
    Approval,
    CheckResult,
    Forecast,
    JobPhase,
    LossBucket,
    LossSeries,
    Outcome,
    Phase,
    RunSnapshot,
    RunState,
    Status,
    Waiting,
)
from runner.model.lean import dataclass
from runner.model.signals import signal_name
from runner.model.units import ago, change_percent, count, duration, file_size, loss, pace, some
from tui.backend.results import Plan
from tui.kit import glyphs
from tui.kit.paint import Row, Span, append, fit, row_width
from tui.kit.painted import Painted
from tui.panels.plan import gate_sentence
from tui.text import clean, crop
from tui.words.alarms import alarm_clauses, guard_reason, has_alarm, must_be_whole, past_clause
from tui.words.cause import KILLED, UNKNOWN, cause_of, crash_of, recommended
from tui.words.checklist import Checklist
from tui.words.checkpoints import best_checkpoint
from tui.words.clauses import (
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
from tui.words.progress import (
    Progress,
    current_checkpoints,
    expected_checkpoints,
    is_good,
    loss_now,
    nan_since,
    newest_event,
    next_expected,
    progress_of,
)
from tui.words.questions import CLUSTER, GUARD, next_save, price_of_stopping
from tui.words.queue import expected

# ---------------------------------------------------------------------------
# What the loss does from epoch to epoch, and whether the pace changes: only what the numbers carry.
#
# The loss of a diffusion training is mostly noise (its size depends on the timestep drawn), so a change
# counts as one only if it clearly exceeds its standard error, and ends only where it clearly does not.

#: shorter epochs are compared in groups of as many steps
MIN_STEPS = 50
#: standard errors from which on a change is called one, and down to which it still is
BEGINS, ENDS = 2.5, 1.0
#: the running average's neighbours are not independent
LOOSER = 2.0
#: share of the mean below which a change is not mentioned
SMALLEST = 0.01
STEADY = (0.8, 1.25)
MIN_PAIRS = 12


@dataclass(frozen=True, slots=True)
class Trend:
    """`kind`: falling, rising, flat (no clear change), or unknown (before two epochs). `change`: of the mean,
    as a share of the mean before, from `before` to `after` ("epoch 1" or "epochs 1-3", without the noun)."""

    kind: str = "unknown"
    change: float = 0.0
    noun: str = "epoch"
    before: str = ""
    after: str = ""


def loss_trend(series: LossSeries, steps_per_epoch: float | None) -> Trend:
    """Of the last two complete epochs, by the means of the summary's epoch table. All epochs are walked
    through in order: what was called a change before needs less to be called one still."""
    length = round(steps_per_epoch or 0)
    if length < 1:
        return Trend()
    group = -(-MIN_STEPS // length)

    def name(n: int) -> str:
        return str(n + 1) if group == 1 else f"{n * group + 1}-{(n + 1) * group}"

    found = Trend()
    for (a, before, error_a), (b, after, error_b) in pairwise(_means(series, length * group)):
        change = after - before
        kind = "falling" if change < 0 else "rising"
        limit = (ENDS if found.kind == kind else BEGINS) * math.hypot(error_a, error_b)
        limit *= 1.0 if series.exact else LOOSER
        if before <= 0 or abs(change) <= max(limit, SMALLEST * before):
            kind = "flat"
        share = change / before if before > 0 else 0.0
        found = Trend(kind, share, "epoch" if group == 1 else "epochs", name(a), name(b))
    return found


def _means(series: LossSeries, length: int) -> list[tuple[int, float, float]]:
    """(number from 0, mean, its standard error) of each complete stretch of `length` steps; a bucket that
    spans two counts for each by its share."""
    parts: dict[int, list[tuple[float, float]]] = {}
    for b in series.buckets:
        if b.mean is None:
            continue
        weight = (b.count - b.nonfinite) / (b.last_step - b.first_step + 1)
        for n in range((b.first_step - 1) // length, (b.last_step - 1) // length + 1):
            steps = min(b.last_step, (n + 1) * length) - max(b.first_step, n * length + 1) + 1
            parts.setdefault(n, []).append((b.mean, weight * steps))
    complete = (series.last_step or 0) // length
    return [(n, *_mean(found)) for n, found in parts.items() if n < complete and len(found) > 2]


def _mean(parts: Sequence[tuple[float, float]]) -> tuple[float, float]:
    total = math.fsum(weight for _, weight in parts)
    mean = math.fsum(value * weight for value, weight in parts) / total
    spread = math.fsum(weight * (value - mean) ** 2 for value, weight in parts) / total
    return mean, math.sqrt(spread / (len(parts) - 1))


def pace_change(series: LossSeries, recent_s: float | None) -> tuple[str, float | None]:
    """`recent_s`, the run's pace of now, against its own median seconds a step: (steady, slower, faster or
    unknown; the median). Medians forgive saves and resumes."""
    times = sorted(_step_times(series.buckets))
    usual = times[len(times) // 2] if len(times) >= MIN_PAIRS else 0.0
    if usual <= 0 or recent_s is None:
        return "unknown", None
    ratio = recent_s / usual
    return "slower" if ratio > STEADY[1] else "faster" if ratio < STEADY[0] else "steady", usual


def _step_times(buckets: Sequence[LossBucket]) -> list[float]:
    """Seconds a step, one value a pair of neighbouring buckets."""
    return [
        (after.elapsed_s - before.elapsed_s) / (after.last_step - before.last_step)
        for before, after in pairwise(buckets)
        if before.elapsed_s is not None
        and after.elapsed_s is not None
        and after.last_step > before.last_step
        and after.elapsed_s >= before.elapsed_s
    ]


# ---------------------------------------------------------------------------
# Verdicts on a run whose trainer is at work.

#: a supervisor writes status.json every second or so; silence beyond this is mentioned
STALE_S = 15.0
#: a step that takes this many times the usual is mentioned as silence
SILENT_STEPS = 20
SILENT_FLOOR_S = 60.0
_WORST = {"bad": 0, "warn": 1}
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
    # the reason why it is not healthy leads: a narrow screen cuts the rest
    trouble = sorted(
        (c for c in (*state, *paces) if c.role in _WORST), key=lambda c: _WORST[c.role]
    )
    calm = [c for c in (*state, *paces) if c.role not in _WORST]
    past = past_clause(snapshot)
    over = [past] if past is not None else []
    last = (*_best(snapshot), *_warning_clauses(snapshot))
    first = (*trouble, *calm[:1], *over, *calm[1:], *last)
    return Verdict(kind, first, second, urgent=must_be_whole(snapshot))


def _best(snapshot: RunSnapshot) -> tuple[Clause, ...]:
    best = best_checkpoint(snapshot)
    return (Clause(f"Best so far: step {best.step}", full=True),) if best is not None else ()


def _silent_steps(snapshot: RunSnapshot, progress: Progress, now: float) -> tuple[Clause, ...]:
    """No step for far longer than a step takes, by the clock of the step journal: a guess where no
    supervisor reports."""
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
    return (Clause(f"{count(status.warnings, 'warning')}{last}", "warn", full=True),)


def _safety(
    snapshot: RunSnapshot, progress: Progress, now: float, brief: bool = False
) -> tuple[Clause, ...]:
    """A silent supervisor, an ordered stop, and always the price of stopping."""
    said = [*_armed(snapshot, progress), *silence(snapshot, now)]
    then = sentence(price_of_stopping(progress, True, "stopping then would have lost"))
    price = Clause(sentence(price_of_stopping(progress, True)), "dim", then)
    # what a person has ordered, or must know, first; the price must fit behind it
    after = () if brief or said else (*_coming(snapshot, progress), *_safe(progress))
    return (*said[:1], price, *said[1:], *after)


def _safe(progress: Progress) -> tuple[Clause, ...]:
    kept, state = progress.stop_cost.kept_step, progress.stop_cost.with_state
    text = f"Step {kept} is saved{', with state' if state else ''}."
    return (Clause(text, "dim"),) if kept else ()


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
        return (Clause(f"The guard stops the run after {save}.", "warn"),)
    return (Clause(f"Stops after {save}.", "warn"),)


def silence(snapshot: RunSnapshot, now: float) -> tuple[Clause, ...]:
    """Whether the supervisor still speaks."""
    if not snapshot.supervisor_alive and snapshot.status is not None and snapshot.job is None:
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


def queued(snapshot: RunSnapshot, now: float) -> Verdict:
    """What it waits for, its place, and when it is expected to start."""
    status = snapshot.status
    waiting = (status.waiting if status is not None else None) or Waiting()
    place = f"number {waiting.place} of {waiting.places} in the queue" if waiting.place else ""
    if waiting.held:
        second = (
            Clause("It starts after `plasma-tui queue --release`, or u in the list of runs (h)."),
        )
        first = Clause(clean(waiting.reason, 400))
        return Verdict(Kind.HELD, (first,), (*second, *problem_clauses(snapshot)), long=True)
    what = clean(waiting.reason, 300) or place or "waits for its turn"
    at = expected(waiting.expected_start_at, now)
    rest = [place] if place and place != what else []
    rest += [f"starts about {at}" if at != "now" else "starts when its slot is free"] if at else []
    where = (Clause(", ".join(rest)),) if rest else ()
    more = (*where, *problem_clauses(snapshot))
    if not snapshot.supervisor_alive and snapshot.job is None:
        more = (Clause("Its process is gone: o restarts it.", "warn"), *more)
    return Verdict(Kind.QUEUED, (Clause(what),), more)


def stopping(snapshot: RunSnapshot, progress: Progress, now: float) -> Verdict:
    """What has been done to stop it, and what is kept."""
    status, job = snapshot.status, snapshot.job
    signalled = newest_event(snapshot, "signalled")
    between = status is not None and status.state is RunState.ENDED
    if between:
        head = "its Slurm job has ended, the next job is being submitted"
    elif job is not None and job.phase is JobPhase.OVER:
        head = "its Slurm job has ended, its files are being checked"
    elif status is not None and status.saving_since is not None and signalled is None:
        head = "waiting until the checkpoint being written is complete"
    elif signalled is not None:
        name = clean(str(signalled.data.get("signal", "a signal")), 20)
        head = f"{name} sent {_past(now - signalled.at)}, waiting for the trainer to exit"
    else:
        head = "requested, no signal sent yet"
    by_guard = status is not None and status.stop_by == GUARD
    kept = progress.stop_cost.kept_step
    text = f"Kept: everything up to step {kept}." if kept else "Nothing is saved yet."
    reason = guard_reason(snapshot) if by_guard else ""
    why = (Clause(sentence(reason), "bad"),) if reason else ()
    silent = () if between else silence(snapshot, now)
    second = (*why, *silent, Clause(text, "dim"))
    first = (Clause(f"by the guard: {head}" if by_guard else head, "warn"),)
    return Verdict(Kind.STOPPING, first, second, urgent=by_guard)


def _past(seconds: float) -> str:
    return "just now" if seconds < 5 else f"{ago(seconds)} ago"


def nonfinite(snapshot: RunSnapshot, progress: Progress, now: float, since: int) -> Verdict:
    """Every weight from there on is suspect."""
    first = (Clause(nan_words(since), "bad"), *alarm_clauses(snapshot))
    rest = (*_safety(snapshot, progress, now, brief=True), *problem_clauses(snapshot))
    return Verdict(Kind.TROUBLE, first, (still_good(snapshot), *rest), urgent=True)


# ---------------------------------------------------------------------------
# Verdicts on a run that is over: the outcome, its cause, and what is left of it.

_MADE_OF = {
    "inspected": "From its log alone: plasma-tui didn't run it.",
    "imported": "From its files alone: plasma-tui didn't run it.",
}


def ended(snapshot: RunSnapshot, progress: Progress, approval: Approval | None = None) -> Verdict:
    """By outcome, with its cause in a few words; the card has the rest."""
    outcome = snapshot.outcome or (snapshot.status.outcome if snapshot.status else None)
    origin = snapshot.spec.origin if snapshot.spec is not None else ""
    if origin and outcome is None:
        # the first reason names what the run was imported from
        reasons = snapshot.status.reasons[1:] if snapshot.status is not None else ()
        rest = tuple(Clause(sentence(clean(one, 200)), "dim") for one in reasons)
        head = Clause("imported: plasma-tui didn't run it, so it has no verdict")
        return Verdict(Kind.ENDED, (head,), (*rest, *problem_clauses(snapshot)))
    found = _evaluated(snapshot, progress, outcome, approval)
    if origin:
        made_of = Clause(_MADE_OF.get(origin, origin), "dim")
        return replace(found, second=(made_of, *found.second))
    return found


def _evaluated(
    snapshot: RunSnapshot, progress: Progress, outcome: Outcome | None, approval: Approval | None
) -> Verdict:
    kept = _kept(progress)
    if outcome is None:
        head = Clause(f"{_at(progress)}; not evaluated yet", "warn")
        return Verdict(Kind.ENDED, (head,), (kept, *problem_clauses(snapshot)))
    if outcome is Outcome.SUCCEEDED:
        return _succeeded(snapshot, progress, approval)
    first = [*_what(snapshot, outcome, progress), *_guard(snapshot, outcome)]
    if outcome is Outcome.DIVERGED:
        kept = still_good(snapshot)
    second = (*_survivors(snapshot), *_key(snapshot), kept, *problem_clauses(snapshot))
    return Verdict(Kind[outcome.name], tuple(first), second)


def _what(snapshot: RunSnapshot, outcome: Outcome, progress: Progress) -> list[Clause]:
    """What happened, and where."""
    if outcome is Outcome.DIVERGED:
        since = nan_since(snapshot)
        return [Clause(nan_words(since) if since is not None else "loss is NaN", "bad")]
    if outcome is Outcome.NOTHING_TRAINED:
        return [Clause("the trainer exited without a single step", "bad"), *_cause(snapshot)]
    if outcome is Outcome.STOPPED:
        return [Clause(f"{_at(progress)}{_by_whom(snapshot)}")]
    cause = _cause(snapshot)
    if outcome is Outcome.KILLED and not cause:
        crash = crash_of(snapshot)
        by = f"from outside{_signal(snapshot)}, not by plasma-tui"
        cause = [Clause(f"the trainer crashed ({crash})" if crash else by, "bad")]
    return [*cause, Clause(_at(progress), "text" if cause else "bad")]


def _signal(snapshot: RunSnapshot) -> str:
    attempts = snapshot.status.attempts if snapshot.status is not None else ()
    number = attempts[-1].exit.signal if attempts and attempts[-1].exit is not None else None
    return f" ({signal_name(number)})" if number is not None else ""


def _by_whom(snapshot: RunSnapshot) -> str:
    by = snapshot.status.stop_by if snapshot.status is not None else None
    if by == GUARD:
        return " by the guard"
    if by == CLUSTER:
        return ", because its Slurm job ends"
    # a user without a name has a number, which is no help
    named = by is not None and not by.isdigit()
    return f", as requested by {clean(by, 40)}" if by and named else ", as requested"


def _guard(snapshot: RunSnapshot, outcome: Outcome) -> list[Clause]:
    """Why the guard has stopped it."""
    status = snapshot.status
    if status is None or status.stop_by != GUARD:
        return []
    if outcome is not Outcome.STOPPED:
        return [Clause("stopped by the guard")]
    reason = guard_reason(snapshot)
    return [Clause(reason, "bad")] if reason else []


def _at(progress: Progress) -> str:
    if progress.step <= 0:
        return "before the first step"
    return f"at step {progress.step}" + (f"/{progress.total_steps}" if progress.total_steps else "")


def _cause(snapshot: RunSnapshot) -> list[Clause]:
    """Its title, unless the outcome means the same; the evidence of an unknown cause."""
    cause = cause_of(snapshot)
    if cause is None or cause.key == KILLED:
        return []
    text = clean(cause.evidence, 300) if cause.key == UNKNOWN else clean(cause_title(cause.key), 80)
    return [Clause(text, "bad")] if text else []


def _key(snapshot: RunSnapshot) -> list[Clause]:
    """The one key that is recommended; what it does, and all advice, is on the cause card."""
    key = recommended(snapshot)
    if key == "retry":
        return [Clause("y: retry with a fix.", "accent")]
    step = snapshot.status.safe_step if snapshot.status is not None else 0
    return [Clause(f"r: resume from step {step}.", "accent")] if key == "resume" else []


def _survivors(snapshot: RunSnapshot) -> list[Clause]:
    """Processes of the training that outlived its end: they may hold memory and the GPU."""
    found = newest_event(snapshot, "survivors")
    left = found.data.get("processes") if found is not None else None
    if not isinstance(left, list | tuple) or not left:
        return []
    named = [
        f"{one[1]} (pid {one[0]})" for one in left if isinstance(one, list | tuple) and len(one) > 1
    ]
    text = some(named) or count(len(left), "process")
    return [Clause(f"Still running: {clean(text, 80)}.", "bad")]


def _kept(progress: Progress) -> Clause:
    cost = progress.stop_cost
    if not cost.kept_step:
        return Clause("No checkpoint was kept.", "dim")
    kept, after = cost.kept_step, cost.steps
    lost = f", {count(after, 'step')} after it {'is' if after == 1 else 'are'} lost"
    return Clause(f"Kept up to step {kept}{lost if after > 0 else ''}.", "dim")


def _succeeded(snapshot: RunSnapshot, progress: Progress, approval: Approval | None) -> Verdict:
    took = f" in {duration(progress.trained_s)}" if progress.trained_s else ""
    first = [Clause(f"{count(progress.step, 'step')}{took}")]
    first += _loss_over_run(snapshot)
    past = past_clause(snapshot)
    first += [past] if past is not None else []
    written = [c for c in current_checkpoints(snapshot) if not c.removed]
    good = sum(is_good(c) for c in written)
    role = "text" if good == len(written) else "warn"
    second = [Clause(f"{good} of {count(len(written), 'checkpoint')} complete and finite.", role)]
    if snapshot.spec is not None and snapshot.spec.smoke:
        second.insert(0, _smoke(snapshot, approval))
    second += [Clause(sentence(one.text), one.role) for one in file_clauses(snapshot)]
    missing = len(expected_checkpoints(snapshot))
    if missing:
        second.append(Clause(f"{count(missing, 'expected file')} not written.", "warn"))
    best = best_checkpoint(snapshot) if len(written) > 1 else None
    if best is not None:
        second.append(Clause(f"Best: step {best.step}."))
    return Verdict(
        Kind.SUCCEEDED, tuple(first), (*second, *_survivors(snapshot), *problem_clauses(snapshot))
    )


def _smoke(snapshot: RunSnapshot, approval: Approval | None) -> Clause:
    """The next step after a smoke test."""
    if approval is not None:
        when = time.strftime("%Y-%m-%d %H:%M", time.localtime(approval.at))
        return Clause(f"Approved by {clean(approval.by, 40)}, {when}: s starts the run.", "good")
    if not smoke_passed(snapshot):
        return Clause("The smoke test did not pass: see its verdict.", "bad")
    return Clause("A smoke test: y approves it for the long run.", "accent")


def _loss_over_run(snapshot: RunSnapshot) -> list[Clause]:
    """From the mean of the first tenth, as single losses say little."""
    means = [b.mean for b in snapshot.loss.buckets if b.mean is not None]
    if len(means) < 10:
        return []
    tenth = max(1, len(means) // 10)
    first = sum(means[:tenth]) / tenth
    return [Clause(f"loss from {loss(first)} to {loss(loss_now(snapshot))}")]


def lost(snapshot: RunSnapshot, progress: Progress, now: float) -> Verdict:
    """Neither alive nor recorded as ended."""
    status = snapshot.status
    silent_s = now - status.heartbeat_at if status is not None and status.heartbeat_at else 0.0
    since = f"; last heartbeat {ago(silent_s)} ago" if silent_s >= 5 else ""
    head = Clause(f"no supervisor, no trainer, no record of an end{since}", "bad")
    kept = () if snapshot.without_status else (_kept(progress),)
    second = (*_key(snapshot), *kept, *problem_clauses(snapshot))
    return Verdict(Kind.LOST, (head,), second)


# ---------------------------------------------------------------------------
# The verdict of any state.


def verdict_of(
    snapshot: RunSnapshot | None, now: float, approval: Approval | None = None
) -> Verdict:
    """What a person should know of this run at `now` (wall clock). `approval`: a smoke test's."""
    if snapshot is None:
        return Verdict(Kind.READING, (Clause("the run folder", "dim"),))
    progress, status = progress_of(snapshot), snapshot.status
    if snapshot.newer:
        return Verdict(Kind.UNKNOWN, (Clause(clean(snapshot.newer), "warn"),), long=True)
    if snapshot.state is RunState.QUEUED:
        return queued(snapshot, now)
    if snapshot.state is RunState.LOST:
        return lost(snapshot, progress, now)
    if snapshot.state is RunState.ENDED:
        return ended(snapshot, progress, approval)
    if status is not None and status.evaluating:
        return evaluating(snapshot, status)
    if snapshot.state is RunState.STOPPING:
        return stopping(snapshot, progress, now)
    if status is None:
        head = Clause("waiting for the trainer")
        return Verdict(Kind.STARTING, (head,), problem_clauses(snapshot))
    since = nan_since(snapshot)
    if since is not None:
        return nonfinite(snapshot, progress, now, since)
    if status.phase is not Phase.TRAINING:
        return busy(snapshot, status, progress, now)
    return training(snapshot, progress, now)


def ready_verdict(plan: Plan | None, checklist: Checklist) -> Verdict:
    """Before the start: what a start would do, or why it would be refused."""
    if plan is None:
        return Verdict(Kind.READING, (Clause("plasma.toml", "dim"),))
    if plan.problem:
        number = len(plan.problems)
        more = f" {count(number, 'problem')} in all." if number > 1 else ""
        after = Clause(f"e opens the file.{more}", "accent")
        head = Clause(clean(plan.problem, 400), "bad")
        return Verdict(Kind.NOT_READY, (head,), (after,), long=True)
    failed = checklist.failed
    kind = Kind.NOT_READY if failed else Kind.CHECKING if checklist.running else Kind.READY
    return Verdict(kind, _amount(plan.forecast), (_next_step(plan, checklist, failed),))


def _amount(forecast: Forecast | None) -> tuple[Clause, ...]:
    if forecast is None or forecast.steps is None:
        return (Clause("step count unknown", "warn"),)
    first = [Clause(count(forecast.steps, "step"))]
    first.append(Clause(count(len(forecast.checkpoints), "checkpoint")))
    if forecast.size_bytes is not None:
        first.append(Clause(file_size(forecast.size_bytes)))
    if forecast.duration_s is not None:
        first.append(Clause(duration(forecast.duration_s)))
    return tuple(first)


def _next_step(plan: Plan, checklist: Checklist, failed: Sequence[CheckResult]) -> Clause:
    """The one thing that a person should do now."""
    if failed:
        names = ", ".join(clean(c.title or c.name, 40) for c in failed)
        fix = " f shows a fix." if any(check.fix for check in failed) else ""
        return Clause(f"Preflight failed: {names}. A start will be refused.{fix}", "bad")
    if checklist.running:
        done = checklist.asked - len(checklist.running)
        return Clause(f"{done} of {checklist.asked} checks done.", "dim")
    if plan.gate_status is not None and not plan.gate_status.open:
        return Clause(gate_sentence(plan.gate_status), "accent")
    if plan.gate:
        return Clause(f"Before the long run: {clean(plan.gate, 200)}.", "warn")
    return Clause("s starts the training; it continues if you close this screen.", "accent")


# ---------------------------------------------------------------------------
# The rows: two lines, or more where they wrap.

#: narrower screens wrap
NARROW = 60
#: rows that an alarm may take
MOST = 4


def verdict_rows(verdict: Verdict, width: int, height: int) -> list[Row]:
    """The sentence, then what follows from it: a line each, or wrapped where the verdict is long
    or the screen narrow."""
    wrapped = verdict.long or width < NARROW or (verdict.urgent and height > 2)
    if not wrapped or height < 2:
        first = _line(verdict.line, width - 2, ", ", ".")
        second = _line(verdict.second, width - 4, " ", "")
        return [(Span(" "), *first), (Span("   "), *second)][:height]
    first_rows = _wrapped(verdict.line, width - 2, ", ", ".")
    second_rows = _wrapped(verdict.second, width - 2, " ", "")
    kept = max(height - len(second_rows), height // 2)
    shown = _cut(first_rows, kept, width)
    return [*shown, *_cut(second_rows, height - len(shown), width)]


def rows_wanted(verdict: Verdict, width: int) -> int:
    """Rows that show all of an urgent verdict: two where each half fits into a line."""
    first = _wrapped(verdict.line, width - 2, ", ", ".")
    return max(1, len(first)) + max(1, len(_wrapped(verdict.second, width - 2, " ", "")))


def _cut(rows: list[Row], height: int, width: int) -> list[Row]:
    """The first rows; the last one ends in an ellipsis if there are more."""
    if len(rows) <= height or height <= 0:
        return rows[: max(0, height)]
    last = fit((*rows[height - 1], Span(glyphs.ELLIPSIS, rows[height - 1][-1].role)), width)
    return [*rows[: height - 1], last]


def _joined(clauses: Sequence[Clause], between: str, end: str) -> list[tuple[str, Clause]]:
    """Each clause with its separator; a sentence of its own ends the one before."""
    found: list[tuple[str, Clause]] = []
    for index, clause in enumerate(clauses):
        last = found[-1][1].text if found else ""
        lead = between if index else ""
        if last.endswith((".", "?")):
            lead = " "
        elif clause.full and found:
            lead = f"{end} "
        found.append((lead, clause))
    return found


def _wrapped(clauses: tuple[Clause, ...], width: int, between: str, end: str) -> list[Row]:
    """All clauses, broken at blanks, each in its role."""
    rows: list[list[Span]] = [[Span(" ")]]
    used = 0
    joined = _joined(clauses, between, end)
    for index, (_, clause) in enumerate(joined):
        tail = joined[index + 1][0].rstrip() if index + 1 < len(joined) else end
        text = clause.text if clause.text.endswith((".", "…")) else clause.text + tail
        for word in text.split(" "):
            size = cell_len(word)
            if used and used + 1 + size > width:
                rows.append([Span(" ")])
                used = 0
            lead = " " if used else ""
            append(rows[-1], lead + crop(word, width), clause.role)
            used += len(lead) + min(size, width)
    return [tuple(row) for row in rows if any(span.text.strip() for span in row)]


def _line(clauses: tuple[Clause, ...], width: int, between: str, end: str) -> Row:
    """Complete clauses from the front; only the one after the verdict's word may be cut."""
    spans: list[Span] = []
    for index, (lead, clause) in enumerate(_joined(clauses, between, end)):
        room = width - row_width(tuple(spans)) - len(lead) - len(end)
        text = clause.text
        if index and cell_len(text) > room:
            if room < 24 or index > 1 or not end:
                break
            text = crop(text, room)
        spans += [Span(lead), Span(text, clause.role)] if lead else [Span(text, clause.role)]
    if end and spans and not spans[-1].text.endswith((".", "…")):
        spans.append(Span(end, spans[-1].role))
    return fit(tuple(spans), width)


# ---------------------------------------------------------------------------
# The widget.


class VerdictLines(Painted):
    model: reactive[Verdict] = reactive(verdict_of(None, 0.0), layout=False, repaint=False)

    def __init__(self, *, id: str | None = None, classes: str | None = None) -> None:
        super().__init__(id=id, classes=classes)
        self._rows_given = 2

    def watch_model(self) -> None:
        self._fit()
        self.repaint()

    def on_resize(self) -> None:
        self._fit()
        super().on_resize()

    def _fit(self) -> None:
        """Only an alarm, its end, and another run ever change the height."""
        self.set_class(self.model.long, "-long")
        width = self.content_size.width
        rows = min(MOST, rows_wanted(self.model, width)) if self.model.urgent and width else 2
        if rows == self._rows_given:
            return
        self._rows_given = rows
        if rows > 2:
            self.styles.height = rows
        else:
            self.styles.clear_rule("height")

    def draw(self, width: int, height: int) -> Sequence[Row]:
        return verdict_rows(self.model, width, height)
