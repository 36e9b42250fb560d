"""The footer: keys that do something now, the most useful ones where room is scarce."""

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


class FooterKey(NamedTuple):
    """`action` is what a click on it runs."""

    key: str
    label: str
    action: str
    worth: int

    @property
    def width(self) -> int:
        return len(self.key) + 1 + len(self.label) + len(GAP)


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
        if key.width <= left:
            kept.append(key)
            left -= key.width
    return [key for key in keys if key in kept]


def footer_row(keys: Sequence[FooterKey], width: int) -> Row:
    spans = [Span(" ")]
    for key in chosen_keys(keys, width):
        spans += [Span(key.key, "key"), Span(f" {key.label}{GAP}", "dim")]
    return tuple(spans)


def key_at(keys: Sequence[FooterKey], width: int, x: int) -> FooterKey | None:
    """The key drawn at column `x`."""
    at = 1
    for key in chosen_keys(keys, width):
        if at <= x < at + key.width:
            return key
        at += key.width
    return None


class KeyFooter(Painted):
    GROUND = "surface"

    model: reactive[tuple[FooterKey, ...]] = reactive((), layout=False, repaint=False)

    def watch_model(self) -> None:
        self.repaint()

    def draw(self, width: int, height: int) -> Sequence[Row]:
        return (footer_row(self.model, width),)

    async def on_click(self, event: events.Click) -> None:
        key = key_at(self.model, self.content_size.width, event.x)
        if key is not None and key.action:
            await self.screen.run_action(key.action)
