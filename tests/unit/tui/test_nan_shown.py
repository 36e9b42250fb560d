"""A loss that is NaN is NaN wherever it is shown, and nothing after it is called good."""

from __future__ import annotations

import json
import math
from dataclasses import replace
from pathlib import Path

import pytest

from runner.history.review.cautions import untrusted_step
from runner.history.review.epochs import epoch_rows, smooth_at
from runner.model import Checkpoint, Outcome, RunSnapshot, RunState, Status
from runner.model.events import BannerSeen, CheckpointSaving, StepShown, ValidationSeen
from runner.model.units import loss
from runner.state.lineage import safe_step, weights_step
from runner.state.losses import StepTable, loss_facts
from runner.state.translator import Translator
from runner.store.journal import Row, decode_json, encode_json, read_json, write_json
from runner.store.listing import listing_of
from runner.store.series import LossFold
from tests import builders as b
from tui.cli.common import progress_line
from tui.words.checkpoints import checkpoint_table
from tui.words.clauses import still_good
from tui.words.loss import chart_model
from tui.words.progress import progress_of
from tui.words.runs import shown_loss

NAN_AT = 61


def rows_until(last: int, nan_at: int, *, until: int | None = None) -> list[Row]:
    """Exact losses, NaN from `nan_at` on (to `until`)."""
    return [
        (
            step, float(step), "nan" if nan_at <= step <= (until or last) else 0.1, None, None, 1,
        )
        for step in range(1, last + 1)
    ]  # fmt: skip


def broken_run() -> RunSnapshot:
    """120 steps, NaN from step 61 on; finite files of steps 40, 80 and 120: the weights did not take it."""
    values = [0.1] * (NAN_AT - 1) + [math.nan] * 60
    status = Status(
        RunState.ENDED, 1, b.NOW, outcome=Outcome.DIVERGED, step=120, total_steps=120,
        loss=math.nan, average=math.nan, first_nonfinite_step=NAN_AT,
        checkpoints=(
            b.checkpoint(40, loss=0.1), b.checkpoint(80, loss=math.nan),
            b.checkpoint(120, loss=math.nan, final=True),
        ),
    )  # fmt: skip
    return RunSnapshot(
        b.RUN_ID, "/run", b.NOW, RunState.ENDED, b.spec(), status, Outcome.DIVERGED,
        b.series(values),
    )  # fmt: skip


def test_a_status_keeps_a_loss_that_is_not_finite(tmp_path: Path) -> None:
    one = Checkpoint("a", "a", 3, None, 1, 1.0, loss=math.nan, validation_loss=math.inf)
    status = Status(RunState.RUNNING, 1, 1.0, loss=math.nan, average=-math.inf, checkpoints=(one,))
    write_json(tmp_path / "status.json", status)
    raw = json.loads((tmp_path / "status.json").read_text())
    assert (raw["loss"], raw["average"]) == ("nan", "-inf")
    read = read_json(tmp_path / "status.json", Status)
    assert read.loss is not None and math.isnan(read.loss)
    assert read.average == -math.inf
    assert read.checkpoints[0].loss is not None and math.isnan(read.checkpoints[0].loss)
    assert read.checkpoints[0].validation_loss == math.inf


def test_what_is_not_known_stays_unknown_and_older_files_read_as_before() -> None:
    status = Status(RunState.RUNNING, 1, 1.0, last_warning="nan")
    read = decode_json(encode_json(status), Status)
    assert (read.loss, read.last_warning) == (None, "nan")
    assert (
        decode_json(b'{"state":"running","attempt":1,"heartbeat_at":1.0,"loss":null}', Status).loss
        is None
    )


def steps(progress: Translator, first: int, last: int, exact: float, average: float) -> None:
    for step in range(first, last + 1):
        progress.on_console(StepShown(0, step, 200, average), float(step))
        progress.on_exact(step, exact, float(step))


def test_a_checkpoint_saved_after_the_nan_has_a_loss_of_nan() -> None:
    progress = Translator(1)
    progress.on_console(BannerSeen(0, "total_steps", 200), 0.0)
    steps(progress, 1, 60, 0.1, 0.1)
    progress.on_console(CheckpointSaving(0, "a-step00000060.safetensors"), 60.0)
    steps(progress, 61, 80, math.nan, math.nan)
    progress.on_console(CheckpointSaving(0, "a-step00000080.safetensors"), 80.0)
    progress.finish()
    first, second = (one.loss for one in progress.checkpoints)
    assert first == pytest.approx(0.1)
    assert second is not None and math.isnan(second)
    assert progress.state.loss is not None and math.isnan(progress.state.loss)


