"""Several runs side by side: one axis, results, settings, and what has to be said."""

import math
from dataclasses import replace
from pathlib import Path

import msgspec
import pytest

from runner.history.compare import (
    ComparedRun,
    Comparison,
    compared_run,
    comparison,
    refuse_number,
    setting_words,
)
from runner.history.compare_lines import PLACES, Axis, Line, lines_of, planned_end, seconds_trained
from runner.history.compare_results import checkpoint_words, figures_of, result_rows
from runner.history.comparing import Comparing, comparison_json
from runner.history.run_settings import UNKNOWN_SINCE, settings_difference
from runner.model import (
    AttemptStatus,
    JournalEvent,
    LossBucket,
    LossSeries,
    Outcome,
    RunSnapshot,
    RunSpec,
    RunState,
    Status,
)
from runner.store.journal import step_row, write_json
from scripts.bench.many_runs import make_runs
from tests import builders as b


def a_run(
    letter: str = "A", steps: int = 920, settings: dict[str, str] | None = None
) -> ComparedRun:
    snapshot = replace(b.ended(Outcome.SUCCEEDED), loss=b.series(b.losses(steps)))
    return compared_run(letter, snapshot, settings or {"train_batch_size": "2"})


def two(*settings: dict[str, str]) -> Comparison:
    runs = [a_run("AB"[i], settings=table) for i, table in enumerate(settings)]
    return comparison(runs, settings)


# ----------------------------------------------------------------- lines


def test_lines_lie_on_one_axis_by_step_epoch_time_and_images() -> None:
    runs = (a_run("A"), replace(a_run("B", 460), steps_per_epoch=115.0, images_per_step=4))
    ends = {axis: [line.end for line in lines_of(runs, axis)] for axis in Axis}
    assert ends[Axis.STEP] == [920, 460]
    assert ends[Axis.EPOCH] == [4.0, 4.0]
    assert ends[Axis.IMAGES] == [1840, 1840]
    assert ends[Axis.TIME] == [pytest.approx(920 * 3.1), pytest.approx(460 * 3.1)]


def test_a_line_tells_its_value_and_nothing_beyond_its_ends() -> None:
    line = Line(((10.0, 0.5), (20.0, None), (30.0, 0.3)))
    assert [line.at(x) for x in (9, 10, 19, 25, 30, 31)] == [None, 0.5, 0.5, None, 0.3, None]


def test_a_loss_that_is_not_finite_breaks_the_line() -> None:
    values = [0.5, 0.4, math.nan, math.nan, 0.3]
    run = replace(a_run(), buckets=b.series(values).buckets, seconds=(None,) * 5)
    (line,) = lines_of([run], Axis.STEP)
    assert [y is None for _, y in line.points] == [False, False, True, True, False]


def test_the_number_of_points_does_not_grow_with_the_run() -> None:
    values = [math.nan if step % 3 == 0 else 0.5 for step in range(20_000)]
    run = replace(a_run(), buckets=b.series(values).buckets, seconds=(None,) * 20_000)
    (line,) = lines_of([run], Axis.STEP)
    assert len(line.points) <= 2 * (PLACES + 1)
    assert line.end == 20_000


def test_what_is_not_known_of_a_run_is_said() -> None:
    bare = replace(
        a_run(),
        steps_per_epoch=None,
        images_per_step=None,
        seconds=(None,) * 920,
        buckets=a_run().buckets,
    )
    said = {axis: lines_of([bare], axis)[0].missing for axis in Axis}
    assert said == {
        Axis.STEP: "",
        Axis.EPOCH: "steps per epoch unknown",
        Axis.TIME: "times unknown",
        Axis.IMAGES: "batch size unknown",
    }
    without = replace(bare, buckets=(), seconds=())
    assert lines_of([without], Axis.TIME)[0] == Line((), "no loss")


def bucket(step: int, elapsed_s: float | None) -> LossBucket:
    return LossBucket(step, step, 0.1, 0.1, 0.1, 0.1, 1, 0, elapsed_s)


