"""Several losses in one chart, and the table of what differs."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field

from rich.cells import cell_len
from textual import events
from textual.message import Message
from textual.reactive import reactive

from runner.history.compare import ComparedRun, Comparison, setting_words
from runner.history.compare_lines import Axis, Line, planned_end
from runner.history.compare_results import NOT_KNOWN, checkpoint_words, result_rows
from runner.model.units import duration, loss
from tui.kit import glyphs
from tui.kit.chart import DOTS_ACROSS, DOTS_DOWN, Canvas, polyline
from tui.kit.paint import Row, Span, append, cell, ramp_role
from tui.kit.panel import Panel, ScrollingPanel
from tui.kit.scale import (
    OverlayLine,
    Range,
    axis_ticks,
    log_ticks,
    overlay_range,
    sticky_range,
    ticks,
    value_place,
)
from tui.panels.loss import BLANK, Cell
from tui.text import clean, crop, crop_start, wrap
from tui.words.state import label_of

# ---------------------------------------------------------------------------
# The losses of several runs in one chart: a line each, with its letter on it, over one axis.
#
# Lines are told apart by colour and by their letters, which stand at the end of each line and now and then on
# it; in ASCII the line itself is made of them.

#: cells between two letters on a line
LETTER_EVERY = 26
#: rows under the body: the axis and its numbers
UNDER = 2
LEAST_WIDTH, LEAST_HEIGHT = 24, 4
#: a single row of dots is fine, but many thick lines are one stain
THICK_UP_TO, THICK_FROM_ROWS = 3, 16


@dataclass(frozen=True, slots=True)
class OverlayModel:
    """`lines`: those that are shown, the chosen one last, so that it lies over the others. `end`: the right
    edge of the axis. `label_of`: a place on the axis in words."""

    lines: tuple[OverlayLine, ...] = ()
    end: float = 0.0
    log: bool = False
    whole: bool = True
    time: bool = False
    empty: str = "no loss yet"


@dataclass(frozen=True, slots=True)
class Overlay:
    """The body without the cursor, so that moving it does not draw all lines again. `left`: cells in front of
    the body; `room`: its width."""

    grid: tuple[tuple[Cell, ...], ...]
    labels: dict[int, str]
    under: tuple[Row, ...]
    left: int
    room: int


def draw_overlay(
    model: OverlayModel, width: int, height: int, scale: Range, ascii_only: bool
) -> Overlay | None:
    """None where it is too small for a chart. `scale`: losses, or their decimal logarithms (`model.log`)."""
    under = UNDER if height >= LEAST_HEIGHT + UNDER else 0
    body = height - under
    if body < 2 or width < LEAST_WIDTH:
        return None
    marks = log_ticks(scale, body) if model.log else ticks(scale, body)
    labels = dict(marks) if model.lines else {}
    left = max((len(text) for text in labels.values()), default=4) + 2
    room = width - left
    grid = [[BLANK] * room for _ in range(body)]
    for line in model.lines:
        _draw(grid, line, model, scale, ascii_only)
    _letters(grid, model, scale)
    rows = _axis(model, left, room) if under else ()
    return Overlay(tuple(map(tuple, grid)), labels, rows, left, room)


def overlay_rows(made: Overlay, cursor: int | None) -> tuple[Row, ...]:
    """With the cursor at this column of the body."""
    rows = []
    for y, cells in enumerate(made.grid):
        label = made.labels.get(y, "")
        side = glyphs.AXIS_SIDE_TICK if y in made.labels else glyphs.AXIS_SIDE
        spans = [Span(label.rjust(made.left - 2) + " ", "dim"), Span(side, "faint")]
        for x, one in enumerate(cells):
            here = x == cursor and one.text == " "
            append(spans, glyphs.CURSOR_LINE if here else one.text, "accent" if here else one.role)
        rows.append(tuple(spans))
    return (*rows, *made.under)


# --------------------------------------------------------------------------- lines


def column_of(x: float, end: float, places: int) -> int:
    return max(0, min(places - 1, math.ceil(x / end * places - 1e-9) - 1)) if end > 0 else 0


def _dots(
    line: OverlayLine, model: OverlayModel, scale: Range, across: int, down: int
) -> list[tuple[int, int] | None]:
    found: list[tuple[int, int] | None] = []
    for x, value in line.points:
        y = value_place(value, scale, down, model.log) if value is not None else None
        if y is None:
            found.append(None)
            continue
        # what is far outside is drawn as leaving the chart there, not as running along its edge
        found.append((column_of(x, model.end, across), max(-2 * down, min(3 * down, y))))
    return found


def _draw(
    grid: list[list[Cell]], line: OverlayLine, model: OverlayModel, scale: Range, ascii_only: bool
) -> None:
    room, body = len(grid[0]), len(grid)
    canvas = Canvas(room, body)
    points = _dots(line, model, scale, room * DOTS_ACROSS, body * DOTS_DOWN)
    polyline(canvas, points)
    if len(model.lines) <= THICK_UP_TO and body >= THICK_FROM_ROWS:
        polyline(canvas, [p and (p[0], p[1] + 1) for p in points])
    for y in range(body):
        for x in range(room):
            if not canvas.bits(x, y):
                continue
            text = line.letter if ascii_only else _joined(grid[y][x], canvas.character(x, y))
            grid[y][x] = Cell(text, line.role)
    _mark_clipped(grid, line, points)
    _mark_gaps(grid, line, model)


def _mark_clipped(
    grid: list[list[Cell]], line: OverlayLine, points: Sequence[tuple[int, int] | None]
) -> None:
    """A sign at the top where the line is above the chart."""
    for column in {
        point[0] // DOTS_ACROSS for point in points if point is not None and point[1] < 0
    }:
        if grid[0][column].text == " ":
            grid[0][column] = Cell(glyphs.CLIPPED, line.role)


def _joined(under: Cell, text: str) -> str:
    """Where lines cross, the dots of both are in the cell."""
    bits = ord(under.text) - 0x2800
    return chr(0x2800 + (bits | (ord(text) - 0x2800))) if 0 < bits <= 0xFF else text


def _mark_gaps(grid: list[list[Cell]], line: OverlayLine, model: OverlayModel) -> None:
    """A cross at the foot where a loss was not finite, with the line's letter before it."""
    room, before = len(grid[0]), True
    for x, value in line.points:
        if value is None and before:
            column = column_of(x, model.end, room)
            grid[-1][column] = Cell(glyphs.NONFINITE, "bad")
            if column and grid[-1][column - 1].text == " ":
                grid[-1][column - 1] = Cell(line.letter, line.role)
        before = value is not None


