"""Header, checkpoints, preflight, runs, the questions of stopping and resuming."""

from __future__ import annotations

import math
from dataclasses import replace

import pytest

from runner.model import CheckResult, Outcome, Phase, RunState
from tests import builders as b
from tui.panels.header import header_of
from tui.panels.plan import planned_header, planned_snapshot
from tui.panels.verdict import loss_trend, pace_change
from tui.words.checklist import Checklist, preflight_list
from tui.words.checkpoints import checkpoint_table
from tui.words.progress import progress_of
from tui.words.state import label_of, state_label

# --------------------------------------------------------------------------- state, progress, header


def test_every_state_and_outcome_has_a_word_and_a_shape_of_its_own() -> None:
    labels = [label_of(RunState.ENDED, outcome) for outcome in Outcome]
    labels += [label_of(state, None) for state in RunState if state is not RunState.UNKNOWN]
    assert len({label.word for label in labels}) == len(labels)
    # what cannot be read and what ended without a verdict: both are unknown
    assert label_of(RunState.UNKNOWN, None) == label_of(RunState.ENDED, Outcome.UNKNOWN)
    assert all(len(label.shape) == 1 for label in labels)
    assert label_of(RunState.RUNNING, None, Phase.SAVING).word == "saving"
    for phase in Phase:
        assert label_of(RunState.RUNNING, None, phase).word


def test_good_and_bad_endings_differ_without_colour() -> None:
    good = state_label(b.ended(Outcome.SUCCEEDED))
    bad = state_label(b.ended(Outcome.FAILED, 10))
    assert good.shape != bad.shape and good.word != bad.word


def test_the_step_journal_runs_ahead_of_the_status() -> None:
    shown = replace(b.snapshot(412), loss=b.series(b.losses(414)))
    assert progress_of(shown).step == 414
    assert progress_of(shown).stop_cost.steps == 14


def test_unknown_numbers_stay_unknown() -> None:
    shown = b.snapshot(
        3,
        spec=None,
        status_changes={"total_steps": None, "epochs": None, "seconds_per_step": None,
                        "eta_s": None, "batches_per_epoch": None},
    )  # fmt: skip
    progress = progress_of(shown)
    assert (
        progress.fraction is None and progress.left_s is None and progress.stop_cost.seconds is None
    )
    assert [field.short for field in header_of(shown).fields][:1] == ["3/?"]
    assert header_of(shown).name == b.RUN_ID


def test_an_ended_run_has_no_time_left() -> None:
    texts = [field.text for field in header_of(b.ended(Outcome.STOPPED, 412)).ends]
    assert not [text for text in texts if "left" in text]
    assert "trained 21 min" in texts


# --------------------------------------------------------------------------- checkpoints


def test_written_and_expected_stand_in_order_with_their_times() -> None:
    table = checkpoint_table(b.snapshot(412), b.NOW)
    assert [(row.step, row.kind) for row in table.rows] == [
        (400, "written"), (200, "written"), (600, "expected"), (800, "expected"), (920, "expected"),
    ]  # fmt: skip
    assert [row.age for row in table.rows] == [
        "35 s",
        "10 min",
        "in 10 min",
        "in 20 min",
        "in 26 min",
    ]
    assert (table.written, table.total, table.past) == (2, 5, 2)
    assert table.rows[1].cells["epoch"] == "0.87" and table.rows[-1].final


def test_what_was_not_looked_at_is_unknown_not_good() -> None:
    one = b.checkpoint(200, complete=None, finite=None, size_bytes=None, state_complete=None)
    row = checkpoint_table(b.snapshot(212, status_changes={"checkpoints": (one,)}), b.NOW).rows[0]
    assert {row.cells[name] for name in ("complete", "finite", "state", "size")} == {"unknown"}


def test_a_bad_file_says_why() -> None:
    one = b.checkpoint(200, complete=True, finite=False, problem="528 of 792 tensors are NaN")
    row = checkpoint_table(b.snapshot(212, status_changes={"checkpoints": (one,)}), b.NOW).rows[0]
    assert row.cells["finite"] == "no" and row.problem == "528 of 792 tensors are NaN"


def test_a_step_that_passed_without_its_file_is_missing() -> None:
    shown = b.snapshot(412, status_changes={"checkpoints": (b.checkpoint(400),)})
    table = checkpoint_table(shown, b.NOW)
    assert [(r.step, r.kind) for r in table.rows][:2] == [(400, "written"), (200, "missing")]


def test_a_file_being_written_is_not_missing() -> None:
    shown = b.in_phase(
        Phase.SAVING, 201, status_changes={"saving_since": b.NOW - 1, "checkpoints": ()}
    )
    row = checkpoint_table(shown, b.NOW).rows[0]
    assert (row.step, row.kind, row.age) == (200, "expected", "due now")


def test_after_a_resume_only_the_last_file_is_forecast() -> None:
    shown = b.snapshot(412, status_changes={"attempt": 2})
    steps = [row.step for row in checkpoint_table(shown, b.NOW).rows if row.kind == "expected"]
    assert steps == [920]


def test_what_a_stopped_run_did_not_write_is_no_alarm_but_a_success_must_have_all() -> None:
    stopped = checkpoint_table(b.ended(Outcome.STOPPED, 412), b.NOW)
    assert {r.kind for r in stopped.rows if r.step and r.step > 412} == {"expected"}
    done = b.ended(Outcome.SUCCEEDED)
    assert done.status is not None
    short = replace(done, status=replace(done.status, checkpoints=done.status.checkpoints[:-1]))
    assert checkpoint_table(short, b.NOW).rows[0].kind == "missing"


