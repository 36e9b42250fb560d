"""What a resume would run: the newest good state, the true step, files of its own."""

from dataclasses import replace
from pathlib import Path

import pytest

from runner.config.flags import FlagValue
from runner.control import Refused
from runner.journal import write_json
from runner.model import (
    AttemptPlan,
    Checkpoint,
    Outcome,
    RunSnapshot,
    RunSpec,
    RunState,
    Status,
)
from runner.resume import flag_value, plan_resume


def checkpoint(folder: Path, step: int, **more: object) -> Checkpoint:
    state = folder / f"x-step{step:08d}-state"
    state.mkdir(exist_ok=True)
    one = Checkpoint(
        f"x-step{step:08d}.safetensors", str(folder / f"x-step{step:08d}.safetensors"), step, None, 1, 1.0,
        complete=True, finite=True, state_path=str(state), state_complete=True,
    )  # fmt: skip
    return replace(one, **more)  # type: ignore[arg-type]


def stopped(
    tmp_path: Path, *checkpoints: Checkpoint, flags: tuple[str, ...] = ("--seed=42",)
) -> RunSnapshot:
    command = (
        "python",
        "train_network.py",
        f"--output_dir={tmp_path}/out",
        "--output_name=x",
        *flags,
    )
    (tmp_path / "run").mkdir(exist_ok=True)
    spec = RunSpec(
        "id", "x", command, "/", {}, 1.0, "h", output_dir=f"{tmp_path}/out", output_name="x"
    )
    write_json(
        tmp_path / "run" / "attempt-1.json", AttemptPlan(1, command, {}, "/", spec.output_dir, "x")
    )
    status = Status(
        RunState.ENDED, 1, 1.0, outcome=Outcome.STOPPED, step=412, total_steps=920,
        batches_per_epoch=230, checkpoints=checkpoints,
    )  # fmt: skip
    return RunSnapshot(
        "id", str(tmp_path / "run"), 2.0, RunState.ENDED, spec, status, Outcome.STOPPED
    )


def value(found: AttemptPlan, flag: str) -> FlagValue | None:
    return flag_value(found.command, flag)


def test_it_goes_on_from_the_newest_whole_state_with_its_true_step(tmp_path: Path) -> None:
    found = plan_resume(stopped(tmp_path, checkpoint(tmp_path, 200), checkpoint(tmp_path, 400)))
    assert (found.from_step, found.to_step, found.replayed_steps) == (400, 920, 0)
    assert value(found.plan, "--initial_step") == "400"
    assert value(found.plan, "--resume") == str(tmp_path / "x-step00000400-state")
    assert "--skip_until_initial_step" in found.plan.command
    assert value(found.plan, "--output_dir") == f"{tmp_path}/out/x-attempt2"
    assert found.plan.command.count("--output_name=x") == 1


def test_states_that_are_torn_gone_or_after_a_nan_are_passed_over(tmp_path: Path) -> None:
    gone = checkpoint(tmp_path, 600)
    Path(gone.state_path or "").rmdir()
    torn = checkpoint(tmp_path, 500, state_complete=False)
    bad = checkpoint(tmp_path, 450, finite=False)
    found = plan_resume(stopped(tmp_path, checkpoint(tmp_path, 200), bad, torn, gone))
    assert found.from_step == 200
    snapshot = stopped(tmp_path, checkpoint(tmp_path, 200), checkpoint(tmp_path, 400))
    assert snapshot.status is not None
    diverged = replace(snapshot, status=replace(snapshot.status, first_nonfinite_step=300))
    assert plan_resume(diverged).from_step == 200


@pytest.mark.parametrize(
    ("flags", "word"),
    [(("--seed=42", "--gradient_accumulation_steps=4"), "accumulation"), ((), "seed")],
)
def test_skipping_is_refused_where_it_is_broken_and_the_price_is_named(
    tmp_path: Path, flags: tuple[str, ...], word: str
) -> None:
    found = plan_resume(stopped(tmp_path, checkpoint(tmp_path, 400), flags=flags))
    assert "--skip_until_initial_step" not in found.plan.command
    assert not found.plan.skip
    assert found.replayed_steps > 0
    assert any(word in note for note in found.notes)


def test_without_any_state_it_says_what_to_set(tmp_path: Path) -> None:
    with pytest.raises(Refused, match="save_state = true"):
        plan_resume(stopped(tmp_path))


def test_a_running_run_is_not_resumed(tmp_path: Path) -> None:
    snapshot = stopped(tmp_path, checkpoint(tmp_path, 200))
    with pytest.raises(Refused, match="stop it first"):
        plan_resume(replace(snapshot, state=RunState.RUNNING))
