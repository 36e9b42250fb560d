"""The comparison as a list: a row for each run with what differs, the best first and the advice above it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from textual import events
from textual.message import Message

from runner.history.compare_runs import RunColumn, best_words, run_columns
from runner.model.units import count
from tui.kit import glyphs
from tui.kit.paint import Row, Span, cell, first_shown
from tui.kit.panel import Panel
from tui.panels.compare_chart import Overlay
from tui.text import clean, wrap
from tui.words.state import label_of
from tui.words.table import Column, fit_columns

#: cells that a setting, or a name, may be narrowed to
LEAST_SETTING, LEAST_NAME = 4, 12
#: cells before the first column: the cursor
LEAD = 1
#: lines above the runs at most, as long as as many runs are in sight
MOST_WORDS = 3


def list_columns(overlay: Overlay) -> tuple[RunColumn, ...]:
    """Places and states as the screen shows them."""
    runs, best, found = overlay.made.runs, overlay.made.best, []
    # within the noise of the first
    marks = {at: "=" for at, one in overlay.made.ranking if one.place == 1}
    if best is not None:
        marks[best] = glyphs.BEST
    for column in run_columns(overlay.made):
        values = tuple(clean(value, 80) for value in column.values)
        if column.head == "place":
            values = tuple(marks.get(at, value) for at, value in enumerate(values))
        elif column.head == "state":
            labels = [label_of(run.state, run.outcome) for run in runs]
            percents = (
                value.partition(" ")[2] if run.live else ""
                for run, value in zip(runs, values, strict=True)
            )
            values = tuple(
                f"{label.shape} {label.word} {percent}".rstrip()
                for label, percent in zip(labels, percents, strict=True)
            )
        found.append(replace(column, values=values))
    return tuple(found)


def list_rows(overlay: Overlay, width: int) -> list[Row]:
    """The head, then the runs in their order."""
    made, columns = overlay.made, list_columns(overlay)
    table = [[column.values[at] for column in columns] for at in overlay.order]
    named = None if made.group else LEAST_NAME  # what differs in a group is in the other columns
    for narrow in (False, True):
        heads = [_head(column, narrow) for column in columns]
        kept = fit_columns(
            [
                Column(head, one.rank, _least(one, named), one.right)
                for head, one in zip(heads, columns, strict=True)
            ],
            table,
            width - LEAD,
        )
        if all(
            heads[i] == _head(columns[i], True) or size >= len(heads[i]) for i, size in kept.items()
        ):
            break
    rows: list[Row] = [_row(heads, columns, kept, ["dim"] * len(columns), False)]
    for at, texts in zip(overlay.order, table, strict=True):
        run, chosen = made.runs[at], at == overlay.chosen
        state = label_of(run.state, run.outcome).role
        plain = "strong" if chosen else "text"
        letter = "faint" if at in overlay.unseen else overlay.role(at)
        own = {"place": "good", "": letter, "state": state, "name": "dim"}
        roles = [own.get(column.head, plain) for column in columns]
        rows.append(_row(texts, columns, kept, roles, chosen))
    return rows


def _head(column: RunColumn, narrow: bool) -> str:
    if column.head == "place":
        return ""
    return clean((narrow and column.short) or column.head, 40)


def _least(column: RunColumn, named: int | None) -> int | None:
    if column.setting:
        return LEAST_SETTING
    return named if column.head == "name" else None


def _row(
    texts: Sequence[str],
    columns: Sequence[RunColumn],
    kept: dict[int, int],
    roles: Sequence[str],
    chosen: bool,
) -> Row:
    spans = [Span(glyphs.CURSOR if chosen else " ", "accent")]
    for number, (i, size) in enumerate(kept.items()):
        align = "right" if columns[i].right else "left"
        spans += [Span("  " if number else ""), cell(texts[i], size, roles[i], align)]
    return tuple(spans)


class RunListPanel(Panel):
    """`show` gives it the runs; the chosen one is always in sight."""

    TITLE = "Runs"

    class Pointed(Message):
        """A run was clicked."""

        def __init__(self, index: int) -> None:
            super().__init__()
            self.index = index

    def __init__(self, *, id: str | None = None) -> None:
        super().__init__(id=id)
        self._overlay = Overlay()
        self._top = self._above = 0

    def show(self, overlay: Overlay) -> None:
        self._overlay = overlay
        self.repaint()

    def note(self) -> Row:
        differ = len(self._overlay.made.differing)
        return (Span(f"{count(differ, 'setting')} differ{'s' if differ == 1 else ''}", "dim"),)

    def content(self, width: int, height: int) -> Sequence[Row]:
        overlay = self._overlay
        if not overlay.made.runs or height < 1:
            return ()
        head, *rows = list_rows(overlay, width)
        fits = height - 1 - len(rows) >= MOST_WORDS
        words = self._words(width, MOST_WORDS if fits else 2 if height > 7 else height // 4)
        body = max(1, height - 1 - len(words))
        at = overlay.order.index(overlay.chosen)
        self._above = len(words) + 2
        self._top = first_shown(self._top, at, body, len(rows))
        return (*words, head, *rows[self._top : self._top + body])

    def _words(self, width: int, most: int) -> list[Row]:
        """Which run is ahead and why; else why none is."""
        made = self._overlay.made
        texts = [(text, "good" if not at else "dim") for at, text in enumerate(best_words(made))]
        texts += [(text, "warn") for text in made.remarks]
        lines: list[Row] = []
        for text, role in texts:
            found = wrap(clean(text, 400), max(8, width - 2), "  ")
            if not lines or len(lines) + len(found) <= most:  # complete sentences only
                lines += [(Span(" "), Span(line, role)) for line in found]
        return lines[:most]

    def on_click(self, event: events.Click) -> None:
        order = self._overlay.order
        row = self._top + event.y - self._above
        if event.y >= self._above and row < len(order):
            self.post_message(self.Pointed(order[row]))
