"""Trying again with the cure of what ended a run: from its newest good state, else from the beginning."""

from __future__ import annotations

from dataclasses import dataclass

from runner.control import Refused
from runner.model import RunSnapshot
from runner.preview import Preview
from runner.rundir import RunDir


@dataclass(frozen=True, slots=True)
class RetryPlan:
    """`preview`: what will be done, in words."""

    preview: Preview


def plan_retry(snapshot: RunSnapshot, changes: tuple[str, ...] = ()) -> RetryPlan:
    """`changes`: FLAG=VALUE words; empty: the cure of the run's cause. Raises Refused."""
    raise Refused(f"run {snapshot.id} cannot be tried again yet")


def carry_out(plan: RetryPlan) -> RunDir:
    """Raises StartRefused."""
    raise Refused("not yet")
