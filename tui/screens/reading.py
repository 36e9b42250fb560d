"""A screen that reads in a thread, as often as there may be something new."""

from __future__ import annotations

from typing import Generic, TypeVar

from tui.asking import ask
from tui.kit.framed import FramedScreen
from tui.text import capital

T = TypeVar("T")


class ReadingScreen(FramedScreen, Generic[T]):
    """Subclasses give `_read`, called in the thread, and `_take`, for what it returned."""

    _reading = False

    def _read(self) -> T:
        raise NotImplementedError

    def _take(self, found: T) -> None:
        raise NotImplementedError

    def _read_again(self) -> None:
        """One thread at a time: a reader cannot serve two."""
        if self.is_current and not self._reading:
            self._reading = True
            ask(self, self._read, self._was_read, self._not_read)

    def _was_read(self, found: T) -> None:
        self._reading = False
        self._take(found)

    def _not_read(self, problem: str) -> None:
        self._reading = False
        self.say(capital(problem), "bad")
