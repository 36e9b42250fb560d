"""A document (`runner.history.review.document`) as rows. All its texts are foreign. Pure."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import zip_longest

from rich.cells import cell_len

from runner.history.review.best import Candidate
from runner.history.review.document import (
    Block,
    Bullets,
    Code,
    Paragraph,
    Points,
    Table,
)
from runner.model import CheckResult, Outcome
from runner.model.units import count, file_size
from runner.trainers.names import without_ending
from tui.backend.results import SummarySheet
from tui.kit import glyphs
from tui.kit.paint import Row, Span, cell
from tui.text import clean, crop, cut_middle, wrap
from tui.words.loss import ChartModel, chart_model
from tui.words.state import UNREAD, StateLabel, state_label
from tui.words.table import Column, fit_columns

# ---------------------------------------------------------------------------
# What the summary screen shows.

BEST = "best"


@dataclass(frozen=True, slots=True)
class Pick:
    """A checkpoint that can be chosen. `rank`: `Best checkpoint`, `Tied for best`, `Place 4`; `sample`: step
    and path of the image nearest to its step."""

    name: str
    path: str
    rank: str
    facts: str
    reasons: tuple[str, ...] = ()
    cautions: tuple[str, ...] = ()
    sample: tuple[int, str] | None = None


@dataclass(frozen=True, slots=True)
class Fold:
    """A section under its heading. `gist`: shown beside the heading while folded."""

    key: str
    title: str
    blocks: tuple[Block, ...]
    gist: str = ""
    role: str = "dim"


@dataclass(frozen=True, slots=True)
class SummaryModel:
    title: str
    lead: str
    state: StateLabel = UNREAD
    chart: ChartModel = field(default_factory=ChartModel)
    picks: tuple[Pick, ...] = ()
    problems: tuple[CheckResult, ...] = ()
    folds: tuple[Fold, ...] = ()
    first_sample: tuple[int, str] | None = None


def summary_model(sheet: SummarySheet) -> SummaryModel:
    snapshot, document = sheet.snapshot, sheet.document
    picks = picks_of(sheet.candidates, sheet.samples)
    points = [
        point
        for section in document.sections
        for block in section.blocks
        if isinstance(block, Points)
        for point in block.items
    ]
    problems = [p for status in ("fail", "warn") for p in points if p.status == status]
    others = [s for s in document.sections if not all(isinstance(b, Points) for b in s.blocks)]
    lead, more = document.lead, document.lead[:0]
    if snapshot.outcome is Outcome.SUCCEEDED:  # what a success is made of are more passed points
        lead, more = lead[:1], lead[1:]
    folds = [_passed([p for p in points if p not in problems], more)] if points else []
    folds += [
        Fold(s.key, clean(s.title, 60), s.blocks, count(len(picks), "candidate"))
        if s.key == BEST and picks
        else Fold(s.key, clean(s.title, 60), s.blocks, *_gist(s.blocks))
        for s in others
    ]
    return SummaryModel(
        clean(document.title, 400),
        " ".join(_sentence(clean(text, TEXT)) for text in lead),
        state_label(snapshot),
        chart_model(snapshot),
        picks,
        tuple(problems),
        tuple(folds),
        min(sheet.samples, default=None),
    )


def _sentence(text: str) -> str:
    return text if text.endswith((".", "!", "?", ":")) else f"{text}."


def _passed(points: list[CheckResult], more: tuple[str, ...]) -> Fold:
    passed = sum(point.status == "pass" for point in points)
    skipped = f", {len(points) - passed} skipped" if len(points) > passed else ""
    blocks: tuple[Block, ...] = (Points(tuple(points)), *((Bullets(more),) if more else ()))
    return Fold("checklist", "Checks", blocks, f"{passed} passed{skipped}", "good")


def picks_of(
    candidates: Sequence[Candidate], samples: Sequence[tuple[int, str]] = ()
) -> tuple[Pick, ...]:
    ties = Counter(candidate.place for candidate in candidates)
    return tuple(_pick(one, ties[one.place] > 1, samples) for one in candidates)


def _pick(candidate: Candidate, tied: bool, samples: Sequence[tuple[int, str]]) -> Pick:
    one, place = candidate.checkpoint, candidate.place
    facts = [f"step {one.step}" if one.step is not None else "", file_size(one.size_bytes)]
    where = "best" if place == 1 else f"place {place}"
    rank = f"Tied for {where}" if tied else "Best checkpoint" if place == 1 else where.capitalize()
    step = one.step or 0
    near = min(samples, key=lambda s: abs(s[0] - step), default=None) if one.step else None
    return Pick(
        clean(one.name, 300),
        one.path,
        rank,
        ", ".join(fact for fact in facts if fact),
        tuple(clean(text, 600) for text in candidate.reasons),
        tuple(clean(text, 600) for text in candidate.cautions),
        near,
    )


def _gist(blocks: Sequence[Block]) -> tuple[str, str]:
    """What a folded section holds, and its role."""
    for block in blocks:
        if isinstance(block, Table) and (found := _statuses(block)):
            role = next((STATUS[key][1] for key in ("fail", "warn") if found[key]), "dim")
            words = {"pass": "passed", "warn": "warnings", "fail": "failed", "skip": "skipped"}
            return ", ".join(f"{found[key]} {words[key]}" for key in words if found[key]), role
    match blocks[0] if blocks else None:
        case Paragraph(text=text):
            return clean(text, 200), "dim"
        case Bullets(items=items):
            return clean(items[0], 200), "dim"
        case Table(rows=rows):
            return count(len(rows), "row"), "dim"
        case Code(text=text):
            return count(text.count("\n") + 1, "line"), "dim"
    return "", "dim"


def _statuses(table: Table) -> Counter[str]:
    columns = (Counter(column) for column in zip(*table.rows, strict=True))
    return next((found for found in columns if set(found) <= set(STATUS)), Counter())


# ---------------------------------------------------------------------------
# The first page: verdict, checkpoint with its samples, problems.


def verdict_rows(model: SummaryModel, width: int) -> list[Row]:
    state, room = model.state, max(8, min(width - 4, PROSE))
    lines = wrap(model.title, room, words=True)
    rows: list[Row] = [(Span(f" {state.shape} ", state.role), Span(lines[0], "strong"))]
    rows += [(Span("   "), Span(line, "strong")) for line in lines[1:]]
    return rows + (text_rows(model.lead, width, "   ", "   ") if model.lead else [])


def pick_rows(pick: Pick, width: int, tail: str = "") -> list[Row]:
    """A checkpoint with the reasons for its place."""
    room = max(8, width - 4)
    name = pick.name if cell_len(pick.name) <= room else without_ending(pick.name)
    rows: list[Row] = [
        (Span(f" {glyphs.WRITTEN} ", "accent"), Span(pick.rank, "strong"), Span(tail, "dim")),
        (Span("   "), Span(cut_middle(name, room), "accent")),
        (Span(f"   {crop(pick.facts, room)}", "dim"),),
    ]
    for text in pick.reasons:
        rows += text_rows(text, width, "   ", "   ")
    for text in pick.cautions:
        rows += text_rows(text, width, f" {glyphs.WARN} ", "   ", "warn")
    return rows


def no_pick_rows() -> list[Row]:
    return [(Span(f" {glyphs.NO} ", "bad"), Span("No usable checkpoint", "strong"))]


# ---------------------------------------------------------------------------
# Blocks.

#: characters of one text, of a cell, of a line of code; lines of a cell and of a block of code
TEXT, CELL, LINE = 1500, 500, 2000
CELL_LINES, CODE_LINES = 6, 2000
#: longer lines of prose are hard to read
PROSE = 110
#: narrower, the evidence of a point goes below it
BESIDE = 56
STATUS = {
    "pass": (glyphs.YES, "good"),
    "warn": (glyphs.WARN, "warn"),
    "fail": (glyphs.NO, "bad"),
    "skip": (glyphs.SKIP, "dim"),
}
_ANSWERS = {"yes": (glyphs.YES, "good"), "no": (glyphs.NO, "bad")}
_WORDS = (*_ANSWERS, "unknown", "none", "-", "")
#: columns in which a no is bad
_MUST = ("whole", "finite", "complete")


def text_rows(text: str, width: int, first: str, more: str, role: str = "text") -> list[Row]:
    lines = wrap(text, max(4, min(width, PROSE) - len(first) - 1), words=True)
    return [
        (Span(first if at == 0 else more, "dim" if role == "text" else role), Span(line, role))
        for at, line in enumerate(lines)
    ]


def block_rows(block: Block, width: int) -> list[Row]:
    match block:
        case Paragraph(text=text):
            return text_rows(clean(text, TEXT), width, " ", " ")
        case Bullets(items=items):
            texts = [clean(text, TEXT) for text in items]
            return [row for t in texts for row in text_rows(t, width, f" {glyphs.UNKNOWN} ", "   ")]
        case Points(items=points):
            return point_rows(points, width)
        case Table():
            return _table(block, width)
        case Code(text=text):
            return _code(text, width)


def point_rows(points: Sequence[CheckResult], width: int) -> list[Row]:
    """Title and evidence side by side; long evidence goes below."""
    titles = [clean(p.title, 120) for p in points]
    size = min(max(map(cell_len, titles), default=0), max(10, width * 47 // 100))
    rows: list[Row] = []
    for point, title in zip(points, titles, strict=True):
        shape, role = STATUS.get(point.status, STATUS["skip"])
        mark, words = Span(f" {shape} ", role), "dim" if role in ("good", "dim") else role
        text = clean(point.evidence, TEXT)
        lines = wrap(text, max(6, min(width - size - 6, PROSE)), words=True)
        if width >= BESIDE and len(lines) <= 2 and cell_len(title) <= size:
            rows.append((mark, cell(title, size), Span("  "), Span(lines[0], words)))
            rows += [(Span(" " * (size + 5)), Span(line, words)) for line in lines[1:]]
        else:
            rows.append((mark, Span(crop(title, max(4, width - 4)))))
            lines = wrap(text, max(6, min(width - 6, PROSE)), words=True)
            rows += [(Span("     "), Span(line, words)) for line in lines]
    return rows


def _code(text: str, width: int) -> list[Row]:
    """Nothing is cut: a long line continues indented below itself."""
    lines = text.split("\n")
    gutter = Span(f" {glyphs.AXIS_SIDE} ", "faint")
    indent = "    " if width > 30 else ""
    rows: list[Row] = [
        (gutter, Span(part))
        for line in lines[:CODE_LINES]
        for part in wrap(clean(line, LINE), max(6, width - 4), indent)
    ]
    if len(lines) > CODE_LINES:
        rows.append((gutter, Span(f"{len(lines) - CODE_LINES} more lines", "dim")))
    return rows


# --------------------------------------------------------------------------- tables

#: the gap between columns, and what a column of words, of names, the last one keep
GAP = 2
LEAST, LEAST_NAMES, LEAST_LAST = 10, 15, 18


def _table(table: Table, width: int) -> list[Row]:
    heads = [clean(text, 80) for text in table.heads]
    texts = [[clean(text, CELL) for text in row] for row in table.rows]
    rows = _shaped(texts)
    room = max(4, width - 2)
    columns = [_column(i, heads, rows, table.numeric, room) for i in range(len(heads))]
    kept = fit_columns(columns, rows, room)
    drawn = [_line([(heads[i], "dim") for i in kept], kept, columns)]
    for row, plain in zip(rows, texts, strict=True):
        cells = []
        for i, size in kept.items():
            role = _role(plain[i], heads[i])
            cells.append([(line, role) for line in _cell_lines(row[i], size, columns[i].right)])
        drawn += [
            _line([part or ("", "text") for part in parts], kept, columns)
            for parts in zip_longest(*cells)
        ]
    hidden = [head for i, head in enumerate(heads) if i not in kept and any(r[i] for r in rows)]
    if hidden:
        drawn.append(
            (Span(f" {crop('hidden (narrow terminal): ' + ', '.join(hidden), room)}", "dim"),)
        )
    return drawn


def _column(
    at: int, heads: Sequence[str], rows: Sequence[Sequence[str]], numeric: Sequence[int], room: int
) -> Column:
    """Left out first are numbers behind the first two columns, from the right, then columns of words. The
    first and a last one of words stay."""
    last = at == len(heads) - 1
    if at in numeric:
        return Column(heads[at], 1000 + at if at > 1 else at, None, right=True)
    names = not any(" " in row[at].strip() for row in rows)
    least = min(LEAST_LAST if last else LEAST_NAMES if names else LEAST, max(4, (room - GAP) // 2))
    return Column(heads[at], 0 if last or not at else 10 + at, least)


def _line(parts: list[tuple[str, str]], kept: dict[int, int], columns: Sequence[Column]) -> Row:
    spans = [Span(" ")]
    for (text, role), (i, size) in zip(parts, kept.items(), strict=True):
        spans.append(cell(text, size, role, "right" if columns[i].right else "left"))
        spans.append(Span(" " * GAP))
    return tuple(spans[:-1])


def _cell_lines(text: str, size: int, numeric: bool) -> list[str]:
    if cell_len(text) <= size:
        return [text]
    if numeric or " " not in text.strip():
        return [cut_middle(text, size)]
    lines = wrap(text, size, words=True)
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


def without_common_ending(names: Sequence[str]) -> list[str]:
    """File names without the ending that all of them have: it takes the room of what differs."""
    endings = {name[name.rfind(".") :] if "." in name else "" for name in names}
    ending = next(iter(endings), "")
    if len(names) < 2 or len(endings) != 1 or not ending[1:].isalpha():
        return list(names)
    return [name[: -len(ending)] for name in names]


def _with_shape(text: str) -> str:
    found = STATUS.get(text) or _ANSWERS.get(text.lower())
    return f"{found[0]} {text}" if found else text


def _role(text: str, head: str) -> str:
    if text in STATUS:
        return STATUS[text][1]
    if text.lower() in _ANSWERS and head in _MUST:
        role = _ANSWERS[text.lower()][1]
        return role if role == "bad" else "text"
    return "dim" if text in ("unknown", "-", "none") else "text"
