"""The footer: the keys that matter now, as many as fit."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import Any, NamedTuple

from textual import events
from textual.reactive import reactive
from textual.screen import Screen

from tui.key import applies, keys_of
from tui.kit.paint import Row, Span
from tui.kit.painted import Painted

# ---------------------------------------------------------------------------
# The footer: keys that do something now, the most worthy ones where room is scarce.


class FooterKey(NamedTuple):
    """`action` is what a click on it runs."""

    key: str
    label: str
    action: str
    worth: int


GAP = "  "


def footer_of(
    screen: Screen[Any], labels: Mapping[str, str] = MappingProxyType({}), *, typing: bool = False
) -> tuple[FooterKey, ...]:
    """The screen's and the app's keys that do something now. `labels`: other words, by action. `typing`:
    letters are text on this screen."""
    found: dict[str, FooterKey] = {}
    for key in keys_of(screen):
        shown = key.shown_while_typing if typing else key.shown
        if key.worth > 0 and shown and applies(screen, key):
            label = labels.get(key.action, key.label)
            # q and ctrl+q do the same: the first one that can be pressed
            found.setdefault(key.action, FooterKey(shown, label, key.action, key.worth))
    return tuple(found.values())


def chosen_keys(keys: Sequence[FooterKey], width: int) -> list[FooterKey]:
    """Those that fit into `width`, in their own order."""
    left = width - 1
    kept: list[FooterKey] = []
    # the way back from a screen is worth more than the way out of all
    for key in sorted(keys, key=lambda key: (key.key != "esc", -key.worth)):
        need = len(key.key) + 1 + len(key.label) + len(GAP)
        if need <= left:
            kept.append(key)
            left -= need
    return [key for key in keys if key in kept]


def footer_row(keys: Sequence[FooterKey], width: int, tail: str = "") -> Row:
    """Keys with their labels; `tail` at the right end where it fits."""
    spans: list[Span] = [Span(" ")]
    used = 1
    for key in chosen_keys(keys, width):
        spans += [Span(key.key, "key"), Span(f" {key.label}{GAP}", "dim")]
        used += len(key.key) + 1 + len(key.label) + len(GAP)
    if tail and used + len(tail) + 1 <= width:
        spans += [Span(" " * (width - used - len(tail) - 1)), Span(tail, "dim")]
    return tuple(spans)


def key_at(keys: Sequence[FooterKey], width: int, x: int) -> FooterKey | None:
    """The key drawn at column `x`."""
    at = 1
    for key in chosen_keys(keys, width):
        size = len(key.key) + 1 + len(key.label) + len(GAP)
        if at <= x < at + size:
            return key
        at += size
    return None


# ---------------------------------------------------------------------------
# The footer line: `check_action` decides what is in it.


class KeyFooter(Painted):
    GROUND = "surface"

    model: reactive[tuple[FooterKey, ...]] = reactive((), layout=False, repaint=False)
    tail: reactive[str] = reactive("", layout=False, repaint=False)

    def watch_model(self) -> None:
        self.repaint()

    def watch_tail(self) -> None:
        self.repaint()

    def draw(self, width: int, height: int) -> Sequence[Row]:
        return (footer_row(self.model, width, self.tail),)

    async def on_click(self, event: events.Click) -> None:
        key = key_at(self.model, self.content_size.width, event.x)
        if key is not None and key.action:
            await self.screen.run_action(key.action)
