"""Rows of the hardware: gauges, lines in words, histories, and the sections of the zoomed panel."""

from __future__ import annotations

from collections.abc import Sequence

from rich.cells import cell_len

from tui.render import glyphs
from tui.render.gauge import ramp_bar, shared_bar
from tui.render.paint import EMPTY, Row, Span, cell, fit, pad
from tui.render.spark import PAST_BINS, blocks
from tui.text import crop, crop_parts, wrap
from tui.viewmodel.gauge_model import Gauge, Line, Section

LABEL, VALUE = 9, 8
#: colours of a bar: each costs some 40 bytes whenever its value changes
BAR_LEVELS = 6
#: from these widths on a row has a note, a longer one, and a bar before its blocks
NOTED, LONG_NOTED, TRACED = 38, 54, 80
FACT_LABEL = 11
#: from this width on the sections stand in two columns
TWO_COLUMNS = 116


def board_row(row: Gauge | Line, width: int, stale: bool) -> list[Row]:
    if isinstance(row, Line):
        return [_line_row(row, width, stale)]
    return gauge_rows(row, width, stale)


def gauge_rows(gauge: Gauge, width: int, stale: bool) -> list[Row]:
    """One row, or two where the reason for a missing value needs the room."""
    if gauge.known:
        return [_gauge_row(gauge, width, stale or gauge.stale)]
    label = Span(" " + cell(gauge.label, LABEL - 1).text)
    room = width - LABEL - 1
    if not gauge.note:
        return [(label, Span(crop(gauge.value, room), "dim"))]
    whole = f"{gauge.value}: {gauge.note}"
    if len(whole) <= room:
        return [(label, Span(whole, "dim"))]
    reason = (Span(" " * LABEL), Span(crop(gauge.note, room), "dim"))
    return [(label, Span(crop(gauge.value, room), "dim")), reason]


def _line_row(line: Line, width: int, stale: bool) -> Row:
    role = "faint" if stale or line.stale else line.role
    label = Span(" " + cell(line.label, LABEL - 1).text, "dim" if stale or line.stale else "text")
    return (label, Span(crop_parts(line.text, width - LABEL), role))


def _gauge_row(gauge: Gauge, width: int, stale: bool) -> Row:
    """Label, value, the last minutes as blocks (with a bar before them where it is wide), note. The number
    stands first: it changes more often, and a row is sent again from its left end up to what changed."""
    label = Span(" " + cell(gauge.label, LABEL - 1).text, "dim" if stale else "text")
    role = "dim" if stale else "strong" if gauge.role == "text" else gauge.role
    value = cell(gauge.value, VALUE, role, "right")
    note_role = "dim" if gauge.role == "text" or stale else gauge.role
    bar, trace, note = _widths(width)
    past = () if stale else gauge.history
    traced = any(one is not None for one in past)
    if (gauge.fraction is None and not traced) or bar < 4:
        # no whole to be a part of, or no room: words in the place of the bar
        room = width - LABEL - VALUE - 1
        return (label, value, Span(" " + crop_parts(gauge.note, room), note_role))
    spans: Row = (label, value, Span("  "))
    if trace:
        shown = (Span(" " * bar),) if gauge.fraction is None else _bar(gauge, bar, stale)
        spans = (*spans, *shown, Span("  "), *blocks(past, trace))
    else:
        spans = (*spans, *(blocks(past, bar) if traced else _bar(gauge, bar, stale)))
    if note:
        spans = (*spans, Span("  " + crop_parts(gauge.note, note - 2), note_role))
    return spans


def _widths(width: int) -> tuple[int, int, int]:
    """Of the bar, the blocks and the note. They depend on the width alone, so that nothing moves."""
    note = 0 if width < NOTED else 19 if width >= LONG_NOTED else 12
    room = width - LABEL - VALUE - 2 - note - (1 if not note else 0)
    if width < TRACED:
        return room, 0, note
    trace = min(PAST_BINS, (room - 2) * 2 // 3)
    return min(40, room - 2 - trace), trace, note


def _bar(gauge: Gauge, width: int, stale: bool) -> Row:
    if gauge.beside > 0:
        bar = shared_bar(gauge.fraction, gauge.beside, width, BAR_LEVELS)
    else:
        bar = ramp_bar(gauge.fraction, width, BAR_LEVELS)
    return tuple(Span(span.text, "faint") for span in bar) if stale else bar


# --------------------------------------------------------------------------- the zoomed panel


def section_rows(sections: Sequence[Section], width: int) -> list[Row]:
    """All sections, in two columns where there is room."""
    if width < TWO_COLUMNS or len(sections) < 2:
        return [row for one in sections for row in _section(one, width)]
    half = (width - 3) // 2
    blocks = [_section(one, half) for one in sections]
    left, right = _balanced(blocks)
    height = max(len(left), len(right))
    left, right = (side + [EMPTY] * (height - len(side)) for side in (left, right))
    return [(*pad(a, half), Span("   "), *b) for a, b in zip(left, right, strict=True)]


def _balanced(blocks: Sequence[list[Row]]) -> tuple[list[Row], list[Row]]:
    """The order is kept; the left column takes blocks until it has half of the rows."""
    total = sum(map(len, blocks))
    left: list[Row] = []
    right: list[Row] = []
    for block in blocks:
        fits = not right and (not left or len(left) + len(block) // 2 <= total // 2)
        (left if fits else right).extend(block)
    return left, right


def _section(section: Section, width: int) -> list[Row]:
    note = f" {section.note} " if section.note else ""
    title = f" {crop(section.title, max(8, width - 6 - cell_len(note)))} "
    room = width - 2 - cell_len(title) - cell_len(note)
    head: Row = (
        Span(glyphs.RULE, "faint"),
        Span(title, "strong"),
        Span(glyphs.RULE * max(1, room), "faint"),
        Span(note, "warn" if section.stale else "dim"),
        Span(glyphs.RULE if note else "", "faint"),
    )
    rows = [fit(head, width)]
    for fact in section.facts:
        label = f" {fact.label}"
        size = FACT_LABEL if fact.label else 1
        role = "faint" if section.stale and fact.role == "text" else fact.role
        for line in wrap(fact.text, max(12, width - size - 1)):
            rows.append((cell(label, size, "dim"), Span(line.strip(), role)))
            label = ""
    return [*(fit(row, width) for row in rows), EMPTY]
