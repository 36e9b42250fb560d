"""A comparison as a list: columns, order, the best run, and which runs of a large group take part."""

from __future__ import annotations

from dataclasses import replace

import pytest

from runner.history.compare import Comparison, compared_run, comparison
from runner.history.compare_runs import as_list, best_words, list_rows, run_columns, run_order
from runner.history.comparing import chosen_of
from runner.model import Outcome, RunSnapshot, RunState
from tests import builders as b
from tests.screens.scenes import GROUP, swept


def made(ended: int = 2, **more: str) -> Comparison:
    runs, settings = swept(("1e-4", "5e-5"), (16, 32), ended)
    settings = [{**table, **more} for table in settings]
    found = [
        compared_run(letter, run, table)
        for letter, run, table in zip("ABCD", runs, settings, strict=True)
    ]
    return comparison(found, settings, group=GROUP)


def test_the_best_come_first_and_runs_that_have_not_ended_have_no_place() -> None:
    found = made()
    assert run_order(found)[2:] == (2, 3)
    columns = run_columns(found)
    rows = list_rows(columns, run_order(found))
    heads = [column.head for column in columns]
    place, state = heads.index("place"), heads.index("state")
    assert [row[place] for row in rows] == ["1", "1", "", ""]
    assert [row[state] for row in rows][2:] == ["running 44 %", "queued"]


def test_only_settings_that_differ_have_a_column_and_what_nobody_has_has_none() -> None:
    heads = [column.head for column in run_columns(made())]
    assert "learning_rate" in heads and "network_dim" in heads and "seed" not in heads
    assert "validation" not in heads


def test_a_run_without_a_value_has_a_dash_and_never_a_number() -> None:
    (loss,) = (one for one in run_columns(made()) if one.head == "loss at end")
    assert loss.values[3] == "–"


def test_the_best_run_is_named_with_its_reason_and_its_limits() -> None:
    first, *cautions = best_words(made(ended=4))
    assert first.startswith("Best: B at step 800, lowest smoothed training loss")
    assert first.endswith("A, C within the noise.")
    assert any("compare samples" in one for one in cautions)
    assert best_words(made(ended=0)) == ()


def test_where_all_runs_are_within_the_noise_none_is_called_best() -> None:
    first = best_words(made(ended=2))[0]
    assert first.startswith("No clear best so far: both runs are within the noise. First: B at")


def test_the_only_ranked_run_is_no_best_run_and_its_file_not_the_only_one() -> None:
    first = best_words(made(ended=1))[0]
    assert first.startswith("Only A is ranked so far: step 800, smoothed training loss 0.")


def test_where_losses_are_not_comparable_no_run_is_called_best() -> None:
    runs, settings = swept(("1e-4", "5e-5"), (16, 32), 4)
    tables = [{**table, "loss_type": kind} for table, kind in zip(settings, "abcd", strict=True)]
    found = [compared_run("A", run, table) for run, table in zip(runs, tables, strict=True)]
    made_ = comparison(found, tables, group=GROUP)
    assert made_.ranking == () and best_words(made_) == ()
    assert any("not comparable" in text for text in made_.remarks)


def test_a_run_that_diverged_is_never_the_best() -> None:
    runs, settings = swept(("1e-4", "5e-5"), (16, 32), 4)
    best = best_words(made(ended=4))[0].removeprefix("Best: ")[0]
    found = [
        compared_run(
            letter, replace(run, outcome=Outcome.DIVERGED) if letter == best else run, table
        )
        for letter, run, table in zip("ABCD", runs, settings, strict=True)
    ]
    assert found["ABCD".index(best)].leader is not None  # saved before the NaN
    without = comparison(found, settings, group=GROUP)
    assert "ABCD".index(best) not in [at for at, _ in without.ranking]
    assert f"{best}: diverged, so it is not ranked." in without.remarks


def test_a_setting_has_not_the_head_of_a_result() -> None:
    runs, settings = swept(("1e-4", "5e-5"), (16, 32), 4)
    tables = [{**table, "max_train_steps": str(n)} for n, table in enumerate(settings)]
    found = [compared_run("A", run, table) for run, table in zip(runs, tables, strict=True)]
    columns = run_columns(comparison(found, tables, group=GROUP))
    heads = [one.short or one.head for one in columns]
    assert len(set(heads)) == len(heads)


