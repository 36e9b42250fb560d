"""The verdict: two lines in words, true at any moment, with an honest `unknown` where nothing is known."""

from __future__ import annotations

from collections.abc import Sequence

from runner.model import CheckResult, Forecast, Phase, RunSnapshot, RunState
from runner.units import count, file_size
from tui.text import clean
from tui.viewmodel import verdict_live, verdict_over
from tui.viewmodel.clauses import Clause, Verdict, first_nonfinite, problem_clauses
from tui.viewmodel.progress import progress_of


def verdict_of(snapshot: RunSnapshot | None, now: float) -> Verdict:
    """What a person should know of this run at `now` (wall clock)."""
    if snapshot is None:
        return Verdict((Clause("Reading the run", "dim"),))
    progress, status = progress_of(snapshot), snapshot.status
    if snapshot.state is RunState.LOST:
        return verdict_over.lost(snapshot, progress, now)
    if snapshot.state is RunState.ENDED:
        return verdict_over.ended(snapshot, progress)
    if status is None:
        head = Clause("Starting: nothing is known of the trainer yet")
        return Verdict((head,), problem_clauses(snapshot))
    if snapshot.state is RunState.STOPPING:
        return verdict_live.stopping(snapshot, progress, now)
    if first_nonfinite(snapshot) is not None:
        return verdict_live.nonfinite(snapshot)
    if status.phase is not Phase.TRAINING:
        return verdict_live.busy(snapshot, status, progress, now)
    return verdict_live.training(snapshot, progress, now)


def ready_verdict(
    forecast: Forecast | None,
    checks: Sequence[CheckResult],
    problem: str | None,
    gate: str | None = None,
) -> Verdict:
    """Before the start: what a start would do, or why it would be refused."""
    if problem:
        return Verdict((Clause(clean(problem, 400), "bad"),), long=True)
    if forecast is None or forecast.steps is None:
        first = [Clause("Ready, but the steps cannot be told")]
    else:
        first = [Clause(f"Ready: {count(forecast.steps, 'step')}")]
    if forecast is not None:
        first.append(Clause(count(len(forecast.checkpoints), "checkpoint")))
        if forecast.size_bytes is not None:
            first.append(Clause(file_size(forecast.size_bytes)))
    failed = [clean(c.title or c.name, 40) for c in checks if c.status == "fail"]
    if failed:
        second = Clause(f"Preflight failed: {', '.join(failed)}. A start will be refused.", "bad")
    elif gate:
        second = Clause(f"Before the long run: {clean(gate, 200)}.", "warn")
    else:
        second = Clause("s starts the training; it goes on when this screen is closed.", "accent")
    return Verdict(tuple(first), (second,))
