"""Rows of a question: what is told before it is answered."""

from __future__ import annotations

from rich.cells import cell_len

from tui.render import glyphs
from tui.render.paint import EMPTY, Row, Span, cell
from tui.text import crop, wrap
from tui.viewmodel.stopping import Question

#: the longest name of a setting that the others line up with
NAME = 34


def told_rows(question: Question, width: int) -> list[Row]:
    """Facts, settings that differ, warnings, the command, with blank lines between the groups."""
    groups = [
        _plain(question.facts, width, "text"),
        _changes(question.changes, width),
        [row for text in question.warnings for row in _marked(text, width)],
        _command(question.command, width),
    ]
    rows: list[Row] = []
    for group in filter(None, groups):
        if rows:
            rows.append(EMPTY)
        rows += group
    return rows


def _plain(texts: tuple[str, ...], width: int, role: str, indent: str = "") -> list[Row]:
    return [(Span("  "), Span(line, role)) for text in texts for line in wrap(text, width, indent)]


def _marked(text: str, width: int) -> list[Row]:
    return _plain((f"{glyphs.WARN} {text}",), width, "warn", "  ")


def _changes(changes: tuple[tuple[str, str], ...], width: int) -> list[Row]:
    """A line each; a value that is too long for its line goes on below it."""
    if not changes:
        return []
    longest = min(NAME, max(len(name) for name, _ in changes))
    rows: list[Row] = []
    for name, text in changes:
        room = width - longest - 2
        if len(name) > longest or cell_len(text) > room:
            rows.append((Span("  "), Span(crop(name, width), "strong")))
            rows += _plain((f"  {text}",), width, "text", "  ")
            continue
        rows.append((Span("  "), cell(name, longest, "strong"), Span("  "), Span(text)))
    return rows


def _command(command: str, width: int) -> list[Row]:
    return _plain((f"$ {command}",), width, "dim", "  ") if command else []
