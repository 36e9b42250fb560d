"""From the bytes of recorded trainings to steps, checkpoints and phases."""

import math

import pytest

from runner.ingest.console.parser import ConsoleParser
from runner.model import Phase
from runner.model.events import BannerSeen, EpochStarted, StepShown
from runner.state.attempt_state import StepRow
from runner.state.translator import Translator
from tests import DATA

RUNS = DATA / "runs"


def play(name: str, chunk: int = 4096, base_step: int = 0) -> tuple[Translator, list[StepRow]]:
    progress, parser = Translator(1, base_step=base_step), ConsoleParser()
    data, rows = (RUNS / name).read_bytes(), []
    for at in range(0, len(data), chunk):
        for event in parser.feed(data[at : at + chunk]):
            progress.on_console(event, 1000.0 + at)
        rows += progress.take_rows()
    for event in parser.finish():
        progress.on_console(event, 9999.0)
    progress.finish()
    return progress, rows + progress.take_rows()


@pytest.mark.parametrize(
    ("name", "first", "last"),
    [
        ("seed_full.log", 1, 40),
        ("tiny_first_run_killed.log", 1, 412),
        ("tiny_grad_accum.log", 1, 464),
        ("tiny_two_processes.log", 1, 230),
        ("tiny_resume_skip.log", 401, 920),
        ("tiny_resume_noskip.log", 231, 920),
        ("tiny_v091_resume.log", 231, 920),
        ("samples_val.log", 1, 12),
    ],
)
def test_every_true_step_gets_one_row(name: str, first: int, last: int) -> None:
    progress, rows = play(name)
    assert [row.step for row in rows] == list(range(first, last + 1))
    assert progress.state.step == last
    assert all(row.average is not None for row in rows)


@pytest.mark.parametrize("chunk", [1, 17, 1 << 20])
def test_the_rows_do_not_depend_on_how_the_bytes_arrive(chunk: int) -> None:
    whole = [(r.step, r.average) for r in play("tiny_two_workers.log")[1]]
    assert [(r.step, r.average) for r in play("tiny_two_workers.log", chunk)[1]] == whole


def test_the_average_of_a_step_is_the_one_shown_last_for_it() -> None:
    _, rows = play("seed_full.log")
    assert [row.average for row in rows[:4]] == [1.17, 1.03, 1.04, 1.06]
    assert rows[-1].average == 1.03


def test_checkpoints_carry_true_steps() -> None:
    progress, _ = play("tiny_resume_skip.log")
    found = [(c.name, c.step) for c in progress.checkpoints]
    assert found == [
        ("zed-step00000200.safetensors", 430),
        ("zed-000002.safetensors", 460),
        ("zed-step00000400.safetensors", 630),
        ("zed-000003.safetensors", 690),
        ("zed-step00000600.safetensors", 830),
        ("zed.safetensors", 920),
    ]
    assert progress.checkpoints[-1].final
    assert progress.state.model_saved


def test_a_nan_is_dated_by_the_step_that_brought_it() -> None:
    progress, rows = play("nan_step1.log")
    assert progress.state.first_nonfinite_step == 2
    assert math.isnan(rows[1].average or 0.0)
    assert [e.data for e in progress.take_events(0.0) if e.kind == "loss_not_finite"] == [
        {"step": 2}
    ]


def test_states_belong_to_their_checkpoints() -> None:
    progress, _ = play("samples_val.log")
    assert [c.state_path is not None for c in progress.checkpoints] == [True, True]


def test_exact_losses_join_the_row_of_their_step() -> None:
    progress = Translator(1)
    for event in (
        BannerSeen(0, "batches_per_epoch", 10),
        EpochStarted(0, 1, 1),
        StepShown(1, 1, 10, 0.9),
    ):
        progress.on_console(event, 5.0)
    progress.on_exact(1, 0.75, 5.1)
    assert progress.take_rows() == [StepRow(1, 5.1, 0.75, 0.9, None)]
    assert progress.state.loss == 0.75


def test_losses_of_batches_before_the_first_step_are_of_no_step() -> None:
    """With gradient accumulation sd-scripts logs every batch at the number of steps that are done: 0 at first.
    Taken for a step, it would leave the checkpoint of that step to the past of another attempt."""
    progress = Translator(2, base_step=58)
    for event in (
        BannerSeen(0, "batches_per_epoch", 230),
        BannerSeen(0, "accumulation", 4),
        EpochStarted(0, 2, 4),
        StepShown(1, 0, 232, 0.9),
    ):
        progress.on_console(event, 5.0)
    for shown in (0, 0, 0, 1):
        progress.on_exact(shown, 0.5, 5.0)
    progress.on_console(StepShown(2, 1, 232, 0.9), 5.1)
    progress.on_exact(2, 0.5, 5.2)
    progress.finish()
    assert [row.step for row in progress.take_rows()] == [59, 60]
    assert progress.state.first_step == 59


