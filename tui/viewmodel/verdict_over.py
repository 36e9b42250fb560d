"""Verdicts on a run that is over: the outcome, its cause, and what is left of it."""

from __future__ import annotations

import time

from runner.model import Approval, Outcome, RunSnapshot
from runner.smoke import smoke_passed
from runner.units import ago, count, duration, loss
from tui.text import clean
from tui.viewmodel.clauses import Clause, Verdict, first_nonfinite, problem_clauses, still_good
from tui.viewmodel.expected import expected_checkpoints
from tui.viewmodel.progress import Progress, is_good


def ended(snapshot: RunSnapshot, progress: Progress, approval: Approval | None = None) -> Verdict:
    """By outcome; the cause's evidence in the first line, its advice in the second."""
    outcome = snapshot.outcome or (snapshot.status.outcome if snapshot.status else None)
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
        Outcome.STOPPED: f"Stopped {_at(progress)}, as ordered",
        Outcome.KILLED: f"Killed {_at(progress)} by a signal that nobody here sent",
    }
    first = [Clause(words[outcome], "text" if outcome is Outcome.STOPPED else "bad")]
    first += _evidence(snapshot, outcome)
    kept = still_good(snapshot) if outcome is Outcome.DIVERGED else _kept(progress)
    second = (*_survivors(snapshot), *_advice(snapshot, outcome), kept, *problem_clauses(snapshot))
    caused = snapshot.status is not None and snapshot.status.cause is not None
    return Verdict(tuple(first), second, long=caused and outcome is not Outcome.STOPPED)


def _at(progress: Progress) -> str:
    if progress.step <= 0:
        return "before the first step"
    return f"at step {progress.step}" + (f"/{progress.total_steps}" if progress.total_steps else "")


def _evidence(snapshot: RunSnapshot, outcome: Outcome) -> list[Clause]:
    cause = snapshot.status.cause if snapshot.status is not None else None
    if cause is None or outcome is Outcome.STOPPED:
        return []
    return [Clause(clean(cause.evidence, 300) or clean(cause.key).replace("_", " "))]


def _advice(snapshot: RunSnapshot, outcome: Outcome) -> list[Clause]:
    cause = snapshot.status.cause if snapshot.status is not None else None
    if cause is None or outcome is Outcome.STOPPED:
        return []
    advice, fix = clean(cause.advice, 300), clean(cause.fix, 80)
    parts = [Clause(advice if advice.endswith(".") else advice + ".", "accent")] if advice else []
    if fix:
        parts.append(Clause(f"Try {fix}.", "accent"))
    return parts


def _survivors(snapshot: RunSnapshot) -> list[Clause]:
    """Processes of the training that outlived its end: they may hold memory and the GPU."""
    found = next((e for e in reversed(snapshot.events) if e.kind == "survivors"), None)
    if found is None or not found.data.get("processes"):
        return []
    return [Clause(f"Processes are left: {clean(str(found.data['processes']), 80)}.", "bad")]


def _kept(progress: Progress) -> Clause:
    kept = max(progress.safe_step, progress.kept_step)
    if not kept:
        return Clause("No checkpoint was kept.", "dim")
    after = progress.step - kept
    lost = f", {count(after, 'step')} after it {'is' if after == 1 else 'are'} lost"
    return Clause(f"Kept up to step {kept}{lost if after > 0 else ''}.", "dim")


def _succeeded(snapshot: RunSnapshot, progress: Progress, approval: Approval | None) -> Verdict:
    status = snapshot.status
    took = f" in {duration(progress.trained_s)}" if progress.trained_s else ""
    first = [Clause(f"Succeeded: {count(progress.step, 'step')}{took}", "good")]
    first += _loss_over_run(snapshot)
    written = [c for c in status.checkpoints if not c.removed] if status else []
    good = sum(is_good(c) for c in written)
    role = "text" if good == len(written) else "warn"
    second = [Clause(f"{good} of {count(len(written), 'checkpoint')} complete and finite.", role)]
    if snapshot.spec is not None and snapshot.spec.smoke:
        second.insert(0, _smoke(snapshot, approval))
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
