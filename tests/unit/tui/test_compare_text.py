"""The comparison drawn: the chart with its letters, the tables, the verb's text."""

import json
import math
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from rich.cells import cell_len

from runner.history.compare import Comparison, compared_run, comparison
from runner.history.compare_lines import Axis, lines_of
from runner.model import Outcome
from runner.store.journal import step_row, write_json
from tests import builders as b
from tests.hostile import HOSTILE
from tui.cli.compare import text_lines
from tui.cli.main import main
from tui.kit.chart import ALL, ASCII, FILL, Chart, Curve, View, draw_chart, range_of
from tui.kit.paint import plain, row_width
from tui.kit.scale import Range, axis_ticks, sticky_range, ticks, time_text
from tui.panels.compare_chart import Overlay
from tui.panels.compare_tables import (
    columns_of,
    fitted,
    head_row,
    results,
    settings,
    table_rows,
)
from tui.words.loss import place_words


def made_of(count: int = 3, name: str = "spyke", **settings: str) -> Comparison:
    tables = [{"learning_rate": f"{i + 1}e-4", "seed": "1", **settings} for i in range(count)]
    runs = [
        compared_run(
            "ABCDEFGH"[i],
            replace(b.ended(Outcome.SUCCEEDED), loss=b.series(b.losses(920 - 100 * i, i + 1))),
            tables[i],
            name,
        )
        for i in range(count)
    ]
    return comparison(runs, tables)


def overlay_of(made: Comparison, axis: Axis = Axis.STEP, **how: Any) -> Overlay:
    return Overlay(made, lines_of(made.runs, axis), axis, **how)


def drawn(chart: Chart, style: str = FILL) -> list[str]:
    plot = draw_chart(chart, 60, 12, range_of(chart, ALL) or Range(0.0, 1.0), ALL, style)
    assert plot is not None
    return [plain(row) for row in plot.rows]


def named(*names: str) -> str:
    """The head of a table whose runs have these names."""
    made = made_of(len(names))
    runs = tuple(replace(run, name=name) for run, name in zip(made.runs, names, strict=True))
    overlay = overlay_of(replace(made, runs=runs))
    return plain(head_row(overlay, columns_of(overlay, (), 80)))


def test_names_that_begin_alike_are_cut_in_the_middle() -> None:
    head = named("spyke-large-lr1e-4-dim16", "spyke-large-lr5e-5-dim16", "spyke-large-lr5e-5-dim32")
    assert head.count("dim16") == 2 and head.count("dim32") == 1
    head = named("a name that says all at its beginning", "another", "fox")
    assert "a name that says …" in head


def line(letter: str, points: Sequence[tuple[float, float | None]]) -> Curve:
    return Curve(tuple(points), "ramp-0", letter, letter)


# ----------------------------------------------------------------- the chart


def test_every_line_ends_with_its_letter_even_where_two_end_together() -> None:
    points = [(float(x), 0.5) for x in range(1, 101)]
    rows = drawn(Chart((line("A", points), line("B", points)), end=100.0))
    ends = [row[-1] for row in rows if row[-1] in "AB"]
    assert sorted(ends) == ["A", "B"]


def test_a_shorter_run_ends_where_it_ended() -> None:
    long = [(float(x), 0.5 + x / 1000) for x in range(1, 101)]
    short = [(float(x), 0.2) for x in range(1, 51)]
    rows = drawn(Chart((line("A", long), line("B", short)), end=100.0))
    last = max(row.rfind("B") for row in rows)
    assert 30 <= last <= 36  # half of the body


def test_in_ascii_a_line_is_made_of_its_letter() -> None:
    points = [(float(x), 1 / x) for x in range(1, 101)]
    rows = drawn(Chart((line("C", points),), end=100.0), ASCII)
    assert sum(row.count("C") for row in rows) > 30
    assert not any("⠀" <= character <= "⣿" for row in rows for character in row)


def test_what_was_not_finite_is_marked_at_the_foot() -> None:
    points = [(float(x), 0.5 if x < 40 else None) for x in range(1, 101)]
    rows = drawn(Chart((line("A", points),), end=100.0))
    assert "A×" in rows[-2]
    assert rows[-2].count("×") == 1


def test_the_first_wild_steps_are_cut_off_and_marked() -> None:
    points = [(float(x), 1e30 if x < 3 else 0.5 - x / 1000) for x in range(1, 201)]
    rows = drawn(Chart((line("A", points),), end=200.0))
    assert "▴" in rows[0] or any(character > "⠀" for character in rows[0][6:])
    assert "0.4" in "".join(rows)