def test_time_trained_leaves_the_night_between_attempts_out() -> None:
    times = [100.0, 102.0, 104.0, 40_000.0, 40_002.0]
    buckets = [bucket(step, at) for step, at in enumerate(times, start=1)]
    assert seconds_trained(buckets, (4,)) == (2.0, 4.0, 6.0, 8.0, 10.0)
    assert (seconds_trained(buckets)[-1] or 0) > 39_000  # one attempt: a slow step is a slow step


def test_times_that_are_missing_or_go_backwards_are_survived() -> None:
    buckets = [bucket(1, None), bucket(2, 5.0), bucket(3, 4.0), bucket(4, math.nan), bucket(5, 8.0)]
    found = seconds_trained(buckets)
    assert found[0] is None and found[3] is None
    known = [value for value in found if value is not None]
    assert known == sorted(known)
    assert seconds_trained([]) == ()
    assert seconds_trained([bucket(1, None)]) == (None,)


# ----------------------------------------------------------------- results


def test_results_are_those_of_the_run() -> None:
    snapshot = b.ended(Outcome.SUCCEEDED)
    found = figures_of(snapshot)
    assert snapshot.status is not None
    assert found.steps == 920 and found.epochs == 4
    assert found.last_loss == snapshot.loss.smooth
    assert found.trained_s == snapshot.status.trained_s
    assert found.checkpoints == sum(not c.removed for c in snapshot.status.checkpoints)
    assert found.lowest_loss == min(
        x.smooth for x in snapshot.loss.buckets if x.smooth is not None and x.last_step >= 34
    )


def test_the_first_steps_are_hardly_smoothed_and_no_lowest_loss() -> None:
    values = [0.01] + [0.5] * 99
    snapshot = replace(b.ended(Outcome.SUCCEEDED), loss=b.series(values))
    found = figures_of(snapshot)
    assert found.lowest_loss is not None and found.lowest_loss > 0.4
    assert found.lowest_step is not None and found.lowest_step >= 34


def test_validation_comes_from_the_journal_and_the_checkpoints() -> None:
    snapshot = b.ended(Outcome.SUCCEEDED)
    assert snapshot.status is not None
    files = (b.checkpoint(200, validation_loss=0.3), b.checkpoint(400, validation_loss=math.nan))
    events = (
        JournalEvent(b.NOW, "validated", 1, None, {"step": 230, "loss": 0.2}),
        JournalEvent(b.NOW, "validated", 1, None, {"step": 460, "loss": 0.25}),
        JournalEvent(b.NOW, "validated", 1, None, {"step": "?", "loss": None}),
    )
    found = figures_of(
        replace(snapshot, events=events, status=replace(snapshot.status, checkpoints=files))
    )
    assert (found.validation, found.validation_step, found.last_validation) == (0.2, 230, 0.25)


def test_exact_validations_of_a_review_go_before_those_of_the_console() -> None:
    snapshot = b.ended(Outcome.SUCCEEDED)
    events = (JournalEvent(b.NOW, "validated", 1, None, {"step": 230, "loss": 0.353}),)
    found = figures_of(replace(snapshot, events=events), None, {230: 0.35347, 460: 0.4})
    assert (found.validation, found.validation_step, found.last_validation) == (0.35347, 230, 0.4)


def test_a_run_without_a_status_has_few_results() -> None:
    found = figures_of(RunSnapshot("x", "/x", b.NOW, RunState.LOST))
    assert found.steps is None and found.checkpoints is None


# ----------------------------------------------------------------- words


def words_of(made: Comparison) -> dict[str, tuple[str, ...]]:
    return {row.name: row.values for row in result_rows(made)}


def test_the_table_holds_only_what_is_known_of_one_at_least() -> None:
    made = two({"train_batch_size": "2"}, {"train_batch_size": "2"})
    words = words_of(made)
    assert words["steps"] == ("920", "920")
    assert words["images per step"] == ("2", "2")
    assert "lowest validation" not in words and "energy" not in words
    assert all(len(values) == 2 for values in words.values())


