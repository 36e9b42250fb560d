"""The header line, the progress line under it, and the verdict: as much as fits, in order of worth."""

from __future__ import annotations

from tui.render.gauge import ramp_bar
from tui.render.paint import Row, Span, fit, ramp_role, row_width
from tui.text import crop
from tui.viewmodel.clauses import Clause, Verdict
from tui.viewmodel.header import Header

WORDMARK = "plasma"
GAP = "   "


def wordmark() -> Row:
    """The name in its own colours, dark to bright."""
    last = len(WORDMARK) - 1
    return tuple(Span(c, ramp_role(0.1 + 0.9 * i / last)) for i, c in enumerate(WORDMARK))


def header_row(header: Header, width: int) -> Row:
    """Name and state always; the other fields in full, short, or not at all."""
    mark: Row = (Span(" "), *wordmark(), Span("  ")) if width >= 56 else (Span(" "),)
    state: Row = (Span(f"{header.state.shape} {header.state.word}", header.state.role),)
    if header.read_only and width >= 60:
        state = (*state, Span(" read-only", "dim"))
    room = width - row_width(mark) - row_width(state) - 4
    fields = _fields(header, room - min(len(header.name), max(12, width // 5)))
    name = crop(header.name, max(6, room - row_width(fields)))
    row: Row = (*mark, Span(name, "strong"), Span("  " if name else ""), *state)
    return fit((*row, *fields), width)


def _fields(header: Header, room: int) -> Row:
    """The most worthy fields that fit; the full wording only if all of them fit in full."""
    for form in ("text", "short"):
        spans: list[Span] = []
        used = 0
        for field in header.fields:
            text = getattr(field, form)
            if used + len(GAP) + len(text) > room:
                if form == "text":
                    break
                continue
            spans += [Span(GAP), Span(text, field.role)]
            used += len(GAP) + len(text)
        else:
            return tuple(spans)
        if form == "short":
            return tuple(spans)
    return tuple(spans)


def progress_row(header: Header, width: int) -> Row:
    """The whole run as one thin line; its colours are those of the loss line at the same place."""
    label = "" if header.fraction is None else f" {header.fraction * 100:.0f} %"
    label = label.rjust(6)
    return (
        Span(" "),
        *ramp_bar(header.fraction, max(0, width - 8)),
        Span(f"{label} ", "dim" if header.fraction is None else "strong"),
    )


def verdict_rows(verdict: Verdict, width: int) -> tuple[Row, Row]:
    """Two lines; a first clause that is too long for one line goes on in the second."""
    first = _line(verdict.first, width - 2, ", ", ".")
    second = _line(verdict.second, width - 2, " ", "")
    return (Span(" "), *first), (Span(" "), *second)


def _line(clauses: tuple[Clause, ...], width: int, between: str, end: str) -> Row:
    """Whole clauses from the front; only the very first may be cut."""
    spans: list[Span] = []
    used = 0
    for index, clause in enumerate(clauses):
        lead = between if index else ""
        text = clause.text
        need = len(lead) + Span(text).text.__len__() + len(end)
        if index and used + need > width:
            room = width - used - len(lead) - len(end)
            if room < 24 or index > 1:
                break
            text = crop(text, room)
        spans += [Span(lead, "dim"), Span(text, clause.role)] if lead else [Span(text, clause.role)]
        used = row_width(tuple(spans))
    if end and spans and not spans[-1].text.endswith((".", "…")):
        spans.append(Span(end, spans[-1].role))
    return fit(tuple(spans), width)