@pytest.mark.parametrize("log", [False, True])
@pytest.mark.parametrize("size", [(24, 4), (24, 2), (80, 3), (200, 40)])
@pytest.mark.parametrize(
    "values",
    [[0.0], [-1.0, 2.0], [1e308, -1e308], [1e-300, 1e300], [0.5, 0.5], [None, None], []],
    ids=str,
)
def test_any_numbers_are_drawn_or_left_out(
    values: list[float | None], size: tuple[int, int], log: bool
) -> None:
    points = [(float(x), y) for x, y in enumerate(values, start=1)]
    chart, view = Chart((line("A", points),), end=len(points) or 1.0), View(log)
    plot = draw_chart(chart, *size, sticky_range(None, range_of(chart, view)), view)
    if plot is not None:
        assert len(plot.rows) <= size[1]
        assert all(row_width(row) <= size[0] for row in plot.rows)


def test_ticks_of_a_logarithmic_scale_are_round() -> None:
    found = ticks(Range(-2.1, 0.1), 20)
    assert {"1", "0.1", "0.01"} <= {text.strip() for text in found.values()}
    assert list(found) == sorted(found)


def test_ticks_of_the_axis_are_whole_steps_and_round_times() -> None:
    assert axis_ticks(0, 3.0, 100) == [(1.0, "1"), (2.0, "2"), (3.0, "3")]
    assert [x for x, _ in axis_ticks(0, 920.0, 60)] == [200, 400, 600, 800]
    assert axis_ticks(0, 7200.0, 24, "time") == [(3600.0, "1 h"), (7200.0, "2 h")]
    assert axis_ticks(0, math.inf, 24) == []
    assert [x for x, _ in axis_ticks(300, 400, 60)] == [320, 340, 360, 380, 400]
    assert [time_text(s) for s in (45, 90, 600, 5400, 172_800)] == [
        "45 s", "1:30 min", "10 min", "1:30 h", "2 d",
    ]  # fmt: skip


# ----------------------------------------------------------------- words and tables


def test_the_cursor_reads_all_runs_at_its_place() -> None:
    made = made_of()
    overlay = overlay_of(made, cursor=460.0)
    assert (overlay.x, overlay.place) == (460.0, "step 460")
    first = results(overlay)[0]
    assert first.name == "at step 460"
    assert all(value.startswith("0.") for value in first.values)
    end = overlay_of(made)
    assert end.value(2) == "ended" and end.value(0).startswith("0.")


def test_the_cursor_stays_with_the_live_run() -> None:
    live = compared_run("A", b.snapshot(412), {})
    made = comparison([live, replace(made_of(1).runs[0], letter="B")], [{}, {}])
    assert overlay_of(made).x == 412
    assert overlay_of(made, hidden=frozenset({0})).x == 920
    assert overlay_of(made, cursor=500.0).value(0) == "not yet"


def test_places_are_named_in_the_words_of_their_axis() -> None:
    assert place_words("epoch", 1.7912, unit=True) == "epoch 1.79"
    assert place_words("time", 720.0, unit=True) == "12 min"
    assert overlay_of(made_of(), Axis.IMAGES, cursor=824.0).place == "image 824"


def test_hidden_runs_have_no_line_but_stay_in_the_table() -> None:
    made = made_of()
    overlay = overlay_of(made, hidden=frozenset({0}))
    assert {one.letter for one in overlay.chart().curves} == {"B", "C"}
    assert overlay.end == 820
    assert len(results(overlay)[0].values) == 3
    assert "A ✓ hidden" in plain(head_row(overlay, columns_of(overlay, (), 100)))
    every = overlay_of(made, hidden=frozenset({0, 1, 2})).chart()
    assert every.curves == () and every.empty == "every run is hidden"


def test_lines_differ_in_shape_as_well_as_in_colour() -> None:
    curves = overlay_of(made_of(8)).chart().curves
    assert len({curve.pattern for curve in curves}) == len({curve.role for curve in curves}) == 8


def test_only_settings_that_differ_unless_all_are_asked_for() -> None:
    made = made_of()
    assert [row.name for row in settings(overlay_of(made))] == ["learning_rate"]
    every = settings(overlay_of(made, everything=True))
    assert [(row.name, row.marked) for row in every] == [("learning_rate", True), ("seed", False)]
    same = comparison(made.runs, [{"seed": "1"}] * 3)
    assert settings(overlay_of(same))[0].words == "no setting differs"