def test_nobody_is_ahead_where_the_losses_mean_different_things() -> None:
    fair = two({"train_batch_size": "2"}, {"train_batch_size": "2", "seed": "1"})
    better = replace(
        fair.runs[1], results=msgspec.structs.replace(fair.runs[1].results, last_loss=0.001)
    )
    fair = replace(fair, runs=(fair.runs[0], better))
    leads = {row.name: row.lead for row in result_rows(fair)}
    assert leads["loss at end"] == 1
    other = two({"min_snr_gamma": "5"}, {"seed": "1"})
    other = replace(other, runs=(other.runs[0], better))
    assert {row.lead for row in result_rows(other) if "loss" in row.name} == {None}


def test_unlike_settings_batches_and_sources_are_told() -> None:
    made = two({"min_snr_gamma": "5", "train_batch_size": "1"}, {"train_batch_size": "4"})
    assert made.remarks[0] == ("Losses are not comparable: min_snr_gamma differs.")
    assert made.remarks[1] == "Equal steps are not equal work: images per step are A 1, B 4."
    average = replace(a_run("B"), exact=False, origin="imported", problem="spec.json is torn")
    said = " ".join(comparison([a_run("A"), average], [{}, {}]).remarks)
    assert "B: only the console's running average is known" in said
    assert "B: imported" in said
    assert "B: spec.json is torn." in said


def test_batches_of_several_datasets_are_not_guessed() -> None:
    settings = {"dataset.batch_size": "2", "dataset.set2.batch_size": "4"}
    assert a_run(settings=settings).images_per_step is None
    counted = {
        "dataset.batch_size": "2",
        "gradient_accumulation_steps": "4",
        "accelerate.num_processes": "2",
    }
    assert a_run(settings=counted).images_per_step == 16
    assert a_run(settings={"train_batch_size": "many"}).images_per_step is None


def test_a_setting_differs_only_between_runs_whose_settings_are_known() -> None:
    made = comparison([a_run("A"), a_run("B"), a_run("C")], [{"seed": "1"}, {}, {"seed": "1"}])
    assert not made.differing
    made = comparison([a_run("A"), a_run("B")], [{"seed": "1"}, {"network_dim": "4"}])
    assert [row.name for row in made.differing] == ["seed", "network_dim"]


def test_the_best_checkpoint_is_told_with_its_reason() -> None:
    run = a_run()
    assert run.results.best is not None
    assert checkpoint_words(run).startswith(f"A: {run.results.best}")
    assert (
        checkpoint_words(replace(run, results=msgspec.structs.replace(run.results, best=None)))
        == ""
    )


@pytest.mark.parametrize(("count", "said"), [(1, "at least two runs"), (27, "at most 26")])
def test_one_run_or_too_many_are_refused(count: int, said: str) -> None:
    with pytest.raises(ValueError, match=said):
        refuse_number(count)


# ----------------------------------------------------------------- real folders


def a_folder(path: Path, losses: list[float], **spec: object) -> Path:
    path.mkdir()
    values: dict[str, object] = {
        "id": path.name, "name": path.name, "command": ("python", "train_network.py", "--seed=1"),
        "cwd": str(path), "env": {}, "created_at": b.NOW, "host": "here", **spec,
    }  # fmt: skip
    write_json(path / "spec.json", RunSpec(**values))  # type: ignore[arg-type]
    status = Status(
        RunState.ENDED, 1, b.NOW, outcome=Outcome.SUCCEEDED, step=len(losses),
        total_steps=len(losses), epochs=2, attempts=(AttemptStatus(1, b.NOW, 1, len(losses)),),
    )  # fmt: skip
    write_json(path / "status.json", status)
    rows = [step_row(n, n * 0.5, loss, None, None, 1) for n, loss in enumerate(losses, start=1)]
    (path / "steps.jsonl").write_bytes(b"".join(rows))
    return path


def test_run_folders_are_read_whole_and_again(tmp_path: Path) -> None:
    paths = [
        a_folder(tmp_path / "one", b.losses(200)),
        a_folder(tmp_path / "two", b.losses(100, 2)),
    ]
    comparing = Comparing(paths)
    made = comparing.read_all()
    assert [run.letter for run in made.runs] == ["A", "B"]
    assert [run.results.steps for run in made.runs] == [200, 100]
    assert made.read_fraction == 1.0 and not comparing.changed()
    with (paths[1] / "steps.jsonl").open("ab") as stream:
        stream.write(step_row(101, 50.5, 0.1, None, None, 1))
    assert comparing.changed()
    assert lines_of(comparing.read().runs, Axis.STEP)[1].end == 101


