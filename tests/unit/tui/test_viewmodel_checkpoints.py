"""The checkpoint table after resumes, with trouble, and in full."""

from __future__ import annotations

import cProfile
import pstats
from dataclasses import replace

import pytest

from runner.history.checkpoint_columns import change_text as change
from runner.history.checkpoint_columns import norm_text as norm
from runner.model import ExpectedCheckpoint, Outcome, RunSnapshot
from tests import builders as b
from tests import stories as s
from tests.hostile import HOSTILE
from tui.kit.paint import plain, row_width
from tui.panels.checkpoints import checkpoint_head, checkpoint_row, detail_rows, in_sight
from tui.words.checkpoints import CheckpointTable, best_checkpoint, checkpoint_table


def table(snapshot: RunSnapshot) -> CheckpointTable:
    return checkpoint_table(snapshot, b.NOW)


def told(snapshot: RunSnapshot, width: int = 48) -> dict[int, str]:
    rows = table(snapshot).rows
    return {row.step or 0: plain(checkpoint_row(row, width, 0.5)) for row in rows}


def test_a_resumed_attempts_own_grid_is_expected_and_the_forecasts_is_said_to_be_impossible() -> (
    None
):
    found = table(s.resumed())
    assert [(row.step, row.kind) for row in found.rows] == [
        (400, "written"), (200, "written"), (545, "expected"), (745, "expected"), (920, "expected"),
        (600, "impossible"), (800, "impossible"),
    ]  # fmt: skip
    assert (found.written, found.total) == (2, 5), "what cannot come is not waited for"
    assert "skipped: save steps shifted on resume" in told(s.resumed())[600]


def test_what_the_first_attempt_should_have_written_stays_missing() -> None:
    shown = s.resumed()
    assert shown.status is not None
    shown = replace(shown, status=replace(shown.status, checkpoints=(b.checkpoint(400),)))
    kinds = {row.step: row.kind for row in table(shown).rows}
    assert kinds[200] == "missing" and kinds[600] == "impossible"


def test_an_unbroken_run_has_nothing_impossible() -> None:
    shown = s.resumed()
    assert shown.plan is not None
    plan = replace(shown.plan, attempt=1, expected=shown.plan.expected[:1])
    assert "impossible" not in {row.kind for row in table(replace(shown, plan=plan)).rows}


def test_a_resume_that_ended_well_misses_nothing_that_could_not_come() -> None:
    shown = s.resumed(920)
    assert shown.status is not None
    final = b.checkpoint(920, name="spyke.safetensors", final=True, state_path=None, attempt=2)
    files = (*shown.status.checkpoints, final)
    over = replace(
        shown, outcome=Outcome.SUCCEEDED, status=replace(shown.status, checkpoints=files)
    )
    assert {row.kind for row in table(over).rows} == {"written", "impossible"}


def test_trouble_is_counted_in_the_title_and_told_in_the_row_at_80_columns() -> None:
    shown = s.troubled_files()
    assert table(shown).trouble == "1 missing, 3 bad, 1 suspect"
    rows = told(shown)
    assert "✗    150  missing, not deleted by the trainer" in rows[150]
    assert "truncated: 41.2 of 72.1 MB" in rows[200]
    assert "528 of 792 tensors are not finite" in rows[250]
    assert "state: optimizer.bin is cut off" in rows[400]
    assert "the network is dead" in rows[300]
    assert "removed" in rows[100] and "✗" not in rows[100]


def test_a_file_with_a_problem_and_a_remark_is_counted_once() -> None:
    bad = b.checkpoint(
        200, finite=False, problem="6 of 9 tensors hold NaN", remark="NaN in block 1"
    )
    shown = b.snapshot(412, status_changes={"checkpoints": (bad, b.checkpoint(400))})
    assert table(shown).trouble == "1 bad"


def test_a_state_with_a_problem_is_no_state_to_go_on_from() -> None:
    assert table(s.troubled_files()).rows[0].cells["state"] == "no"


def test_due_deletions_are_told_where_there_is_room() -> None:
    assert "3 min, deleted at step 600" in told(s.troubled_files(), 138)[350]
    assert told(s.troubled_files(), 50)[350].endswith("  till 600, 3 min")
    only_state = b.checkpoint(400, state_removed_at_step=600)
    shown = b.snapshot(412, status_changes={"checkpoints": (only_state,)})
    assert table(shown).rows[0].fate == "its state is deleted at step 600"


