"""What a resume would run: the newest good state, the true step, files of its own, nothing overwritten."""

from dataclasses import replace
from pathlib import Path

import pytest

from runner.config.flags import FlagValue
from runner.control.orders import Refused
from runner.control.resume import flag_value, plan_resume
from runner.model import (
    AttemptPlan,
    Checkpoint,
    ExpectedCheckpoint,
    Forecast,
    Outcome,
    RunSnapshot,
    RunSpec,
    RunState,
    Status,
)
from runner.store.journal import write_json
from tests.state_folders import safetensors, state

LENGTH = ("--max_train_epochs=4", "--save_every_n_steps=100", "--save_state")


def checkpoint(folder: Path, step: int, attempt: int = 1, **more: object) -> Checkpoint:
    """A step file with its whole state."""
    name = f"x-step{step:08d}"
    weights = safetensors(folder / f"{name}.safetensors")
    one = Checkpoint(
        weights.name, str(weights), step, None, attempt, 1.0, complete=True, finite=True,
        state_path=str(state(folder / f"{name}-state", step)), state_complete=True,
    )  # fmt: skip
    return replace(one, **more)  # type: ignore[arg-type]


def images(folder: Path, number: int = 23) -> str:
    """A dataset folder with so many images, ten times each."""
    place = folder / "train" / "10_x"
    place.mkdir(parents=True, exist_ok=True)
    for at in range(number):
        (place / f"{at:02d}.png").write_bytes(PNG)
    return str(place.parent)


PNG = b"\x89PNG\r\n\x1a\n\x00\x00\x00\rIHDR\x00\x00\x00\x40\x00\x00\x00\x40\x08\x02\x00\x00\x00\x25\x0b\xe6\x89"


def stopped(
    tmp_path: Path,
    *checkpoints: Checkpoint,
    flags: tuple[str, ...] = ("--seed=42",),
    length: tuple[str, ...] = LENGTH,
    step: int = 412,
) -> RunSnapshot:
    """A run of 920 steps that ended at `step`."""
    command = (
        "python",
        "train_network.py",
        f"--train_data_dir={images(tmp_path)}",
        "--resolution=64",
        "--network_module=networks.lora",
        f"--output_dir={tmp_path}/out",
        "--output_name=x",
        *length,
        *flags,
    )
    (tmp_path / "run").mkdir(exist_ok=True)
    expected = [
        ExpectedCheckpoint(f"x-step{n:08d}.safetensors", n, state_name=f"x-step{n:08d}-state")
        for n in range(100, 901, 100)
    ]
    forecast = Forecast(
        steps=920,
        batches_per_epoch=230,
        checkpoints=(*expected, ExpectedCheckpoint("x.safetensors", 920)),
    )
    spec = RunSpec(
        "id", "x", command, str(tmp_path), {}, 1.0, "h", output_dir=f"{tmp_path}/out", output_name="x",
        forecast=forecast,
    )  # fmt: skip
    first = AttemptPlan(1, command, {}, str(tmp_path), spec.output_dir, "x")
    write_json(tmp_path / "run" / "attempt-1.json", first)
    status = Status(
        RunState.ENDED, 1, 1.0, outcome=Outcome.STOPPED, step=step, total_steps=920,
        batches_per_epoch=230, checkpoints=checkpoints, seconds_per_step=2.0,
    )  # fmt: skip
    return RunSnapshot(
        "id", str(tmp_path / "run"), 2.0, RunState.ENDED, spec, status, Outcome.STOPPED
    )


def again(
    snapshot: RunSnapshot, plan: AttemptPlan, *checkpoints: Checkpoint, step: int
) -> RunSnapshot:
    """The same run after that attempt has ended early as well."""
    write_json(Path(snapshot.path) / f"attempt-{plan.attempt}.json", plan)
    assert snapshot.status is not None
    status = replace(
        snapshot.status, attempt=plan.attempt, step=step,
        checkpoints=(*snapshot.status.checkpoints, *checkpoints),
    )  # fmt: skip
    return replace(snapshot, status=status)