def test_an_exact_loss_that_comes_before_its_bar_is_written_with_the_bar() -> None:
    progress = Translator(1)
    for event in (BannerSeen(0, "batches_per_epoch", 10), EpochStarted(0, 1, 1)):
        progress.on_console(event, 5.0)
    progress.on_exact(1, 0.75, 5.0)
    assert progress.take_rows() == []
    progress.on_console(StepShown(1, 1, 10, 0.9), 5.05)
    assert [(r.step, r.loss, r.average) for r in progress.take_rows()] == [(1, 0.75, 0.9)]


def test_a_row_does_not_wait_for_ever_for_its_exact_loss() -> None:
    progress = Translator(1)
    progress.on_console(EpochStarted(0, 1, 1), 5.0)
    progress.on_console(StepShown(1, 1, 10, 0.9), 5.0)
    progress.tick(5.1)
    assert progress.take_rows() == []
    progress.tick(6.0)
    assert [row.step for row in progress.take_rows()] == [1]
    progress.on_exact(1, math.nan, 6.5)
    late = progress.take_rows()
    assert [row.step for row in late] == [1]
    assert math.isnan(late[0].loss or 0.0)
    assert progress.state.first_nonfinite_step == 1


def test_rows_are_written_in_the_order_of_their_steps() -> None:
    """The bar may show the fifth step first; the event file tells of the four before it."""
    progress = Translator(1)
    for event in (BannerSeen(0, "batches_per_epoch", 10), EpochStarted(0, 1, 1)):
        progress.on_console(event, 5.0)
    progress.on_console(StepShown(1, 5, 10, 0.9), 5.0)
    for step in range(1, 6):
        progress.on_exact(step, step / 10, 5.0)
    progress.finish()
    assert [row.step for row in progress.take_rows()] == [1, 2, 3, 4, 5]


def test_fast_steps_get_their_exact_losses_as_well() -> None:
    """Several bars are read at once, and the event file a moment later: one row a step all the same."""
    progress = Translator(1)
    for event in (
        BannerSeen(0, "batches_per_epoch", 10),
        EpochStarted(0, 1, 1),
        StepShown(1, 1, 10, 0.9),
    ):
        progress.on_console(event, 5.0)
    progress.on_exact(1, 0.1, 5.0)
    for step in (2, 3, 4):
        progress.on_console(StepShown(step, step, 10, 0.9), 5.1)
    for step in (2, 3, 4):
        progress.on_exact(step, step / 10, 5.1)
    assert [(row.step, row.loss) for row in progress.take_rows()] == [
        (1, 0.1), (2, 0.2), (3, 0.3), (4, 0.4),
    ]  # fmt: skip
    progress.on_console(StepShown(5, 5, 10, 0.9), 5.2)
    progress.tick(6.0)
    assert [(row.step, row.loss) for row in progress.take_rows()] == [(5, None)]


def test_a_save_is_over_when_the_bar_moves_again() -> None:
    progress, parser = Translator(1), ConsoleParser()
    text = b"running training\n\rsteps:  10%|#   | 1/10 [00:01<00:09, 1.0it/s, avr_loss=0.5]\n"
    text += b"saving checkpoint: out/x-step00000001.safetensors\n"
    for event in parser.feed(text):
        progress.on_console(event, 10.0)
    assert progress.state.phase is Phase.SAVING
    assert progress.state.saving_since == 10.0
    for event in parser.feed(b"\rsteps:  20%|#   | 2/10 [00:02<00:08, 1.0it/s, avr_loss=0.5]\r"):
        progress.on_console(event, 12.0)
    assert progress.state.saving_since is None
    assert progress.state.phase is Phase.TRAINING


SAVED = "saving checkpoint: /out/{}\n"


@pytest.mark.parametrize("name", ["mine-251130", "mine-step00000003", "a/mine-251130"])
def test_a_name_that_ends_like_an_epoch_or_a_step_is_that_of_the_final_file(name: str) -> None:
    """Names end in dates."""
    made, parser = Translator(1, output_name=name), ConsoleParser()
    stem = name.rpartition("/")[2]
    files = [
        f"{stem}-step00000010.safetensors",
        f"{stem}-000002.safetensors",
        f"{stem}.safetensors",
    ]
    bar = b"steps:  50%|     | 20/40 [00:01<00:01, 1.0it/s, avr_loss=0.1]\n"
    text = bar + "".join(map(SAVED.format, files)).encode()
    for event in (*parser.feed(text), *parser.finish()):
        made.on_console(event, 1.0)
    assert [one.final for one in made.checkpoints] == [False, False, True]
    assert [one.step for one in made.checkpoints] == [10, 20, 20]
    assert made.evidence.evidence().final_begun


def test_an_epoch_beyond_the_planned_ones_is_part_of_an_unknown_name() -> None:
    """As of a log, which names no output_name."""
    made, parser = Translator(1), ConsoleParser()
    text = "  num epochs / epoch数: 2\n" + SAVED.format("mine-251130.safetensors")
    for event in (*parser.feed(text.encode()), *parser.finish()):
        made.on_console(event, 1.0)
    (one,) = made.checkpoints
    assert one.final and one.epoch is None