def test_after_a_single_bad_step_the_smoothed_loss_is_finite_again() -> None:
    progress = Translator(1)
    steps(progress, 1, 10, 0.1, 0.1)
    steps(progress, 11, 11, math.nan, math.nan)
    progress.finish()
    assert progress.rows.smoothing.now is not None and math.isnan(progress.rows.smoothing.now)
    steps(progress, 12, 20, 0.1, math.nan)  # the average stays poisoned for ever
    progress.finish()
    assert progress.rows.smoothing.now == pytest.approx(0.1)


def test_a_validation_that_is_nan_is_not_hidden_by_an_earlier_one() -> None:
    progress = Translator(1)
    steps(progress, 1, 10, 0.1, 0.1)
    progress.on_console(ValidationSeen(0, 0.2, True), 10.0)
    steps(progress, 11, 20, math.nan, math.nan)
    progress.on_console(ValidationSeen(0, math.nan, True), 20.0)
    assert progress.validation_at(10) == 0.2
    found = progress.validation_at(20)
    assert found is not None and math.isnan(found)


def test_the_smoothed_loss_of_the_series_is_nan_at_the_end_of_a_broken_run() -> None:
    fold = LossFold()
    fold.extend(rows_until(5000, 4000))
    series = fold.series()
    assert series.smooth is not None and math.isnan(series.smooth)
    assert series.buckets[-1].smooth is not None and math.isnan(series.buckets[-1].smooth)
    assert series.buckets[0].smooth == pytest.approx(0.1)
    fold = LossFold()
    fold.extend(rows_until(5000, 4000, until=4001))
    assert fold.series().smooth == pytest.approx(0.1)


def test_a_resume_before_the_nan_smooths_on_from_finite_numbers() -> None:
    fold = LossFold()
    fold.extend(rows_until(100, 61))
    fold.extend([(step, None, 0.1, None, None, 2) for step in range(81, 101)])
    smooth = fold.series().smooth
    assert smooth is not None and math.isfinite(smooth)


def test_the_review_says_nan_where_the_loss_is_nan() -> None:
    table = StepTable()
    for row in rows_until(120, NAN_AT):
        table.add(row)
    table.close()
    smooth = table.smoothed()
    facts = loss_facts(table, smooth)
    assert loss(facts.smooth) == "NaN"
    assert [loss(row.smooth) for row in epoch_rows(table, smooth, 60)] == ["0.1000", "NaN"]
    assert [loss(smooth_at(table, smooth, step)) for step in (60, 61, 120)] == [
        "0.1000",
        "NaN",
        "NaN",
    ]


def test_panels_rows_and_lists_show_nan() -> None:
    snapshot = broken_run()
    assert chart_model(snapshot).value == "NaN"
    assert "loss NaN" in progress_line(snapshot)
    assert loss(shown_loss(listing_of(snapshot))) == "NaN"
    rows = [row for row in checkpoint_table(snapshot, b.NOW).rows if row.kind == "written"]
    assert [row.cells["loss"] for row in rows] == ["NaN", "NaN", "0.1000"]


def test_nothing_saved_after_the_nan_is_called_good() -> None:
    snapshot = broken_run()
    assert untrusted_step(snapshot) == NAN_AT
    assert progress_of(snapshot).kept_step == 40
    assert still_good(snapshot).text == "Good checkpoints: up to step 40."
    rows = [row for row in checkpoint_table(snapshot, b.NOW).rows if row.kind == "written"]
    assert [row.remark for row in rows[:2]] == [
        f"saved after the loss became NaN at step {NAN_AT}"
    ] * 2
    assert rows[2].remark == ""
    assert snapshot.status is not None
    assert safe_step(snapshot.status.checkpoints, NAN_AT) == 40
    assert weights_step(snapshot.status.checkpoints, NAN_AT) == 40


def test_a_run_that_came_through_one_bad_step_keeps_all_its_files() -> None:
    values = [0.1] * 60 + [math.nan] + [0.1] * 59
    snapshot = broken_run()
    assert snapshot.status is not None
    files = tuple(b.checkpoint(step, loss=0.1) for step in (40, 80, 120))
    status = replace(snapshot.status, checkpoints=files, loss=0.1)
    snapshot = replace(snapshot, status=status, loss=b.series(values))
    assert untrusted_step(snapshot) is None
    assert progress_of(snapshot).kept_step == 120
    assert not any(row.remark for row in checkpoint_table(snapshot, b.NOW).rows)