@pytest.mark.parametrize(
    ("values", "shown"),
    [
        (["/a/long/path/model-one.st", "/a/long/path/model-two.st"], ["…model-one.st", "…model-two.st"]),
        (['["conv_dim=4", "b=1"]', '["conv_dim=4", "b=2"]'], ["…1\"]", "…2\"]"]),
        (["/a/x", "/b/x"], ["/a/x", "/b/x"]),
        (["cosine_with_restarts", "cosine_with_warmup"], ["cosine_with_restarts", "cosine_with_warmup"]),
    ],
)  # fmt: skip
def test_long_values_that_begin_alike_are_shown_by_their_ends(
    values: list[str], shown: list[str]
) -> None:
    runs, settings = swept(("1e-4",), (16, 32), 2)
    tables = [{**table, "some_flag": v} for table, v in zip(settings, values, strict=True)]
    found = [compared_run("A", run, table) for run, table in zip(runs, tables, strict=True)]
    (column,) = (
        one
        for one in run_columns(comparison(found, tables, group=GROUP))
        if one.head == "some_flag"
    )
    assert list(column.values) == shown


def test_validations_on_other_images_do_not_decide() -> None:
    runs, settings = swept(("1e-4", "5e-5"), (16, 32), 4)
    tables = [
        {**table, "validation_split": split}
        for table, split in zip(settings, ("0.1", "0.1", "0.3", "0.3"), strict=True)
    ]

    def best(*tables: dict[str, str]) -> tuple[str, ...]:
        found = [
            compared_run(letter, with_validation(run, 0.2 - at / 100), table)
            for at, (letter, run, table) in enumerate(zip("ABCD", runs, tables, strict=True))
        ]
        return best_words(comparison(found, tables, group=GROUP))

    assert best(*settings)[0].startswith("Best: D at step 800, lowest validation loss 0.17")
    first, *cautions = best(*tables)
    assert "lowest smoothed training loss" in first
    assert "The runs validate on different images, so all are ranked by training loss." in cautions


def with_validation(run: RunSnapshot, value: float) -> RunSnapshot:
    assert run.status is not None
    files = [
        replace(one, validation_loss=value + (800 - (one.step or 0)) / 1e4)
        for one in run.status.checkpoints
    ]
    return replace(run, status=replace(run.status, checkpoints=tuple(files)))


def test_a_best_run_that_ended_early_is_named_so() -> None:
    runs, settings = swept(("1e-4", "5e-5"), (16, 32), 4)
    found = [
        compared_run(letter, replace(run, outcome=Outcome.STOPPED), table)
        for letter, run, table in zip("ABCD", runs, settings, strict=True)
    ]
    first, second, *_ = best_words(comparison(found, settings, group=GROUP))
    letter = first.removeprefix("Best: ")[0]
    assert second == f"{letter} was stopped at step 920 of 920."


def test_a_group_is_a_list_and_a_few_marked_runs_are_not() -> None:
    found = made()
    assert as_list(found) and not as_list(replace(found, group=""))
    five = replace(found, group="", runs=(*found.runs, found.runs[0]))
    assert as_list(five)


def test_of_a_large_group_those_with_the_lowest_losses_take_part_in_their_order() -> None:
    group = [
        b.listing(i, smooth=0.5 - i / 100 if i % 2 else None, outcome=Outcome.SUCCEEDED)
        for i in range(40)
    ]
    chosen = chosen_of(group)
    assert len(chosen) == 26
    assert {one.id for one in group if one.smooth is not None} <= {one.id for one in chosen}
    assert list(chosen) == [one for one in group if one in chosen]
    assert chosen_of(group[:5]) == tuple(group[:5])
    assert all(one.state is RunState.ENDED for one in chosen)


def test_a_run_that_never_started_gives_way_to_its_second_start() -> None:
    first = b.listing(1, name="fox-dim4", step=0, outcome=Outcome.STOPPED)
    other = b.listing(2, name="fox-dim8", step=0, outcome=Outcome.STOPPED)
    second = b.listing(3, name="fox-dim4")
    failed = b.listing(4, name="fox-dim16", step=40, outcome=Outcome.FAILED)
    again = b.listing(5, name="fox-dim16", step=0, state=RunState.QUEUED, outcome=None)
    assert chosen_of([first, other, second, failed, again]) == (other, second, failed, again)