@pytest.mark.parametrize("width", [20, 40, 80, 120, 200])
@pytest.mark.parametrize("chosen", [0, 4, 7])
def test_the_chosen_run_is_always_in_sight(width: int, chosen: int) -> None:
    overlay = overlay_of(made_of(8), chosen=chosen)
    table = results(overlay)
    columns = columns_of(overlay, table, width)
    assert columns.first <= chosen < columns.last
    assert f"{'ABCDEFGH'[chosen]} ✓" in plain(head_row(overlay, columns))
    for row in table_rows(table, columns, width):
        assert row_width(row) <= width + 1


def test_a_path_is_told_by_its_end() -> None:
    assert fitted("/a/long/way/to/dataset.toml", 14) == "…/dataset.toml"
    assert fitted("[0.5, 0.25, 0.125]", 8) == "[0.5, 0…"


# ----------------------------------------------------------------- the verb's text


@pytest.mark.parametrize("width", [40, 80, 200])
def test_the_text_fits_its_width(width: int) -> None:
    assert all(cell_len(line) <= width for line in text_lines(made_of(8), Axis.STEP, width, 12))


@pytest.mark.parametrize("text", HOSTILE, ids=range(len(HOSTILE)))
def test_foreign_words_break_neither_text_nor_tables(text: str) -> None:
    made = made_of(2, name=text, optimizer_args=text)
    runs = [replace(run, id=text, problem=text or "x") for run in made.runs]
    tables = [{text or "x": text, "a": "1"}, {text or "x": text + "b", "a": "2"}]
    made = comparison(runs, tables)
    out = list(text_lines(made, Axis.STEP, 80, 10))
    assert all("\x1b" not in line and "\n" not in line for line in out)
    assert all(cell_len(line) <= 80 for line in out[-40:])
    overlay = overlay_of(made)
    for table in (results(overlay), settings(overlay)):
        columns = columns_of(overlay, table, 80)
        rows = [head_row(overlay, columns), *table_rows(table, columns, 80)]
        for row in rows:
            assert row_width(row) <= 81
            assert "\x1b" not in plain(row) and "\u202e" not in plain(row)


# ----------------------------------------------------------------- the verb


def two_runs(home: Path) -> list[str]:
    for name, rate in (("20261101-000000-one-0001", "1e-4"), ("20261102-000000-two-0002", "5e-4")):
        folder = home / "runs" / name
        folder.mkdir(parents=True)
        command = ("python", "train_network.py", f"--learning_rate={rate}")
        write_json(folder / "spec.json", b.spec(id=name, name=name, command=command, cwd=str(home)))
        ended = b.ended(Outcome.SUCCEEDED).status
        write_json(folder / "status.json", ended)
        rows = [
            step_row(n, n * 3.1, loss, None, None, 1)
            for n, loss in enumerate(b.losses(920), start=1)
        ]
        (folder / "steps.jsonl").write_bytes(b"".join(rows))
    return ["20261101", "20261102"]


def test_the_verb_prints_chart_table_and_the_setting_that_differs(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("PLASMA_HOME", str(tmp_path))
    monkeypatch.setenv("COLUMNS", "90")
    assert main(["compare", *two_runs(tmp_path), "--by", "time"]) == 0
    out = capsys.readouterr().out
    assert "minutes trained" in out
    assert "A  20261101-000000-one-0001" in out
    assert "learning_rate" in out and "1e-4" in out and "5e-4" in out
    assert max(map(cell_len, out.splitlines())) <= 90


def test_the_verbs_json_is_one_object(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("PLASMA_HOME", str(tmp_path))
    assert main(["compare", *two_runs(tmp_path), "--json"]) == 0
    made = json.loads(capsys.readouterr().out)
    assert [run["results"]["steps"] for run in made["runs"]] == [920, 920]
    assert {row["name"] for row in made["settings"] if row["differs"]} == {"learning_rate"}


@pytest.mark.parametrize(
    ("arguments", "code", "said"),
    [
        (["20261101"], 2, "at least two runs"),
        (["20261101", "20261101"], 2, "given twice"),
        (["20261101", "nothing"], 3, "no run 'nothing'"),
        (["20261101"] * 27, 2, "at most 26"),
    ],
    ids=str,
)
def test_wrong_use_is_one_sentence(
    arguments: list[str], code: int, said: str, tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str],
) -> None:  # fmt: skip
    monkeypatch.setenv("PLASMA_HOME", str(tmp_path))
    two_runs(tmp_path)
    assert main(["compare", *arguments]) == code
    told = capsys.readouterr().err
    assert said in told and len(told.splitlines()) == 1
