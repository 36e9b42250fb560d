"""A full screen with a title line over a rule, one line for notices, a body, and the footer."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from textual.app import ComposeResult
from textual.widget import Widget

from tui.kit import glyphs
from tui.kit.footer import KeyFooter
from tui.kit.notice import NoticeLine, SpeakingScreen
from tui.kit.paint import Row, Span, ends, ramp_role
from tui.kit.painted import Lines

WORDMARK = "plasma"


def wordmark() -> Row:
    """The name in its own colours, dark to bright."""
    last = len(WORDMARK) - 1
    return tuple(Span(c, ramp_role(0.1 + 0.9 * i / last)) for i, c in enumerate(WORDMARK))


class FramedScreen(SpeakingScreen):
    """Subclasses give `heading()` and `body()`; `repaint_heading()` after a change of it."""

    def heading(self, width: int) -> tuple[Row, Row]:
        """What follows the wordmark, and the right end of the line."""
        raise NotImplementedError

    def rule(self, width: int) -> Row:
        """The line under the title."""
        return (Span(glyphs.RULE * width, "faint"),)

    def body(self) -> Iterable[Widget]:
        raise NotImplementedError

    def compose(self) -> ComposeResult:
        yield Lines(self._top, id="top")
        yield NoticeLine(id="notice")
        yield from self.body()
        yield KeyFooter(id="footer")

    def _top(self, width: int, height: int) -> Sequence[Row]:
        left, right = self.heading(width)
        head: Row = (Span(" "), *wordmark(), Span("  "), *left)
        return (ends(head, right, width), self.rule(width))

    def repaint_heading(self) -> None:
        self.query_one("#top", Lines).repaint()