def value(found: AttemptPlan, flag: str) -> FlagValue | None:
    return flag_value(found.command, flag)


def test_it_goes_on_from_the_newest_whole_state_with_its_true_step(tmp_path: Path) -> None:
    found = plan_resume(stopped(tmp_path, checkpoint(tmp_path, 200), checkpoint(tmp_path, 400)))
    assert (found.from_step, found.to_step, found.replayed_steps) == (400, 920, 0)
    assert found.trained_steps == 520
    assert value(found.plan, "--initial_step") == "400"
    assert value(found.plan, "--resume") == str(tmp_path / "x-step00000400-state")
    assert "--skip_until_initial_step" in found.plan.command
    assert value(found.plan, "--output_dir") == f"{tmp_path}/out/x-attempt2"
    assert found.plan.command.count("--output_name=x") == 1


def test_the_preview_names_lost_steps_saves_and_files_that_cannot_come(tmp_path: Path) -> None:
    told = plan_resume(stopped(tmp_path, checkpoint(tmp_path, 400))).preview
    text = " ".join((*told.facts, *told.warnings))
    assert "Steps 401 to 412 are trained again" in text
    assert "520 steps to train, about 17 min; epoch 2 of 4 continues" in text
    assert "true steps 430, 530, 630, 730, 830, 920" in text
    assert "No file of step 500, 600, 700, 800, 900:" in text
    assert "learning rate continues at 2.00e-06, 100% of 2.00e-06 (constant)" in text


def test_inside_the_first_epoch_the_grid_stays_and_nothing_is_missing(tmp_path: Path) -> None:
    found = plan_resume(stopped(tmp_path, checkpoint(tmp_path, 200), step=210))
    assert [one.step for one in found.plan.expected] == [*range(300, 901, 100), 920]
    assert not any("cannot" in text or "No file" in text for text in found.preview.warnings)


def test_a_second_resume_names_its_true_steps(tmp_path: Path) -> None:
    snapshot = stopped(tmp_path, checkpoint(tmp_path, 400))
    first = plan_resume(snapshot).plan
    later = again(snapshot, first, checkpoint(tmp_path / "b", 630, attempt=2), step=700)
    found = plan_resume(later)
    assert (found.plan.attempt, found.from_step, found.trained_steps) == (3, 630, 290)
    assert value(found.plan, "--initial_step") == "630"
    # epoch 3 begins at 460: the shown 200 and 400 are 660 and 860
    assert [one.step for one in found.plan.expected] == [660, 760, 860, 920]
    assert value(found.plan, "--output_dir") == f"{tmp_path}/out/x-attempt3"


def test_a_folder_that_holds_files_is_never_written_into(tmp_path: Path) -> None:
    taken = tmp_path / "out" / "x-attempt2"
    safetensors(taken / "x.safetensors")
    found = plan_resume(stopped(tmp_path, checkpoint(tmp_path, 400)))
    assert found.plan.output_dir == f"{taken}-2"


def test_states_that_are_torn_gone_or_after_a_nan_are_passed_over(tmp_path: Path) -> None:
    gone = checkpoint(tmp_path, 600)
    (tmp_path / "x-step00000600-state").rename(tmp_path / "moved")
    torn = checkpoint(tmp_path, 500)
    (tmp_path / "x-step00000500-state" / "random_states_0.pkl").unlink()
    bad = checkpoint(tmp_path, 450, finite=False)
    found = plan_resume(stopped(tmp_path, checkpoint(tmp_path, 200), bad, torn, gone))
    assert found.from_step == 200
    assert sum("skipped: it" in note for note in found.notes) == 3
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
    found = plan_resume(stopped(tmp_path, checkpoint(tmp_path, 100), flags=flags, step=110))
    assert "--skip_until_initial_step" not in found.plan.command
    assert not found.plan.skip
    assert found.replayed_steps > 0
    assert any(word in note for note in found.notes)


