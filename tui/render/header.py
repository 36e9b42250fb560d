"""The header line and the verdict: as much as fits, in order of worth."""

from __future__ import annotations

from rich.cells import cell_len

from tui.render import glyphs
from tui.render.gauge import ramp_bar
from tui.render.paint import Row, Span, append, cell, fit, ramp_role, row_width
from tui.text import crop
from tui.viewmodel.clauses import Clause, Verdict
from tui.viewmodel.header import Field, Header

WORDMARK = "plasma"
GAP = "  "
#: cells of the progress ramp at least, and what is left to it before words are spelled out
RAMP_LEAST, RAMP_WANTED = 5, 14
#: its colours; each costs some 40 bytes whenever a number right of it changes
RAMP_LEVELS = 8
#: cells of a state's word, from this width of the screen on
STATE, STATE_PADDED = 10, 70
#: narrower screens wrap the verdict
NARROW = 60


def wordmark() -> Row:
    """The name in its own colours, dark to bright."""
    last = len(WORDMARK) - 1
    return tuple(Span(c, ramp_role(0.1 + 0.9 * i / last)) for i, c in enumerate(WORDMARK))


def header_row(header: Header, width: int) -> Row:
    """Name and state always; the other columns in full, short, or not at all; the ramp takes the rest. Columns
    depend on the width of the screen and on what does not change in a run, so that nothing moves."""
    word = cell(header.state.word, max(STATE, len(header.state.word))).text
    word = word if width >= STATE_PADDED and header.fields else header.state.word
    state: Row = (Span(f"{header.state.shape} {word}", header.state.role),)
    if header.read_only and width >= 60:
        state = (*state, Span(" read-only", "dim"))
    room = width - row_width(state) - 5
    chosen = _chosen(header, room - min(cell_len(header.name), max(12, width // 5)))
    used = sum(len(GAP) + len(text) for text in chosen if text)
    name = crop(header.name, max(6, room - used))
    left, right = chosen[: len(header.fields)], chosen[len(header.fields) :]
    row: list[Span] = [Span(" "), Span(name, "strong"), Span(GAP if name else ""), *state]
    row += _columns(header.fields, left)
    ends = _columns(header.ends[::-1], right[::-1])
    rest = width - 1 - row_width(tuple(row)) - row_width(tuple(ends))
    if header.fraction is not None and rest > RAMP_LEAST:
        row += [Span(" "), *ramp_bar(header.fraction, rest - 1, RAMP_LEVELS)]
    else:
        row.append(Span(" " * max(0, rest)))
    return fit((*row, *ends, Span(" ")), width)


def _columns(fields: tuple[Field, ...], texts: list[str]) -> list[Span]:
    return [
        span
        for field, text in zip(fields, texts, strict=True)
        if text
        for span in (Span(GAP), Span(text, field.role))
    ]


def _chosen(header: Header, room: int) -> list[str]:
    """The text of each field and end, empty where it has no room: first of each side comes first."""
    fields, left = [*header.fields, *header.ends], len(header.fields)
    ranked = sorted(range(len(fields)), key=lambda at: (at - left, 1) if at >= left else (at, 0))
    chosen = [""] * len(fields)
    for index in ranked:
        texts = (fields[index].short, fields[index].least)
        chosen[index] = next((t for t in texts if t and len(GAP) + len(t) <= room), "")
        room -= len(GAP) + len(chosen[index]) if chosen[index] else 0
    room -= RAMP_WANTED if header.fraction is not None else 0
    for index in ranked:
        more = len(fields[index].text) - len(chosen[index])
        if chosen[index] == fields[index].short and more <= room:
            chosen[index], room = fields[index].text, room - max(0, more)
    return chosen


def verdict_rows(verdict: Verdict, width: int, height: int) -> list[Row]:
    """The sentence, then what follows from it: a line each, or wrapped where the verdict is long
    or the screen narrow."""
    wrapped = verdict.long or width < NARROW or (verdict.urgent and height > 2)
    if not wrapped or height < 2:
        first = _line(verdict.line, width - 2, ", ", ".")
        second = _line(verdict.second, width - 4, " ", "")
        return [(Span(" "), *first), (Span("   "), *second)][:height]
    first_rows = _wrapped(verdict.line, width - 2, ", ", ".")
    second_rows = _wrapped(verdict.second, width - 2, " ", "")
    kept = max(height - len(second_rows), height // 2)
    shown = _cut(first_rows, kept, width)
    return [*shown, *_cut(second_rows, height - len(shown), width)]


def rows_wanted(verdict: Verdict, width: int) -> int:
    """Rows that show all of an urgent verdict: two where each half fits into a line."""
    first = _wrapped(verdict.line, width - 2, ", ", ".")
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
    """Complete clauses from the front; only the one after the word may be cut."""
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
