"""A document as rows: sections one below the other. All texts are foreign."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import zip_longest

from rich.cells import cell_len

from runner.history.review.document import (
    Block,
    Bullets,
    Code,
    Paragraph,
    Points,
    Section,
    Table,
)
from runner.trainers.names import without_ending
from tui.render import glyphs
from tui.render.loss import draw_loss
from tui.render.paint import EMPTY, Row, Span, cell
from tui.render.scale import Range, data_range, sticky_range
from tui.render.table_fit import GAP, cut_middle, fit_columns, fold, without_common_ending
from tui.text import clean, crop, wrap
from tui.viewmodel.chart import ChartModel
from tui.viewmodel.summary import BEST, LOSS, Pick, SummaryModel

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
