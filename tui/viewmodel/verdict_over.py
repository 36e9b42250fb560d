"""Verdicts on a run that is over: the outcome, its cause, and what is left of it."""

from __future__ import annotations

import time
from dataclasses import replace
from signal import Signals

from runner.analysis.smoke import smoke_passed
from runner.model import Approval, Outcome, RunSnapshot
from runner.model.units import ago, count, duration, loss
from tui.text import clean
from tui.viewmodel.alarms import guard_reason, past_clause
from tui.viewmodel.cause import KILLED, UNKNOWN, cause_of, recommended
from tui.viewmodel.cause_titles import cause_title
from tui.viewmodel.clauses import (
    Clause,
    Kind,
    Verdict,
    nan_words,
    problem_clauses,
    sentence,
    still_good,
)
from tui.viewmodel.expected import expected_checkpoints
from tui.viewmodel.progress import Progress, current_checkpoints, is_good, nan_since, newest_event
from tui.viewmodel.stopping import GUARD

_MADE_OF = {
    "inspected": "From its log alone: plasma-tui didn't run it.",
    "imported": "From its files alone: plasma-tui didn't run it.",
}
_KINDS = {
    Outcome.DIVERGED: Kind.DIVERGED,
    Outcome.NOTHING_TRAINED: Kind.NOTHING_TRAINED,
    Outcome.FAILED: Kind.FAILED,
    Outcome.STOPPED: Kind.STOPPED,
    Outcome.KILLED: Kind.KILLED,
}


def ended(snapshot: RunSnapshot, progress: Progress, approval: Approval | None = None) -> Verdict:
    """By outcome, with its cause in a few words: the rest of it stands on the cause card."""
    outcome = snapshot.outcome or (snapshot.status.outcome if snapshot.status else None)
    origin = snapshot.spec.origin if snapshot.spec is not None else ""
    if origin and outcome is None:
        # the first reason says what the run is made of
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
    return Verdict(_KINDS[outcome], tuple(first), second)


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
        cause = [Clause(f"from outside{_signal(snapshot)}, not by plasma-tui", "bad")]
    return [*cause, Clause(_at(progress), "text" if cause else "bad")]


def _signal(snapshot: RunSnapshot) -> str:
    attempts = snapshot.status.attempts if snapshot.status is not None else ()
    number = attempts[-1].exit.signal if attempts and attempts[-1].exit is not None else None
    try:
        return f" ({Signals(number).name})" if number is not None else ""
    except ValueError:
        return f" (signal {number})"


def _by_whom(snapshot: RunSnapshot) -> str:
    by = snapshot.status.stop_by if snapshot.status is not None else None
    if by == GUARD:
        return " by the guard"
    # a user without a name is told by number, which tells a person nothing
    named = by is not None and not by.isdigit()
    return f", as ordered by {clean(by, 40)}" if by and named else ", as ordered"


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
    """Its title, unless the outcome says the same; of an unknown cause the evidence."""
    cause = cause_of(snapshot)
    if cause is None or cause.key == KILLED:
        return []
    text = clean(cause.evidence, 300) if cause.key == UNKNOWN else cause_title(cause.key)
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
    if found is None or not found.data.get("processes"):
        return []
    return [
        Clause(
            f"Processes of it are still running: {clean(str(found.data['processes']), 80)}.", "bad"
        )
    ]


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
    gone = sum(c.missing for c in written)
    good = sum(is_good(c) for c in written)
    role = "text" if good == len(written) else "warn"
    second = [Clause(f"{good} of {count(len(written), 'checkpoint')} complete and finite.", role)]
    if snapshot.spec is not None and snapshot.spec.smoke:
        second.insert(0, _smoke(snapshot, approval))
    if gone:
        second.append(Clause(f"{count(gone, 'file')} deleted, not by the trainer.", "bad"))
    missing = len(expected_checkpoints(snapshot))
    if missing:
        second.append(Clause(f"{count(missing, 'expected file')} not written.", "warn"))
    return Verdict(
        Kind.SUCCEEDED, tuple(first), (*second, *_survivors(snapshot), *problem_clauses(snapshot))
    )


def _smoke(snapshot: RunSnapshot, approval: Approval | None) -> Clause:
    """What comes after a smoke test."""
    if approval is not None:
        when = time.strftime("%Y-%m-%d %H:%M", time.localtime(approval.at))
        return Clause(f"Approved by {clean(approval.by, 40)}, {when}: s starts the run.", "good")
    if not smoke_passed(snapshot):
        return Clause("The smoke test did not pass: see its verdict.", "bad")
    return Clause("A smoke test: y approves it for the long run.", "accent")


def _loss_over_run(snapshot: RunSnapshot) -> list[Clause]:
    """Means of the first and the last tenth: single losses say little."""
    means = [b.mean for b in snapshot.loss.buckets if b.mean is not None]
    if len(means) < 10:
        return []
    tenth = max(1, len(means) // 10)
    first, last = sum(means[:tenth]) / tenth, sum(means[-tenth:]) / tenth
    return [Clause(f"loss from {loss(first)} to {loss(last)}")]


def lost(snapshot: RunSnapshot, progress: Progress, now: float) -> Verdict:
    """Neither alive nor recorded as ended."""
    status = snapshot.status
    silent_s = now - status.heartbeat_at if status is not None and status.heartbeat_at else 0.0
    since = f"; last heartbeat {ago(silent_s)} ago" if silent_s >= 5 else ""
    head = Clause(f"no supervisor, no trainer, no record of an end{since}", "bad")
    second = (*_key(snapshot), _kept(progress), *problem_clauses(snapshot))
    return Verdict(Kind.LOST, (head,), second)
