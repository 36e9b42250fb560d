"""The command palette, made from the table of keys: what a key can do now, a word can too."""

from __future__ import annotations

from functools import partial

from textual.command import DiscoveryHit, Hit, Hits, Provider

from tui.keys import KEYS, Key

#: keys that make no sense as a command, because the palette itself has the focus
_NOT_COMMANDS = {"Moving"}


class PlasmaCommands(Provider):
    """Searches labels and tooltips."""

    def _keys(self) -> list[Key]:
        return [
            key
            for key in KEYS
            if key.worth > 0
            and key.group not in _NOT_COMMANDS
            and key.where in ("app", getattr(self.screen, "WHERE", "app"))
            and self._possible(key)
        ]

    def _possible(self, key: Key) -> bool:
        if key.action.startswith("app."):
            return True
        return bool(self.screen.check_action(key.action, ()))

    async def discover(self) -> Hits:
        for key in self._keys():
            yield DiscoveryHit(
                f"{key.label} ({key.display})", partial(self._run, key.action), help=key.tooltip
            )

    async def search(self, query: str) -> Hits:
        matcher = self.matcher(query)
        for key in self._keys():
            score = matcher.match(f"{key.label} {key.tooltip}")
            if score > 0:
                yield Hit(
                    score,
                    matcher.highlight(f"{key.label} ({key.display})"),
                    partial(self._run, key.action),
                    help=key.tooltip,
                )

    async def _run(self, action: str) -> None:
        await self.screen.run_action(action)
