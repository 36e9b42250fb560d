"""The verdict: two lines in words, true at any moment, with an honest `unknown` where nothing is known."""

from __future__ import annotations

from collections.abc import Sequence

from runner.model import (
    Approval,
    CheckResult,
    Forecast,
    Phase,
    RunSnapshot,
    RunState,
)
from runner.model.units import count, duration, file_size
from tui.backend.results import Plan
from tui.text import clean
from tui.viewmodel import verdict_live, verdict_over
from tui.viewmodel.clauses import Clause, Kind, Verdict, problem_clauses
from tui.viewmodel.plan_board import gate_sentence
from tui.viewmodel.preflight import Checklist
from tui.viewmodel.progress import nan_since, progress_of


def verdict_of(
    snapshot: RunSnapshot | None, now: float, approval: Approval | None = None
) -> Verdict:
    """What a person should know of this run at `now` (wall clock). `approval`: a smoke test's."""
    if snapshot is None:
        return Verdict(Kind.READING, (Clause("the run folder", "dim"),))
    progress, status = progress_of(snapshot), snapshot.status
    if snapshot.state is RunState.LOST:
        return verdict_over.lost(snapshot, progress, now)
    if snapshot.state is RunState.ENDED:
        return verdict_over.ended(snapshot, progress, approval)
    if status is None:
        head = Clause("waiting for the trainer")
        return Verdict(Kind.STARTING, (head,), problem_clauses(snapshot))
    if status.evaluating:
        return verdict_live.evaluating(snapshot, status)
    if snapshot.state is RunState.STOPPING:
        return verdict_live.stopping(snapshot, progress, now)
    since = nan_since(snapshot)
    if since is not None:
        return verdict_live.nonfinite(snapshot, progress, now, since)
    if status.phase is not Phase.TRAINING:
        return verdict_live.busy(snapshot, status, progress, now)
    return verdict_live.training(snapshot, progress, now)


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
    failed = [check for check in checklist.in_order() or plan.checks if check.status == "fail"]
    kind = Kind.NOT_READY if failed else Kind.READY
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
        cure = " f shows a cure." if any(check.fix for check in failed) else ""
        return Clause(f"Preflight failed: {names}. A start will be refused.{cure}", "bad")
    if checklist.running:
        done = len(checklist.known) - len(checklist.running)
        return Clause(f"Checking: {done} of {len(checklist.known)} done.", "dim")
    if plan.gate_status is not None and not plan.gate_status.open:
        return Clause(gate_sentence(plan.gate_status), "accent")
    if plan.gate:
        return Clause(f"Before the long run: {clean(plan.gate, 200)}.", "warn")
    return Clause("s starts the training; it continues if you close this screen.", "accent")
