"""The parts of `show` that come from the review: points, epochs, the plot of the loss."""

from __future__ import annotations

import os
import shutil
import sys
import textwrap
from collections.abc import Iterator, Sequence

from runner.config.hiding import scrubbed
from runner.history.review.checklist import checklist
from runner.history.review.model import Review
from runner.history.review.sections import epoch_table, loss_plot
from runner.model import OVER
from tui.cli.common import MARKS
from tui.text import clean
from tui.words.table import Column, table_lines

#: a wider plot shows no more
WIDEST = 120
LEAST_WIDTH, LEAST_HEIGHT = 40, 8
LEAST_NAME = 18
#: more epochs than that are thinned to the first ones and the last
EPOCHS = 24


def point_lines(review: Review) -> Iterator[str]:
    """The points of the checklist, each with its evidence; while it runs without those still open."""
    live = review.snapshot.state not in OVER
    width = shutil.get_terminal_size((80, 24)).columns - 1 if sys.stdout.isatty() else 0
    for point in scrubbed(checklist(review), review.secrets):
        if live and point.status == "skip":
            continue
        line = f"  {MARKS[point.status]} {clean(point.title)}: {clean(point.evidence, 1000)}"
        if width < LEAST_WIDTH:
            yield line
            continue
        yield from textwrap.wrap(
            line, width, subsequent_indent="      ", break_long_words=False, break_on_hyphens=False
        )


def epoch_cells(review: Review) -> tuple[list[str], list[list[str]]]:
    """(heads, rows); no rows if no epoch is known."""
    table = epoch_table(review)
    rows = [list(row) for row in table.rows]
    if len(rows) > EPOCHS:
        gap = ["..."] + [""] * (len(table.heads) - 1)
        rows = [*rows[: EPOCHS // 2], gap, *rows[-EPOCHS // 2 :]]
    return list(table.heads), rows


def table(heads: Sequence[str], rows: Sequence[Sequence[str]]) -> list[str]:
    """Without empty columns; on a narrow terminal the names in the first column keep their ends, where
    they differ."""
    name, *more = heads
    columns = [Column(name, least=LEAST_NAME, keep_end=True), *map(Column, more)]
    width = shutil.get_terminal_size((80, 24)).columns - 1 if sys.stdout.isatty() else None
    return table_lines(columns, rows, width)


def plot_text(review: Review) -> str:
    """The loss over the steps, as wide as the terminal; "" if there is nothing to draw."""
    size = shutil.get_terminal_size((80, 24))
    width = max(LEAST_WIDTH, min(WIDEST, size.columns - 1))
    height = max(LEAST_HEIGHT, min(18, size.lines - 8))
    plain = "utf" not in (sys.stdout.encoding or "").lower() or os.environ.get("TERM") == "linux"
    return loss_plot(review, width=width, height=height, ascii_only=plain)
