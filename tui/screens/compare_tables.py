"""What the comparison shows: the runs on one axis, and tables with a column for each run."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

from rich.cells import cell_len
from textual.message import Message

from runner.history.compare import Comparison, setting_words
from runner.history.compare_lines import Axis, Line, planned_end
from runner.history.compare_results import NOT_KNOWN, checkpoint_words, result_rows
from runner.history.compare_runs import run_order
from runner.model.units import count, loss
from tui.kit import glyphs
from tui.kit.chart import PATTERNS, Chart, Curve
from tui.kit.paint import Row, Span, cell, ramp_role, row_width
from tui.kit.panel import ScrollingPanel
from tui.panels.loss import ChartPanel
from tui.text import clean, crop, crop_start, wrap
from tui.words.loss import place_words
from tui.words.state import label_of

#: more lines than this look alike
MOST_LINES = 8
BY = {Axis.TIME: "by training time", Axis.IMAGES: "by images seen"}

# ---------------------------------------------------------------------------
# The chart: a line for each run, distinguished by its letter, its dashes and its colour.


NOTHING = Comparison()


@dataclass(frozen=True, slots=True)
class Overlay:
    """The runs on one axis, and the user's view of them. `cursor`: a place on the axis; None: at the newest
    loss, of a live run if there is one. `hidden`: indices of runs without a line; `chosen`: of the one to
    open; `everything`: also what is equal in all runs; `listed`: a row for each run."""

    made: Comparison = NOTHING
    lines: tuple[Line, ...] = ()
    axis: Axis = Axis.STEP
    cursor: float | None = None
    hidden: frozenset[int] = frozenset()
    chosen: int = 0
    everything: bool = False
    listed: bool = False

    @property
    def order(self) -> tuple[int, ...]:
        """Of the runs in the tables."""
        return run_order(self.made) if self.listed else tuple(range(len(self.made.runs)))

    @property
    def unseen(self) -> frozenset[int]:
        """Runs without a line: where some are left out from the start, the chosen one always has its line."""
        return self.hidden - {self.chosen} if len(self.lines) > MOST_LINES else self.hidden

    @property
    def shown(self) -> list[int]:
        unseen = self.unseen
        return [i for i in range(len(self.lines)) if i not in unseen]

    @property
    def end(self) -> float:
        """Of the lines that are shown; of a live run, as far as it is planned."""
        runs, axis = self.made.runs, self.axis
        planned = (planned_end(runs[i], axis) for i in self.shown if self.lines[i].points)
        return max((*(self.lines[i].end for i in self.shown), *planned), default=0.0)

    @property
    def newest(self) -> float:
        live = [i for i in self.shown if self.made.runs[i].live and self.lines[i].points]
        return max((self.lines[i].end for i in live or self.shown), default=0.0)

    @property
    def x(self) -> float:
        """Of the cursor."""
        x = self.newest if self.cursor is None else min(self.cursor, self.end)
        return float(int(x + 1e-6)) if self.axis in (Axis.STEP, Axis.IMAGES) else x

    @property
    def place(self) -> str:
        return place_words(str(self.axis).removesuffix("s"), self.x, unit=True)

    def role(self, index: int) -> str:
        """Spread over the ramp, so that two lines are as far apart as can be."""
        return ramp_role(0.2 + 0.8 * index / max(1, len(self.made.runs) - 1))

    def value(self, index: int) -> str:
        """The smoothed loss at the cursor, or why there is none."""
        line, x = self.lines[index], self.x
        if not line.points:
            return NOT_KNOWN
        value = line.at(x)
        if value is not None:
            return loss(value)
        if x > line.end:
            return "not yet" if self.made.runs[index].live else "ended"
        return "not begun" if x < line.points[0][0] else "NaN"

    def chart(self) -> Chart:
        """The chosen run's line is drawn over the others."""
        runs = self.made.runs
        order = sorted(
            (i for i in self.shown if self.lines[i].points), key=lambda i: i == self.chosen
        )
        missing = next((line.missing for line in self.lines if line.missing), "no loss yet")
        end = self.end
        return Chart(
            curves=tuple(
                Curve(
                    self.lines[i].points, self.role(i), runs[i].letter, runs[i].letter,
                    PATTERNS[i % len(PATTERNS)], thick=True,
                )
                for i in order
            ),
            end=end or 1.0,
            newest=self.newest,
            unit=str(Axis.STEP if self.axis is Axis.IMAGES else self.axis),
            least=end / 100 or 1.0,
            empty=missing if self.shown else "every run is hidden",
        )  # fmt: skip