def test_folders_that_are_gone_or_torn_are_told(tmp_path: Path) -> None:
    good = a_folder(tmp_path / "good", b.losses(50))
    torn = a_folder(tmp_path / "torn", b.losses(50))
    (torn / "spec.json").write_text("{")
    made = Comparing([good, torn, tmp_path / "gone"]).read_all()
    said = " ".join(made.remarks)
    assert "B: spec.json is torn" in said
    assert "C: spec.json is missing" in said
    assert all(len(values) == 3 for values in words_of(made).values())


def test_the_json_holds_lines_results_and_settings(tmp_path: Path) -> None:
    paths = [
        a_folder(tmp_path / "one", [0.5, math.nan, 0.25]),
        a_folder(tmp_path / "two", [], command=()),
    ]
    made = comparison_json(Comparing(paths).read_all(), Axis.STEP)
    again = msgspec.json.decode(msgspec.json.encode(made))
    assert again["schema"] == 1 and again["axis"] == "step"
    first, second = again["runs"]
    assert first["line"][1] == [2.0, None] and first["results"]["nonfinite_step"] == 2
    assert second["line"] == [] and second["missing"] == "no loss"
    assert {row["name"] for row in again["settings"]} >= {"seed", "script"}


def test_a_series_without_buckets_is_no_line() -> None:
    empty = compared_run("A", replace(b.ended(Outcome.FAILED), loss=LossSeries()), {})
    assert lines_of([empty], Axis.STEP) == (Line((), "no loss"),)


def test_a_run_that_ends_in_nan_has_no_loss_at_its_end_and_leads_nothing() -> None:
    values = [0.2] * 100 + [math.nan] * 50
    snapshot = replace(b.ended(Outcome.DIVERGED), loss=b.series(values))
    bad = compared_run("B", snapshot, {"seed": "1"})
    made = comparison([a_run("A"), bad, a_run("C")], [{"seed": "1"}] * 3)
    words = words_of(made)
    assert words["loss at end"][1] == "not finite"
    assert words["lowest loss"][1].startswith("0.2000")
    assert {row.lead for row in result_rows(made)} <= {None, 0, 2}


def test_settings_that_are_not_known_are_not_called_unset() -> None:
    runs = [a_run("A"), a_run("B", settings={"a": "1"}), compared_run("C", b.snapshot(), {})]
    made = comparison(runs, [{"seed": "1"}, {"a": "1"}, {}])
    assert setting_words(made.settings[0]) == ("1", "–", "unknown")


def test_what_was_not_recorded_does_not_differ() -> None:
    new = {
        "seed": "1",
        "data.fingerprint": "ab",
        "version.torch": "2.8",
        "dataset.resolution": "512",
    }
    old = {"seed": "1", "dataset": UNKNOWN_SINCE}
    made = comparison([a_run("A"), a_run("B")], [new, old])
    assert not made.differing
    assert made.remarks == ("B: its dataset file changed later, so its content is unknown.",)
    shown = {row.name: setting_words(row)[1] for row in made.settings}
    assert shown["data.fingerprint"] == shown["dataset.resolution"] == "unknown"
    assert settings_difference(old, new) == ()


def test_the_axis_of_a_live_run_reaches_to_its_planned_end() -> None:
    live = compared_run("A", b.snapshot(412), {"train_batch_size": "2"})
    assert planned_end(live, Axis.STEP) == 920
    assert planned_end(live, Axis.EPOCH) == 4
    assert planned_end(live, Axis.IMAGES) == 1840
    assert 920 * 3.1 <= planned_end(live, Axis.TIME) <= 920 * 3.1 + 500
    assert {planned_end(a_run(), axis) for axis in Axis} == {0.0}


def test_the_reviews_of_many_runs_are_read_in_pieces(isolated_home: Path) -> None:
    paths = make_runs(4)
    compared = Comparing(paths)
    first = compared.read(0.0)
    assert first.read_fraction < 1
    made = compared.read_all()
    assert made.read_fraction == 1
    assert [run.id for run in made.runs] == [path.name for path in paths]
