"""Trying again: the cure applied, from the newest good point or from the beginning, nothing overwritten."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from runner.control import Refused
from runner.model import Cause, Outcome, RunSnapshot, RunState
from runner.preview import FlagChange
from runner.retry import RetryPlan, plan_retry
from tests.state_folders import safetensors
from tests.unit.test_resume import checkpoint, stopped

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
    assert "begins again from step 0 as a new run: nothing was saved" in told(found)


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
    assert "comes after the first loss that was not finite" in told(found)


def test_a_change_that_no_state_bears_begins_again_and_says_why(tmp_path: Path) -> None:
    found = plan_retry(failed(stopped(tmp_path, checkpoint(tmp_path, 400))), ("network_dim=16",))
    assert found.resume is None
    assert "the state does not fit any more: network_dim" in told(found)


def test_restart_is_obeyed(tmp_path: Path) -> None:
    found = plan_retry(failed(stopped(tmp_path, checkpoint(tmp_path, 400))), restart=True)
    assert found.resume is None and "as asked for" in told(found)


def test_what_was_in_force_already_is_no_cure(tmp_path: Path) -> None:
    flags = ("--seed=42", "--cache_latents")
    for points in ((), (checkpoint(tmp_path, 400),)):
        with pytest.raises(Refused, match="cache_latents=true was in force already"):
            plan_retry(failed(stopped(tmp_path, *points, flags=flags)))


def test_without_a_cure_it_says_what_to_give(tmp_path: Path) -> None:
    unknown = Cause("unknown", "RuntimeError: x")
    with pytest.raises(Refused, match="for unknown there is no setting that cures it"):
        plan_retry(failed(stopped(tmp_path), unknown))
    with pytest.raises(Refused, match="needs no cure"):
        plan_retry(failed(stopped(tmp_path), None))


def test_a_live_run_is_left_alone(tmp_path: Path) -> None:
    with pytest.raises(Refused, match="stop it first"):
        plan_retry(replace(failed(stopped(tmp_path)), state=RunState.RUNNING))


def test_a_change_of_length_is_forecast_anew(tmp_path: Path) -> None:
    found = plan_retry(failed(stopped(tmp_path, step=0)), ("max_train_epochs=2", "env.A=1"))
    assert found.spec is not None and found.spec.forecast is not None
    assert found.spec.forecast.steps == 460
    assert found.spec.env == {"A": "1"}


def test_an_approval_is_carried_with_the_reason(tmp_path: Path) -> None:
    from runner.model import Approval

    snapshot = failed(stopped(tmp_path, step=0))
    assert snapshot.spec is not None
    approved = Approval("ann", 1.0, "key", "smoke-run")
    found = plan_retry(replace(snapshot, spec=replace(snapshot.spec, approval=approved)))
    assert found.spec is not None and found.spec.approval is not None
    assert found.spec.approval.reason == "run tried again with cache_latents=true"
    assert found.spec.approval.smoke_run == "smoke-run"