# ---------------------------------------------------------------------------
# The tables: a column for each run, its name above.


@dataclass(frozen=True, slots=True)
class TableRow:
    """`lead`: index of the best value; `same`: no value differs, so the row is quiet; `marked`: some do,
    among rows that are the same. `words`: a sentence instead of values."""

    name: str = ""
    values: tuple[str, ...] = ()
    lead: int | None = None
    same: bool = False
    marked: bool = False
    words: str = ""
    role: str = "text"


def results(overlay: Overlay) -> list[TableRow]:
    """The values at the cursor, notes before comparing, then the results that differ, or all."""
    made, everything = overlay.made, overlay.everything
    values = tuple(overlay.value(i) for i in range(len(made.runs)))
    rows = [TableRow(f"at {overlay.place}", values, role="accent")]
    rows += [TableRow(words=clean(text, 400), role="warn") for text in made.remarks]
    found = [(row, len(set(row.values)) == 1) for row in result_rows(made)]
    for row, same in found:
        if everything or not same:
            texts = tuple(clean(value, 60) for value in row.values)
            rows.append(TableRow(row.name, texts, row.lead, same))
    equal = sum(same for _, same in found)
    if equal and not everything:
        rows.append(TableRow(words=f"{count(equal, 'more result')} equal in all runs", role="dim"))
    best = (words for run in made.runs if (words := checkpoint_words(run)))
    return rows + [TableRow(words=clean(f"best {words}", 300), role="dim") for words in best]


def settings(overlay: Overlay) -> list[TableRow]:
    made, everything = overlay.made, overlay.everything
    rows = []
    for row in made.settings if everything else made.differing:
        values = tuple(clean(value, 200) for value in setting_words(row))
        marked = row.differs and everything
        rows.append(TableRow(clean(row.name, 60), values, same=not row.differs, marked=marked))
    none = "no setting differs" if made.settings else "settings unknown"
    return rows or [TableRow(words=none, role="dim")]


NAME_CELLS = 30
LEAST_CELLS, MOST_CELLS = 14, 44


class Columns(NamedTuple):
    """`name`: cells of the first column; `size`: of each of the others; `first`, `last`: the runs shown."""

    name: int
    size: int
    first: int
    last: int


