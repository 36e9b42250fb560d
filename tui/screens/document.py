"""A summary as rows: sections, tables, points, plots."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from itertools import zip_longest
from pathlib import PurePath
from typing import NamedTuple

from rich.cells import cell_len
from textual import events
from textual.message import Message
from textual.reactive import reactive

from runner.history.review.best import Candidate
from runner.history.review.document import (
    Block,
    Bullets,
    Code,
    Document,
    Paragraph,
    Points,
    Section,
    Table,
)
from runner.model.units import file_size
from runner.trainers.names import without_ending
from tui.backend.results import SummarySheet
from tui.kit import glyphs
from tui.kit.paint import EMPTY, Row, Span, cell
from tui.kit.painted import Painted
from tui.kit.scale import Range, data_range, sticky_range
from tui.panels.loss import ASCII, DOTS, FILL, draw_loss
from tui.text import clean, crop, take_cells, wrap
from tui.words.loss import ChartModel, chart_model
from tui.words.state import UNREAD, StateLabel, state_label

# ---------------------------------------------------------------------------
# What the summary of a run shows besides its document: its state, its chart, checkpoints to choose from.

BEST, LOSS = "best", "loss"
NONE_TO_CHOOSE = (
    "No checkpoint is whole, finite, there and of a step that can be trusted: none to choose."
)
#: what can be done with a checkpoint that is chosen
COPY_PATH, SHOW_FOLDER, EXPORT = "copy", "folder", "export"


@dataclass(frozen=True, slots=True)
class Pick:
    """A checkpoint that can be chosen, in words. `place`: `1`, or `1=` where several share it; `sample`: the
    name of an image of its step."""

    name: str
    path: str
    place: str
    facts: str
    reasons: tuple[str, ...] = ()
    cautions: tuple[str, ...] = ()
    sample: str = ""


@dataclass(frozen=True, slots=True)
class SummaryModel:
    """`marks`: the worst status of a section's points, by its place."""

    document: Document
    state: StateLabel = UNREAD
    chart: ChartModel = field(default_factory=ChartModel)
    picks: tuple[Pick, ...] = ()
    marks: tuple[str, ...] = ()

    @property
    def best_section(self) -> int | None:
        keys = [section.key for section in self.document.sections]
        return keys.index(BEST) if BEST in keys else None


def summary_model(sheet: SummarySheet) -> SummaryModel:
    document = _with_best(sheet.document)
    return SummaryModel(
        document,
        state_label(sheet.snapshot),
        chart_model(sheet.snapshot),
        picks_of(sheet.candidates),
        tuple(worst_status(section) for section in document.sections),
    )


def picks_of(candidates: tuple[Candidate, ...]) -> tuple[Pick, ...]:
    places = [c.place for c in candidates]
    return tuple(
        _pick(c, f"{c.place}{'=' if places.count(c.place) > 1 else ''}") for c in candidates
    )


def _pick(candidate: Candidate, place: str) -> Pick:
    one = candidate.checkpoint
    facts = [f"step {one.step}" if one.step is not None else "", file_size(one.size_bytes)]
    sample = candidate.sample_path
    return Pick(
        clean(one.name, 300),
        one.path,
        place,
        ", ".join(fact for fact in facts if fact),
        tuple(clean(text, 600) for text in candidate.reasons),
        tuple(clean(text, 600) for text in candidate.cautions),
        clean(PurePath(sample).name, 300) if sample else "",
    )


def _with_best(document: Document) -> Document:
    """Where there is nothing to choose, the place for it says so."""
    keys = [section.key for section in document.sections]
    if BEST in keys or "checkpoints" not in keys:
        return document
    at = keys.index("checkpoints") + 1
    told = Section(BEST, "Best checkpoint", (Paragraph(NONE_TO_CHOOSE),))
    return replace(
        document, sections=(*document.sections[:at], told, *document.sections[at:])
    )  # fmt: skip


def worst_status(section: Section) -> str:
    """Of the points in it; "" for a section without any."""
    found = {p.status for block in section.blocks if isinstance(block, Points) for p in block.items}
    return next((status for status in ("fail", "warn", "pass", "skip") if status in found), "")


# ---------------------------------------------------------------------------
# Columns of a foreign table in a given width: cut names in their middle, wrap words, and leave out the columns
# that matter least, saying which.

GAP = 2
#: a column of words is never made narrower, the last one and one of names even less
LEAST, LEAST_LAST, LEAST_NAMES = 10, 18, 15


