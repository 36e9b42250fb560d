"""The checkpoint under the cursor in full: facts, and the norms of its blocks as bars."""

from __future__ import annotations

from rich.cells import cell_len

from tui.render import glyphs
from tui.render.gauge import ramp_bar
from tui.render.paint import EMPTY, Row, Span, cell, fit, pad
from tui.text import crop, wrap
from tui.viewmodel.checkpoint_detail import BlockLine, CheckpointDetail

LABEL = 10
#: colours of a bar: few, each costs bytes
BAR_LEVELS = 6
#: cells of one block's line; two stand side by side where there is room
BLOCK = 62


def detail_rows(detail: CheckpointDetail, width: int) -> list[Row]:
    """All of it, with the rule that parts it from the table."""
    title = f" {crop(detail.title, width - 4)} "
    rest = glyphs.RULE * max(0, width - 1 - cell_len(title))
    rows: list[Row] = [(Span(glyphs.RULE, "faint"), Span(title, "strong"), Span(rest, "faint"))]
    for fact in detail.facts:
        label = f" {fact.label}"
        for line in wrap(fact.text, max(12, width - LABEL - 1)):
            rows.append((cell(label, LABEL, "dim"), Span(line.strip(), fact.role)))
            label = ""
    if detail.blocks:
        rows += [EMPTY, *_blocks(detail.blocks, width)]
    return [fit(row, width) for row in rows]


def _blocks(blocks: tuple[BlockLine, ...], width: int) -> list[Row]:
    across = 2 if width >= 2 * BLOCK and len(blocks) > 4 else 1
    size = width // across
    lines = [_head(size), *(_block(one, size) for one in blocks)]
    if across == 1:
        return lines
    half = (len(blocks) + 1) // 2
    left, right = lines[: half + 1], [lines[0], *lines[half + 1 :]]
    right += [EMPTY] * (len(left) - len(right))
    return [(*pad(a, size), *b) for a, b in zip(left, right, strict=True)]


def _name_width(width: int) -> int:
    return max(12, min(30, width - 46))


def _head(width: int) -> Row:
    name = _name_width(width)
    return (
        cell(" block", name + 1, "dim"),
        cell("mean", 8, "dim", "right"),
        cell("largest", 9, "dim", "right"),
        cell("change", 9, "dim", "right"),
    )


def _block(line: BlockLine, width: int) -> Row:
    name = _name_width(width)
    bar = max(0, min(24, width - name - 1 - 26 - 3))
    return (
        Span(" "),
        cell(line.name, name),
        cell(line.mean, 8, "text", "right"),
        cell(line.largest, 9, "dim", "right"),
        cell(line.change, 9, "dim", "right"),
        Span("  "),
        *ramp_bar(line.share, bar, BAR_LEVELS),
    )
