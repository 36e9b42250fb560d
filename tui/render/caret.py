"""Text that is being written, with the caret in it: always in sight, and a sign rather than a colour."""

from __future__ import annotations

from tui.render import glyphs
from tui.render.paint import Row, Span
from tui.text import clean, crop, take_cells, wrap

CARET = glyphs.AXIS_SIDE
#: stands for the caret while lines are wrapped: a private character, taken out of foreign text
_PLACE = "\ue000"
#: cells that stay for what follows the caret
AHEAD = 8


def line_row(value: str, at: int | None, width: int) -> Row:
    """One line in `width` cells; `at` None: nobody writes in it."""
    if at is None:
        return (Span(crop(clean(value), width)),)
    head, tail = clean(value[:at]), clean(value[at:])
    room = max(1, width - 1 - min(AHEAD, len(tail)))
    shown = take_cells(head[::-1], room)[::-1]
    if len(shown) < len(head):
        shown = glyphs.ELLIPSIS + take_cells(head[::-1], room - 1)[::-1]
    rest = crop(tail, max(0, width - 1 - len(shown)))
    return (Span(shown, "strong"), Span(CARET, "accent"), Span(rest, "strong"))


def text_rows(value: str, at: int | None, width: int, height: int) -> list[Row]:
    """Lines, wrapped, at most `height` of them: from the first one, or around the caret."""
    if at is None:
        lines = [row for line in value.split("\n") for row in wrap(clean(line), width)]
        shown = lines[:height]
        if len(lines) > height:
            shown[-1] = crop(f"{take_cells(shown[-1], width - 2)} {glyphs.ELLIPSIS}", width)
        return [(Span(line),) for line in shown]
    marked = value[:at].replace(_PLACE, "?") + _PLACE + value[at:].replace(_PLACE, "?")
    lines = [row for line in marked.split("\n") for row in wrap(clean(line, 12_000), width)]
    place = next((i for i, line in enumerate(lines) if _PLACE in line), 0)
    top = max(0, min(place - height + 1, len(lines) - height))
    return [_with_caret(line) for line in lines[top : top + height]]


def _with_caret(line: str) -> Row:
    head, here, tail = line.partition(_PLACE)
    if not here:
        return (Span(line, "strong"),)
    return (Span(head, "strong"), Span(CARET, "accent"), Span(tail, "strong"))
