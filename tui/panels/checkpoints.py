"""The checkpoint table and the details of one row."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from rich.cells import cell_len
from textual import events
from textual.reactive import reactive

from runner.history.checkpoint_columns import NO, NONE, YES, Column, screen_columns
from runner.history.checkpoint_columns import change_text as change
from runner.history.checkpoint_columns import norm_text as norm
from runner.model import BlockNorm, Checkpoint
from tui.kit import glyphs
from tui.kit.chart import ramp_bar
from tui.kit.paint import EMPTY, Row, Span, cell, fit, pad, ramp_role, row_width
from tui.kit.panel import ScrollingPanel
from tui.panels.preflight import MARKS
from tui.text import clean, crop, crop_parts, wrap
from tui.words.checkpoints import CheckpointRow, CheckpointTable

# ---------------------------------------------------------------------------
# All that is known of one checkpoint: what the row under the cursor has no room for.


@dataclass(frozen=True, slots=True)
class Fact:
    label: str
    text: str
    role: str = "text"


@dataclass(frozen=True, slots=True)
class BlockLine:
    """The norms of one block; `share`: its mean against the largest mean of this file."""

    name: str
    mean: str
    largest: str
    change: str
    share: float
    modules: int


@dataclass(frozen=True, slots=True)
class CheckpointDetail:
    title: str
    facts: tuple[Fact, ...] = ()
    blocks: tuple[BlockLine, ...] = ()


def detail_of(table: CheckpointTable, index: int) -> CheckpointDetail:
    """Of the row at `index`; norms are told against the file before it that has some."""
    row = table.rows[index]
    if row.source is None:
        return CheckpointDetail(row.name, (Fact("", _coming(row), "dim"),))
    earlier = (r.source for r in reversed(table.rows[:index]) if r.source and r.source.norms)
    before = next(earlier, None)
    return CheckpointDetail(
        row.name, tuple(_facts(table, row, row.source)), _blocks(row.source, before)
    )


def _coming(row: CheckpointRow) -> str:
    if row.kind == "impossible":
        return (
            "The forecast held this file. The resumed attempt counts its saves anew, so they fall on "
            "other steps."
        )
    if row.kind == "missing":
        return f"It should have been written by now: {row.age}."
    when = f": {row.age}" if row.age else ""
    return f"Not written yet{when}{', ' + row.fate if row.fate else ''}."


def _facts(table: CheckpointTable, row: CheckpointRow, one: Checkpoint) -> list[Fact]:
    facts = [Fact("path", clean(one.path, 500))]
    if row.problem:
        facts.append(Fact("problem", row.problem, "bad"))
    if row.remark:
        facts.append(Fact("weights", row.remark, "warn"))
    facts.append(Fact("state", _state(row, one), "bad" if row.cells["state"] == NO else "text"))
    facts += _optional(row, one)
    attempts = dict(table.attempts)
    if one.attempt in attempts:
        number = f"{one.attempt} of {len(attempts)}"
        facts.append(Fact("attempt", f"{number}, {attempts[one.attempt]}", "dim"))
    return facts


def _state(row: CheckpointRow, one: Checkpoint) -> str:
    if row.cells["state"] == NONE:
        return "none saved with it: only its weights can be gone on from"
    words = {YES: "whole, a training can go on from it", NO: "not whole"}
    said = words.get(row.cells["state"], "not looked at yet")
    why = f": {clean(one.state_problem, 300)}" if one.state_problem else ""
    return f"{said}{why}, {clean(one.state_path, 500)}"


def _optional(row: CheckpointRow, one: Checkpoint) -> list[Fact]:
    facts = []
    if one.rank is not None:
        alpha = f", alpha {one.alpha:g}" if one.alpha is not None else ""
        facts.append(Fact("network", f"rank {one.rank}{alpha}"))
    if one.norm is not None:
        largest = f", largest {norm(one.norm_largest)}" if one.norm_largest is not None else ""
        change_cell = row.cells["change"]
        since = f", {change_cell} since the one before" if change_cell else ""
        facts.append(Fact("norm", f"mean {norm(one.norm)}{largest}{since}"))
    validation, smoothed = row.cells["val"], row.cells["loss"] or "unknown"
    if validation:
        facts.append(Fact("loss", f"{smoothed} smoothed, validation {validation}"))
    if one.sample_path:
        facts.append(Fact("sample", clean(one.sample_path, 500)))
    if row.fate:
        facts.append(Fact("kept", f"not for good: {row.fate}", "warn"))
    return facts


def _blocks(one: Checkpoint, before: Checkpoint | None) -> tuple[BlockLine, ...]:
    top = max((block.mean for block in one.norms), default=0.0) or 1.0
    old = {block.block: block for block in before.norms} if before is not None else {}
    return tuple(
        BlockLine(
            clean(block.block, 60),
            norm(block.mean),
            norm(block.largest),
            change(_since(block, old.get(block.block))),
            block.mean / top,
            block.modules,
        )
        for block in one.norms
    )


def _since(block: BlockNorm, before: BlockNorm | None) -> float | None:
    if before is None or before.mean <= 0:
        return None
    return block.mean / before.mean - 1


# ---------------------------------------------------------------------------
# The checkpoint under the cursor in full: facts, and the norms of its blocks as bars.

LABEL = 10
#: colours of a bar: few, each costs bytes
BAR_LEVELS = 6
#: cells of one block's line; two stand side by side where there is room
BLOCK = 62


def detail_rows(detail: CheckpointDetail, width: int) -> list[Row]:
    """All of it, with the rule that parts it from the table."""
    title = f" {crop(detail.title, width - 4)} "
    rest = glyphs.RULE * max(0, width - 1 - cell_len(title))
    rows: list[Row] = [(Span(glyphs.RULE, "faint"), Span(title, "strong"), Span(rest, "faint"))]
    for fact in detail.facts:
        label = f" {fact.label}"
        for line in wrap(fact.text, max(12, width - LABEL - 1)):
            rows.append((cell(label, LABEL, "dim"), Span(line.strip(), fact.role)))
            label = ""
    if detail.blocks:
        rows += [EMPTY, *_detail_blocks(detail.blocks, width)]
    return [fit(row, width) for row in rows]


def _detail_blocks(blocks: tuple[BlockLine, ...], width: int) -> list[Row]:
    across = 2 if width >= 2 * BLOCK and len(blocks) > 4 else 1
    size = width // across
    lines = [_head(size), *(_block(one, size) for one in blocks)]
    if across == 1:
        return lines
    half = (len(blocks) + 1) // 2
    left, right = lines[: half + 1], [lines[0], *lines[half + 1 :]]
    right += [EMPTY] * (len(left) - len(right))
    return [(*pad(a, size), *b) for a, b in zip(left, right, strict=True)]


def _name_width(width: int) -> int:
    return max(12, min(30, width - 46))


def _head(width: int) -> Row:
    name = _name_width(width)
    return (
        cell(" block", name + 1, "dim"),
        cell("mean", 8, "dim", "right"),
        cell("largest", 9, "dim", "right"),
        cell("change", 9, "dim", "right"),
    )


def _block(line: BlockLine, width: int) -> Row:
    name = _name_width(width)
    bar = max(0, min(24, width - name - 1 - 26 - 3))
    return (
        Span(" "),
        cell(line.name, name),
        cell(line.mean, 8, "text", "right"),
        cell(line.largest, 9, "dim", "right"),
        cell(line.change, 9, "dim", "right"),
        Span("  "),
        *ramp_bar(line.share, bar, BAR_LEVELS),
    )


# ---------------------------------------------------------------------------
# Rows of the checkpoint table: as many columns as the width has room for, trouble in words.

#: widths from which on words have their place further right
NARROW, COMPACT, ROOMY = 46, 72, 100
MARK_WIDTH = 3


def checkpoint_head(width: int) -> Row:
    heads = [_table_head(column) for column in screen_columns(width)]
    return (Span(" " * MARK_WIDTH), *heads, Span("  age", "dim"))


def _table_head(column: Column) -> Span:
    if column.mark:
        return Span(_middle(column.name, column.width), "dim")
    return cell(column.name, column.width, "dim", "right")


def _middle(text: str, width: int) -> str:
    """Centred, but two cells from what stands left of it."""
    return "  " + text.center(width - 2)


def checkpoint_row(row: CheckpointRow, width: int, fraction: float, selected: bool = False) -> Row:
    """One file; what is not there stays dim. `fraction`: its place in the run, for its colour. Age, with all
    that is said in words, takes what the columns leave."""
    said = _trouble(row) or (_words(row, width), _role(row))
    columns = screen_columns(width)
    if _trouble(row) or row.source is None:
        columns = _with_room(columns, width, cell_len(said[0]), row.source is None)
    shape, tint = _shape(row, fraction)
    mark = cell(f" {shape}", MARK_WIDTH, tint)
    if selected:
        mark = Span(glyphs.CURSOR + mark.text[1:], "accent")
    spans = [mark, *(_cell(row, column) for column in columns)]
    rest = width - row_width(tuple(spans)) - 2
    cut = crop(said[0], rest) if row.problem or row.remark else crop_parts(said[0], rest)
    return (*spans, Span("  " + cut, said[1]))


def _with_room(
    columns: tuple[Column, ...], width: int, wanted: int, bare: bool
) -> tuple[Column, ...]:
    """Words that must be read are told in full as far as can be: columns give way from the right, and
    such words begin below each other, if they are not too long for that. `bare`: nothing is written,
    so that all but the first columns are empty."""
    kept = [*columns]
    while kept[-1].name != _last_column(width, bare):
        kept.pop()
    while len(kept) > 1 and width - MARK_WIDTH - sum(c.width for c in kept) - 2 < wanted:
        kept.pop()
    return tuple(kept)


def _last_column(width: int, bare: bool) -> str:
    """Behind which one the words begin."""
    if width < NARROW:
        return "step"
    if width < COMPACT:
        return "size"
    if width < ROOMY:
        return "state" if bare else "whole"
    return "change"


def _cell(row: CheckpointRow, column: Column) -> Span:
    text = row.cells.get(column.name, "")
    if column.mark:
        sign, role = MARKS.get(text, MARKS["unknown"])
        if row.kind not in ("written", "expected", "missing"):
            role = "dim"
        return Span(_middle(sign, column.width), role)
    if text == "unknown":
        text = "?"
    return cell(text, column.width, "dim" if row.kind == "gone" else _role(row), "right")


def _shape(row: CheckpointRow, fraction: float) -> tuple[str, str]:
    if row.kind == "written":
        return (glyphs.NO, "bad") if row.problem else (glyphs.WRITTEN, ramp_role(fraction))
    return {
        "expected": (glyphs.EXPECTED, "dim"),
        "missing": (glyphs.WARN, "warn"),
        "gone": (glyphs.NO, "bad"),
    }.get(row.kind, (glyphs.SKIP, "dim"))


def _role(row: CheckpointRow) -> str:
    return {"written": "text", "missing": "warn", "gone": "bad"}.get(row.kind, "dim")


def _trouble(row: CheckpointRow) -> tuple[str, str] | None:
    """What must be read, and its role."""
    if row.problem:
        return row.problem, "bad"
    if row.remark:
        return row.remark, "warn"
    return (row.age, "dim") if row.kind == "impossible" else None


def _words(row: CheckpointRow, width: int) -> str:
    """Where room is scarce, that a file will be deleted is worth more than its age."""
    final = "final" if row.final else ""
    said = [row.age, row.fate, final] if width >= ROOMY else [row.until, row.age, row.fate, final]
    return ", ".join(text for text in said if text)


# ---------------------------------------------------------------------------
# The checkpoints: written, looked at, and still to come.

#: rows of the panel from which on it tells about the row under the cursor
DETAIL_HEIGHT = 12
#: from here on the table gets half of it, below that so many rows
HIGH, TABLE_LEAST = 28, 4


class CheckpointPanel(ScrollingPanel):
    """`details` (zoomed): a cursor, and all that is known of its row under the table. The cursor stays
    on its file however the rows move; until a person moves it, it is on the newest written one."""

    TITLE = "Checkpoints"

    model: reactive[CheckpointTable] = reactive(
        CheckpointTable((), 0, 0, 0), layout=False, repaint=False
    )
    details: reactive[bool] = reactive(False, layout=False, repaint=False)

    def __init__(self, *, id: str | None = None, classes: str | None = None) -> None:
        super().__init__(id=id, classes=classes)
        self._chosen: str | None = None
        self._top = 0
        self._read = 0
        self._detail_room = 1

    def watch_model(self) -> None:
        self.repaint()

    def watch_details(self) -> None:
        self.repaint()

    def note(self) -> Row:
        if not self.model.rows:
            return ()
        done = Span(f"{self.model.written} of {self.model.total}", "dim")
        room = self.content_size.width - len(self.TITLE) - len(done.text) - 11
        if not self.model.trouble or room < 5:
            return (done,)
        return (Span(crop_parts(self.model.trouble, room), "bad"), Span(", ", "dim"), done)

    # ----------------------------------------------------------------- the cursor

    @property
    def has_cursor(self) -> bool:
        return self.details and self.content_size.height >= DETAIL_HEIGHT

    @property
    def cursor(self) -> int:
        keys = [row.key for row in self.model.rows]
        if self._chosen in keys:
            return keys.index(self._chosen)
        written = [i for i, row in enumerate(self.model.rows) if row.kind == "written"]
        return written[-1] if written else 0

    def forget_cursor(self) -> None:
        self._chosen, self._top, self._read = None, 0, 0
        self._offset = None
        self.repaint()

    def scroll_rows(self, rows: int) -> None:
        if self.has_cursor:
            self._go(self.cursor + rows)
        else:
            super().scroll_rows(rows)

    def turn_page(self, pages: int) -> None:
        """With a cursor: on in what is told of its row."""
        if self.has_cursor:
            self._read = max(0, self._read + pages * self._detail_room)
            self.repaint()
        else:
            super().turn_page(pages)

    def scroll_to_start(self) -> None:
        if self.has_cursor:
            self._go(0)
        else:
            super().scroll_to_start()

    def scroll_to_end(self) -> None:
        if self.has_cursor:
            self._go(len(self.model.rows) - 1)
        else:
            super().scroll_to_end()

    def _go(self, at: int) -> None:
        if self.model.rows:
            self._chosen = self.model.rows[max(0, min(len(self.model.rows) - 1, at))].key
            self._read = 0
            self.repaint()

    def on_click(self, event: events.Click) -> None:
        if self.has_cursor and event.y >= 2:
            self._go(self._top + event.y - 2)

    # ----------------------------------------------------------------- drawing

    def content(self, width: int, height: int) -> Sequence[Row]:
        table = self.model
        if not table.rows:
            return ((Span(" none written, none forecast", "dim"),),)
        if self.has_cursor:
            return self._with_details(width, height)
        anchor = min(len(table.rows) - 1, table.focus + 1)
        top = self.window(len(table.rows), height - 1, anchor)
        return (checkpoint_head(width), *self._rows_from(top, height - 1, width))

    def _rows_from(self, top: int, number: int, width: int, cursor: int = -1) -> list[Row]:
        end = max((row.step or 0 for row in self.model.rows), default=1) or 1
        return [
            checkpoint_row(row, width, self._place(row, end), top + i == cursor)
            for i, row in enumerate(self.model.rows[top : top + number])
        ]

    def _place(self, row: CheckpointRow, end: int) -> float:
        return (row.step or end) / end

    def _with_details(self, width: int, height: int) -> list[Row]:
        """The table above, the row under the cursor in full below it. How they share the panel does not
        depend on the row, so that nothing moves with the cursor but what is told."""
        cursor, rows = self.cursor, self.model.rows
        table = min(len(rows), TABLE_LEAST if height < HIGH else height // 2)
        self._top = max(0, min(self._top, cursor, len(rows) - table))
        self._top = max(self._top, cursor - table + 1)
        shown = self._rows_from(self._top, table, width, cursor)
        return [checkpoint_head(width), *shown, (), *self._detail(width, height - 2 - table)]

    def _detail(self, width: int, height: int) -> list[Row]:
        # only when zoomed: not for the first frame

        title, *rows = detail_rows(detail_of(self.model, self.cursor), width)
        room = height - 1
        if len(rows) <= room:
            self._read = 0
            return [title, *rows]
        room -= 1
        self._detail_room = room
        self._read = max(0, min(self._read, len(rows) - room))
        below = len(rows) - room - self._read
        said = f" … {below} more, pgdn" if below else " the end, pgup"
        return [title, *rows[self._read : self._read + room], (Span(said, "dim"),)]