def test_zero_bytes_are_said() -> None:
    empty = b.checkpoint(200, size_bytes=0, complete=False, finite=None)
    shown = b.snapshot(212, status_changes={"checkpoints": (empty,)})
    assert table(shown).rows[0].problem == "zero bytes"


def test_the_save_that_an_ordered_stop_waits_for_is_marked() -> None:
    fates = {
        row.step: row.fate
        for row in table(b.snapshot(412, status_changes={"stop_after_save": True})).rows
    }
    assert fates[600] == "then it stops" and fates[800] == ""


def test_norms_and_their_changes_in_few_cells() -> None:
    assert [norm(value) for value in (None, 0.0, 0.3, 12.34, 456.0, 123456.0)] == [
        "", "0.00", "0.300", "12.3", "456", "1.2e+05",
    ]  # fmt: skip
    assert [change(share) for share in (None, 0.052, -0.4, 0.001, -0.001, 49.0)] == [
        "", "+5 %", "-40 %", "+0 %", "+0 %", "x50",
    ]  # fmt: skip


@pytest.mark.parametrize("width", [30, 42, 48, 62, 75, 90, 138])
def test_rows_fit_and_line_up_at_every_width(width: int) -> None:
    step_end = plain(checkpoint_head(width)).index("step") + 4
    for shown in (s.troubled_files(), s.resumed()):
        for step, text in told(shown, width).items():
            assert len(text) <= width
            assert text[:step_end].split()[-1] == str(step)


def test_columns_come_with_the_width_and_with_nothing_else() -> None:
    names = [plain(checkpoint_head(width)).split() for width in (30, 48, 62, 75, 78, 138)]
    assert [len(one) for one in names] == [4, 5, 6, 7, 9, 11]
    assert (
        "loss" in names[1] and "norm" not in names[1] and "norm" in names[2] and "val" in names[5]
    )


# --------------------------------------------------------------------------- in full


def detail_text(snapshot: RunSnapshot, index: int, width: int = 78) -> str:
    return "\n".join(plain(row) for row in detail_rows(table(snapshot), index, width))


def test_a_checkpoint_in_full() -> None:
    shown = s.resumed(560)
    assert shown.status is not None
    files = [*shown.status.checkpoints]
    files[-1] = replace(files[-1], sample_path="/project/output/sample/spyke_e000002.png")
    text = detail_text(replace(shown, status=replace(shown.status, checkpoints=tuple(files))), 0)
    for part in (
        "/project/output/spyke-step00000545.safetensors",
        "complete, a training can resume from it",
        "rank 32, alpha 16",
        "mean 0.700, largest 1.63",
        "attempt  2 of 2, steps 401 to 560",
        "sample/spyke_e000002.png",
        "unet mid",
    ):
        assert part in text, part


def test_norms_of_blocks_are_compared_with_those_of_the_file_before() -> None:
    newest, first = (detail_text(b.snapshot(412), index) for index in (0, 1))
    assert "text encoder" in newest and "+41 %" in newest and "+41 %" not in first


def test_what_is_not_written_says_why() -> None:
    assert "in 10 min" in detail_text(b.snapshot(412), 2)
    assert "counts its saves" in detail_text(s.resumed(), 5)


def test_a_checkpoint_of_which_nothing_is_known_yet_is_told_without_guesses() -> None:
    bare = b.checkpoint(
        200, rank=None, alpha=None, norms=(), norm=None, norm_largest=None, norm_change=None,
        state_path=None, state_complete=None, complete=None, finite=None,
    )  # fmt: skip
    text = detail_text(b.snapshot(212, status_changes={"checkpoints": (bare,)}), 0)
    assert (
        "not saved; can resume from weights only" in text
        and "norm" not in text
        and "rank" not in text
    )


@pytest.mark.parametrize("text", HOSTILE, ids=range(len(HOSTILE)))
def test_foreign_words_are_clean_and_fit(text: str) -> None:
    one = b.checkpoint(
        200, name=text, path=text, problem=text, remark=text, state_problem=text, state_path=text,
        sample_path=text, norms=(replace(b.norms(200)[0], block=text),),
    )  # fmt: skip
    plan = replace(s.resumed().plan or pytest.fail(), expected=(ExpectedCheckpoint(text, 300),))
    shown = b.snapshot(212, status_changes={"checkpoints": (one,)}, plan=plan)
    found = table(shown)
    for index, row in enumerate(found.rows):
        for width in (30, 75, 130):
            rows = [checkpoint_row(row, width, 0.5), *detail_rows(found, index, width)]
            for made in rows:
                assert row_width(made) <= width and plain(made).isprintable()


