"""`compare`: several runs side by side, as text or JSON."""

from __future__ import annotations

import argparse
import shutil
from collections.abc import Iterator, Sequence
from pathlib import Path

from rich.cells import cell_len

from runner.history.compare import (
    MOST,
    ComparedRun,
    Comparison,
    refuse_number,
    setting_words,
    too_many,
)
from runner.history.compare_lines import Axis, Line, lines_of
from runner.history.compare_results import checkpoint_words, result_rows
from runner.history.compare_runs import as_list, best_words, list_rows, run_columns, run_order
from runner.history.comparing import Comparing, chosen_of, comparison_json
from runner.store.registry import group_of
from tui.cli.common import find_runs, print_json, say, write
from tui.cli.exits import OK, WRONG_USE, Fail
from tui.kit.scale import SETTLED_AFTER_POINTS
from tui.text import clean, crop, crop_start, wrap
from tui.words.table import Column, table_lines

#: of a pipe, which has no width of its own
WIDTH, HEIGHT = 100, 24
AXIS_WORDS = {
    Axis.STEP: "step",
    Axis.EPOCH: "epoch",
    Axis.TIME: "minutes trained",
    Axis.IMAGES: "images seen",
}
NAME_CELLS = 26
LEAST_CELLS = 15
#: a setting is narrowed to
LEAST_LISTED = 6


def compare(options: argparse.Namespace) -> int:
    """Losses on one axis, a table of results, and the settings that differ."""
    paths, group = _named(options.run)
    twice = {path.name for path in paths if paths.count(path) > 1}
    if twice:
        raise Fail(f"{min(twice)} was given twice: give another run to compare it with", WRONG_USE)
    try:
        refuse_number(len(paths))
        made = Comparing(paths, group).read_all()
    except ValueError as error:
        raise Fail(str(error), WRONG_USE) from None
    axis = Axis(options.by)
    if options.json:
        print_json(comparison_json(made, axis))
        return OK
    size = shutil.get_terminal_size((WIDTH, HEIGHT))
    width = max(40, min(size.columns, 200))
    lines = text_lines(made, axis, width, max(10, min(24, size.lines - 4)))
    write(*(line.rstrip() for line in lines))
    return OK


def _named(texts: Sequence[str]) -> tuple[list[Path], str]:
    """The runs, and the group if one was named alone. Raises Fail."""
    if len(texts) > MOST:
        raise Fail(too_many(len(texts)), WRONG_USE)
    found = [find_runs(text) for text in texts]
    if len(found) > 1 or not found[0][1]:
        return [path for paths, _ in found for path in paths], ""
    group = group_of(found[0][1])
    chosen = chosen_of(group)
    if len(chosen) == MOST < len(group):
        say(
            f"{len(chosen)} of {len(group)} runs of the group are compared: those with the lowest losses"
        )
    return [path for path in found[0][0] if path.name in {one.id for one in chosen}], found[0][1]


def text_lines(made: Comparison, axis: Axis, width: int, height: int) -> Iterator[str]:
    """Lines of at most `width` cells; foreign text is cleaned here."""
    lines = lines_of(made.runs, axis)
    plot = _plot(made.runs, lines, axis, width, height)
    if plot:
        yield from plot.split("\n")
        yield ""
    for run, line in zip(made.runs, lines, strict=True):
        missing = f" ({line.missing}, so it is not in the chart)" if line.missing else ""
        yield crop(f"{run.letter}  {clean(run.id)}  {clean(run.name, 60)}{missing}", width)
    yield ""
    if as_list(made):
        yield from _list(made, width)
        yield from _sentences(
            "By numbers alone:", [clean(text) for text in best_words(made)], width
        )
    else:
        rows = [[row.name, *_marked(row.values, row.lead)] for row in result_rows(made)]
        yield from _table(["", *(run.letter for run in made.runs)], rows, width)
        yield from _settings(made, width)
        best = [clean(words) for run in made.runs if (words := checkpoint_words(run))]
        yield from _sentences("Best checkpoints, by numbers alone:", best, width)
    yield from _sentences("Notes:", [clean(text) for text in made.remarks], width)


def _list(made: Comparison, width: int) -> Iterator[str]:
    """A row for each run, the best first."""
    found = run_columns(made)
    columns = [
        Column(clean(one.head, 40), one.rank, LEAST_LISTED if one.setting else None, one.right)
        for one in found
    ]
    rows = [[clean(value, 60) for value in row] for row in list_rows(found, run_order(made))]
    yield from table_lines(columns, rows, width)


def _marked(values: Sequence[str], lead: int | None) -> list[str]:
    return [f"{value} *" if index == lead else value for index, value in enumerate(values)]


def _settings(made: Comparison, width: int) -> Iterator[str]:
    yield ""
    if not made.differing:
        yield "All settings are the same."
        return
    rows = [[row.name, *setting_words(row)] for row in made.differing]
    yield from _table(["different settings", *(run.letter for run in made.runs)], rows, width)


def _sentences(head: str, texts: Sequence[str], width: int) -> Iterator[str]:
    if texts:
        yield ""
        yield head
    for text in texts:
        yield from wrap(f"  {text}", width, "    ")


def _table(heads: Sequence[str], rows: Sequence[Sequence[str]], width: int) -> Iterator[str]:
    """Columns of equal width; runs that don't fit beside each other follow below."""
    cells = [[clean(value, 200) for value in row] for row in rows]
    first = min(NAME_CELLS, max(cell_len(row[0]) for row in [list(heads), *cells]))
    widest = max(cell_len(value) for row in [list(heads), *cells] for value in row[1:])
    room = width - first - 2
    across = max(1, min(len(heads) - 1, room // (min(widest, LEAST_CELLS) + 2)))
    column = min(widest, room // across - 2)
    for start in range(1, len(heads), across):
        if start > 1:
            yield ""
        for row in [list(heads), *cells]:
            parts = [_cell(row[0], first), *(_cell(v, column) for v in row[start : start + across])]
            yield "  ".join(parts)


def _cell(text: str, width: int) -> str:
    """A path keeps its end."""
    shown = (crop_start if "/" in text else crop)(text, width)
    return shown + " " * (width - cell_len(shown))


def _plot(
    runs: Sequence[ComparedRun], lines: Sequence[Line], axis: Axis, width: int, height: int
) -> str:
    """Empty if there is nothing to draw, or no plotter."""
    from runner.history.plot import Curve, draw_curves

    curves = [
        Curve(_legend(run), _points(line, axis)) for run, line in zip(runs, lines, strict=True)
    ]
    try:
        return draw_curves(curves, width=width, height=height, x_label=AXIS_WORDS[axis])
    except ImportError:
        say("no chart: `pip install plotext` draws one")
        return ""


def _legend(run: ComparedRun) -> str:
    """The plotter counts characters, so wide ones would move its frame."""
    name = clean(run.name, 24)
    return f"{run.letter} {name}" if cell_len(name) == len(name) else run.letter


def _points(line: Line, axis: Axis) -> tuple[tuple[float, float], ...]:
    """Without the first steps: hardly smoothed, they would flatten the rest."""
    scale = 60.0 if axis is Axis.TIME else 1.0
    known = [(x / scale, y) for x, y in line.points if y is not None]
    return tuple(known[min(SETTLED_AFTER_POINTS, len(known) // 3) :])
