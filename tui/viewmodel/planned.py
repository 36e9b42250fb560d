"""Before a run exists: what its configuration amounts to, in the shapes that the panels know."""

from __future__ import annotations

from runner.model import RunSnapshot, RunSpec, RunState
from tui.backend.results import Plan
from tui.text import clean
from tui.viewmodel.header import Header, header_of, ready_header


def planned_snapshot(plan: Plan) -> RunSnapshot:
    """A snapshot that holds the forecast alone: no status, no step, nothing measured."""
    spec = RunSpec(
        id="",
        name=clean(plan.name),
        command=(),
        cwd="",
        env={},
        created_at=0.0,
        host="",
        forecast=plan.forecast,
    )
    return RunSnapshot(
        id="", path="", read_at=0.0, state=RunState.STARTING, spec=spec, preflight=plan.checks
    )


def planned_header(plan: Plan | None) -> Header:
    """`None`: plasma.toml is being read."""
    if plan is None:
        return header_of(None)
    forecast = plan.forecast
    return ready_header(
        plan.name,
        forecast.steps if forecast is not None else None,
        forecast.epochs if forecast is not None else None,
        usable=plan.problem is None,
    )