def test_right_after_a_save_nothing_is_missing_while_the_status_is_older_than_the_journal() -> None:
    """The journal of steps is written several times a second, status.json once: the file of step 200 is not
    in it yet while steps 201 and 202 are journaled already."""
    snapshot = b.snapshot(199)
    assert snapshot.status is not None
    assert [c.step for c in snapshot.status.checkpoints] == []
    ahead = replace(snapshot, loss=b.series(b.losses(203)))
    table = checkpoint_table(ahead, b.NOW)
    row = next(row for row in table.rows if row.step == 200)
    assert (row.kind, row.age, table.trouble) == ("expected", "due now", "")
    known = replace(ahead, status=replace(snapshot.status, step=203))
    table = checkpoint_table(known, b.NOW)
    row = next(row for row in table.rows if row.step == 200)
    assert (row.kind, row.age, table.trouble) == ("missing", "not saved", "1 not saved")


# --------------------------------------------------------------------------- the best so far


def stars(snapshot: RunSnapshot) -> list[int | None]:
    return [row.step for row in table(snapshot).rows if row.best]


def test_the_star_is_the_summarys_first_choice() -> None:
    files = tuple(
        b.checkpoint(step, loss=loss) for step, loss in ((200, 0.2), (300, 0.1), (400, 0.3))
    )
    shown = b.snapshot(412, status_changes={"checkpoints": files})
    assert stars(shown) == [300]
    assert "★    300" in told(shown)[300]


def test_without_a_loss_or_a_usable_file_there_is_no_star() -> None:
    for changes in ({"loss": None}, {"finite": False}, {"complete": None}, {"removed": True}):
        files = (b.checkpoint(200, **changes), b.checkpoint(400, **changes))
        shown = b.snapshot(412, status_changes={"checkpoints": files})
        assert best_checkpoint(shown) is None and stars(shown) == []


def test_a_new_file_can_take_the_star_and_a_step_cannot() -> None:
    shown = b.snapshot(412)
    assert stars(shown) == [400]
    assert stars(replace(shown, loss=b.series(b.losses(413)))) == [400]
    assert shown.status is not None
    worse = (*shown.status.checkpoints, b.checkpoint(410, loss=0.9))
    better = (*shown.status.checkpoints, b.checkpoint(410, loss=0.001))
    for files, star in ((worse, 400), (better, 410)):
        assert stars(replace(shown, status=replace(shown.status, checkpoints=files))) == [star]


# --------------------------------------------------------------------------- many rows, little room


def thousand() -> RunSnapshot:
    files = tuple(
        b.checkpoint(step, norms=(), loss=0.1 + abs(step - 5000) / 1e5)
        for step in range(10, 10001, 10)
    )
    forecast = b.forecast(20_000, 10)
    return b.snapshot(10_000, status_changes={"checkpoints": files}, spec=b.spec(forecast=forecast))


def test_a_low_panel_shows_the_newest_the_best_the_next_and_the_last() -> None:
    few, many = table(b.snapshot(412)), table(thousand())

    def steps(found: CheckpointTable, height: int) -> list[int | None]:
        return [found.rows[at].step for at in in_sight(found, height)]

    assert steps(few, 4) == [400, 200, 600, 920] and steps(few, 1) == [400]
    assert steps(few, 3) == [400, 600, 920] and steps(few, 5) == [400, 200, 600, 800, 920]
    assert steps(many, 4) == [10_000, 5_000, 10_010, 20_000]
    assert len(steps(many, 9)) == 9


def test_a_thousand_checkpoints_cost_no_more_than_a_thousand_times_one() -> None:
    """Comparing all with all took seconds at each reading."""
    shown = thousand()
    profile = cProfile.Profile()
    profile.runcall(table, shown)
    assert pstats.Stats(profile).total_calls < 400_000  # type: ignore[attr-defined]


def test_rows_are_equal_while_nothing_changed() -> None:
    assert table(thousand()) == table(thousand())