def columns_of(overlay: Overlay, rows: Sequence[TableRow], width: int, before: int = 0) -> Columns:
    """As many runs as fit, the chosen one among them; `before`: the first run that was shown."""
    runs, chosen = len(overlay.made.runs), overlay.chosen
    longest = max((cell_len(row.name) for row in rows if not row.words), default=8)
    name = max(8, min(longest, NAME_CELLS, width // 3))
    room = width - name - 2
    across = max(1, min(runs, room // (LEAST_CELLS + 1)))
    size = max(1, min(MOST_CELLS, room // across - 1))
    first = max(0, min(max(before, chosen - across + 1), chosen, runs - across))
    return Columns(name, size, first, min(runs, first + across))


def head_row(overlay: Overlay, columns: Columns) -> Row:
    """Letter, state and name of each run; a mark before the chosen one."""
    name, size, first, last = columns
    runs = overlay.made.runs
    part = f"{first + 1}-{last} of {len(runs)}" if last - first < len(runs) else ""
    spans = [Span(" "), cell(part, name, "dim"), Span(" ")]
    for i, run in enumerate(runs[first:last], first):
        state, chosen = label_of(run.state, run.outcome), i == overlay.chosen
        hidden = i in overlay.hidden
        title = "hidden" if hidden else clean(run.name, 80)
        spans += [
            Span(glyphs.CURSOR if chosen else " ", "accent"),
            Span(run.letter, "faint" if hidden else overlay.role(i)),
            Span(f" {state.shape} ", state.role),
            cell(title, max(0, size - 4), "strong" if chosen else "text"),
        ]
    return tuple(spans)


def table_rows(rows: Sequence[TableRow], columns: Columns, width: int) -> list[Row]:
    name, size, first, last = columns
    found: list[Row] = []
    for row in rows:
        if row.words:
            lines = wrap(row.words, max(8, width - 2), "  ")
            found += [(Span(" "), Span(line, row.role)) for line in lines]
            continue
        head = cell(row.name, name, "accent" if row.role == "accent" else "dim")
        spans = [Span(glyphs.WRITTEN if row.marked else " ", "accent"), head, Span(" ")]
        for i, value in enumerate(row.values[first:last], first):
            shape = f" {glyphs.WRITTEN}" if row.lead == i else ""
            role = "good" if shape else "dim" if row.same else row.role
            text = fitted(value, max(1, size - 1 - len(shape))) + shape
            spans += [Span(" "), cell(text, size, role)]
        found.append(tuple(spans))
    return found


def fitted(text: str, width: int) -> str:
    """Of a path its end, of everything else its beginning."""
    if cell_len(text) <= width:
        return text
    return crop_start(text, width) if text.startswith("/") else crop(text, width)


# ---------------------------------------------------------------------------
# The widgets.


class OverlayChart(ChartPanel):
    """`place`: the cursor with the values of all runs, and, where those do not fit, alone."""

    by = ""
    place: tuple[Row, ...] = ()

    class Pointed(Message):
        """A place of the chart was clicked."""

        def __init__(self, x: float) -> None:
            super().__init__()
            self.x = x

    def point_at(self, x: float) -> None:
        self.post_message(self.Pointed(x))

    def moved(self, by: int) -> float:
        """The cursor's place after `by` columns, within what is shown."""
        plot = self.plot
        column = plot.column_of(self.cursor if self.cursor is not None else plot.high) + by
        return plot.x_of(max(0, min(plot.room - 1, column)))

    def show(self, overlay: Overlay) -> None:
        self.by = f"smoothed, {BY.get(overlay.axis, f'by {overlay.axis}')}"
        where, row = Span(overlay.place, "accent"), []
        for i in overlay.shown:
            letter = overlay.made.runs[i].letter
            row += [Span(f"  {letter}", overlay.role(i)), Span(f" {overlay.value(i)}")]
        self.place = ((where, *row), (where,))
        self.cursor = overlay.x
        self.show_chart(overlay.chart(), self.view)

    def title_value(self) -> Row:
        words = self.by + (", log" if self.view.log else "")
        return (Span(words, "dim"),) if self.by else ()

    def note(self) -> Row:
        room = self.content_size.width - len(self.TITLE) - row_width(self.title_value()) - 11
        return next((row for row in self.place if row_width(row) <= room), ())


class ComparePanel(ScrollingPanel):
    """A table with a column for each run."""

    FOLLOWS = False

    def __init__(self, title: str, *, id: str | None = None) -> None:
        super().__init__(id=id)
        self.TITLE = title
        self._overlay, self._table, self._words = Overlay(), list[TableRow](), ""
        self._first = 0

    def show(self, overlay: Overlay, table: list[TableRow], words: str = "") -> None:
        self._overlay, self._table, self._words = overlay, table, words
        self.repaint()

    def note(self) -> Row:
        return (Span(self._words, "dim"),) if self._words else ()

    def content(self, width: int, height: int) -> Sequence[Row]:
        if not self._table or height < 1:
            return ()
        columns = columns_of(self._overlay, self._table, width, self._first)
        self._first = columns.first
        rows, body = table_rows(self._table, columns, width), max(1, height - 1)
        top = self.window(len(rows), body, 0)
        shown = rows[top : top + body]
        if top + body < len(rows) and shown and body > 2:
            shown[-1] = (Span(f"   … {len(rows) - top - body + 1} more, down shows them", "dim"),)
        return (head_row(self._overlay, columns), *shown)
