"""What a run tells its readings of itself."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from runner.model import AttemptPlan, Checkpoint, Phase, RunSpec
from runner.state.attempt_state import AttemptState
from runner.store.rundir import RunDir
from runner.supervisor.context import AttemptContext
from runner.supervisor.hardware_monitor import HardwareMonitor


def monitor(
    *flags: str, phase: Phase = Phase.TRAINING, first: int | None = 1, stalled: bool = False
) -> HardwareMonitor:
    point = Checkpoint(
        "x-step00000100.safetensors", "/x", 100, None, 1, 0.0, 100_000_000, True, True
    )
    state = AttemptState(1, phase=phase, first_step=first, last_step=100, device="cuda")
    plan = AttemptPlan(1, ("python", "train_network.py", *flags), {}, "/", None, None)
    spec = RunSpec("r", "r", plan.command, "/", {}, 0.0, "host")
    context = AttemptContext(RunDir(Path("/")), spec, 1, plan, None)
    translator: Any = SimpleNamespace(state=state, checkpoints=[point])
    guard: Any = SimpleNamespace(stall=SimpleNamespace(stalled=stalled))
    unused: Any = None
    return HardwareMonitor(context, unused, translator, guard, unused)


def test_a_step_that_takes_longer_than_a_reading_is_training_all_the_while() -> None:
    found = monitor()
    assert [found.about().training for _ in range(3)] == [True, True, True]


@pytest.mark.parametrize(
    "changes",
    [{"phase": Phase.SAVING}, {"phase": Phase.CACHING}, {"first": None}, {"stalled": True}],
)
def test_what_is_no_training(changes: dict[str, Any]) -> None:
    assert not monitor(**changes).about().training


def test_the_next_save_needs_room_for_a_state_only_where_one_is_written_with_it() -> None:
    assert monitor("--save_state").about().next_save_bytes == 400_000_000
    assert monitor("--save_state_on_train_end").about().next_save_bytes == 100_000_000