def test_with_accumulation_the_state_at_the_epochs_start_is_taken_because_it_is_exact(
    tmp_path: Path,
) -> None:
    flags = ("--seed=42", "--gradient_accumulation_steps=4")
    points = [checkpoint(tmp_path, step) for step in (58, 100, 116, 150)]
    found = plan_resume(stopped(tmp_path, *points, flags=flags, step=160))
    assert (found.from_step, found.replayed_steps) == (116, 0)
    assert any("continues at the start of an epoch" in note for note in found.notes)


def test_without_any_state_the_weights_go_on_with_a_plain_warning(tmp_path: Path) -> None:
    bare = [
        checkpoint(tmp_path, n, state_path=None, state_complete=None) for n in (100, 200, 300, 400)
    ]
    found = plan_resume(stopped(tmp_path, *bare))
    assert found.from_step == 400
    assert value(found.plan, "--network_weights") == str(tmp_path / "x-step00000400.safetensors")
    assert value(found.plan, "--resume") is None
    assert value(found.plan, "--max_train_steps") == "520"
    assert value(found.plan, "--max_train_epochs") is None
    assert (found.plan.origin_step, found.plan.base_step) == (400, 400)
    assert [one.step for one in found.plan.expected] == [500, 600, 700, 800, 900, 920]
    assert any("optimizer state is lost" in note for note in found.notes)


def test_a_resume_of_an_attempt_that_began_with_weights_counts_in_its_own_steps(
    tmp_path: Path,
) -> None:
    bare = checkpoint(tmp_path, 400, state_path=None, state_complete=None)
    snapshot = stopped(tmp_path, bare)
    first = plan_resume(snapshot).plan
    later = again(snapshot, first, checkpoint(tmp_path / "b", 700, attempt=2), step=710)
    found = plan_resume(later)
    # its own epoch 2 of 3 began at 630: sd-scripts would train to the end of the third
    assert (found.from_step, found.to_step, found.plan.origin_step) == (700, 920, 400)
    assert (found.plan.stop_step, found.plan.expected[-1].name) == (920, "x.safetensors")
    assert any("past step 920, to step 1090" in note for note in found.notes)
    assert value(found.plan, "--initial_step") == "300"
    assert value(found.plan, "--max_train_steps") == "520"
    assert value(found.plan, "--network_weights") is None


def test_nothing_saved_says_what_to_set(tmp_path: Path) -> None:
    with pytest.raises(Refused, match="save_state = true"):
        plan_resume(stopped(tmp_path))


def test_only_bad_files_are_each_named(tmp_path: Path) -> None:
    bad = checkpoint(tmp_path, 100, finite=False)
    with pytest.raises(Refused, match="NaN or Inf"):
        plan_resume(stopped(tmp_path, bad))


def test_a_chosen_checkpoint_is_taken_by_step_or_name(tmp_path: Path) -> None:
    snapshot = stopped(tmp_path, checkpoint(tmp_path, 200), checkpoint(tmp_path, 400))
    for named in (
        "200",
        "x-step00000200",
        "x-step00000200-state",
        str(tmp_path / "x-step00000200-state"),
    ):
        assert plan_resume(snapshot, named=named).from_step == 200
    with pytest.raises(Refused, match=r"steps: 200, 400"):
        plan_resume(snapshot, named="300")


def test_a_running_run_is_not_resumed(tmp_path: Path) -> None:
    snapshot = stopped(tmp_path, checkpoint(tmp_path, 200))
    with pytest.raises(Refused, match="stop it first"):
        plan_resume(replace(snapshot, state=RunState.RUNNING))


@pytest.mark.parametrize(
    ("change", "word"),
    [
        ("network_dim=16", "network_dim was not set and is now 16"),
        ("optimizer_type=Lion", "optimizer_type"),
        ("network_train_unet_only=true", "network_train_unet_only"),
    ],
)
def test_a_change_that_the_state_cannot_bear_is_refused_with_the_reason(
    tmp_path: Path, change: str, word: str
) -> None:
    snapshot = stopped(tmp_path, checkpoint(tmp_path, 400))
    with pytest.raises(Refused, match=word):
        plan_resume(snapshot, changes=(change,))


