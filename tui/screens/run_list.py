"""The list of runs, and the details of the run under the cursor."""

from __future__ import annotations

import math
from bisect import bisect_left
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

from rich.cells import cell_len
from textual import events
from textual.message import Message
from textual.reactive import reactive

from runner.analysis.diagnosis.titles import cause_title
from runner.model import Outcome, RunListing, RunSnapshot, RunState
from runner.model.units import count, duration, file_size, loss
from tui.kit import glyphs
from tui.kit.chart import SAMPLES_A_CELL, spark
from tui.kit.paint import Row, Span, cell, first_shown, pad
from tui.kit.painted import Painted
from tui.text import clean, crop, crop_start, wrap
from tui.words.cause import cause_of
from tui.words.queue import expected, waits_for
from tui.words.runs import (
    Curve,
    Entry,
    Head,
    Line,
    curve_of,
    date_of,
    is_live,
    kind_of,
    name_of,
    progress_of,
    short_id,
    short_path,
    shown_loss,
    tags_of,
    when,
)
from tui.words.state import label_of

# ---------------------------------------------------------------------------
# What only the files of a run know, and what is shown under the list.

#: the smoothed loss of the first steps is hardly smoothed
SETTLED_STEPS = 20
_KINDS = {
    "smoke": "smoke test",
    "inspected": "imported from a console log",
    "imported": "imported from existing files",
}


NO_CURVE = Curve()


@dataclass(frozen=True, slots=True)
class Glance:
    """`key`: the run's id; `best`: the lowest smoothed loss."""

    key: str
    path: str = ""
    why: str = ""
    best: str = ""
    output: str = ""
    curve: Curve = NO_CURVE


class Detail(NamedTuple):
    label: str
    text: str
    role: str = "text"


def glance_of(key: str, snapshot: RunSnapshot) -> Glance:
    complete, spec = snapshot.read_fraction >= 1, snapshot.spec
    return Glance(
        key,
        short_path(snapshot.path),
        _why(snapshot),
        _best(snapshot) if complete else "",
        short_path(spec.output_dir or "") if spec is not None else "",
        curve_of(snapshot.loss) if complete else NO_CURVE,
    )


def _why(snapshot: RunSnapshot) -> str:
    """The cause, else the first reason of an outcome that is no success."""
    cause = cause_of(snapshot)
    if cause is not None and cause.key != "unknown":
        evidence = clean(cause.evidence, 300)
        return clean(cause_title(cause.key), 80) + (f": {evidence}" if evidence else "")
    status = snapshot.status
    outcome = snapshot.outcome or (status.outcome if status else None)
    if status is None or outcome in (None, Outcome.SUCCEEDED):
        return ""
    return clean(status.reasons[0], 300) if status.reasons else ""


def _best(snapshot: RunSnapshot) -> str:
    settled = (snapshot.loss.first_step or 0) + SETTLED_STEPS
    known = [
        (one.smooth, one.last_step)
        for one in snapshot.loss.buckets
        if one.smooth is not None and math.isfinite(one.smooth) and one.last_step >= settled
    ]
    return f"{loss(min(known)[0])} at step {min(known)[1]}" if known else ""


def details(entry: Entry, glance: Glance | None) -> tuple[Detail, ...]:
    """The most important first; `glance` may still be missing, or be of another run."""
    one = entry.listing
    seen = glance if glance is not None and glance.key == entry.key else Glance(entry.key)
    rows = (
        Detail("problem", clean(one.problem, 300), "bad"),
        Detail("why", seen.why, "warn" if one.outcome is Outcome.STOPPED else "bad"),
        *_queued(one),
        Detail("what", _what(one)),
        Detail("tags", tags_of(one, 400), "accent"),
        Detail("note", clean(one.note, 4000)),
        Detail("loss", _losses(one, seen)),
        Detail("project", short_path(one.project)),
        Detail("run", seen.path or clean(one.id, 200), "dim"),
        Detail("output", seen.output if seen.output != short_path(one.project) else "", "dim"),
    )
    return tuple(row for row in rows if row.text)


def _queued(one: RunListing) -> tuple[Detail, ...]:
    """What a queued run waits for; when a run is expected to end."""
    waiting = one.waiting
    times = _joined(
        starts=expected(waiting.expected_start_at if waiting is not None else None),
        ends=expected(one.ends_at),
    )
    if waiting is None:
        return (Detail("time", times),)
    role = "warn" if waiting.held else "text"
    keys = "; u releases it" if waiting.held else ""
    return (Detail("queue", f"{waits_for(one)}{keys}", role), Detail("time", times))