def _letters(grid: list[list[Cell]], model: OverlayModel, scale: Range) -> None:
    """The ends first: they are worth most."""
    room, body = len(grid[0]), len(grid)
    taken: set[tuple[int, int]] = set()
    for line in model.lines:
        known = [(x, y) for x, y in line.points if y is not None]
        if known:
            _letter(grid, line, known[-1], model, scale, taken)
    for index, line in enumerate(model.lines):
        shift = LETTER_EVERY * (index + 1) // (len(model.lines) + 1)
        for column in range(shift, room - LETTER_EVERY // 3, LETTER_EVERY):
            value = _value_at(line, (column + 1) / room * model.end)
            row = value_place(value, scale, body, model.log) if value is not None else None
            if row is not None and 0 <= row < body and (column, row) not in taken:
                taken.add((column, row))
                grid[row][column] = Cell(line.letter, line.role)


def _letter(
    grid: list[list[Cell]],
    line: OverlayLine,
    end: tuple[float, float | None],
    model: OverlayModel,
    scale: Range,
    taken: set[tuple[int, int]],
) -> None:
    """At the end of the line; above or below it where another one ends in the same place."""
    room, body = len(grid[0]), len(grid)
    row = value_place(end[1] or 0.0, scale, body, model.log)
    if row is None:
        return
    row = max(0, min(body - 1, row))
    column = min(room - 1, column_of(end[0], model.end, room) + 1)
    for other in sorted(range(body), key=lambda y: (abs(y - row), y)):
        if (column, other) not in taken:
            taken.add((column, other))
            grid[other][column] = Cell(line.letter, line.role)
            return


def _value_at(line: OverlayLine, x: float) -> float | None:
    """Of the last point before; None beyond the end."""
    found: float | None = None
    for place, value in line.points:
        if place > x:
            return found
        found = value
    return None


# --------------------------------------------------------------------------- under the body


def _axis(model: OverlayModel, left: int, room: int) -> tuple[Row, Row]:
    line = [Cell(glyphs.AXIS, "faint")] * room
    words = [BLANK] * room
    free = 0
    for x, text in axis_ticks(model.end, room, whole=model.whole, time=model.time):
        column = column_of(x, model.end, room)
        start = min(max(0, column - len(text) + 1), room - len(text))
        if start < free:
            continue
        line[column] = Cell(glyphs.AXIS_TICK, "dim")
        for offset, character in enumerate(text):
            words[start + offset] = Cell(character, "dim")
        free = start + len(text) + 2
    first = [Span(" " * (left - 1)), Span(glyphs.AXIS_CORNER, "faint")]
    second = [Span(" " * left)]
    for spans, cells in ((first, line), (second, words)):
        for one in cells:
            append(spans, one.text, one.role)
    return tuple(first), tuple(second)


# ---------------------------------------------------------------------------
# The comparison of runs in words and lines: what the screen shows of it. Pure.

BY = {
    Axis.STEP: "by step",
    Axis.EPOCH: "by epoch",
    Axis.TIME: "by time trained",
    Axis.IMAGES: "by images seen",
}
AXES = tuple(Axis)


@dataclass(frozen=True, slots=True)
class Look:
    """How a person looks at it. `cursor`: a share of the axis, 1 is its end; None: with the newest loss, of a
    run that goes on if there is one. `hidden`: indices of runs whose
    line is not drawn; `chosen`: of the run that Enter opens."""

    axis: Axis = Axis.STEP
    log: bool = False
    cursor: float | None = None
    hidden: frozenset[int] = frozenset()
    chosen: int = 0
    every_setting: bool = False


@dataclass(frozen=True, slots=True)
class Head:
    """Above a column: the run's letter and name. `shape`, `role`: of its state; `line_role`: of its line."""

    letter: str
    name: str
    shape: str
    role: str
    line_role: str
    hidden: bool = False
    chosen: bool = False


@dataclass(frozen=True, slots=True)
class TableRow:
    """`strong`: index of a value that is ahead; `same`: all values are the same, so the row is quiet;
    `marked`: it differs, among others that do not. `words`: a whole sentence instead of values."""

    name: str = ""
    values: tuple[str, ...] = ()
    strong: int | None = None
    same: bool = False
    marked: bool = False
    words: str = ""
    role: str = "text"


@dataclass(frozen=True, slots=True)
class Table:
    heads: tuple[Head, ...] = ()
    rows: tuple[TableRow, ...] = field(default=())


def line_role(index: int, runs: int) -> str:
    """Spread over the ramp, so that two lines are as far apart as can be."""
    return ramp_role(index / max(1, runs - 1))


def overlay_model(made: Comparison, lines: Sequence[Line], look: Look) -> OverlayModel:
    order = [i for i in range(len(made.runs)) if i not in look.hidden and lines[i].points]
    order.sort(key=lambda index: index == look.chosen)
    end = axis_end(made, lines, look)
    every_hidden = len(look.hidden) == len(made.runs) > 0
    missing = next((line.missing for line in lines if line.missing), "no loss yet")
    return OverlayModel(
        lines=tuple(
            OverlayLine(made.runs[i].letter, line_role(i, len(made.runs)), lines[i].points)
            for i in order
        ),
        end=end,
        log=look.log,
        whole=look.axis is not Axis.EPOCH or end >= 4,
        time=look.axis is Axis.TIME,
        empty="every run is hidden" if every_hidden else missing,
    )


def axis_end(made: Comparison, lines: Sequence[Line], look: Look) -> float:
    """Of the lines that are shown; of a run that goes on, as far as it is planned."""
    shown = [index for index in range(len(lines)) if index not in look.hidden]
    planned = (planned_end(made.runs[i], look.axis) for i in shown if lines[i].points)
    return max((*(lines[i].end for i in shown), *planned), default=0.0)


def cursor_share(made: Comparison, lines: Sequence[Line], look: Look) -> float:
    """Where the cursor stands, as a share of the axis."""
    if look.cursor is not None:
        return look.cursor
    end = axis_end(made, lines, look)
    shown = [index for index in range(len(lines)) if index not in look.hidden]
    live = [index for index in shown if made.runs[index].live and lines[index].points]
    newest = max((lines[index].end for index in live or shown), default=0.0)
    return newest / end if end > 0 else 1.0


def cursor_x(made: Comparison, lines: Sequence[Line], look: Look) -> float:
    """The same in units of the axis."""
    x = axis_end(made, lines, look) * cursor_share(made, lines, look)
    return float(math.floor(x + 1e-6)) if look.axis in (Axis.STEP, Axis.IMAGES) else x


def place_words(axis: Axis, x: float) -> str:
    """`step 412`, `epoch 1.79`, `after 12 min`, `image 824`."""
    if axis is Axis.TIME:
        return f"after {duration(x)}"
    if axis is Axis.EPOCH:
        return f"epoch {x:.3g}"
    return f"{'step' if axis is Axis.STEP else 'image'} {x:.0f}"


def value_words(line: Line, x: float, live: bool = False) -> str:
    """The smoothed loss there, or why there is none. `live`: its run goes on."""
    if not line.points:
        return NOT_KNOWN
    value = line.at(x)
    if value is not None:
        return loss(value)
    if x > line.end:
        return "not yet" if live else "ended"
    return "not begun" if x < line.points[0][0] else "not finite"


def heads_of(made: Comparison, look: Look) -> tuple[Head, ...]:
    return tuple(_head(i, run, made, look) for i, run in enumerate(made.runs))


def _head(index: int, run: ComparedRun, made: Comparison, look: Look) -> Head:
    state = label_of(run.state, run.outcome)
    return Head(
        letter=run.letter,
        name=clean(run.name, 80),
        shape=state.shape,
        role=state.role,
        line_role=line_role(index, len(made.runs)),
        hidden=index in look.hidden,
        chosen=index == look.chosen,
    )


def results_table(made: Comparison, lines: Sequence[Line], look: Look) -> Table:
    """The values at the cursor, then what came of each run, then what has to be known."""
    x = cursor_x(made, lines, look)
    here = TableRow(
        f"at {place_words(look.axis, x).removeprefix('after ')}",
        tuple(value_words(one, x, r.live) for one, r in zip(lines, made.runs, strict=True)),
        role="accent",
    )
    rows = [
        TableRow(row.name, tuple(clean(v, 60) for v in row.values), row.lead, _all_same(row.values))
        for row in result_rows(made)
    ]
    best = [words for run in made.runs if (words := checkpoint_words(run))]
    rows += [TableRow(words=clean(f"best {words}", 300), role="dim") for words in best]
    notes = [TableRow(words=clean(text, 400), role="warn") for text in made.remarks]
    return Table(heads_of(made, look), (here, *notes, *rows))


def settings_table(made: Comparison, look: Look) -> Table:
    found = made.settings if look.every_setting else made.differing
    rows = tuple(
        TableRow(
            clean(row.name, 60),
            tuple(clean(value, 200) for value in setting_words(row)),
            same=not row.differs,
            marked=row.differs and look.every_setting,
        )
        for row in found
    )
    none = "no setting differs" if made.settings else "no settings are known of these runs"
    return Table(heads_of(made, look), rows or (TableRow(words=none, role="dim"),))


def settings_words(made: Comparison, look: Look) -> str:
    """How many settings differ."""
    differing = len(made.differing)
    if look.every_setting:
        return f"all, {differing} differ"
    return f"{differing} of {len(made.settings)} differ"


def _all_same(values: Sequence[str]) -> bool:
    return len(set(values)) == 1


# ---------------------------------------------------------------------------
# Tables of several runs: a column a run, its name above.

NAME_CELLS = 30
LEAST_CELLS, MOST_CELLS = 14, 44


@dataclass(frozen=True, slots=True)
class Columns:
    """`name`: cells of the first column; `size`: of each of the others; `first`, `last`: the runs shown."""

    name: int
    size: int
    first: int
    last: int


def columns_of(table: Table, width: int, before: int = 0) -> Columns:
    """As many runs as fit, the chosen one among them; `before`: the first run that was shown."""
    runs = len(table.heads)
    longest = max((cell_len(row.name) for row in table.rows if not row.words), default=8)
    name = max(8, min(longest, NAME_CELLS, width // 3))
    room = width - name - 2
    across = max(1, min(runs, room // (LEAST_CELLS + 1)))
    size = max(1, min(MOST_CELLS, room // across - 1))
    chosen = next((i for i, head in enumerate(table.heads) if head.chosen), 0)
    first = min(max(before, chosen - across + 1), chosen, max(0, runs - across))
    return Columns(name, size, max(0, first), min(runs, max(0, first) + across))


def head_row(table: Table, columns: Columns, width: int) -> Row:
    """Letter and name of each run, in the colour of its line; a mark before the chosen one."""
    more = f"{columns.first + 1}-{columns.last} of {len(table.heads)}"
    whole = columns.last - columns.first == len(table.heads)
    spans = [Span(" "), cell("" if whole else more, columns.name, "dim"), Span(" ")]
    for head in table.heads[columns.first : columns.last]:
        spans += _table_head(head, columns.size)
    return tuple(spans)


def _table_head(head: Head, size: int) -> list[Span]:
    mark = glyphs.CURSOR if head.chosen else " "
    role = "faint" if head.hidden else head.line_role
    rest = size - 4
    name = crop("hidden" if head.hidden else head.name, max(0, rest))
    return [
        Span(mark, "accent"),
        Span(head.letter, role),
        Span(" "),
        Span(head.shape, head.role),
        Span(" " if rest > 0 else ""),
        Span(name + " " * max(0, rest - cell_len(name)), "strong" if head.chosen else "text"),
    ]


def table_rows(table: Table, columns: Columns, width: int) -> list[Row]:
    rows: list[Row] = []
    for row in table.rows:
        if row.words:
            lines = wrap(row.words, max(8, width - 2), "  ")
            rows += [(Span(" "), Span(line, row.role)) for line in lines]
        else:
            rows.append(_values(row, columns))
    return rows


def _values(row: TableRow, columns: Columns) -> Row:
    quiet = "dim" if row.same else row.role
    mark = Span(glyphs.WRITTEN if row.marked else " ", "accent")
    spans = [mark, cell(row.name, columns.name, "accent" if row.role == "accent" else "dim")]
    spans.append(Span(" "))
    for index in range(columns.first, min(columns.last, len(row.values))):
        text = row.values[index]
        ahead = row.strong == index
        shape = f" {glyphs.WRITTEN}" if ahead else ""
        shown = fitted(text, max(1, columns.size - 1 - len(shape))) + shape
        spans.append(Span(" "))
        spans.append(cell(shown, columns.size, "good" if ahead else quiet))
    return tuple(spans)


def fitted(text: str, width: int) -> str:
    """A path is told by its end, everything else by its beginning."""
    if cell_len(text) <= width:
        return text
    return crop_start(text, width) if text.startswith("/") else crop(text, width)


def place_rows(made: Comparison, lines: Sequence[Line], look: Look) -> tuple[Row, ...]:
    """Where the cursor is: with the values of all runs, and, where those do not fit, alone."""
    x = cursor_x(made, lines, look)
    where = Span(place_words(look.axis, x), "accent")
    row = [where]
    for index, (run, line) in enumerate(zip(made.runs, lines, strict=True)):
        if index not in look.hidden:
            value = value_words(line, x, run.live)
            row += [
                Span("  "),
                Span(run.letter, line_role(index, len(made.runs))),
                Span(f" {value}"),
            ]
    return (tuple(row), (where,))


def state_row(made: Comparison | None) -> Row:
    """Is it read, and does one of them go on?"""
    if made is None:
        return (Span("reading the runs ", "dim"),)
    if made.read_fraction < 1:
        return (Span(f"reading, {made.read_fraction * 100:.0f} % ", "accent"),)
    live = [run.letter for run in made.runs if run.live]
    if not live:
        return ()
    return (Span(f"{', '.join(live)} still train{'s' if len(live) == 1 else ''} ", "good"),)


# ---------------------------------------------------------------------------
# The losses of several runs in one chart with a cursor, and the tables under it.


class Digit(Message):
    """1 to 8: the run whose line is to be hidden or shown again; counts from 0."""

    def __init__(self, index: int) -> None:
        super().__init__()
        self.index = index


def _digit_of(event: events.Key) -> int | None:
    character = event.character or ""
    return int(character) - 1 if character in "12345678" and len(character) == 1 else None


class OverlayChart(Panel):
    """`cursor`: a share of the axis; `by` and `place`: the words of the rule, left and right."""

    TITLE = "Loss"

    model: reactive[OverlayModel] = reactive(OverlayModel(), layout=False, repaint=False)
    cursor: reactive[float] = reactive(1.0, layout=False, repaint=False)
    by: reactive[str] = reactive("", layout=False, repaint=False)
    place: reactive[tuple[Row, ...]] = reactive((), layout=False, repaint=False)

    class Pointed(Message):
        """A place of the chart was clicked: a share of the axis."""

        def __init__(self, share: float) -> None:
            super().__init__()
            self.share = share

    def __init__(self, *, id: str | None = None, classes: str | None = None) -> None:
        super().__init__(id=id, classes=classes)
        self._scales: dict[tuple[object, ...], Range] = {}
        self._drawn: tuple[tuple[object, ...], Overlay | None] | None = None

    def watch_model(self) -> None:
        self.repaint()

    def watch_cursor(self) -> None:
        self.repaint()

    def watch_by(self) -> None:
        self.repaint()

    def watch_place(self) -> None:
        self.repaint()

    @property
    def room(self) -> int:
        """Columns of the chart itself."""
        made = self._drawn[1] if self._drawn is not None else None
        return made.room if made is not None else 1

    def moved(self, by: int) -> float:
        """The cursor's share of the axis after `by` columns."""
        column = column_of(self.cursor, 1.0, self.room) + by
        return (max(0, min(self.room - 1, column)) + 1) / self.room

    def title_value(self) -> Row:
        return (Span(self.by, "dim"),) if self.by else ()

    def note(self) -> Row:
        """The values at the cursor, else only where it is."""
        room = self.content_size.width - len(self.TITLE) - len(self.by) - 11
        fitting = (row for row in self.place if sum(len(span.text) for span in row) <= room)
        return next(fitting, ())

    def content(self, width: int, height: int) -> Sequence[Row]:
        model = self.model
        if not model.lines:
            return ((), (Span(f" {model.empty}", "dim"),))
        made = self._overlay(width, height)
        if made is None:
            return ((Span(" too small for a chart: z shows it whole", "dim"),),)
        return overlay_rows(made, column_of(self.cursor, 1.0, made.room))

    def _overlay(self, width: int, height: int) -> Overlay | None:
        """All lines, drawn again only when something but the cursor has changed."""
        ascii_only = self.plasma.ascii
        key = (self.model, width, height, ascii_only)
        if self._drawn is None or self._drawn[0] != key:
            self._drawn = (key, draw_overlay(self.model, width, height, self._scale(), ascii_only))
        return self._drawn[1]

    def _scale(self) -> Range:
        """Steady while a run goes on; what is hidden or logarithmic has a range of its own."""
        model = self.model
        shown = (model.log, tuple(sorted(line.letter for line in model.lines)))
        scale = sticky_range(self._scales.get(shown), overlay_range(model.lines, model.log))
        self._scales[shown] = scale
        return scale

    def on_click(self, event: events.Click) -> None:
        made = self._drawn[1] if self._drawn is not None else None
        if made is not None and event.y >= 1 and event.x >= made.left:
            share = (min(made.room - 1, event.x - made.left) + 1) / made.room
            self.post_message(self.Pointed(share))

    def on_key(self, event: events.Key) -> None:
        _tell_digit(self, event)


class ComparePanel(ScrollingPanel):
    """A table with a column for each run."""

    FOLLOWS = False

    model: reactive[Table] = reactive(Table(), layout=False, repaint=False)
    said: reactive[str] = reactive("", layout=False, repaint=False)

    def __init__(self, title: str, *, id: str | None = None) -> None:
        super().__init__(id=id)
        self.TITLE = title
        self._first = 0

    def watch_model(self) -> None:
        self.repaint()

    def watch_said(self) -> None:
        self.repaint()

    def note(self) -> Row:
        return (Span(self.said, "dim"),) if self.said else ()

    def content(self, width: int, height: int) -> Sequence[Row]:
        table = self.model
        if not table.heads or height < 1:
            return ()
        columns = columns_of(table, width, self._first)
        self._first = columns.first
        rows = table_rows(table, columns, width)
        body = max(1, height - 1)
        top = self.window(len(rows), body, 0)
        shown = rows[top : top + body]
        if top + body < len(rows) and shown and body > 2:
            left = len(rows) - top - body + 1
            shown[-1] = (Span(f"   … {left} more, down shows them", "dim"),)
        return (head_row(table, columns, width), *shown)

    def on_key(self, event: events.Key) -> None:
        _tell_digit(self, event)


def _tell_digit(panel: Panel, event: events.Key) -> None:
    index = _digit_of(event)
    if index is not None:
        panel.post_message(Digit(index))
        event.stop()
        event.prevent_default()
