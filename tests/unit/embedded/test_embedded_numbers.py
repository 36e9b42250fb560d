"""The built-in trainer's pure parts: flags, where a resume begins, averages."""

from __future__ import annotations

import io
import math
from pathlib import Path

import pytest

from runner.config.flags import int_or_float
from runner.embedded.arguments import parse_arguments
from runner.embedded.pausing import paused
from runner.embedded.recorder import LossRecorder
from runner.embedded.start import Start, find_start
from runner.trainers.builtin.arguments import build_parser

SCENARIO = (
    "--pretrained_model_name_or_path a --dataset_config d --output_dir o --output_name n "
    "--save_model_as=safetensors --max_train_steps=5 --learning_rate=1e-4 "
    "--network_module=networks.lora --network_dim=32 --network_alpha=16 --mixed_precision=no "
    "--save_precision=float --optimizer_type=AdamW --no_half_vae --gradient_checkpointing --seed=42 "
    "--save_every_n_steps=200 --max_train_epochs=4 --unet_lr=1e-4 --text_encoder_lr=5e-5 "
    "--lr_scheduler=cosine --lr_warmup_steps=0 --clip_skip=2 --prior_loss_weight=1.0 "
    "--max_data_loader_n_workers=1 --persistent_data_loader_workers --cache_latents"
)


def test_the_first_users_flags_are_all_taken() -> None:
    args = parse_arguments(SCENARIO.split())
    assert (args.max_train_epochs, args.text_encoder_lr, args.clip_skip) == (4, [5e-5], 2)
    assert args.persistent_data_loader_workers is True


def test_defaults_are_those_of_sd_scripts() -> None:
    args = parse_arguments([])
    assert (args.max_train_steps, args.learning_rate, args.max_grad_norm) == (1600, 2e-6, 1.0)
    assert (args.max_data_loader_n_workers, args.caption_extension) == (8, ".caption")
    assert (args.network_alpha, args.lr_scheduler, args.save_model_as) == (
        1, "constant", "safetensors",
    )  # fmt: skip


@pytest.mark.parametrize(
    ("argv", "words"),
    [
        (["--nonsense"], "error: unrecognized arguments: --nonsense"),
        (["--mixed_precision", "fp8"], "argument --mixed_precision: invalid choice: 'fp8'"),
        (["--seed", "x"], "argument --seed: invalid int value: 'x'"),
        (["--lr_warmup_steps", "x%"], "'x%' is not an int or float"),
        (["--xformers"], "unrecognized arguments: --xformers"),
    ],
)
def test_wrong_flags_leave_with_code_2(
    argv: list[str], words: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as left:
        parse_arguments(argv)
    assert left.value.code == 2
    shown = capsys.readouterr().err
    assert shown.startswith("usage: ")
    assert words in shown


def test_a_config_file_holds_flags_and_the_command_line_wins(tmp_path: Path) -> None:
    (tmp_path / "c.toml").write_text('seed = 7\n[saving]\noutput_name = "x"\nsave_state = true\n')
    args = parse_arguments(["--config_file", str(tmp_path / "c"), "--seed", "8"])
    assert (args.seed, args.output_name, args.save_state) == (8, "x", True)


def test_a_config_file_is_checked(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "c.toml").write_text("nonsense = 7\n")
    for name, code, words in (
        ("c.toml", 2, "unrecognized arguments: nonsense"),
        ("none", 1, "none.toml not found."),
    ):
        with pytest.raises(SystemExit) as left:
            parse_arguments(["--config_file", str(tmp_path / name)])
        assert left.value.code == code
        assert words in capsys.readouterr().err


@pytest.mark.parametrize(("text", "value"), [("100", 100), ("0.1", 0.1), ("10%", 0.1), ("0", 0.0)])
def test_warmup_is_steps_or_a_share(text: str, value: float) -> None:
    assert int_or_float(text) == value


def test_every_flag_can_be_listed_without_torch() -> None:
    names = {action.dest for action in build_parser()._actions}
    assert {"resume", "save_last_n_steps_state", "validate_every_n_steps", "log_prefix"} <= names


def start(state_step: int | None, *, skip: bool, accumulation: int = 1, **given: int) -> Start:
    return find_start(
        initial_step=given.get("initial_step"),
        initial_epoch=given.get("initial_epoch"),
        state_step=state_step,
        skip=skip,
        batches=230,
        processes=given.get("processes", 1),
        accumulation=accumulation,
        max_train_steps=920,
    )


def test_a_resume_without_skipping_restarts_the_epoch_and_the_count() -> None:
    assert start(400, skip=False) == Start(first_epoch=1, skip_batches=0)


def test_a_skipping_resume_counts_within_the_epoch() -> None:
    assert start(400, skip=True) == Start(1, 170, 400, 400)
    assert start(230, skip=True) == Start(1, 0, 230, 230)
    assert start(100, skip=True) == Start(0, 100, 100, 100)


def test_a_given_step_wins_over_the_states() -> None:
    assert start(400, skip=True, initial_step=125) == Start(0, 125, 125, 125)
    assert start(400, skip=True, initial_step=0) == Start()
    assert start(None, skip=True, initial_epoch=3) == Start(2, 0, 460, 460)


def test_accumulation_mixes_the_units_as_in_sd_scripts() -> None:
    # state of step 100 with 4 accumulated batches: recorded as skipping 6 epochs, step -980
    assert start(100, skip=True, accumulation=4) == Start(6, 400 - 6 * 230, 100, 400)


def test_nothing_left_to_train_is_refused() -> None:
    with pytest.raises(AssertionError, match="920 vs 920"):
        start(920, skip=True)


def test_the_average_of_the_first_epoch_is_that_of_all_its_losses() -> None:
    recorder = LossRecorder()
    assert recorder.average == 0.0
    for step, loss in enumerate([1.0, 2.0, 3.0]):
        recorder.add(0, step, loss)
    assert recorder.average == 2.0


def test_later_epochs_replace_the_loss_of_the_same_place() -> None:
    recorder = LossRecorder()
    for step, loss in enumerate([1.0, 2.0, 3.0]):
        recorder.add(0, step, loss)
    recorder.add(1, 0, 4.0)
    assert recorder.average == 3.0


def test_a_skipped_place_halves_the_average_after_a_resume() -> None:
    recorder = LossRecorder()
    recorder.add(1, 1, 0.966)
    assert recorder.average == pytest.approx(0.483)


def test_one_nan_stays_for_ever() -> None:
    recorder = LossRecorder()
    recorder.add(0, 0, math.nan)
    recorder.add(1, 0, 1.0)
    assert math.isnan(recorder.average)


def test_the_bar_counts_the_steps_and_not_the_pauses() -> None:
    tqdm = pytest.importorskip("tqdm").tqdm
    now = 100.0
    bar = tqdm(range(40), smoothing=0, file=io.StringIO())
    bar._time = lambda: now
    bar.start_t = bar.last_print_t = now
    for step in range(40):
        now += 0.05  # faster than tqdm prints
        bar.update(1)
        with paused(bar):
            now += 7.0 if step == 9 else 0.0  # a sample is drawn
        assert bar.format_dict["elapsed"] == pytest.approx(0.05 * (step + 1))
    assert " 20.00it/s" in str(bar)


def test_a_bar_that_is_not_shown_is_not_paused() -> None:
    tqdm = pytest.importorskip("tqdm").tqdm
    with paused(tqdm(range(3), disable=True)):
        pass
