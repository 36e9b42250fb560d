"""The checkpoint table and the details of one row."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from rich.cells import cell_len
from textual import events
from textual.reactive import reactive

from runner.history.checkpoint_columns import (
    NO,
    NONE,
    YES,
    Column,
    change_text,
    norm_text,
    screen_columns,
)
from runner.model import BlockNorm, Checkpoint
from tui.kit import glyphs
from tui.kit.chart import ramp_bar
from tui.kit.paint import (
    EMPTY,
    Row,
    Span,
    cell,
    first_shown,
    fit,
    labelled,
    pad,
    ramp_role,
    row_width,
)
from tui.kit.panel import ScrollingPanel
from tui.panels.preflight import MARKS
from tui.text import clean, crop, crop_parts
from tui.words.checkpoints import CheckpointRow, CheckpointTable

# ---------------------------------------------------------------------------
# Rows of the table: as many columns as the width has room for, problems as text.

MARK_WIDTH = 3
#: from this width on how long a file stays comes after its age
ROOMY = 100
#: shape and role by kind, of rows in neutral words
_SHAPES = {
    "expected": (glyphs.EXPECTED, "dim"),
    "missing": (glyphs.WARN, "warn"),
    "gone": (glyphs.NO, "bad"),
}
_ROLES = {"written": "text", "missing": "warn", "gone": "bad"}


def checkpoint_head(width: int) -> Row:
    heads = [
        Span(_middle(column.name, column.width), "dim")
        if column.mark
        else cell(column.name, column.width, "dim", "right")
        for column in screen_columns(width)
    ]
    return (Span(" " * MARK_WIDTH), *heads, Span("  age", "dim"))


def _middle(text: str, width: int) -> str:
    """Centred, but two cells from its neighbour."""
    return "  " + text.center(width - 2)


def checkpoint_row(row: CheckpointRow, width: int, fraction: float, selected: bool = False) -> Row:
    """`fraction`: its place in the run, for its colour. Age and words take what the columns leave."""
    words, role = row.problem or row.remark, "bad" if row.problem else "warn"
    columns = screen_columns(width)
    if words or row.source is None:
        columns = _with_room(columns, width, cell_len(words), bare=row.source is None)
    shape, tint = _shape(row, fraction)
    mark = cell(f" {shape}", MARK_WIDTH, tint)
    if selected:
        mark = Span(glyphs.CURSOR + mark.text[1:], "accent")
    cells = row.cells
    spans = [mark, *(span for column in columns for span in _cell(row, cells, column))]
    rest = width - row_width(tuple(spans)) - 2
    if words:
        return (*spans, Span("  " + crop(words, rest), role))
    final = "final" if row.final else ""
    ends = (row.age, row.fate, final) if width >= ROOMY else (row.until, row.age, row.fate, final)
    text = ", ".join(filter(None, ends))
    # a cell apart from what is beside the panel
    text = crop_parts(text, rest - 1 if cell_len(text.split(", ")[0]) < rest else rest)
    return (*spans, Span("  " + text, _ROLES.get(row.kind, "dim")))


def _with_room(
    columns: tuple[Column, ...], width: int, wanted: int, *, bare: bool
) -> tuple[Column, ...]:
    """Words begin below each other, behind the size or, of a file that is not written, behind the epoch;
    where they need more room, behind the step."""
    last = "epoch" if bare else "size"
    names = [column.name for column in columns]
    kept = columns[: names.index(last) + 1 if last in names else 1]
    room = width - MARK_WIDTH - sum(column.width for column in kept) - 2
    return kept if wanted <= room else kept[:1]


def _cell(row: CheckpointRow, cells: dict[str, str], column: Column) -> Row:
    if column.name == "ok":
        marks = (_mark(row, cells.get(name, "")) for name in ("complete", "finite", "state"))
        return (Span("  "), *marks)
    text = cells.get(column.name, "")
    if column.mark:
        sign, role = _mark(row, text)
        return (Span(_middle(sign, column.width), role),)
    role = "dim" if row.kind == "gone" else _ROLES.get(row.kind, "dim")
    return (cell("?" if text == "unknown" else text, column.width, role, "right"),)


def _mark(row: CheckpointRow, text: str) -> Span:
    sign, role = MARKS.get(text, MARKS["unknown"])
    return Span(sign, role if row.kind in ("written", "expected", "missing") else "dim")


def _shape(row: CheckpointRow, fraction: float) -> tuple[str, str]:
    if row.kind != "written":
        return _SHAPES.get(row.kind, (glyphs.SKIP, "dim"))
    if row.problem:
        return glyphs.NO, "bad"
    return (glyphs.BEST, ramp_role(1.0)) if row.best else (glyphs.WRITTEN, ramp_role(fraction))


def in_sight(table: CheckpointTable, height: int) -> list[int]:
    """Which rows a low panel shows: the newest and the next half and half, with the best one and the last one
    that will be written."""
    total, past = len(table.rows), table.past
    if total <= height:
        return list(range(total))
    coming = [at for at in range(past, total) if table.rows[at].kind == "expected"]
    number = min(past, max(1, height // 2, height - len(coming)))
    newest, following = list(range(number)), coming[: height - number]
    best = next((at for at in range(number, past) if table.rows[at].best), None)
    if best is not None and number > 1:
        newest[-1] = best
    if len(following) > 1:
        following[-1] = coming[-1]
    return [*newest, *following]


# ---------------------------------------------------------------------------
# The checkpoint under the cursor in full: facts, and the norms of its blocks as bars.

LABEL = 10
#: colours of a bar: few, each costs bytes
BAR_LEVELS = 6
#: cells of one block's line; two fit side by side where there is room
BLOCK = 62
_STATES = {
    NONE: "not saved; can resume from weights only",
    YES: "complete, a training can resume from it",
    NO: "incomplete",
}
_NOT_WRITTEN = {
    "impossible": "Forecast, but the resumed attempt counts its saves from its own start: they fall on other "
    "steps.",
    "missing": "Should have been written by now.",
}


def detail_rows(table: CheckpointTable, index: int, width: int) -> list[Row]:
    """Everything known of the row at `index`, under a rule with its name."""
    row = table.rows[index]
    title = f" {crop(row.name, width - 4)} "
    rest = glyphs.RULE * max(0, width - 1 - cell_len(title))
    rows: list[Row] = [(Span(glyphs.RULE, "faint"), Span(title, "strong"), Span(rest, "faint"))]
    if row.source is None:
        when = ", ".join(text for text in (row.age, row.fate) if text)
        text = _NOT_WRITTEN.get(row.kind, f"Not written yet{': ' if when else ''}{when}.")
        return [fit(line, width) for line in (*rows, *labelled("", text, LABEL, width, "dim"))]
    for label, text, role in _facts(table, row, row.source):
        rows += labelled(f" {label}", text, LABEL, width, role) if text else []
    earlier = (r.source for r in table.rows[index + 1 :] if r.source and r.source.norms)
    if row.source.norms:
        rows += [EMPTY, *_blocks(row.source, next(earlier, None), width)]
    return [fit(line, width) for line in rows]


def _facts(
    table: CheckpointTable, row: CheckpointRow, one: Checkpoint
) -> Iterator[tuple[str, str, str]]:
    cells, attempts = row.cells, dict(table.attempts)
    yield "path", clean(one.path, 500), "text"
    yield "", "best so far, as the summary ranks them" if row.best else "", "text"
    yield "problem", row.problem, "bad"
    yield "weights", row.remark, "warn"
    state = _STATES.get(cells["state"], "not verified yet")
    if cells["state"] != NONE:
        why = f": {clean(one.state_problem, 300)}" if one.state_problem else ""
        state = f"{state}{why}, {clean(one.state_path, 500)}"
    yield "state", state, "bad" if cells["state"] == NO else "text"
    alpha = f", alpha {one.alpha:g}" if one.alpha is not None else ""
    yield "network", f"rank {one.rank}{alpha}" if one.rank is not None else "", "text"
    largest = f", largest {norm_text(one.norm_largest)}" if one.norm_largest is not None else ""
    change = f", {cells['change']} since the one before" if cells["change"] else ""
    yield "norm", f"mean {norm_text(one.norm)}{largest}{change}" if cells["norm"] else "", "text"
    smoothed = f"{cells['loss'] or 'unknown'} smoothed"
    yield "loss", f"{smoothed}, validation {cells['val']}" if cells["val"] else "", "text"
    yield "sample", clean(one.sample_path, 500), "text"
    yield "kept", row.fate, "warn"
    if one.attempt in attempts:
        number = f"{one.attempt} of {len(attempts)}"
        yield "attempt", f"{number}, {attempts[one.attempt]}", "dim"


def _blocks(one: Checkpoint, before: Checkpoint | None, width: int) -> list[Row]:
    """The norms of the blocks against those of the file before, in two columns where there is room."""
    across = 2 if width >= 2 * BLOCK and len(one.norms) > 4 else 1
    size = width // across
    name = max(12, min(30, size - 46))
    top = max(block.mean for block in one.norms) or 1.0
    old = {block.block: block.mean for block in before.norms} if before is not None else {}
    head = (cell(" block", name + 1, "dim"), *_numbers(("mean", "largest", "change"), "dim"))
    lines: list[Row] = [_block(block, old.get(block.block), top, name, size) for block in one.norms]
    if across == 1:
        return [head, *lines]
    half = (len(lines) + 1) // 2
    left, right = [head, *lines[:half]], [head, *lines[half:]]
    right += [EMPTY] * (len(left) - len(right))
    return [(*pad(a, size), *b) for a, b in zip(left, right, strict=True)]


def _block(block: BlockNorm, before: float | None, top: float, name: int, width: int) -> Row:
    change = change_text(block.mean / before - 1 if before is not None and before > 0 else None)
    bar = max(0, min(24, width - name - 30))
    return (
        Span(" "),
        cell(clean(block.block, 60), name),
        *_numbers((norm_text(block.mean), norm_text(block.largest), change), "text"),
        Span("  "),
        *ramp_bar(block.mean / top, bar, BAR_LEVELS),
    )


def _numbers(texts: tuple[str, str, str], role: str) -> Row:
    roles = (role, "dim", "dim")
    return tuple(
        cell(text, width, one, "right")
        for text, width, one in zip(texts, (8, 9, 9), roles, strict=True)
    )


# ---------------------------------------------------------------------------
# The widget.

#: rows of the panel from which on it has a heading, and zoomed shows the row under the cursor
HEAD_HEIGHT, DETAIL_HEIGHT = 6, 12
#: from here on the table gets half of it, below that so many rows
HIGH, TABLE_LEAST = 28, 4


class CheckpointPanel(ScrollingPanel):
    """`details` (zoomed): a cursor, and everything about its row under the table. The cursor stays on its
    file however the rows move; until a person moves it, it is on the newest written one."""

    TITLE = "Checkpoints"
    FOLLOWS = False

    model: reactive[CheckpointTable] = reactive(CheckpointTable(), layout=False, repaint=False)
    details: reactive[bool] = reactive(False, layout=False, repaint=False)

    def __init__(self, *, id: str | None = None, classes: str | None = None) -> None:
        super().__init__(id=id, classes=classes)
        self._chosen: str | None = None
        self._top = 0
        self._read = 0
        self._detail_room = 1

    def watch_model(self) -> None:
        self.repaint()

    watch_details = watch_model

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
        rows = self.model.rows
        if self._chosen is not None:
            for at, row in enumerate(rows):
                if row.key == self._chosen:
                    return at
        return next((at for at, row in enumerate(rows) if row.kind == "written"), 0)

    def forget_cursor(self) -> None:
        self._chosen, self._top, self._read = None, 0, 0
        self._offset = None
        self.repaint()

    def scroll_rows(self, rows: int) -> None:
        self._go(self.cursor + rows) if self.has_cursor else super().scroll_rows(rows)

    def turn_page(self, pages: int) -> None:
        """With a cursor: through the details of its row."""
        if not self.has_cursor:
            super().turn_page(pages)
            return
        self._read = max(0, self._read + pages * self._detail_room)
        self.repaint()

    def scroll_to_start(self) -> None:
        self._go(0) if self.has_cursor else super().scroll_to_start()

    def scroll_to_end(self) -> None:
        self._go(len(self.model.rows) - 1) if self.has_cursor else super().scroll_to_end()

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
        head = [checkpoint_head(width)] if height >= HEAD_HEIGHT else []
        room = height - len(head)
        top = self.window(len(table.rows), room, 0)
        shown = in_sight(table, room) if top == 0 else range(top, len(table.rows))
        return [*head, *self._rows_at(shown[:room], width)]

    def _rows_at(self, places: Sequence[int], width: int, cursor: int = -1) -> list[Row]:
        rows = self.model.rows
        end = max((row.step or 0 for row in rows), default=1) or 1
        return [
            checkpoint_row(rows[at], width, (rows[at].step or end) / end, at == cursor)
            for at in places
            if at < len(rows)
        ]

    def _with_details(self, width: int, height: int) -> list[Row]:
        """The table above, the row under the cursor in full below it. How they share the panel does not
        depend on the row, so that nothing moves with the cursor but the details."""
        cursor, total = self.cursor, len(self.model.rows)
        table = min(total, TABLE_LEAST if height < HIGH else height // 2)
        self._top = first_shown(self._top, cursor, table, total)
        shown = self._rows_at(range(self._top, self._top + table), width, cursor)
        return [checkpoint_head(width), *shown, (), *self._detail(width, height - 2 - table)]

    def _detail(self, width: int, height: int) -> list[Row]:
        title, *rows = detail_rows(self.model, self.cursor, width)
        room = height - 1
        if len(rows) <= room:
            self._read = 0
            return [title, *rows]
        room -= 1
        self._detail_room = room
        self._read = max(0, min(self._read, len(rows) - room))
        below = len(rows) - room - self._read
        more = f" … {below} more, pgdn" if below else " the end, pgup"
        return [title, *rows[self._read : self._read + room], (Span(more, "dim"),)]
