"""Verdicts on a run that is over: the outcome, its cause, and what is left of it."""

from __future__ import annotations

import time
from dataclasses import replace

from runner.analysis.smoke import smoke_passed
from runner.model import Approval, Outcome, RunSnapshot
from runner.model.units import ago, count, duration, loss
from tui.text import clean
from tui.viewmodel.alarms import guard_reason, past_clause
from tui.viewmodel.cause import cause_of, cure_of
from tui.viewmodel.cause_titles import cause_title
from tui.viewmodel.clauses import (
    Clause,
    Verdict,
    first_nonfinite,
    problem_clauses,
    sentence,
    still_good,
)
from tui.viewmodel.expected import expected_checkpoints
from tui.viewmodel.progress import Progress, current_checkpoints, is_good, newest_event
from tui.viewmodel.stopping import GUARD

_MADE_OF = {
    "inspected": "Judged by its log alone: nobody here watched it.",
    "imported": "Judged by its files alone: nobody here watched it.",
}


def ended(snapshot: RunSnapshot, progress: Progress, approval: Approval | None = None) -> Verdict:
    """By outcome, with its cause in a few words: the rest of it stands on the cause card."""
    outcome = snapshot.outcome or (snapshot.status.outcome if snapshot.status else None)
    origin = snapshot.spec.origin if snapshot.spec is not None else ""
    if origin and outcome is None:
        # the first reason says what the run is made of
        told = tuple(
            Clause(sentence(clean(one, 200)), "dim") for one in status_reasons(snapshot)[1:]
        )
        head = Clause("Made of what was found: nobody watched it, so nobody judged it")
        return Verdict((head,), (*told, *problem_clauses(snapshot)))
    if origin:
        judged = _judged(snapshot, progress, outcome, approval)
        return replace(judged, second=(Clause(_MADE_OF.get(origin, origin), "dim"), *judged.second))
    return _judged(snapshot, progress, outcome, approval)


def _judged(
    snapshot: RunSnapshot, progress: Progress, outcome: Outcome | None, approval: Approval | None
) -> Verdict:
    if outcome is None:
        head = Clause(f"Ended {_at(progress)}; nobody has judged it yet", "warn")
        return Verdict((head,), (_kept(progress), *problem_clauses(snapshot)))
    if outcome is Outcome.SUCCEEDED:
        return _succeeded(snapshot, progress, approval)
    since = first_nonfinite(snapshot)
    words = {
        Outcome.DIVERGED: "Diverged: the loss is not finite"
        + (f" since step {since}" if since is not None else ""),
        Outcome.NOTHING_TRAINED: "Nothing trained: the trainer left without a single step",
        Outcome.FAILED: f"Failed {_at(progress)}",
        Outcome.STOPPED: f"Stopped {_at(progress)}{_by_whom(snapshot)}",
        Outcome.KILLED: f"Killed {_at(progress)} by a signal that nobody here sent",
    }
    first = [Clause(words[outcome], "text" if outcome is Outcome.STOPPED else "bad")]
    first += _guard(snapshot, outcome) or _cause(snapshot, outcome)
    kept = still_good(snapshot) if outcome is Outcome.DIVERGED else _kept(progress)
    second = (*_survivors(snapshot), kept, *_cure(snapshot), *problem_clauses(snapshot))
    return Verdict(tuple(first), second)


def status_reasons(snapshot: RunSnapshot) -> tuple[str, ...]:
    return snapshot.status.reasons if snapshot.status is not None else ()


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
        return [Clause("stopped by the guard", "text")]
    reason = guard_reason(snapshot)
    return [Clause(reason, "bad")] if reason else []


def _at(progress: Progress) -> str:
    if progress.step <= 0:
        return "before the first step"
    return f"at step {progress.step}" + (f"/{progress.total_steps}" if progress.total_steps else "")


def _cause(snapshot: RunSnapshot, outcome: Outcome) -> list[Clause]:
    """Its title, unless the outcome says the same; of an unknown cause the evidence."""
    cause = cause_of(snapshot)
    if cause is None:
        return []
    same = {Outcome.DIVERGED: "nan_", Outcome.KILLED: "killed_by_signal"}.get(outcome)
    if same is not None and cause.key.startswith(same):
        return []
    if cause.key == "unknown":
        return [Clause(clean(cause.evidence, 300))] if cause.evidence else []
    title = cause_title(cause.key)
    abbreviated = title[1:2].isupper() or title[:1].isdigit()
    return [Clause(title if abbreviated else title[:1].lower() + title[1:])]


def _cure(snapshot: RunSnapshot) -> list[Clause]:
    """That a key applies what helps; what it is, and all advice, is on the cause card."""
    cause = cause_of(snapshot)
    if cause is None or not cure_of(cause):
        return []
    return [Clause("y tries it again with a cure.", "accent")]


def _survivors(snapshot: RunSnapshot) -> list[Clause]:
    """Processes of the training that outlived its end: they may hold memory and the GPU."""
    found = newest_event(snapshot, "survivors")
    if found is None or not found.data.get("processes"):
        return []
    return [Clause(f"Processes are left: {clean(str(found.data['processes']), 80)}.", "bad")]


def _kept(progress: Progress) -> Clause:
    cost = progress.stop_cost
    if not cost.kept_step:
        return Clause("No checkpoint was kept.", "dim")
    kept, after = cost.kept_step, cost.steps
    lost = f", {count(after, 'step')} after it {'is' if after == 1 else 'are'} lost"
    return Clause(f"Kept up to step {kept}{lost if after > 0 else ''}.", "dim")


def _succeeded(snapshot: RunSnapshot, progress: Progress, approval: Approval | None) -> Verdict:
    took = f" in {duration(progress.trained_s)}" if progress.trained_s else ""
    first = [Clause(f"Succeeded: {count(progress.step, 'step')}{took}", "good")]
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
    return Verdict(tuple(first), (*second, *_survivors(snapshot), *problem_clauses(snapshot)))


def _smoke(snapshot: RunSnapshot, approval: Approval | None) -> Clause:
    """What a smoke test is good for now."""
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
    """Nobody knows what became of it."""
    status = snapshot.status
    silent_s = now - status.heartbeat_at if status is not None and status.heartbeat_at else 0.0
    since = f"; last word {ago(silent_s)} ago" if silent_s >= 5 else ""
    head = Clause(f"Lost: no supervisor, no trainer, no record of an end{since}", "bad")
    return Verdict((head,), (_kept(progress), *problem_clauses(snapshot)))
