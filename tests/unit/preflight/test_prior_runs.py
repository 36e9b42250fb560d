"""What a run with the same settings teaches the forecast."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from runner.config.model import Config
from runner.model import Cause, Checkpoint, HardwareUse, Outcome, RunSpec, RunState, Status
from runner.preflight.forecast import estimate
from runner.preflight.prior_runs import PriorRun, prior_run, ran_out_of_memory
from runner.store.journal import step_row, write_json
from runner.store.rundir import RunDir, new_run_id, runs_root
from runner.trainers.command import build_command
from runner.trainers.sd_scripts.settings_key import settings_key
from tests.unit.preflight.preflight_project import Project

SMOKE = "[smoke]\nmax_train_steps = 5"


@pytest.fixture
def project(tmp_path: Path) -> Project:
    project = Project(tmp_path)
    project.add_images("train", 23, "a")
    project.add_images("reg", 3, "b")
    project.write_dataset(reg=True)
    return project


def finished(
    config: Config, *, smoke: bool = True, command: Sequence[str] | None = None, **more: Any
) -> RunDir:
    """A run folder as the supervisor leaves it."""
    run = RunDir(runs_root() / new_run_id("hero"))
    state = run.path / "scratch" / "smoke_test-state"
    state.mkdir(parents=True)
    (state / "optimizer.bin").write_bytes(bytes(2000))
    (state / "model.safetensors").write_bytes(bytes(1000))
    now = time.time()
    spec = RunSpec(
        id=run.id, name="hero", command=tuple(command or build_command(config, smoke=smoke).argv),
        cwd="/", env={}, created_at=now, host="h", smoke=smoke, settings_key=settings_key(config),
    )  # fmt: skip
    checkpoint = Checkpoint(
        "smoke_test.safetensors", "x", 5, None, 1, now, size_bytes=1_000_000, complete=True,
        finite=True, final=True, state_path=str(state), state_complete=True,
    )  # fmt: skip
    status = Status(
        RunState.ENDED, 1, now, outcome=Outcome.SUCCEEDED, step=5, total_steps=5, device="cpu",
        seconds_per_step=2.0, started_at=now + 1.0, ended_at=now + 33.0, checkpoints=(checkpoint,),
    )  # fmt: skip
    status = replace(status, **more)
    write_json(run.spec, spec)
    write_json(run.status, status)
    rows = [step_row(n, 19.0 + 2.0 * n, 0.5, None, None, 1) for n in range(1, 6)]
    run.steps.write_bytes(b"".join(rows))
    gauges = [f'{{"at":1.0,"tree_memory_bytes":{size}}}\n' for size in (5, 900, 7)]
    run.hardware.write_text("".join(gauges))
    return run


def test_nothing_is_learnt_without_a_run(project: Project) -> None:
    assert prior_run(project.config(rest=SMOKE)) is None


def test_a_passed_smoke_test_teaches_pace_sizes_and_memory(project: Project) -> None:
    config = project.config(rest=SMOKE)
    run = finished(config, attempts=attempts())
    found = prior_run(config)
    assert found == PriorRun(run.id, True, 2.0, 1_000_000, 3000, 18.0, 4.0, 900)
    assert found.source == f"smoke test {run.id}"


def attempts() -> Any:
    from runner.model import AttemptStatus

    return (AttemptStatus(1, 1.0),)


def test_a_longer_run_with_the_same_settings_teaches_as_well(project: Project) -> None:
    config = project.config(rest=SMOKE)
    finished(config, smoke=False, seconds_per_step=1.5)
    found = prior_run(project.config("save_every_n_steps = 3", rest=SMOKE))
    assert found is not None
    assert (found.smoke, found.seconds_per_step) == (False, 1.5)


@pytest.mark.parametrize(
    "changes",
    [
        {"outcome": Outcome.FAILED},
        {"state": RunState.RUNNING, "outcome": None},
        {"checkpoints": ()},
    ],
)
def test_a_test_that_did_not_pass_teaches_nothing(
    project: Project, changes: dict[str, Any]
) -> None:
    config = project.config(rest=SMOKE)
    finished(config, **changes)
    assert prior_run(config) is None


def test_other_settings_teach_nothing(project: Project) -> None:
    finished(project.config(rest=SMOKE))
    assert prior_run(project.config("network_dim = 8", rest=SMOKE)) is None


def test_a_smoke_test_with_settings_of_its_own_teaches_nothing(project: Project) -> None:
    other = project.config("network_dim = 8", rest=SMOKE + "\nnetwork_dim = 4")
    finished(other)
    assert prior_run(other) is None
    less = project.config(rest=SMOKE + "\ngradient_checkpointing = true")
    finished(less)
    assert prior_run(less) is None


def test_the_forecast_takes_what_was_measured(project: Project) -> None:
    config = project.config("save_every_n_steps = 200\nsave_state = true", rest=SMOKE)
    assert estimate(config).duration_s is None
    run = finished(config, attempts=attempts())
    told = estimate(config)
    assert told.steps == 920
    assert (told.seconds_per_step, told.checkpoint_bytes, told.state_bytes) == (
        2.0,
        1_000_000,
        3000,
    )
    assert told.duration_s == 18.0 + 920 * 2.0 + 5 * 4.0
    assert told.size_bytes == 5 * 1_003_000
    assert told.memory_bytes == 900
    assert told.sources["checkpoint_bytes"] == f"smoke test {run.id}"
    assert told.sources["duration_s"] == (
        f"920 steps at 2.0 s/step, start, 5 saves (smoke test {run.id})"
    )
    assert told.sources["size_bytes"] == "5 files and 5 states at most"


def test_the_run_that_ran_out_of_memory_is_remembered_until_one_does_not(project: Project) -> None:
    config = project.config(rest=SMOKE)
    assert ran_out_of_memory(config) is None
    cause = Cause("cuda_out_of_memory", "GPU memory ran out.", "CUDA out of memory")
    run = finished(config, smoke=False, outcome=Outcome.FAILED, cause=cause)
    assert ran_out_of_memory(config) == run.id
    assert ran_out_of_memory(project.config(train="network_dim = 2", rest=SMOKE)) is None
    run.path.rename(run.path.with_name("20200101-000000-hero-0000"))
    finished(config, smoke=False)
    assert ran_out_of_memory(config) is None


def test_memory_of_the_gpu_is_this_runs_own_if_measured(project: Project) -> None:
    config = project.config(rest=SMOKE)
    use = HardwareUse(gpu_memory_max_bytes=9_000, gpu_memory_run_max_bytes=7_000)
    run = finished(config, device="cuda:0", hardware=use)
    line = '{"at":1.0,"gpu_memory_used_bytes":5000}\n'
    (run.path / "hardware.jsonl").write_text(line)
    found = prior_run(config)
    assert found is not None
    assert (found.memory_bytes, found.memory_of) == (7_000, "GPU memory")
