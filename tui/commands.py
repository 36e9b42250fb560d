"""The command palette: what keys do now, runs to open, and themes with a preview."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from functools import partial
from typing import TYPE_CHECKING, Any, cast

from textual.command import Command, CommandPalette, DiscoveryHit, Hit, Hits, Provider

from tui.key import MOVE, applies, keys_of

if TYPE_CHECKING:
    from runner.model import RunListing
    from tui.app import PlasmaApp

#: pointless in the palette, which covers the screen
_NO_COMMANDS = {"back", "app.command_palette", "app.interrupt"}
#: runs that are offered before anything is typed
NEWEST = 5
#: what is shown, and what it does
Offer = tuple[str, Callable[[], Any]]


class PlasmaCommands(Provider):
    """One line each: the palette covers the screen, and few lines fit."""

    _runs: tuple[RunListing, ...] = ()

    @property
    def plasma(self) -> PlasmaApp:
        return cast("PlasmaApp", self.app)

    async def startup(self) -> None:
        try:
            self._runs = tuple(await asyncio.to_thread(self.plasma.backend.list_runs))
        except Exception:  # border: without runs the palette has its other commands
            self._runs = ()

    async def discover(self) -> Hits:
        ours = [one for one in self._of_themes() if "plasma" in one[0]]
        for title, command in (*self._of_keys(), *self._of_runs(NEWEST), *ours):
            yield DiscoveryHit(title, command)

    async def search(self, query: str) -> Hits:
        matcher = self.matcher(query)
        for title, command in (*self._of_keys(), *self._of_runs(), *self._of_themes()):
            score = matcher.match(title)
            if score > 0:
                yield Hit(score, matcher.highlight(title), command)

    def _of_keys(self) -> Iterator[Offer]:
        for key in keys_of(self.screen):
            if key.part != MOVE and key.action not in _NO_COMMANDS and applies(self.screen, key):
                yield f"{key.tooltip} ({key.shown})", partial(self.screen.run_action, key.action)

    def _of_runs(self, most: int | None = None) -> Iterator[Offer]:
        from tui.words.runs import name_of, short_id, when
        from tui.words.state import label_of

        app = self.plasma
        for run in self._runs[:most]:
            state = label_of(run.state, run.outcome).word
            facts = f"{short_id(run.id)}, {state}, {when(run.created_at, app.clock())}"
            yield f"Open {name_of(run)} ({facts})", partial(app.navigator.open_listed, run.id)

    def _of_themes(self) -> Iterator[Offer]:
        for name in sorted(
            self.app.available_themes, key=lambda name: (name[:6] != "plasma", name)
        ):
            yield f"Theme {name}", ThemeChoice(self.plasma, name)


class ThemeChoice:
    """The command of a theme; the palette shows the theme while the cursor is on it."""

    def __init__(self, app: PlasmaApp, name: str) -> None:
        self.app, self.name = app, name

    def __call__(self) -> None:
        self.app.theme = self.name


def theme_under_cursor(event: CommandPalette.OptionHighlighted) -> str | None:
    """The theme that the palette's cursor is on."""
    option = event.highlighted_event.option
    command = option.hit.command if isinstance(option, Command) else None
    return command.name if isinstance(command, ThemeChoice) else None