def test_another_rank_in_the_files_is_refused(tmp_path: Path) -> None:
    point = checkpoint(tmp_path, 400)
    state(tmp_path / "x-step00000400-state", 400, rank=8)
    with pytest.raises(Refused, match="has rank 8, but network_dim is 4"):
        plan_resume(stopped(tmp_path, point))


def test_a_dataset_with_another_epoch_is_refused(tmp_path: Path) -> None:
    snapshot = stopped(tmp_path, checkpoint(tmp_path, 400))
    (tmp_path / "train" / "10_x" / "05.png").unlink()
    with pytest.raises(Refused, match="an epoch had 230 batches and has 220 now"):
        plan_resume(snapshot)


def test_another_learning_rate_goes_by_the_weights_because_a_state_brings_the_old_one_back(
    tmp_path: Path,
) -> None:
    snapshot = stopped(tmp_path, checkpoint(tmp_path, 400))
    found = plan_resume(snapshot, changes=("learning_rate=1e-5",))
    assert found.plan.state_path is None
    assert found.plan.weights_path == str(tmp_path / "x-step00000400.safetensors")
    assert found.plan.changes == ("learning_rate=1e-05",)
    [change] = [c for c in found.preview.changes if c.name == "learning_rate"]
    assert (change.before, change.after) == (None, "1e-05")


def test_changes_of_one_resume_hold_for_the_next(tmp_path: Path) -> None:
    snapshot = stopped(tmp_path, checkpoint(tmp_path, 400))
    first = plan_resume(snapshot, changes=("cache_latents=true", "env.A=1")).plan
    assert "--cache_latents" in first.command and first.env == {"A": "1"}
    found = plan_resume(again(snapshot, first, step=450))
    assert "--cache_latents" in found.plan.command and found.plan.env == {"A": "1"}
    assert found.plan.changes == ("cache_latents=true", "env.A=1")
    assert not found.preview.changes


def test_a_script_that_keeps_no_count_trains_what_is_left_and_is_told_so(tmp_path: Path) -> None:
    point = checkpoint(tmp_path, 400)
    (tmp_path / "x-step00000400-state" / "train_state.json").unlink()
    found = plan_resume(stopped(tmp_path, point))
    assert value(found.plan, "--initial_step") is None
    assert value(found.plan, "--resume") == point.state_path
    assert value(found.plan, "--max_train_steps") == "520"
    assert found.plan.origin_step == 400
    assert any("does not save its step count" in note for note in found.notes)


def part_of_an_epoch(tmp_path: Path, total: int = 900, *save: str) -> RunSnapshot:
    """A run of `total` steps, which are no whole epochs, stopped after step 400."""
    length = (f"--max_train_steps={total}", *save)
    snapshot = stopped(tmp_path, checkpoint(tmp_path, 400), length=length)
    assert snapshot.status is not None
    return replace(snapshot, status=replace(snapshot.status, total_steps=total))


def test_past_the_first_epoch_a_resume_ends_at_the_planned_step_with_a_save_of_its_own(
    tmp_path: Path,
) -> None:
    found = plan_resume(part_of_an_epoch(tmp_path, 900, "--save_every_n_steps=100", "--save_state"))
    assert (found.to_step, found.trained_steps, found.plan.stop_step) == (900, 500, 900)
    # epoch 2 began at 230: the trainer's own step 670 is step 900; the schedule's length stays
    assert value(found.plan, "--save_every_n_steps") == "134"
    assert value(found.plan, "--max_train_steps") == "900"
    assert [one.step for one in found.plan.expected] == [498, 632, 766, 900]
    last = found.plan.expected[-1]
    assert (last.name, last.state_name) == ("x.safetensors", "x-step00000670-state")
    assert any("past step 900, to step 920" in note for note in found.notes)


