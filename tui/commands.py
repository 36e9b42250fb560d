"""The command palette, made from the table of keys: what a key can do now, a word can too."""

from __future__ import annotations

from functools import partial

from textual.command import DiscoveryHit, Hit, Hits, Provider

from tui.key import MOVE, Key, applies, keys_of


class PlasmaCommands(Provider):
    """Searches labels and tooltips."""

    def _keys(self) -> list[Key]:
        return [
            key
            for key in keys_of(self.screen)
            # moving is pointless where the palette has the focus
            if key.worth > 0 and key.part != MOVE and applies(self.screen, key)
        ]

    async def discover(self) -> Hits:
        for key in self._keys():
            yield DiscoveryHit(
                f"{key.label} ({key.shown})", partial(self._run, key.action), help=key.tooltip
            )

    async def search(self, query: str) -> Hits:
        matcher = self.matcher(query)
        for key in self._keys():
            score = matcher.match(f"{key.label} {key.tooltip}")
            if score > 0:
                yield Hit(
                    score,
                    matcher.highlight(f"{key.label} ({key.shown})"),
                    partial(self._run, key.action),
                    help=key.tooltip,
                )

    async def _run(self, action: str) -> None:
        await self.screen.run_action(action)