def _joined(**facts: object) -> str:
    """`what`: its value as text, if it has one."""
    return ", ".join(f"{name} {value}" for name, value in facts.items() if value)


def _what(one: RunListing) -> str:
    kind = kind_of(one)
    ended = date_of(one.ended_at, with_time=True) if one.state is RunState.ENDED else ""
    took = duration(one.duration_s) if one.duration_s is not None else ""
    facts = (
        _KINDS.get(kind, kind),
        f"of {clean(one.group, 60)}" if one.group else "",
        _joined(
            **{
                "queued" if one.waiting is not None else "began": date_of(
                    one.created_at, with_time=True
                )
            },
            ended=ended,
            took="" if is_live(one) else took,
        ),
        f"running for {took}" if is_live(one) and took else "",
        clean(one.device, 40),
        _joined(on=clean(one.remote or one.host, 60)),
        f"{file_size(one.size_bytes)} in the run folder" if one.size_bytes else "",
    )
    return ", ".join(fact for fact in facts if fact)


def _losses(one: RunListing, seen: Glance) -> str:
    smooth = seen.curve.smooth if seen.curve.smooth is not None else one.smooth
    facts = (
        f"{loss(one.loss)} last" if one.loss is not None else "",
        f"{loss(smooth)} smoothed" if smooth is not None else "",
        f"lowest smoothed {seen.best}" if seen.best else "",
    )
    return ", ".join(fact for fact in facts if fact)


# ---------------------------------------------------------------------------
# Columns and rows.

#: cells before the name (mark, cursor), between columns, and of the name at least: in a narrow terminal, in
#: others, and beside its kind
LEAD, GAP = 3, 2
NARROW, NAME_NARROW, NAME, NAME_BESIDE_KIND = 70, 14, 20, 12
DOWN, UP = "↓", "↑"


def _state(one: RunListing, now: float) -> str:
    """With the percent of a live run, or the place of a queued one."""
    if one.waiting is not None and one.waiting.held:
        return f"{glyphs.WARN} held"
    label, done = label_of(one.state, one.outcome), progress_of(one)
    more = f" {int(done * 100)} %" if is_live(one) and done is not None else ""
    if one.waiting is not None:
        more = f" {one.waiting.place} of {one.waiting.places}" if one.waiting.place else ""
    return f"{label.shape} {label.word}{more}"


def _took(one: RunListing, now: float) -> str:
    """Of a queued run: when it is expected to end."""
    if one.waiting is not None:
        return f"ends {expected(one.ends_at, now)}" if one.ends_at is not None else ""
    return duration(one.duration_s) if one.duration_s is not None else ""


class Column(NamedTuple):
    """`size`: with the gap that follows. `worth`: the smallest gives way first. `sort`: the order it
    shows."""

    name: str
    size: int
    worth: float
    text: Callable[[RunListing, float], str]
    role: str = "dim"
    right: bool = False
    sort: str = ""


#: the outcome stays in the narrowest terminal
COLUMNS = (
    Column("host", 10, 13, lambda one, _: clean(one.remote, 60)),
    Column("state", 18, 14, _state, "text", sort="outcome"),
    Column("steps", 13, 8, lambda one, _: f"{one.step}/{one.total_steps or '?'}", "text", True, "steps"),
    Column("loss", 9, 11, lambda one, _: loss(shown_loss(one)) if shown_loss(one) is not None else "",
           "text", True, "loss"),
    Column("loss curve", 12, 10, lambda one, _: ""),
    Column("files", 10, 5, lambda one, _: count(one.checkpoints, "file") if one.checkpoints else "",
           right=True),
    Column("took", 13, 4, _took,
           right=True, sort="took"),
    Column("when", 12, 9, lambda one, now: when(one.created_at, now), right=True, sort="when"),
    Column("id", 6, 7, lambda one, _: short_id(one.id)),
    Column("device", 8, 2, lambda one, _: clean(one.device, 40)),
    Column("sweep", 7, 7.5, lambda one, _: clean(one.group.rpartition("-")[2], 5)),
    Column("tags", 18, 6, lambda one, _: tags_of(one, 120), "accent"),
    Column("note", 40, 3, lambda one, _: clean(one.note[:400], 200)),
    Column("project", 28, 1, lambda one, _: crop_start(short_path(one.project), 26)),
)  # fmt: skip
OPTIONAL = frozenset({"device", "sweep", "host", "tags", "note", "project"})


