"""One key of a screen: what it does, and the words of footer, help, palette and docs/screens.md.

Each screen has its table `KEYS` at the top of its module and passes it to Textual as `BINDINGS`; the app's own
keys are in tui/app.py. What is shown of a screen's keys is read from there.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from textual.actions import parse
from textual.binding import Binding

if TYPE_CHECKING:
    from textual.screen import Screen

#: parts of the help, in its order
RUN, VIEW, MOVE, QUIT = "Run", "View", "Move", "Quit"
PARTS = (RUN, VIEW, MOVE, QUIT)
_SHORT = {
    "question_mark": "?",
    "escape": "esc",
    "slash": "/",
    "plus": "+",
    "minus": "-",
    "pageup": "pgup",
    "pagedown": "pgdn",
}


class Key(Binding):
    """`worth`: the footer drops the smallest first; without one the key is never in the footer. `shown`: the
    key's name there, if not its first one."""

    part: str
    worth: int

    def __init__(
        self,
        key: str,
        action: str,
        part: str,
        tooltip: str,
        label: str = "",
        worth: int = 0,
        *,
        shown: str = "",
        priority: bool = False,
    ) -> None:
        names = [_SHORT.get(name, name) for name in key.split(",")]
        shown = shown or (" ".join(names) if part == MOVE and not worth else names[0])
        super().__init__(key, action, label, worth > 0, shown, priority, tooltip)
        object.__setattr__(self, "part", part)
        object.__setattr__(self, "worth", worth)

    @property
    def shown(self) -> str:
        return self.key_display or self.key

    @property
    def shown_while_typing(self) -> str:
        """Its name where letters are text; empty: the key is one."""
        if not _is_text(self.key.split(",")[0]):
            return self.shown
        return next((name for name in self.key.split(",") if not _is_text(name)), "")

    @property
    def label(self) -> str:
        return self.description


def _is_text(name: str) -> bool:
    return len(name) == 1 or len(_SHORT.get(name, name)) == 1


def keys_of(screen: Screen[Any]) -> list[Key]:
    """The keys of this screen, then the app's."""
    return [one for one in (*screen.BINDINGS, *screen.app.BINDINGS) if isinstance(one, Key)]


def applies(screen: Screen[Any], key: Key) -> bool:
    """Does the key do something now?"""
    namespace, name, parameters = parse(key.action)
    return bool(namespace or screen.check_action(name, parameters))