def test_removed_files_are_told_and_not_counted() -> None:
    files = (b.checkpoint(200, removed=True), b.checkpoint(400))
    table = checkpoint_table(b.snapshot(412, status_changes={"checkpoints": files}), b.NOW)
    assert table.rows[1].kind == "removed" and table.rows[1].age == "removed"
    assert (table.written, table.total) == (1, 4)


def test_no_snapshot_no_rows() -> None:
    assert checkpoint_table(None, b.NOW).rows == ()


# --------------------------------------------------------------------------- preflight


def test_preflight_puts_first_what_needs_a_person() -> None:
    checks = (*b.CHECKS, CheckResult("output", "fail", "not writable"))
    found = preflight_list(checks)
    assert [row.mark for row in found.rows[:3]] == ["no", "warn", "warn"]
    assert found.summary == "1 failed, 2 warnings, 8 passed, 1 skipped"
    odd = preflight_list((CheckResult("x_y", "strange", "e"),))
    assert odd.rows[0].mark == "skip" and odd.rows[0].title == "x y"


# --------------------------------------------------------------------------- plan, trend


def test_a_plan_shows_its_forecast_and_nothing_measured() -> None:
    from tui.backend.results import Plan

    plan = Plan("spyke", b.forecast(), b.CHECKS)
    rows = checkpoint_table(planned_snapshot(plan), 0.0).rows
    assert (rows[0].step, rows[0].age) == (200, "")
    assert planned_header(Plan("spyke", problem="no"), Checklist()).fields == ()


@pytest.mark.parametrize("seed", range(5))
def test_the_trend_compares_epoch_means_and_finds_none_in_noise(seed: int) -> None:
    values = b.losses(500, seed)
    means = [sum(values[at : at + 230]) / 230 for at in (0, 230)]
    falling = loss_trend(b.series(values), 230)
    assert falling.kind == "falling" and falling.change == pytest.approx(means[1] / means[0] - 1)
    assert (falling.noun, falling.before, falling.after) == ("epoch", "1", "2")
    flat = [0.1 + 0.05 * math.sin(i * 78.233 + seed) for i in range(600)]
    assert loss_trend(b.series(flat), 230).kind == "flat"


def test_within_an_epoch_the_trend_does_not_move() -> None:
    values = b.losses(690)
    found = {loss_trend(b.series(values[:step]), 230) for step in range(460, 690, 7)}
    assert len(found) == 1


def test_before_two_epochs_there_is_no_trend() -> None:
    assert loss_trend(b.series(b.losses(459)), 230).kind == "unknown"
    assert loss_trend(b.series(b.losses(400)), None).kind == "unknown"


def test_a_trend_needs_more_to_begin_than_to_last() -> None:
    def epoch(mean: float) -> list[float]:
        return [mean + 0.05 * math.sin(i * 78.233) for i in range(200)]

    small = 0.1 * 0.93  # about one and a half standard errors
    assert loss_trend(b.series(epoch(0.1) + epoch(small)), 200).kind == "flat"
    longer = epoch(0.2) + epoch(0.1) + epoch(small)
    assert loss_trend(b.series(longer), 200).kind == "falling"


def test_short_epochs_are_compared_in_groups() -> None:
    trend = loss_trend(b.series([0.2] * 60 + [0.1] * 65), 20)
    assert (trend.kind, trend.before, trend.after) == ("falling", "1-3", "4-6")


def test_buckets_that_lie_in_two_epochs_count_for_both() -> None:
    values = b.losses(460)
    wide = b.series(values, fold=8)
    exact, folded = loss_trend(b.series(values), 230), loss_trend(wide, 230)
    assert folded.change == pytest.approx(exact.change, abs=0.01)


def test_pace_needs_times() -> None:
    assert pace_change(b.series(b.losses(100), per_step_s=None), 3.1)[0] == "unknown"
    assert pace_change(b.series(b.losses(100)), 3.1)[0] == "steady"
    assert pace_change(b.series(b.losses(100)), 9.0)[0] == "slower"
    assert pace_change(b.series(b.losses(5)), 3.1)[0] == "unknown"


def test_the_last_save_is_due_when_the_training_ends() -> None:
    """The supervisor's estimate knows of saves: steps times pace would be a minute less."""
    shown = b.snapshot(412, status_changes={"eta_s": 1635.0})
    progress = progress_of(shown)
    assert progress.seconds_until(920) == progress.left_s == 1635.0


def test_steps_per_epoch_are_those_of_the_summary_where_the_plan_ends_within_an_epoch() -> None:
    shown = b.snapshot(
        100, status_changes={"total_steps": 200, "epochs": 2, "batches_per_epoch": 138}
    )
    assert progress_of(shown).steps_per_epoch == 138
    changes = {"total_steps": 140, "epochs": 2, "batches_per_epoch": 138}
    assert progress_of(b.snapshot(100, status_changes=changes)).steps_per_epoch == 138
    by_two = b.snapshot(
        100, status_changes={"total_steps": 138, "epochs": 2, "batches_per_epoch": 138}
    )
    assert progress_of(by_two).steps_per_epoch == 69
