"""What `show` adds to the facts of a run: its points, its epochs and the loss as a drawing."""

from __future__ import annotations

import os
import shutil
import sys
import textwrap
from collections.abc import Iterator

from runner.config.hiding import scrubbed
from runner.history.review.checklist import checklist
from runner.history.review.model import Review
from runner.history.review.sections import epoch_table, loss_plot
from tui.text import clean
from tui.verbs.common import MARKS

#: a wider plot shows no more
WIDEST = 120
LEAST_WIDTH, LEAST_HEIGHT = 40, 8
LEAST_NAME = 18
#: more epochs than that are thinned to the first ones and the last
EPOCHS = 24


def point_lines(review: Review) -> Iterator[str]:
    """The points of the checklist, each with its evidence."""
    width = shutil.get_terminal_size((80, 24)).columns - 1 if sys.stdout.isatty() else 0
    for point in scrubbed(checklist(review), review.secrets):
        line = f"  {MARKS[point.status]} {clean(point.title)}: {clean(point.evidence, 1000)}"
        if width < LEAST_WIDTH:
            yield line
            continue
        yield from textwrap.wrap(
            line, width, subsequent_indent="      ", break_long_words=False, break_on_hyphens=False
        )


def epoch_cells(review: Review) -> tuple[list[str], list[list[str]]]:
    """(heads, rows); no rows where no epoch is known."""
    table = epoch_table(review)
    rows = [list(row) for row in table.rows]
    if len(rows) > EPOCHS:
        gap = ["..."] + [""] * (len(table.heads) - 1)
        rows = [*rows[: EPOCHS // 2], gap, *rows[-EPOCHS // 2 :]]
    return list(table.heads), rows


def fitted(heads: list[str], rows: list[list[str]]) -> tuple[list[str], list[list[str]]]:
    """The same without columns that are empty; on a terminal that is too narrow, the names in the first column
    keep their ends, which tell the files apart."""
    used = [at for at in range(len(heads)) if any(row[at] for row in rows)]
    heads, rows = [heads[at] for at in used], [[row[at] for at in used] for row in rows]
    if not sys.stdout.isatty():
        return heads, rows
    widths = [max(len(row[at]) for row in [heads, *rows]) for at in range(len(heads))]
    surplus = sum(widths) + 2 * (len(widths) - 1) - shutil.get_terminal_size((80, 24)).columns + 1
    most = max(len(heads[0]), LEAST_NAME, widths[0] - surplus)
    short = [
        [name if len(name) <= most else f"…{name[1 - most :]}" for name in row[:1]] for row in rows
    ]
    return heads, [[*first, *row[1:]] for first, row in zip(short, rows, strict=True)]


def plot_text(review: Review) -> str:
    """The loss over the steps, as wide as the terminal; "" where there is nothing to draw."""
    size = shutil.get_terminal_size((80, 24))
    width = max(LEAST_WIDTH, min(WIDEST, size.columns - 1))
    height = max(LEAST_HEIGHT, min(18, size.lines - 8))
    plain = "utf" not in (sys.stdout.encoding or "").lower() or os.environ.get("TERM") == "linux"
    return loss_plot(review, width=width, height=height, ascii_only=plain)
