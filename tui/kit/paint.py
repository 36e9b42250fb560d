"""Rows of coloured text without a screen: what every panel is made of.

A row is a tuple of spans; a span is text and the *role* it plays (`dim`, `bad`, `ramp-12` ...). What
a role looks like is the theme's business (tui/palette.py). Rows compare by value, so a panel knows
which of its rows changed and send those alone.
"""

from __future__ import annotations

from typing import NamedTuple

from rich.cells import cell_len

from tui.text import crop, take_cells, wrap

#: steps of the plasma ramp that roles name: ramp-0 ... ramp-23; each change of colour in a row costs
#: some 40 bytes to send, and more steps than these are not seen
RAMP_STEPS = 24


class Span(NamedTuple):
    """Text that plays one role."""

    text: str
    role: str = "text"


Row = tuple[Span, ...]
EMPTY: Row = ()


def ramp_role(fraction: float) -> str:
    """The role of a point of the ramp: 0 is its dark end, 1 its bright end."""
    step = int(max(0.0, min(1.0, fraction)) * (RAMP_STEPS - 1) + 0.5)
    return f"ramp-{step}"


def append(spans: list[Span], text: str, role: str) -> None:
    """Add text to a row under construction; neighbours of one role become one span."""
    if spans and spans[-1].role == role:
        spans[-1] = Span(spans[-1].text + text, role)
    else:
        spans.append(Span(text, role))


def row_width(row: Row) -> int:
    return sum(cell_len(span.text) for span in row)


def fit(row: Row, width: int, tail: str = "…") -> Row:
    """The row in at most `width` cells; only the span that does not fit is cut."""
    kept: list[Span] = []
    left = width
    for index, span in enumerate(row):
        size = cell_len(span.text)
        if size > left or (size == left and _more_text(row[index + 1 :])):
            cut = crop(span.text + " " * (size == left), left, tail)
            if cut:
                kept.append(Span(cut, span.role))
            break
        kept.append(span)
        left -= size
    return tuple(kept)


def _more_text(rest: Row) -> bool:
    return any(span.text.strip() for span in rest)


def pad(row: Row, width: int, role: str = "text") -> Row:
    """The row in exactly `width` cells, in as few spans as possible."""
    row = fit(row, width)
    missing = width - row_width(row)
    return compact((*row, Span(" " * missing, role)) if missing > 0 else row)


def compact(row: Row) -> Row:
    """Neighbours of one role as one span. A blank shows only its ground, so blanks on the plain
    ground join whatever precedes them on the same ground."""
    spans: list[Span] = []
    for span in row:
        if not span.text:
            continue
        role = span.role
        if spans and role != spans[-1].role and _plain_blank(span) and not _tinted(spans[-1].role):
            role = spans[-1].role
        append(spans, span.text, role)
    return tuple(spans)


def _plain_blank(span: Span) -> bool:
    return not _tinted(span.role) and span.text.isspace()


def _tinted(role: str) -> bool:
    """Roles that bring a ground of their own: the band of the chart, the pixels of a picture."""
    return role.endswith("-band") or role.startswith("#")


def ends(left: Row, right: Row, width: int, fill: Span | None = None) -> Row:
    """`left` and `right` at the two ends; `right` is dropped first, completely."""
    fill = fill or Span(" ", "text")
    room = width - row_width(left) - row_width(right)
    if room < 1:
        return fit(left, width)
    return (*left, Span(fill.text * room, fill.role), *right)


def cell(text: str, width: int, role: str = "text", align: str = "left", tail: str = "…") -> Span:
    """A table cell of exactly `width` cells."""
    text = crop(text, width, tail)
    gap = " " * (width - cell_len(text))
    if align == "right":
        return Span(gap + text, role)
    return Span(text + gap, role)


def labelled(label: str, text: str, size: int, width: int, role: str = "text") -> list[Row]:
    """A label in `size` cells with its text beside it, on as many rows as the text needs."""
    rows: list[Row] = []
    for line in wrap(text, max(12, width - size - 1)):
        rows.append(fit((cell(label, size, "dim"), Span(line.strip(), role)), width))
        label = ""
    return rows


def first_shown(before: int, cursor: int, room: int, total: int) -> int:
    """The first of `total` rows, or columns, in a window of `room`: it moves from `before` only as far as the
    cursor needs."""
    first = max(0, min(before, cursor, total - room))
    return max(first, cursor - room + 1)


def plain(row: Row) -> str:
    """The row's text alone; for tests and for copying."""
    return "".join(span.text for span in row)


def slice_row(row: Row, start: int, stop: int) -> Row:
    """The cells `start` to `stop` of a row."""
    out: list[Span] = []
    x = 0
    for span in row:
        size = cell_len(span.text)
        if x + size > start and x < stop:
            skip = len(take_cells(span.text, max(0, start - x)))
            text = take_cells(span.text[skip:], stop - max(start, x))
            if text:
                out.append(Span(text, span.role))
        x += size
    return tuple(out)


def changed_extent(old: Row, new: Row) -> int:
    """Cells from the left edge up to the last one that differs: what must be sent again.

    Textual crops a dirty line on its right side only (`ChopsUpdate.render_segments`, 8.2), so the
    left edge of a change would gain nothing.
    """
    if old == new:
        return 0
    common = 0
    for a, b in zip(reversed(old), reversed(new), strict=False):
        if a != b:
            common += _common_tail(a, b)
            break
        common += cell_len(a.text)
    return max(row_width(old), row_width(new)) - common if row_width(old) == row_width(new) else -1


def _common_tail(a: Span, b: Span) -> int:
    if a.role != b.role:
        return 0
    count = 0
    for x, y in zip(reversed(a.text), reversed(b.text), strict=False):
        if x != y:
            break
        count += cell_len(x)
    return count
