"""The list of runs and the details of the run under the cursor."""

from __future__ import annotations

import math
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

from rich.cells import cell_len
from textual import events
from textual.message import Message
from textual.reactive import reactive

from runner.model import LossBucket, Outcome, RunListing, RunSnapshot, RunState
from runner.model.units import count, duration, file_size, loss
from tui.kit import glyphs
from tui.kit.chart import SAMPLES_A_CELL, spark
from tui.kit.paint import Row, Span, cell, pad
from tui.kit.painted import Painted
from tui.text import clean, crop, crop_start, wrap
from tui.words.cause import cause_of, cause_title
from tui.words.runs import (
    Curve,
    Entry,
    Head,
    Line,
    RunRow,
    curve_of,
    date_of,
    kind_of,
    row_of,
    short_path,
    tags_of,
)

# ---------------------------------------------------------------------------
# What else there is to say about the run under the cursor, the most telling first.

#: the smoothed loss of the first steps is hardly smoothed
SETTLED_STEPS = 20

_KINDS = {
    "smoke": "smoke test",
    "inspected": "imported from a console log",
    "imported": "imported from existing files",
}


@dataclass(frozen=True, slots=True)
class Glance:
    """What only the run's own files tell; `key` is its id. `best`: the lowest smoothed loss."""

    key: str
    path: str = ""
    why: str = ""
    best: str = ""
    output: str = ""
    curve: Curve | None = None


@dataclass(frozen=True, slots=True)
class Detail:
    label: str
    text: str
    role: str = "text"


def glance_of(key: str, snapshot: RunSnapshot) -> Glance:
    spec = snapshot.spec
    return Glance(
        key,
        short_path(snapshot.path),
        _why(snapshot),
        _best(snapshot) if snapshot.read_fraction >= 1 else "",
        short_path(spec.output_dir or "") if spec is not None else "",
        curve_of(snapshot.loss) if snapshot.read_fraction >= 1 else None,
    )


def _why(snapshot: RunSnapshot) -> str:
    """The cause, else the first reason of an outcome that is no success."""
    cause = cause_of(snapshot)
    if cause is not None and cause.key != "unknown":
        evidence = clean(cause.evidence, 300)
        return cause_title(cause.key) + (f": {evidence}" if evidence else "")
    outcome = snapshot.outcome or (snapshot.status.outcome if snapshot.status else None)
    if snapshot.status is None or outcome in (None, Outcome.SUCCEEDED):
        return ""
    return clean(snapshot.status.reasons[0], 300) if snapshot.status.reasons else ""


def _best(snapshot: RunSnapshot) -> str:
    first = snapshot.loss.first_step or 0
    settled = [one for one in snapshot.loss.buckets if _usable(one, first + SETTLED_STEPS)]
    if not settled:
        return ""
    best = min(settled, key=lambda one: one.smooth or 0.0)
    return f"{loss(best.smooth)} at step {best.last_step}"


def _usable(bucket: LossBucket, from_step: int) -> bool:
    known = bucket.smooth is not None and math.isfinite(bucket.smooth)
    return known and bucket.last_step >= from_step


def details(entry: Entry, glance: Glance | None) -> tuple[Detail, ...]:
    """`glance` may still be missing, or be of another run."""
    one = entry.listing
    seen = glance if glance is not None and glance.key == entry.key else Glance(entry.key)
    rows = [
        Detail("problem", clean(one.problem, 300), "bad"),
        Detail("why", seen.why, "warn" if one.outcome is Outcome.STOPPED else "bad"),
        Detail("what", _what(one)),
        Detail("tags", tags_of(one, 400), "accent"),
        Detail("note", clean(one.note, 4000)),
        Detail("loss", _loss(one, seen)),
        Detail("project", short_path(one.project)),
        Detail("run", seen.path or clean(one.id, 200), "dim"),
        Detail("output", seen.output if seen.output != short_path(one.project) else "", "dim"),
    ]
    return tuple(row for row in rows if row.text)


def _what(one: RunListing) -> str:
    kind = kind_of(one)
    ended = date_of(one.ended_at, with_time=True) if one.ended_at else ""
    size = file_size(one.size_bytes) if one.size_bytes else ""
    began = date_of(one.created_at, with_time=True) if one.created_at else ""
    facts = (
        _KINDS.get(kind, kind),
        f"began {began}" if began else "",
        f"ended {ended}" if ended and one.state is RunState.ENDED else "",
        f"took {duration(one.duration_s)}" if one.duration_s is not None else "",
        clean(one.device, 40),
        f"on {clean(one.host, 60)}" if one.host else "",
        f"{size} in the run folder" if size else "",
    )
    return ", ".join(fact for fact in facts if fact)


