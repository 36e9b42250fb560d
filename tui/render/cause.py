"""Rows of the cause card."""

from __future__ import annotations

from tui.render import glyphs
from tui.render.paint import EMPTY, Row, Span, fit
from tui.text import wrap
from tui.viewmodel.cause import CauseCard


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