def test_the_next_resume_asks_for_the_saves_of_the_first_command_again(tmp_path: Path) -> None:
    snapshot = part_of_an_epoch(tmp_path, 900, "--save_every_n_steps=100", "--save_state")
    first = plan_resume(snapshot).plan
    later = again(snapshot, first, checkpoint(tmp_path / "b", 632, attempt=2), step=640)
    found = plan_resume(later)
    # epoch 3 began at 460: 440 is step 900
    assert (found.plan.stop_step, value(found.plan, "--save_every_n_steps")) == (900, "110")
    inside = replace(later.status, checkpoints=(checkpoint(tmp_path, 200),))  # type: ignore[arg-type]
    found = plan_resume(replace(later, status=inside))
    assert (found.plan.stop_step, value(found.plan, "--save_every_n_steps")) == (None, "100")


@pytest.mark.parametrize(
    ("save", "every", "epochs"), [((), "671", None), (("--save_every_n_steps=50",), "61", None)]
)
def test_the_grid_of_saves_always_meets_the_last_step(
    tmp_path: Path, save: tuple[str, ...], every: str, epochs: str | None
) -> None:
    found = plan_resume(part_of_an_epoch(tmp_path, 901, *save))  # 671 = 11 * 61
    assert value(found.plan, "--save_every_n_steps") == every
    assert value(found.plan, "--save_every_n_epochs") == epochs
    assert found.plan.expected[-1].step == 901


def test_where_no_grid_near_the_asked_one_fits_epochs_are_saved_as_well(tmp_path: Path) -> None:
    found = plan_resume(part_of_an_epoch(tmp_path, 903, "--save_every_n_steps=100"))  # 673 is prime
    assert value(found.plan, "--save_every_n_steps") == "673"
    assert value(found.plan, "--save_every_n_epochs") == "1"
    assert [one.step for one in found.plan.expected] == [460, 690, 903]


def test_a_longer_training_that_was_asked_for_ends_where_it_was_asked_to(tmp_path: Path) -> None:
    snapshot = part_of_an_epoch(tmp_path, 900, "--save_every_n_steps=100")
    found = plan_resume(snapshot, changes=("max_train_steps=1000",))
    assert (found.to_step, found.plan.stop_step) == (1000, 1000)


def test_a_script_that_counts_otherwise_is_promised_nothing(tmp_path: Path) -> None:
    snapshot = stopped(tmp_path, checkpoint(tmp_path, 400))
    assert snapshot.status is not None
    other = replace(snapshot, status=replace(snapshot.status, total_steps=777))
    found = plan_resume(other)
    assert (found.plan.expected, found.trained_steps, found.to_step) == ((), None, 777)


def test_a_changed_trainer_is_named(tmp_path: Path) -> None:
    snapshot = stopped(tmp_path, checkpoint(tmp_path, 400))
    assert snapshot.spec is not None
    (tmp_path / ".git").mkdir()
    (tmp_path / ".git" / "HEAD").write_text("b" * 40)
    spec = replace(snapshot.spec, versions={"sd_scripts": "a" * 40})
    found = plan_resume(replace(snapshot, spec=spec))
    assert any("sd_scripts was aaaaaaaaaaaa and is bbbbbbbbbbbb now" in n for n in found.notes)


def test_numbers_of_a_recorded_command_line_are_read_as_numbers(tmp_path: Path) -> None:
    flags = ("--seed=42", "--train_batch_size=1", "--min_bucket_reso=64", "--validation_split=0.0")
    found = plan_resume(stopped(tmp_path, checkpoint(tmp_path, 400), flags=flags))
    assert found.from_step == 400


@pytest.mark.parametrize("step", [200, 400, 460])
def test_the_preview_says_that_the_result_will_not_equal_an_unbroken_run(
    tmp_path: Path, step: int
) -> None:
    told = plan_resume(stopped(tmp_path, checkpoint(tmp_path, step), step=470)).preview
    assert any("will differ from an uninterrupted run" in text for text in told.warnings)
