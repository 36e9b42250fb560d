"""Trying again: the cure applied, from the newest good point or from the beginning, nothing overwritten."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from runner.control import launch
from runner.control.gate import GateClosed
from runner.control.orders import Refused
from runner.control.resume import plan_resume
from runner.control.retry import RetryPlan, carry_out, plan_retry
from runner.model import (
    Approval,
    AttemptPlan,
    Cause,
    Checkpoint,
    Outcome,
    RunSnapshot,
    RunSpec,
    RunState,
)
from runner.model.preview import FlagChange
from runner.store.journal import read_json, write_json
from runner.store.rundir import RunDir, runs_root
from runner.trainers.sd_scripts.settings_key import key_of
from tests.state_folders import safetensors
from tests.unit.control.test_resume import checkpoint, stopped

OOM = Cause(
    "cuda_out_of_memory", "CUDA out of memory", "", "cache_latents=true", ("cache_latents=true",)
)


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PLASMA_HOME", str(tmp_path / "home"))


def failed(snapshot: RunSnapshot, cause: Cause | None = OOM) -> RunSnapshot:
    assert snapshot.status is not None
    status = replace(snapshot.status, outcome=Outcome.FAILED, cause=cause)
    return replace(snapshot, status=status, outcome=Outcome.FAILED)


def told(plan: RetryPlan) -> str:
    return " ".join((*plan.preview.facts, *plan.preview.warnings))


def test_with_a_good_state_it_goes_on_from_there_with_the_cure(tmp_path: Path) -> None:
    found = plan_retry(failed(stopped(tmp_path, checkpoint(tmp_path, 400))))
    assert found.resume is not None and found.resume.from_step == 400
    assert "--cache_latents" in found.resume.plan.command
    assert found.preview.changes == (FlagChange("cache_latents", None, "true"),)


def test_with_nothing_saved_it_begins_again_as_a_run_of_its_own(tmp_path: Path) -> None:
    found = plan_retry(failed(stopped(tmp_path, step=0)))
    assert found.resume is None and found.spec is not None and found.plan is not None
    assert found.spec.retry_of == "run" and found.spec.id != "id"
    assert "--cache_latents" in found.plan.command
    assert "--resume" not in " ".join(found.plan.command)
    assert found.plan.output_dir == f"{tmp_path}/out"
    assert found.spec.forecast is not None and found.spec.forecast.steps == 920
    assert "Starts again from step 0 as a new run: nothing was saved" in told(found)


def test_files_of_the_failed_run_are_not_written_over(tmp_path: Path) -> None:
    safetensors(tmp_path / "out" / "x-step00000100.safetensors")
    found = plan_retry(failed(stopped(tmp_path, step=0)))
    assert found.plan is not None
    assert found.plan.output_dir == f"{tmp_path}/out/x-retry2"
    assert f"--output_dir={tmp_path}/out/x-retry2" in found.plan.command


def test_nan_from_the_first_step_begins_again_though_files_were_written(tmp_path: Path) -> None:
    cause = replace(OOM, key="nan_from_first_step")
    snapshot = failed(stopped(tmp_path, checkpoint(tmp_path, 100)), cause)
    assert snapshot.status is not None
    snapshot = replace(snapshot, status=replace(snapshot.status, first_nonfinite_step=1))
    found = plan_retry(snapshot)
    assert found.resume is None
    assert "is after the first NaN loss" in told(found)


def test_a_change_that_no_state_bears_begins_again_and_says_why(tmp_path: Path) -> None:
    found = plan_retry(failed(stopped(tmp_path, checkpoint(tmp_path, 400))), ("network_dim=16",))
    assert found.resume is None
    assert "the state no longer matches: network_dim" in told(found)


def test_restart_is_obeyed(tmp_path: Path) -> None:
    found = plan_retry(failed(stopped(tmp_path, checkpoint(tmp_path, 400))), restart=True)
    assert found.resume is None and "as asked for" in told(found)


def test_a_start_again_without_changes_leaves_the_fix_out(tmp_path: Path) -> None:
    found = plan_retry(failed(stopped(tmp_path, step=0)), unchanged=True)
    assert found.plan is not None and "--cache_latents" not in found.plan.command
    assert found.preview.changes == ()
    assert plan_retry(failed(stopped(tmp_path, step=0), None), unchanged=True).spec is not None


def test_what_was_in_force_already_is_no_cure(tmp_path: Path) -> None:
    flags = ("--seed=42", "--cache_latents")
    for points in ((), (checkpoint(tmp_path, 400),)):
        with pytest.raises(Refused, match="cache_latents=true was already set"):
            plan_retry(failed(stopped(tmp_path, *points, flags=flags)))


def test_without_a_cure_it_says_what_to_give(tmp_path: Path) -> None:
    unknown = Cause("unknown", "RuntimeError: x")
    with pytest.raises(Refused, match="for unknown no setting fixes it"):
        plan_retry(failed(stopped(tmp_path), unknown))
    with pytest.raises(Refused, match="needs no fix"):
        plan_retry(failed(stopped(tmp_path), None))


def test_a_live_run_is_left_alone(tmp_path: Path) -> None:
    with pytest.raises(Refused, match="stop it first"):
        plan_retry(replace(failed(stopped(tmp_path)), state=RunState.RUNNING))


def test_a_change_of_length_is_forecast_anew(tmp_path: Path) -> None:
    found = plan_retry(failed(stopped(tmp_path, step=0)), ("max_train_epochs=2", "env.A=1"))
    assert found.spec is not None and found.spec.forecast is not None
    assert found.spec.forecast.steps == 460
    assert found.spec.env == {"A": "1"}


def test_a_retry_is_forecast_with_what_its_script_takes(tmp_path: Path) -> None:
    """SDXL takes steps of 32 pixels between buckets, train_network.py only of 64."""
    buckets = ("--seed=42", "--enable_bucket", "--bucket_reso_steps=32", "--min_bucket_reso=32")
    made = stopped(tmp_path, step=0, flags=buckets)
    assert made.spec is not None
    python, _, *flags = made.spec.command
    spec = replace(made.spec, command=(python, "sdxl_train_network.py", *flags))
    write_json(tmp_path / "run" / "attempt-1.json", spec.first_plan)
    found = plan_retry(failed(replace(made, spec=spec)))
    assert found.spec is not None and found.spec.forecast is not None
    assert found.spec.forecast.steps == 920


# --------------------------------------------------------------------------- the gate


def approved_run(tmp_path: Path, *points: Checkpoint) -> RunSnapshot:
    """A failed run that a smoke test with its settings was approved for."""
    snapshot = failed(stopped(tmp_path, *points, step=400 if points else 0))
    spec = snapshot.spec
    assert spec is not None
    smoke = RunDir(runs_root() / "20260101-000000-x-smoke-0001")
    smoke.path.mkdir(parents=True)
    plan = read_json(RunDir(Path(snapshot.path)).attempt(1), AttemptPlan)
    key = key_of(plan.command, plan.env, plan.cwd)
    given = Approval("ann", 1.0, key, smoke.id)
    write_json(smoke.spec, replace(spec, id=smoke.id, smoke=True, settings_key=key))
    write_json(smoke.approval, given)
    return replace(snapshot, spec=replace(spec, approval=given, settings_key=key))


@pytest.fixture
def no_processes(monkeypatch: pytest.MonkeyPatch) -> list[RunDir]:
    started: list[RunDir] = []
    monkeypatch.setattr(launch, "start_supervisor", lambda run, *_: started.append(run))
    monkeypatch.setattr(launch, "_await_supervisor", lambda run, wait_s, attempt=1: None)
    return started


def test_settings_that_nobody_approved_are_refused_without_a_reason(tmp_path: Path) -> None:
    found = plan_retry(approved_run(tmp_path), ("learning_rate=0.5",))
    assert found.gate is not None and not found.gate.open
    assert "Not approved: no smoke test with these settings" in told(found)
    with pytest.raises(GateClosed, match=r"these settings are not approved.*--force REASON"):
        carry_out(found)
    with pytest.raises(GateClosed):
        carry_out(found, force="")  # failed checks are one thing, the gate another


def test_the_record_says_that_other_settings_were_forced(
    tmp_path: Path, no_processes: list[RunDir]
) -> None:
    run = carry_out(plan_retry(approved_run(tmp_path), ("learning_rate=0.5",)), force="in a hurry")
    given = read_json(run.spec, RunSpec).approval
    assert given is not None and given.smoke_run is None
    assert given.reason == (
        "forced, settings differ from the approved ones: retry of run, learning_rate=0.5: in a hurry"
    )
    assert given.settings_key == read_json(run.spec, RunSpec).settings_key


def test_a_change_that_does_not_concern_the_training_keeps_the_approval(
    tmp_path: Path, no_processes: list[RunDir]
) -> None:
    snapshot = approved_run(tmp_path)
    assert snapshot.spec is not None
    run = carry_out(plan_retry(snapshot, ("save_every_n_steps=7",)))
    assert read_json(run.spec, RunSpec).approval == snapshot.spec.approval


def test_a_resume_with_other_settings_asks_the_gate_too(tmp_path: Path) -> None:
    snapshot = approved_run(tmp_path, checkpoint(tmp_path, 400))
    changed = plan_resume(snapshot, changes=("train_batch_size=1", "max_grad_norm=0.5"))
    with pytest.raises(GateClosed):
        changed.approved(None)
    given = changed.approved("it was an outlier").approval
    assert given is not None and given.smoke_run is None
    assert given.reason == "forced, settings differ from the approved ones: it was an outlier"
    free = plan_resume(snapshot, changes=("save_every_n_steps=7",)).approved(None)
    assert snapshot.spec is not None and free.approval == snapshot.spec.approval
    assert plan_resume(snapshot).approved(None).approval is None


def test_a_later_resume_keeps_what_was_recorded_of_the_changes_it_carries_on(
    tmp_path: Path,
) -> None:
    snapshot = approved_run(tmp_path, checkpoint(tmp_path, 400))
    run = RunDir(Path(snapshot.path))
    second = plan_resume(snapshot, changes=("max_grad_norm=0.5",)).approved("an outlier")
    write_json(run.attempt(2), second)
    run.started(2).touch()
    third = plan_resume(snapshot).approved(None)
    assert third.changes == ("max_grad_norm=0.5",)
    assert third.approval == second.approval


def test_a_run_without_a_gate_is_asked_nothing(tmp_path: Path) -> None:
    found = plan_retry(failed(stopped(tmp_path, step=0)), ("learning_rate=0.5",))
    assert found.gate is None


def test_a_gate_that_plasma_toml_asks_for_since_counts_for_an_older_run(tmp_path: Path) -> None:
    (tmp_path / "plasma.toml").write_text(
        '[trainer]\nsd_scripts = "embedded"\n[train]\noutput_dir = "out"\n[smoke]\nmax_train_steps = 5\n'
    )
    snapshot = failed(stopped(tmp_path, step=0))
    assert snapshot.spec is not None
    snapshot = replace(snapshot, spec=replace(snapshot.spec, config_path=f"{tmp_path}/plasma.toml"))
    with pytest.raises(GateClosed):
        carry_out(plan_retry(snapshot, ("learning_rate=0.5",)))