def _loss(one: RunListing, seen: Glance) -> str:
    smooth = seen.curve.smooth if seen.curve is not None else one.smooth
    facts = (
        f"{loss(one.loss)} last" if one.loss is not None else "",
        f"{loss(smooth)} smoothed" if smooth is not None else "",
        f"lowest smoothed {seen.best}" if seen.best else "",
    )
    return ", ".join(fact for fact in facts if fact)


# ---------------------------------------------------------------------------
# Rows of the list of runs.

#: cells before the name: mark, cursor
LEAD = 3
#: what the name gets at least, from `NARROW` on and below, and what it needs to have its kind beside it
NAME, NAME_NARROW, NARROW, NAME_BESIDE_KIND = 20, 14, 70, 12
GAP = 2
DOWN, UP = "↓", "↑"


class Column(NamedTuple):
    """`size` holds the gap that follows; `sort`: the order that this column shows."""

    name: str
    size: int
    role: str
    right: bool
    sort: str


#: as they stand beside each other
_COLUMNS = (
    Column("state", 18, "text", False, "outcome"),
    Column("steps", 13, "text", True, "steps"),
    Column("loss", 9, "text", True, "loss"),
    Column("curve", 12, "text", False, ""),
    Column("files", 10, "dim", True, ""),
    Column("took", 13, "dim", True, "took"),
    Column("age", 12, "dim", True, "when"),
    Column("id", 6, "dim", False, ""),
    Column("device", 8, "dim", False, ""),
    Column("tags", 18, "accent", False, ""),
    Column("note", 40, "dim", False, ""),
    Column("project", 28, "dim", False, ""),
)
#: the outcome stays in the narrowest terminal
_WORTH = ("state", "loss", "curve", "age", "steps", "id", "tags", "files", "took", "note", "device",
          "project")  # fmt: skip
EVERY = frozenset(_WORTH)
_TITLES = {"age": "when", "curve": "loss curve"}


def run_columns(width: int, wanted: Collection[str] = EVERY) -> tuple[Column, ...]:
    """The most worthy columns beside the name, as long as enough cells stay for it."""
    left = width - LEAD - (NAME if width >= NARROW else NAME_NARROW)
    chosen: set[str] = set()
    by_name = {column.name: column for column in _COLUMNS}
    for name in _WORTH:
        if name not in wanted or by_name[name].size > left:
            continue
        chosen.add(name)
        left -= by_name[name].size
    return tuple(column for column in _COLUMNS if column.name in chosen)


def run_row(
    row: RunRow, width: int, columns: tuple[Column, ...], *, selected: bool, marked: bool
) -> Row:
    name = width - LEAD - sum(column.size for column in columns)
    spans = [
        Span(glyphs.WRITTEN if marked else " ", "accent"),
        Span(glyphs.CURSOR if selected else " ", "accent"),
        *_name(row, name, "strong" if selected or marked else "text"),
        Span(" "),
    ]
    for column in columns:
        if column.name == "curve":
            spans += [*_curve(row, column.size - GAP), Span(" " * GAP)]
            continue
        if column.name == "state":
            text, role = f"{row.state.shape} {row.state.word}{_percent(row)}", row.state.role
        else:
            text, role = getattr(row, column.name), column.role
            if column.name == "project":
                text = crop_start(text, column.size - GAP)
        spans += _cell(column, text, role)
    return pad(tuple(spans), width)


def _name(row: RunRow, width: int, role: str) -> list[Span]:
    """The name, and its kind at the right end where both can be read."""
    size = cell_len(row.kind) + 1
    if not row.kind or width - size < NAME_BESIDE_KIND:
        return [cell(row.name, width, role)]
    return [cell(row.name, width - size, role), Span(f" {row.kind}", "dim")]


def _percent(row: RunRow) -> str:
    """Of a live run: how far it is."""
    return f" {int(row.progress * 100)} %" if row.live and row.progress is not None else ""