@dataclass(frozen=True, slots=True)
class Fitted:
    """`columns`: which are shown, left to right, with their widths; `left_out`: heads of the others."""

    columns: tuple[int, ...]
    widths: tuple[int, ...]
    left_out: tuple[str, ...] = ()


def fit_columns(
    heads: Sequence[str], rows: Sequence[Sequence[str]], numeric: Sequence[int], width: int
) -> Fitted:
    """Columns without any content are dropped silently."""
    natural = [
        max(cell_len(text) for text in (head, *(row[i] for row in rows)))
        for i, head in enumerate(heads)
    ]
    kept = [i for i in range(len(heads)) if not rows or any(row[i].strip() for row in rows)]
    left_out: list[str] = []
    while True:
        names = [
            i for i in kept if i not in numeric and not any(" " in row[i].strip() for row in rows)
        ]
        widths = _shrunk(kept, natural, numeric, names, width)
        if sum(widths) + GAP * (len(kept) - 1) <= width or len(kept) <= 2:
            break
        gone = _least_worth(kept, numeric)
        left_out.append(heads[gone])
        kept.remove(gone)
    over = sum(widths) + GAP * (len(kept) - 1) - width
    if over > 0:  # two columns that are too wide even so
        widths = [min(w, max(4, (width - GAP) // 2)) for w in widths]
    order = {head: i for i, head in enumerate(heads)}
    return Fitted(tuple(kept), tuple(widths), tuple(sorted(left_out, key=lambda h: order[h])))


def _shrunk(
    kept: Sequence[int],
    natural: Sequence[int],
    numeric: Sequence[int],
    names: Sequence[int],
    width: int,
) -> list[int]:
    """The widest columns of words give way first, level by level."""
    widths = {i: natural[i] for i in kept}
    least = {
        i: min(natural[i], LEAST_LAST if i == kept[-1] else LEAST_NAMES if i in names else LEAST)
        for i in kept
        if i not in numeric
    }
    over = sum(widths.values()) + GAP * (len(kept) - 1) - width
    while over > 0:
        open_ones = [i for i in least if widths[i] > least[i]]
        if not open_ones:
            break
        widest = max(widths[i] for i in open_ones)
        level = [i for i in open_ones if widths[i] == widest]
        below = max(
            [widths[i] for i in open_ones if widths[i] < widest] + [least[i] for i in level]
        )
        step = max(1, min(widest - below, -(-over // len(level))))
        for i in level:
            taken = min(step, widths[i] - least[i], over)
            widths[i] -= taken
            over -= taken
    return [widths[i] for i in kept]


def _least_worth(kept: Sequence[int], numeric: Sequence[int]) -> int:
    """The rightmost number behind the first two columns, else the rightmost but the last."""
    numbers = [i for i in kept[2:] if i in numeric]
    return numbers[-1] if numbers else kept[-2] if len(kept) > 2 else kept[-1]


def without_common_ending(names: Sequence[str]) -> list[str]:
    """File names without the ending that all of them have: it takes the room of what tells them apart."""
    endings = {name[name.rfind(".") :] if "." in name else "" for name in names}
    ending = next(iter(endings), "")
    if len(names) < 2 or len(endings) != 1 or not ending[1:].isalpha():
        return list(names)
    return [name[: -len(ending)] for name in names]


def fold(text: str, width: int) -> list[str]:
    """Lines of at most `width` cells, broken at spaces; only a word that is longer than a line is broken."""
    width = max(1, width)
    lines: list[str] = [""]
    for word in text.split(" "):
        joined = f"{lines[-1]} {word}" if lines[-1] else word
        if cell_len(joined) <= width:
            lines[-1] = joined
            continue
        if lines[-1]:
            lines.append("")
        while cell_len(word) > width:
            head = take_cells(word, width) or word[:1]
            lines[-1] = head
            word = word[len(head) :]
            lines.append("")
        lines[-1] = word
    return lines if lines[-1] or len(lines) == 1 else lines[:-1]


def cut_middle(text: str, width: int, tail: str = "…") -> str:
    """File names differ at their ends: what is cut is their middle."""
    if cell_len(text) <= width:
        return text
    if width < 8:
        return crop(text, width, tail)
    end = take_cells(text[::-1], (width - 1) * 3 // 5)[::-1]
    return take_cells(text, width - 1 - cell_len(end)) + tail + end


# ---------------------------------------------------------------------------
# A document as rows: sections one below the other. All texts are foreign.

#: characters of one text, of a cell, of a line of code; lines of a cell and of a block of code
TEXT, CELL, LINE = 1500, 500, 2000
CELL_LINES, CODE_LINES = 6, 2000
#: lines of prose are not read when they are longer
PROSE = 110
CHART_HEIGHT, LOW_CHART_HEIGHT = 14, 10
#: windows of so many rows have a taller chart, and blank rows between checkpoints
ROOMY = 30
#: narrower, the evidence of a point stands below it
BESIDE = 56
#: picks that are told in full
FULL_PICKS = 6
STATUS = {
    "pass": (glyphs.YES, "good"),
    "warn": (glyphs.WARN, "warn"),
    "fail": (glyphs.NO, "bad"),
    "skip": (glyphs.SKIP, "dim"),
}
_ANSWERS = {"yes": (glyphs.YES, "good"), "no": (glyphs.NO, "bad"), "gone": (glyphs.NO, "bad")}
_WORDS = (*_ANSWERS, "unknown", "none", "-", "")
#: columns in which a no is bad
_MUST = ("whole", "finite", "complete")


@dataclass(frozen=True, slots=True)
class Drawn:
    """`starts`: the first row of each section; `picks`: first and last row of each pick."""

    rows: tuple[Row, ...]
    starts: tuple[int, ...]
    picks: tuple[tuple[int, int], ...] = ()


def draw_document(
    model: SummaryModel, width: int, height: int, chosen: int = 0, style: str = "fill"
) -> Drawn:
    """`height`: of the window, for the size of the chart; `chosen`: which pick has the cursor."""
    rows = _head(model, width)
    starts: list[int] = []
    picks: list[tuple[int, int]] = []
    for section in model.document.sections:
        rows.append(EMPTY)
        starts.append(len(rows))
        rows.append(_heading(section.title, width))
        if section.key == BEST and model.picks:
            rows += _prose_of(section, width)
            for index, pick in enumerate(model.picks):
                if height >= ROOMY or not index:
                    rows.append(EMPTY)
                first = len(rows)
                rows += _pick_rows(pick, width, index == chosen, index < FULL_PICKS)
                picks.append((first, len(rows) - 1))
            continue
        for at, block in enumerate(section.blocks):
            rows += [EMPTY] if at and not isinstance(block, Paragraph) else []
            rows += block_rows(block, width)
            if at == 0 and section.key == LOSS:
                rows += _chart(model.chart, width, height, style)
    return Drawn(tuple(rows), tuple(starts), tuple(picks))


def _head(model: SummaryModel, width: int) -> list[Row]:
    state, room = model.state, max(8, width - 4)
    lines = fold(clean(model.document.title, 400), min(room, PROSE))
    rows: list[Row] = [(Span(f" {state.shape} ", state.role), Span(lines[0], "strong"))]
    rows += [(Span("   "), Span(line, "strong")) for line in lines[1:]]
    for text in model.document.lead:
        rows += _wrapped(clean(text, TEXT), width, "   ", "   ", "text")
    return rows


def _heading(title: str, width: int) -> Row:
    text = crop(clean(title, 200), max(1, width - 6))
    rest = max(0, width - cell_len(text) - 4)
    return (
        Span(glyphs.RULE_FOCUS * 2 + " ", "title"),
        Span(text, "title"),
        Span(" " + glyphs.RULE * rest, "faint"),
    )


def _wrapped(text: str, width: int, first: str, indent: str, role: str) -> list[Row]:
    room = max(6, min(width - cell_len(indent) - 1, PROSE))
    return [
        (Span(first if at == 0 else indent, role), Span(line, role))
        for at, line in enumerate(fold(text, room))
    ]


# --------------------------------------------------------------------------- blocks


def block_rows(block: Block, width: int) -> list[Row]:
    match block:
        case Paragraph(text=text):
            return _wrapped(clean(text, TEXT), width, " ", " ", "text")
        case Bullets(items=items):
            return [
                row
                for text in items
                for row in _wrapped(clean(text, TEXT), width, f" {glyphs.UNKNOWN} ", "   ", "text")
            ]
        case Points():
            return _points(block, width)
        case Table():
            return _table(block, width)
        case Code(text=text):
            return _code(text, width)


def _points(block: Points, width: int) -> list[Row]:
    """Title and evidence side by side; where the evidence is long it has lines of its own."""
    titles = [clean(p.title, 120) for p in block.items]
    size = min(max(map(cell_len, titles), default=0), max(10, width * 47 // 100))
    rows: list[Row] = []
    for point, title in zip(block.items, titles, strict=True):
        shape, role = STATUS.get(point.status, STATUS["skip"])
        mark, words = Span(f" {shape} ", role), "dim" if role in ("good", "dim") else role
        text, room = clean(point.evidence, TEXT), max(6, min(width - size - 6, PROSE))
        lines = fold(text, room)
        if width >= BESIDE and len(lines) <= 2 and cell_len(title) <= size:
            rows.append((mark, cell(title, size), Span("  "), Span(lines[0], words)))
            rows += [(Span(" " * (size + 5)), Span(line, words)) for line in lines[1:]]
            continue
        rows.append((mark, Span(crop(title, max(4, width - 4)))))
        lines = fold(text, max(6, min(width - 6, PROSE)))
        rows += [(Span("     "), Span(line, words)) for line in lines]
    return rows


def _code(text: str, width: int) -> list[Row]:
    """Nothing is cut: a long line goes on below itself, a little further in."""
    lines = text.split("\n")
    gutter = Span(f" {glyphs.AXIS_SIDE} ", "faint")
    rows: list[Row] = []
    for line in lines[:CODE_LINES]:
        indent = "    " if width > 30 else ""
        rows += [
            (gutter, Span(part)) for part in wrap(clean(line, LINE), max(6, width - 4), indent)
        ]
    if len(lines) > CODE_LINES:
        rows.append((gutter, Span(f"{len(lines) - CODE_LINES} more lines", "dim")))
    return rows


def _chart(model: ChartModel, width: int, height: int, style: str) -> list[Row]:
    if not model.buckets or width < 24:
        return []
    tall = CHART_HEIGHT if height >= ROOMY else LOW_CHART_HEIGHT
    scale = sticky_range(None, data_range(model.buckets)) if model.buckets else Range(0.0, 1.0)
    drawn = draw_loss(model, width - 2, tall, scale, style).rows
    return [EMPTY, *((Span(" "), *row) for row in drawn)]


# --------------------------------------------------------------------------- tables


def _table(table: Table, width: int) -> list[Row]:
    heads = [clean(text, 80) for text in table.heads]
    texts = [[clean(text, CELL) for text in row] for row in table.rows]
    rows = _shaped(texts)
    fitted = fit_columns(heads, rows, table.numeric, max(4, width - 2))
    drawn = [_line([(heads[i], "dim") for i in fitted.columns], fitted.widths,
                   [i in table.numeric for i in fitted.columns])]  # fmt: skip
    for row, plain in zip(rows, texts, strict=True):
        columns: list[list[tuple[str, str]]] = []
        for i, size in zip(fitted.columns, fitted.widths, strict=True):
            role = _role(plain[i], heads[i])
            columns.append([(line, role) for line in _cell_lines(row[i], size, i in table.numeric)])
        right = [i in table.numeric for i in fitted.columns]
        drawn += [
            _line([part or ("", "text") for part in parts], fitted.widths, right)
            for parts in zip_longest(*columns)
        ]
    if fitted.left_out:
        more = f"not shown for want of width: {', '.join(fitted.left_out)}"
        drawn.append((Span(f" {crop(more, max(4, width - 2))}", "dim"),))
    return drawn


def _line(parts: list[tuple[str, str]], widths: tuple[int, ...], right: list[bool]) -> Row:
    spans = [Span(" ")]
    for (text, role), size, is_right in zip(parts, widths, right, strict=True):
        spans.append(cell(text, size, role, "right" if is_right else "left"))
        spans.append(Span(" " * GAP))
    return tuple(spans[:-1])


def _cell_lines(text: str, size: int, numeric: bool) -> list[str]:
    if cell_len(text) <= size:
        return [text]
    if numeric or " " not in text.strip():
        return [cut_middle(text, size)]
    lines = fold(text, size)
    if len(lines) > CELL_LINES:
        lines = [*lines[: CELL_LINES - 1], crop(lines[CELL_LINES - 1] + glyphs.ELLIPSIS, size)]
    return lines


def _shaped(texts: list[list[str]]) -> list[list[str]]:
    """Columns of answers get the shapes of their words; names lose an ending that all of them have."""
    columns = [list(column) for column in zip(*texts, strict=True)]
    for column in columns:
        if all(text in STATUS or text.lower() in _WORDS for text in column):
            column[:] = [_with_shape(text) for text in column]
        elif not any(" " in text for text in column):
            column[:] = without_common_ending(column)
    return [list(row) for row in zip(*columns, strict=True)]


def _with_shape(text: str) -> str:
    found = STATUS.get(text) or _ANSWERS.get(text.lower())
    return f"{found[0]} {text}" if found else text


def _role(text: str, head: str) -> str:
    if text in STATUS:
        return STATUS[text][1]
    if text.lower() in _ANSWERS and (text.lower() == "gone" or head in _MUST):
        role = _ANSWERS[text.lower()][1]
        return role if role == "bad" else "text"
    return "dim" if text in ("unknown", "-", "none") else "text"


# --------------------------------------------------------------------------- picks


def _prose_of(section: Section, width: int) -> list[Row]:
    return [row for b in section.blocks if isinstance(b, Paragraph) for row in block_rows(b, width)]


def _pick_rows(pick: Pick, width: int, chosen: bool, full: bool) -> list[Row]:
    facts = Span(f"  {pick.facts}", "dim")
    room = max(8, width - 7 - cell_len(facts.text))
    name = pick.name if cell_len(pick.name) <= room else without_ending(pick.name)
    head: Row = (
        Span(f" {glyphs.CURSOR}" if chosen else "  ", "accent"),
        cell(pick.place, 3, "accent" if chosen else "dim"),
        Span(" "),
        Span(cut_middle(name, room), "strong" if chosen else "text"),
        facts,
    )
    indent = " " * 6
    if not full and not chosen:
        first = pick.reasons[0] if pick.reasons else ""
        return [head, (Span(indent), Span(crop(first, max(4, width - 7)), "dim"))]
    rows = [head]
    for text in pick.reasons:
        rows += _wrapped(text, width, indent, indent, "text")
    for text in pick.cautions:
        rows += _wrapped(text, width, f"    {glyphs.WARN} ", indent, "warn")
    if pick.sample:
        rows.append(
            (Span(indent), Span(cut_middle(f"image {pick.sample}", max(8, width - 7)), "dim"))
        )
    return rows


# ---------------------------------------------------------------------------
# A summary as one flowing document, with a place in it and a chosen checkpoint.


class DocumentView(Painted, can_focus=True):
    """`model` None: nothing is there yet, and `told` says why."""

    model: reactive[SummaryModel | None] = reactive(None, layout=False, repaint=False)
    told: reactive[str] = reactive("Reading the run.", layout=False, repaint=False)

    class Moved(Message):
        """It shows another place."""

    def __init__(self, *, id: str | None = None) -> None:
        super().__init__(id=id)
        self._top = 0
        self._chosen = 0
        self._drawn = Drawn((), ())
        self._drawn_for: tuple[object, ...] = ()

    def watch_model(self) -> None:
        self.repaint()

    def watch_told(self) -> None:
        self.repaint()

    # ----------------------------------------------------------------- what is where

    @property
    def section(self) -> int:
        """The one at the top of the window."""
        starts = self._drawn.starts
        return max((i for i, start in enumerate(starts) if start <= self._top), default=0)

    @property
    def fraction(self) -> float:
        """How much of it lies above the lower edge of the window."""
        total = len(self._drawn.rows)
        return min(1.0, (self._top + self.content_size.height) / total) if total else 0.0

    @property
    def pick(self) -> Pick | None:
        picks = self.model.picks if self.model is not None else ()
        return picks[min(self._chosen, len(picks) - 1)] if picks else None

    # ----------------------------------------------------------------- moving

    def scroll_rows(self, by: int) -> None:
        self._go(self._top + by, self._last_top())

    def turn_page(self, pages: int) -> None:
        self.scroll_rows(pages * max(1, self.content_size.height - 2))

    def to_edge(self, start: bool) -> None:
        self._go(0 if start else self._last_top(), self._last_top())

    def to_section(self, index: int) -> None:
        """Its heading stands at the top then, even if what follows does not fill the window."""
        starts = self._drawn.starts
        if starts:
            index = max(0, min(len(starts) - 1, index))
            self._go(starts[index] if index else 0, starts[-1])

    def choose(self, index: int) -> None:
        """That pick has the cursor, and is in sight."""
        if self.model is None or not self.model.picks:
            return
        self._chosen = index % len(self.model.picks)
        self._draw_again()
        first, last = self._drawn.picks[self._chosen]
        height = self.content_size.height
        section = self.model.best_section
        start = self._drawn.starts[section] if section is not None else first
        # the heading stays in sight as long as the pick does, too
        top = start if last - start < height else min(first, max(0, last - height + 1))
        self._go(top, max(top, self._last_top()))

    def choose_next(self) -> None:
        self.choose(self._chosen + 1)

    def choose_again(self) -> None:
        self.choose(self._chosen)

    @property
    def pick_in_sight(self) -> bool:
        spans = self._drawn.picks
        if not spans or self._chosen >= len(spans):
            return False
        return self._top <= spans[self._chosen][0] < self._top + self.content_size.height

    def _last_top(self) -> int:
        return max(0, len(self._drawn.rows) - self.content_size.height)

    def _go(self, top: int, most: int) -> None:
        self._top = max(0, min(top, max(most, self._last_top())))
        self.repaint()
        self.post_message(self.Moved())

    # ----------------------------------------------------------------- drawing

    def draw(self, width: int, height: int) -> Sequence[Row]:
        if self.model is None:
            lines = wrap(clean(self.told, 600), max(4, width - 4))
            return [(), *((Span("   "), Span(line, "dim")) for line in lines)]
        self._draw_again()
        return self._drawn.rows[self._top : self._top + height]

    def _draw_again(self) -> None:
        """Only if something it depends on has changed; another width keeps the section in sight."""
        width, height = self.content_size
        if self.model is None or width <= 0:
            return
        style = ASCII if self.plasma.ascii else FILL if self.plasma.can_tint else DOTS
        wanted = (self.model, width, height, self._chosen, style)
        if wanted == self._drawn_for:
            return
        before, section = self._drawn, self.section
        resized = bool(self._drawn_for) and self._drawn_for[1] != width
        self._drawn = draw_document(self.model, width, height, self._chosen, style)
        self._drawn_for = wanted
        if resized and section < len(before.starts):
            offset = self._top - before.starts[section]
            self._top = max(0, self._drawn.starts[section] + min(offset, 0))
        self._top = min(self._top, max(self._last_top(), (*self._drawn.starts, 0)[-2]))

    # ----------------------------------------------------------------- keys and mouse

    def on_key(self, event: events.Key) -> None:
        """A digit goes to its section; a line in the table of keys stands for all of them."""
        if event.key in "123456789":
            event.stop()
            event.prevent_default()
            self.to_section(int(event.key) - 1)

    def on_mouse_scroll_down(self, event: events.MouseScrollDown) -> None:
        event.stop()
        self.scroll_rows(3)

    def on_mouse_scroll_up(self, event: events.MouseScrollUp) -> None:
        event.stop()
        self.scroll_rows(-3)

    def on_click(self, event: events.Click) -> None:
        """A click on a checkpoint chooses it."""
        row = self._top + event.y
        for index, (first, last) in enumerate(self._drawn.picks):
            if first <= row <= last:
                self._chosen = index
                self.repaint()


# ---------------------------------------------------------------------------
# The sections of a document, beside it where there is room.

#: sections that a digit goes to
DIGITS = 9


class SectionLine(NamedTuple):
    """`mark`: the worst status of its points, "" for none."""

    title: str
    mark: str = ""


class SectionList(Painted):
    model: reactive[tuple[SectionLine, ...]] = reactive((), layout=False, repaint=False)
    current: reactive[int] = reactive(0, layout=False, repaint=False)

    class Chosen(Message):
        def __init__(self, index: int) -> None:
            super().__init__()
            self.index = index

    def watch_model(self) -> None:
        self.repaint()

    def watch_current(self) -> None:
        self.repaint()

    def _first(self, height: int) -> int:
        """The current one is always in sight."""
        return max(0, min(self.current - height // 2, len(self.model) - height))

    def draw(self, width: int, height: int) -> Sequence[Row]:
        first = self._first(height)
        return [
            self._row(index, line, width)
            for index, line in enumerate(self.model[first : first + height], start=first)
        ]

    def _row(self, index: int, line: SectionLine, width: int) -> Row:
        here = index == self.current
        number = str(index + 1) if index < DIGITS else " "
        shape, role = STATUS.get(line.mark, (" ", "text"))
        return (
            Span(f" {glyphs.CURSOR}" if here else "  ", "accent"),
            Span(f"{number} ", "key" if not here else "accent"),
            cell(line.title, max(1, width - 7), "strong" if here else "text"),
            Span(f" {shape} ", role),
        )

    def on_click(self, event: events.Click) -> None:
        index = self._first(self.content_size.height) + event.y
        if index < len(self.model):
            self.post_message(self.Chosen(index))
