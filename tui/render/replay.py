"""The bar of a replay: what it is and where it stands, and a line of time with what happened on it."""

from __future__ import annotations

from tui.render import glyphs
from tui.render.header import GAP
from tui.render.paint import Row, Span, append, fit, row_width
from tui.viewmodel.replay import ReplayBarModel

#: (worth, sign, role): where two would share a cell, the larger worth is drawn
_SIGNS = {
    "checkpoint": (1, glyphs.WRITTEN, "text"),
    "alarm": (2, glyphs.WARN, "warn"),
    "attempt": (3, glyphs.AXIS_RESUME, "strong"),
}


def replay_rows(model: ReplayBarModel, width: int, height: int) -> list[Row]:
    return [_words(model, width), _line(model, width)][:height]


def _words(model: ReplayBarModel, width: int) -> Row:
    head: Row = (Span(" "), Span("REPLAY", "key"), Span(f" {model.state}", "strong"))
    room = width - row_width(head) - 1
    kept: list[Span] = []
    left = room
    shown = []
    for field in model.fields:
        if len(GAP) + len(field.short) <= left:
            shown.append(field)
            left -= len(GAP) + len(field.short)
    for field in shown:
        more = len(field.text) - len(field.short)
        text = field.text if more <= left else field.short
        left -= max(0, more) if text is field.text else 0
        kept += [Span(GAP), Span(text, field.role)]
    return fit((*head, *kept), width)


def _line(model: ReplayBarModel, width: int) -> Row:
    """Heavy up to the present place, thin after it."""
    label: Row = (Span(f" {model.fraction * 100:>3.0f} %  ", "strong"),)
    tail: Row = (Span(f"  {model.tail} ", "dim"),) if model.tail and width >= 60 else (Span(" "),)
    room = max(0, width - row_width(label) - row_width(tail))
    signs: dict[int, tuple[int, str, str]] = {}
    for mark in model.marks:
        x = min(room - 1, int(mark.fraction * room))
        sign = _SIGNS.get(mark.kind)
        if sign is not None and sign[0] > signs.get(x, (0, "", ""))[0]:
            signs[x] = sign
    filled = round(max(0.0, min(1.0, model.fraction)) * room)
    spans: list[Span] = []
    for x in range(room):
        past = x < filled
        sign = signs.get(x)
        if sign is not None:
            append(spans, sign[1], sign[2] if past else "dim")
        else:
            append(spans, glyphs.BAR if past else glyphs.BAR_REST, "accent" if past else "faint")
    return (*label, *spans, *tail)