def _curve(row: RunRow, width: int) -> Row:
    """The loss over the trained part of the planned steps, and a rail for the rest."""
    points = row.curve.points if row.curve is not None else ()
    done = width if row.progress is None else max(1, int(row.progress * width))
    if not points:
        return (Span(" " * width),)
    room = done * SAMPLES_A_CELL
    fitted = [points[i * len(points) // room] for i in range(room)]
    return (*spark(fitted, done), Span(glyphs.BAR_REST * (width - done), "faint"))


def _cell(column: Column, text: str, role: str) -> tuple[Span, Span]:
    align = "right" if column.right else "left"
    return (cell(text, column.size - GAP, role, align), Span(" " * GAP))


def run_head(width: int, columns: tuple[Column, ...], sort: str, down: bool) -> Row:
    """The names of the columns; an arrow at the one that orders the rows."""
    arrow = DOWN if down else UP
    name = width - LEAD - sum(column.size for column in columns)
    by_name = sort == "name"
    spans = [
        Span(" " * (LEAD - 1)),
        cell(f"run {arrow}" if by_name else "run", name, "accent" if by_name else "dim"),
        Span(" "),
    ]
    for column in columns:
        sorts = column.sort == sort
        text = _TITLES.get(column.name, column.name)
        spans += _cell(column, f"{text} {arrow}" if sorts else text, "accent" if sorts else "dim")
    return tuple(spans)


def group_head(head: Head, width: int) -> Row:
    """A rule with the project in it; the end of a path says more than its start."""
    counts = f" {count(head.runs, 'run')}{f', {head.live} live' if head.live else ''} "
    title = crop_start(head.title, max(4, width - len(counts) - 6))
    rest = width - cell_len(title) - 4 - len(counts)
    return (
        Span(f"{glyphs.RULE} ", "faint"),
        Span(title, "title"),
        Span(" "),
        Span(glyphs.RULE * max(0, rest), "faint"),
        Span(crop(counts, max(0, width - 4)), "dim"),
        Span(glyphs.RULE, "faint"),
    )


# ---------------------------------------------------------------------------
# Runs in rows, told apart by their id: the cursor stays on its run however the list changes.


@dataclass(frozen=True, slots=True)
class ListLook:
    """What the rows depend on beside the runs: the clock, the order, the marks, the columns in use, and
    what was read of single runs."""

    now: float = 0.0
    sort: str = "when"
    down: bool = True
    marks: frozenset[str] = frozenset()
    columns: frozenset[str] = EVERY
    #: by id, of the runs that have been in sight
    glances: Mapping[str, Glance] = field(default_factory=dict)


class RunList(Painted, can_focus=True):
    """Only the rows in sight are ever made."""

    empty: reactive[str] = reactive("Reading the runs.", layout=False, repaint=False)

    class Chosen(Message):
        """Enter, or a second click, on a run."""

        def __init__(self, key: str) -> None:
            super().__init__()
            self.key = key

    class Moved(Message):
        """The cursor stands on another run, or on none."""

    def __init__(self, *, id: str | None = None) -> None:
        super().__init__(id=id)
        self.lines: tuple[Line, ...] = ()
        self.look = ListLook()
        self._key: str | None = None
        self._at = 0
        self._top = 0

    def watch_empty(self) -> None:
        self.repaint()

    # ----------------------------------------------------------------- the model

    def show(self, lines: tuple[Line, ...], look: ListLook, *, typed: bool = False) -> None:
        """Another list. The cursor stays on its run, and that run where it stands on the screen; is it
        gone, the cursor goes to its neighbour, or to the first one if the filter was `typed`."""
        self.look = look
        if lines is not self.lines:
            self.lines = lines
            at = self._place_of(self._key)
            if at is None:
                self._go(self._entry_at(0 if typed else self._at))
            else:
                if self._top > 0:
                    self._top += at - self._at
                self._at = at
        self.repaint()

    def _place_of(self, key: str | None) -> int | None:
        if key is None:
            return None
        found = (i for i, line in enumerate(self.lines) if line.__class__ is Entry)
        return next((i for i in found if self.lines[i].key == key), None)  # type: ignore[union-attr]

    def _entry_at(self, at: int, by: int = 1) -> int:
        """The nearest line that is a run, in the direction `by` first; heads are stepped over."""
        last = len(self.lines) - 1
        at = max(0, min(last, at))
        step = 1 if by >= 0 else -1
        for way in (step, -step):
            i = at
            while 0 <= i <= last:
                if not isinstance(self.lines[i], Head):
                    return i
                i += way
        return 0

    def _go(self, at: int) -> None:
        self._at = at
        before, self._key = self._key, None
        if self.lines:
            line = self.lines[at]
            self._key = line.key if isinstance(line, Entry) else None
        if self._key != before:
            self.post_message(self.Moved())

    def point_to(self, key: str) -> None:
        """The cursor starts on this run, if it is listed."""
        self._key = key

    @property
    def entry(self) -> Entry | None:
        """The run under the cursor."""
        line = self.lines[self._at] if self._at < len(self.lines) else None
        return line if isinstance(line, Entry) else None

    def in_sight(self) -> list[Entry]:
        """The runs whose rows are on the screen, that under the cursor first."""
        shown = self.lines[self._top : self._top + max(1, self.content_size.height - 1)]
        runs = [line for line in shown if isinstance(line, Entry)]
        return sorted(runs, key=lambda one: one.key != self._key)

    @property
    def place(self) -> str:
        """`12 of 5000`: which of the shown runs it is."""
        if self.entry is None:
            return ""
        heads = sum(line.__class__ is Head for line in self.lines[: self._at])
        total = sum(line.__class__ is Entry for line in self.lines)
        return f"{self._at - heads + 1} of {total}"

    # ----------------------------------------------------------------- drawing

    def draw(self, width: int, height: int) -> Sequence[Row]:
        if not self.lines:
            return ((Span(f"   {self.empty}", "dim"),),)
        body = max(1, height - 1)
        self._top = max(0, min(self._top, self._at, len(self.lines) - body))
        self._top = max(self._top, self._at - body + 1)
        if self._top == 1 and self._at == 1 < body:
            self._top = 0  # the head over the first run
        columns = run_columns(width, self.look.columns)
        rows = [run_head(width, columns, self.look.sort, self.look.down)]
        for i, line in enumerate(self.lines[self._top : self._top + body], self._top):
            rows.append(self._row(line, width, columns, i == self._at))
        return rows

    def _row(self, line: Line, width: int, columns: tuple[Column, ...], selected: bool) -> Row:
        if isinstance(line, Head):
            return group_head(line, width)
        glance = self.look.glances.get(line.key)
        row = row_of(line.listing, self.look.now, glance.curve if glance is not None else None)
        marked = line.key in self.look.marks
        return run_row(row, width, columns, selected=selected, marked=marked)

    # ----------------------------------------------------------------- moving

    def move(self, by: int) -> None:
        if self.lines:
            self._go(self._entry_at(self._at + by, by))
            self.repaint()

    def page(self) -> int:
        return max(1, self.content_size.height - 2)

    def to_edge(self, *, end: bool) -> None:
        self.move(len(self.lines) if end else -len(self.lines))

    def choose(self) -> None:
        if self.entry is not None:
            self.post_message(self.Chosen(self.entry.key))

    # ----------------------------------------------------------------- mouse

    def on_click(self, event: events.Click) -> None:
        at = self._top + event.y - 1
        if event.y < 1 or at >= len(self.lines) or isinstance(self.lines[at], Head):
            return
        again = at == self._at
        self._go(at)
        self.repaint()
        if again:
            self.choose()

    def on_mouse_scroll_down(self) -> None:
        self.move(3)

    def on_mouse_scroll_up(self) -> None:
        self.move(-3)


# ---------------------------------------------------------------------------
# Under the list: what else there is to say about the run under the cursor.

LABEL = 9


class RunDetails(Painted):
    """`model`: the name, which of the runs it is, and the details."""

    model: reactive[tuple[str, str, tuple[Detail, ...]]] = reactive(
        ("", "", ()), layout=False, repaint=False
    )

    def watch_model(self) -> None:
        self.repaint()

    def draw(self, width: int, height: int) -> Sequence[Row]:
        name, place, details = self.model
        rows: list[Row] = [_rule(name, place, width)]
        for index, detail in enumerate(details):
            # every detail after this one is worth a row more than the end of a long one
            room = max(1, height - len(rows) - (len(details) - index - 1))
            rows += _lines(detail, width, room)
        return rows[:height]


def _rule(name: str, place: str, width: int) -> Row:
    right = f" {place} {glyphs.RULE}" if place else ""
    title = crop(name, max(0, width - 4 - len(right)))
    if not title:
        return (Span(glyphs.RULE * width, "faint"),)
    rest = width - 3 - cell_len(title) - len(right)
    return (
        Span(f"{glyphs.RULE} ", "faint"),
        Span(title, "title"),
        Span(" "),
        Span(glyphs.RULE * max(0, rest), "faint"),
        Span(right, "dim"),
    )


def _lines(detail: Detail, width: int, most: int) -> list[Row]:
    inner = max(8, width - LABEL - 2)
    lines = wrap(detail.text, inner)
    if len(lines) > most:
        lines = [*lines[: most - 1], crop(" ".join(lines[most - 1 :]), inner)]
    labels = [detail.label, *[""] * len(lines)]
    return [
        (Span(" "), cell(label, LABEL, "dim"), Span(line, detail.role))
        for label, line in zip(labels, lines, strict=False)
    ]
