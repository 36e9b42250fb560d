"""The header line, the progress line under it, and the verdict: as much as fits, in order of worth."""

from __future__ import annotations

from rich.cells import cell_len

from tui.render import glyphs
from tui.render.gauge import ramp_bar
from tui.render.paint import Row, Span, append, fit, ramp_role, row_width
from tui.text import crop
from tui.viewmodel.clauses import Clause, Verdict
from tui.viewmodel.header import Header

WORDMARK = "plasma"
GAP = "   "
#: narrower screens wrap the verdict
NARROW = 60


def wordmark() -> Row:
    """The name in its own colours, dark to bright."""
    last = len(WORDMARK) - 1
    return tuple(Span(c, ramp_role(0.1 + 0.9 * i / last)) for i, c in enumerate(WORDMARK))


def header_row(header: Header, width: int) -> Row:
    """Name and state always; the other fields in full, short, or not at all."""
    mark: Row = (Span(" "),)
    state: Row = (Span(f"{header.state.shape} {header.state.word}", header.state.role),)
    if header.read_only and width >= 60:
        state = (*state, Span(" read-only", "dim"))
    room = width - row_width(mark) - row_width(state) - 4
    fields = _fields(header, room - min(len(header.name), max(12, width // 5)))
    name = crop(header.name, max(6, room - row_width(fields)))
    row: Row = (*mark, Span(name, "strong"), Span("  " if name else ""), *state)
    return fit((*row, *fields), width)


def _fields(header: Header, room: int) -> Row:
    """Fields in the order of their worth, short if need be; what room is left makes the first ones
    speak in full."""
    kept = []
    for field in header.fields:
        if len(GAP) + len(field.short) <= room:
            kept.append(field)
            room -= len(GAP) + len(field.short)
    spans: list[Span] = []
    for field in kept:
        more = len(field.text) - len(field.short)
        text = field.text if more <= room else field.short
        room -= max(0, more) if text is field.text else 0
        spans += [Span(GAP), Span(text, field.role)]
    return tuple(spans)


def progress_row(header: Header, width: int) -> Row:
    """The whole run as one thin line; its colours are those of the loss line at the same place.

    The number stands left of it, so that its change does not send the line again.
    """
    label = "" if header.fraction is None else f"{header.fraction * 100:.0f} %"
    return (Span(f" {label:>5}  ", "strong"), *ramp_bar(header.fraction, max(0, width - 9)))


def verdict_rows(verdict: Verdict, width: int, height: int) -> list[Row]:
    """The judgement, then what follows from it: a line each, or wrapped where the verdict is long
    or the screen narrow."""
    wrapped = verdict.long or width < NARROW or (verdict.urgent and height > 2)
    if not wrapped or height < 2:
        first = _line(verdict.first, width - 2, ", ", ".")
        second = _line(verdict.second, width - 2, " ", "")
        return [(Span(" "), *first), (Span(" "), *second)][:height]
    first_rows = _wrapped(verdict.first, width - 2, ", ", ".")
    second_rows = _wrapped(verdict.second, width - 2, " ", "")
    kept = max(height - len(second_rows), height // 2)
    shown = _cut(first_rows, kept, width)
    return [*shown, *_cut(second_rows, height - len(shown), width)]


def rows_wanted(verdict: Verdict, width: int) -> int:
    """Rows that show all of an urgent verdict: two where each half fits into a line."""
    first = _wrapped(verdict.first, width - 2, ", ", ".")
    return max(1, len(first)) + max(1, len(_wrapped(verdict.second, width - 2, " ", "")))


def _cut(rows: list[Row], height: int, width: int) -> list[Row]:
    """The first rows; the last of them says if there would be more."""
    if len(rows) <= height or height <= 0:
        return rows[: max(0, height)]
    last = fit((*rows[height - 1], Span(glyphs.ELLIPSIS, rows[height - 1][-1].role)), width)
    return [*rows[: height - 1], last]


def _wrapped(clauses: tuple[Clause, ...], width: int, between: str, end: str) -> list[Row]:
    """All clauses, broken at blanks, each in its role."""
    rows: list[list[Span]] = [[Span(" ")]]
    used = 0
    for index, clause in enumerate(clauses):
        tail = between if index + 1 < len(clauses) else end
        text = clause.text + ("" if clause.text.endswith((".", "…")) else tail.rstrip())
        for word in text.split(" "):
            size = cell_len(word)
            if used and used + 1 + size > width:
                rows.append([Span(" ")])
                used = 0
            lead = " " if used else ""
            append(rows[-1], lead + crop(word, width), clause.role)
            used += len(lead) + min(size, width)
    return [tuple(row) for row in rows if any(span.text.strip() for span in row)]


def _line(clauses: tuple[Clause, ...], width: int, between: str, end: str) -> Row:
    """Whole clauses from the front; only the very first may be cut."""
    spans: list[Span] = []
    used = 0
    for index, clause in enumerate(clauses):
        lead = between if index else ""
        if index and clauses[index - 1].text.endswith("."):
            lead = " "
        text = clause.text
        if index and used + len(lead) + cell_len(text) + len(end) > width:
            room = width - used - len(lead) - len(end)
            if room < 24 or index > 1:
                break
            text = crop(text, room)
        spans += [Span(lead), Span(text, clause.role)] if lead else [Span(text, clause.role)]
        used = row_width(tuple(spans))
    if end and spans and not spans[-1].text.endswith((".", "…")):
        spans.append(Span(end, spans[-1].role))
    return fit(tuple(spans), width)