def run_columns(width: int, used: frozenset[str] = OPTIONAL) -> tuple[Column, ...]:
    """Those that fit beside the name; `used`: optional ones with something to show."""
    left = width - LEAD - (NAME if width >= NARROW else NAME_NARROW)
    chosen = []
    for column in sorted(COLUMNS, key=lambda column: -column.worth):
        if column.size <= left and (column.name in used or column.name not in OPTIONAL):
            chosen.append(column)
            left -= column.size
    return tuple(column for column in COLUMNS if column in chosen)


def run_row(
    one: RunListing, now: float, curve: Curve, width: int, columns: Sequence[Column],
    *, selected: bool = False, marked: bool = False, stale: bool = False,
) -> Row:  # fmt: skip
    """`stale`: of a host that does not answer, as it was when it last did."""
    role = "strong" if selected or marked else "text"
    name = width - LEAD - sum(column.size for column in columns)
    spans = [
        Span(glyphs.WRITTEN if marked else " ", "accent"),
        Span(glyphs.CURSOR if selected else " ", "accent"),
    ]
    kind = kind_of(one)
    room = name - cell_len(kind) - 1
    if kind and room >= NAME_BESIDE_KIND:
        spans += [cell(name_of(one), room, role), Span(f" {kind}", "dim")]
    else:
        spans.append(cell(name_of(one), name, role))
    spans.append(Span(" "))
    for column in columns:
        if column.name == "loss curve":
            spans += [*_curve(one, curve, column.size - GAP), Span(" " * GAP)]
        else:
            text, label = column.text(one, now), label_of(one.state, one.outcome)
            role = label.role if column.name == "state" else column.role
            if stale and column.name == "state" and is_live(one):
                text = f"{glyphs.LOST} was {label.word}"
            spans += _cell(column, text, "dim" if stale else role)
    return pad(tuple(spans), width)


