"""One line for what just happened: an order sent, an order refused, a file that cannot be read."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import TYPE_CHECKING, cast

from rich.cells import cell_len
from textual.reactive import reactive
from textual.screen import Screen

from tui.kit import glyphs
from tui.kit.paint import Row, Span
from tui.kit.painted import Painted
from tui.text import clean, wrap

if TYPE_CHECKING:
    from tui.app import PlasmaApp

READ_ONLY = "This screen is read-only."


class NoticeLine(Painted):
    """Hidden without a message (showing and hiding is the only layout it causes)."""

    GROUND = "panel"

    text: reactive[str] = reactive("", layout=False, repaint=False)
    role: reactive[str] = reactive("text", layout=False, repaint=False)
    #: counts messages, so that a timer knows whether its own is still shown
    _generation = 0

    def say(self, text: str, role: str = "text", fade_s: float | None = None) -> None:
        """Show a sentence (it may come from outside) for `fade_s`, else until `hush`. The timer of an earlier
        message never hides this one."""
        self._generation += 1
        self.role = role
        self.text = clean(text, 600)
        self.set_class(bool(self.text), "-shown")
        self.set_class(cell_len(self.text) > self.screen.size.width - 6, "-long")
        self.repaint()
        if fade_s is not None:
            self.set_timer(fade_s, partial(self._fade, self._generation))

    def _fade(self, generation: int) -> None:
        if generation == self._generation:
            self.hush()

    def hush(self) -> None:
        if self.text:
            self.say("")

    def on_mount(self) -> None:
        """Messages from before the screen was composed."""
        if isinstance(self.screen, SpeakingScreen) and self.screen.unsaid is not None:
            self.say(*self.screen.unsaid)

    def draw(self, width: int, height: int) -> Sequence[Row]:
        mark = {"bad": f"{glyphs.NO} ", "warn": f"{glyphs.WARN} "}.get(self.role, "")
        lines = wrap(mark + self.text, max(1, width - 2), "  ")
        return [(Span(" "), Span(line, self.role)) for line in lines[:height]]


class SpeakingScreen(Screen[None]):
    """A screen with a `NoticeLine`."""

    @property
    def plasma(self) -> PlasmaApp:
        """The app, as what it is."""
        return cast("PlasmaApp", self.app)

    unsaid: tuple[str, str, float | None] | None = None

    def say(self, text: str, role: str = "text", fade_s: float | None = None) -> None:
        """One sentence until it fades, or Escape."""
        notice = next(iter(self.query(NoticeLine)), None)
        if notice is None:
            self.unsaid = (text, role, fade_s)
        else:
            notice.say(text, role, fade_s)

    def locked(self) -> bool:
        """Is nothing ordered from here? Then it says so."""
        if self.plasma.read_only:
            self.say(READ_ONLY, "dim", 4.0)
        return self.plasma.read_only

    def copy(self, path: str, fade_s: float | None = None) -> None:
        """A path to the clipboard, which is the terminal's."""
        self.app.copy_to_clipboard(clean(path))
        self.say(f"Sent to the terminal's clipboard: {path}", fade_s=fade_s)

    def why_not(self, action: str) -> str | None:
        """Why its key does nothing now, in one sentence; None: it does something, or needs no reason."""
        return None

    def hush(self) -> None:
        """Clear the line."""
        for notice in self.query(NoticeLine):
            notice.hush()


def take_back(screens: Sequence[Screen[object]], said: str) -> None:
    """Remove this sentence from every screen that still shows it; nothing else."""
    for notice in (one for screen in screens for one in screen.query(NoticeLine)):
        if said and notice.text == said:
            notice.hush()
