"""Why a run ended, with evidence and advice."""

from __future__ import annotations

from collections.abc import Sequence

from textual.reactive import reactive

from tui.kit import glyphs
from tui.kit.paint import EMPTY, Row, Span, fit
from tui.kit.panel import ScrollingPanel
from tui.text import wrap
from tui.words.cause import CauseCard

# ---------------------------------------------------------------------------
# Rows of the cause card.


def cause_rows(card: CauseCard, width: int, can_retry: bool) -> list[Row]:
    """All of it. `can_retry`: the key does something now."""
    room = max(8, width - 2)

    def lines(text: str, role: str, indent: str = "") -> list[Row]:
        return [(Span(" "), Span(line, role)) for line in wrap(text, room, indent)] if text else []

    rows = [*lines(f"{glyphs.NO} {card.title}", "bad", "  ")]
    if card.evidence:
        rows += [EMPTY, *lines(card.evidence, "text")]
    if card.resume_step:
        resume = f" resume from step {card.resume_step}"
        rows += [EMPTY, (Span(" "), Span("r", "key"), Span(resume, "strong"))]
    if card.changes:
        key: Row = (Span(" "), Span("y", "key"), Span(" retry with", "dim"))
        rows += [EMPTY, key if card.curable and can_retry else (Span(" What may help:", "dim"),)]
        for change in card.changes:
            rows += lines(f"  {change}", "strong", "    ")
    if card.advice:
        rows += [EMPTY, *lines(card.advice, "accent")]
    return [fit(row, width) for row in rows]


# ---------------------------------------------------------------------------
# Why the run has ended, in the place of what is worth less then.


class CausePanel(ScrollingPanel):
    TITLE = "Cause"
    FOLLOWS = False

    model: reactive[CauseCard | None] = reactive(None, layout=False, repaint=False)
    #: does the key try it again now?
    can_retry: reactive[bool] = reactive(False, layout=False, repaint=False)

    def watch_model(self) -> None:
        self.repaint()

    def watch_can_retry(self) -> None:
        self.repaint()

    def rows_wanted(self, width: int) -> int:
        """Rows of the whole panel that hold all of it."""
        return 1 + len(cause_rows(self.model, width, self.can_retry)) if self.model else 1

    def content(self, width: int, height: int) -> Sequence[Row]:
        if self.model is None:
            return ()
        rows = cause_rows(self.model, width, self.can_retry)
        if len(rows) <= height:
            self.window(len(rows), height, 0)
            return rows
        room = height - 1
        top = self.window(len(rows), room, 0)
        hidden = len(rows) - top - room
        said = f" … {hidden} more" if hidden else " … the end"
        return [*rows[top : top + room], (Span(said, "dim"),)]