def _curve(one: RunListing, curve: Curve, width: int) -> Row:
    """The loss over the trained part of the planned steps, and a rail for the rest."""
    if not curve.points:
        return (Span(" " * width),)
    progress = progress_of(one)
    done = width if progress is None else max(1, int(progress * width))
    room = done * SAMPLES_A_CELL
    samples = [curve.points[i * len(curve.points) // room] for i in range(room)]
    return (*spark(samples, done), Span(glyphs.BAR_REST * (width - done), "faint"))


def _cell(column: Column, text: str, role: str) -> tuple[Span, Span]:
    align = "right" if column.right else "left"
    return (cell(text, column.size - GAP, role, align), Span(" " * GAP))


def run_head(width: int, columns: Sequence[Column], sort: str, down: bool) -> Row:
    """The names of the columns, with an arrow at the one that sorts."""
    arrow = f" {DOWN if down else UP}"
    name = width - LEAD - sum(column.size for column in columns)
    first = ("run" + arrow, "accent") if sort == "name" else ("run", "dim")
    spans = [Span(" " * (LEAD - 1)), cell(first[0], name, first[1]), Span(" ")]
    for column in columns:
        sorts = column.sort == sort
        text = column.name + arrow if sorts else column.name
        spans += _cell(column, text, "accent" if sorts else "dim")
    return tuple(spans)


def rule_row(title: str, right: str, width: int, *, from_end: bool = False) -> Row:
    """A rule with a title, and a text at its end."""
    if not title:
        return (Span(glyphs.RULE * width, "faint"),)
    title = (crop_start if from_end else crop)(title, max(0, width - 5 - cell_len(right)))
    rest = width - 4 - cell_len(title) - cell_len(right)
    return (
        Span(f"{glyphs.RULE} ", "faint"),
        Span(title, "title"),
        Span(f" {glyphs.RULE * max(0, rest)}", "faint"),
        Span(right, "dim"),
        Span(glyphs.RULE, "faint"),
    )


def group_head(head: Head, width: int) -> Row:
    live = f", {head.live} live" if head.live else ""
    return rule_row(head.title, f" {count(head.runs, 'run')}{live} ", width, from_end=True)


# ---------------------------------------------------------------------------
# The list. The cursor stays on its run however the list changes; only the rows in sight are ever made.


@dataclass(frozen=True, slots=True)
class ListLook:
    """What rows depend on besides the runs. `columns`: optional ones in use; `glances`: by id, of the runs
    that have been in sight; `stale`: hosts that do not answer."""

    now: float = 0.0
    sort: str = "when"
    down: bool = True
    marks: frozenset[str] = frozenset()
    columns: frozenset[str] = OPTIONAL
    glances: Mapping[str, Glance] = field(default_factory=dict)
    stale: frozenset[str] = frozenset()


class RunList(Painted, can_focus=True):
    empty: reactive[str] = reactive("Reading the runs.", layout=False, repaint=False)

    class Chosen(Message):
        """Enter, or a second click, on a run."""

        def __init__(self, key: str) -> None:
            super().__init__()
            self.key = key

    class Moved(Message):
        """The cursor is on another run, or on none."""

    def __init__(self, *, id: str | None = None) -> None:
        super().__init__(id=id)
        self.lines: tuple[Line, ...] = ()
        self.look = ListLook()
        #: index of each run's line, in order
        self._runs: list[int] = []
        self._key: str | None = None
        self._at = self._top = 0

    def watch_empty(self) -> None:
        self.repaint()

    def show(self, lines: tuple[Line, ...], look: ListLook, *, typed: bool = False) -> None:
        """Another list. The cursor's run stays where it is on the screen; if it is gone, the cursor goes to
        its neighbour, or to the first run after a filter was `typed`."""
        self.look = look
        if lines is not self.lines:
            self.lines = lines
            self._runs = [i for i, line in enumerate(lines) if line.__class__ is Entry]
            at = next((i for i in self._runs if lines[i].key == self._key), None)  # type: ignore[union-attr]
            if at is None:
                self._go(0 if typed else self._at)
            else:
                if self._top > 0:
                    self._top += at - self._at
                self._at = at
        self.repaint()

    def _go(self, at: int, by: int = 1) -> None:
        """To the run nearest to a line, in the direction `by`."""
        before, self._key = self._key, None
        if self._runs:
            run = bisect_left(self._runs, at)
            if by < 0 and (run == len(self._runs) or self._runs[run] > at):
                run -= 1
            self._at = self._runs[max(0, min(run, len(self._runs) - 1))]
            self._key = self.entry.key if self.entry is not None else None
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
        """The runs on the screen, that under the cursor first."""
        shown = self.lines[self._top : self._top + max(1, self.content_size.height - 1)]
        runs = [line for line in shown if isinstance(line, Entry)]
        return sorted(runs, key=lambda one: one.key != self._key)

    @property
    def place(self) -> str:
        """`12 of 5000`."""
        return f"{bisect_left(self._runs, self._at) + 1} of {len(self._runs)}" if self.entry else ""

    # ----------------------------------------------------------------- drawing

    def draw(self, width: int, height: int) -> Sequence[Row]:
        if not self.lines:
            return ((Span(f"   {self.empty}", "dim"),),)
        body = max(1, height - 1)
        self._top = first_shown(self._top, self._at, body, len(self.lines))
        if self._top == 1 and self._at == 1 < body:
            self._top = 0  # the head above the first run
        columns = run_columns(width, self.look.columns)
        rows = [run_head(width, columns, self.look.sort, self.look.down)]
        for i, line in enumerate(self.lines[self._top : self._top + body], self._top):
            if isinstance(line, Head):
                rows.append(group_head(line, width))
                continue
            glance = self.look.glances.get(line.key)
            rows.append(
                run_row(
                    line.listing, self.look.now, glance.curve if glance else NO_CURVE, width, columns,
                    selected=i == self._at, marked=line.key in self.look.marks,
                    stale=line.listing.remote in self.look.stale,
                )
            )  # fmt: skip
        return rows

    # ----------------------------------------------------------------- keys and mouse

    def move(self, by: int) -> None:
        self._go(self._at + by, by)
        self.repaint()

    def page(self) -> int:
        return max(1, self.content_size.height - 2)

    def to_edge(self, *, end: bool) -> None:
        self.move(len(self.lines) if end else -len(self.lines))

    def choose(self) -> None:
        if self.entry is not None:
            self.post_message(self.Chosen(self.entry.key))

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

LABEL = 9


class RunDetails(Painted):
    """`model`: the run's name, its place in the list, and details."""

    model: reactive[tuple[str, str, tuple[Detail, ...]]] = reactive(
        ("", "", ()), layout=False, repaint=False
    )

    def watch_model(self) -> None:
        self.repaint()

    def draw(self, width: int, height: int) -> Sequence[Row]:
        name, place, found = self.model
        rows: list[Row] = [rule_row(name, f" {place} " if place else "", width)]
        inner = max(8, width - LABEL - 2)
        for index, detail in enumerate(found):
            # every later detail is worth more than the end of a long one
            most = max(1, height - len(rows) - (len(found) - index - 1))
            lines = wrap(detail.text, inner)
            if len(lines) > most:
                lines = [*lines[: most - 1], crop(" ".join(lines[most - 1 :]), inner)]
            rows += [
                (Span(" "), cell("" if at else detail.label, LABEL, "dim"), Span(line, detail.role))
                for at, line in enumerate(lines)
            ]
        return rows[:height]
