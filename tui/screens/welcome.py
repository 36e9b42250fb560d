"""The first screen where there is no plasma.toml: what can be done here."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import ClassVar

from tui.keys import bindings, footer_keys
from tui.render.footer import FooterKey
from tui.render.gauge import ramp_bar
from tui.render.header import wordmark
from tui.render.paint import EMPTY, Row, Span
from tui.screens.runs import RunsScreen
from tui.text import clean, crop, crop_start
from tui.widgets.run_list import RunList


class WelcomeScreen(RunsScreen):
    """The list of runs under a few words; letters are commands here, not a filter."""

    WHERE = "welcome"
    TYPING = False
    BINDINGS: ClassVar = [*bindings("welcome"), *bindings("runs")]

    def _top(self, width: int, height: int) -> Sequence[Row]:
        inner = max(10, width - 4)
        folder = crop_start(clean(str(Path.cwd())), max(10, inner - 24))
        rows: list[Row] = [
            EMPTY,
            (Span("  "), *wordmark(), Span("  runs, watches and judges LoRA trainings", "dim")),
            (Span("  "), *ramp_bar(1.0, min(48, inner))),
            EMPTY,
            (Span("  "), Span(crop(f"No plasma.toml in {folder}.", inner))),
            (
                Span("  "),
                Span("d", "key"),
                Span(crop("  trains a small LoRA here, now: about a minute, no GPU needed", inner)),
            ),
            EMPTY,
            (Span("  "), Span("Runs of this machine", "title")),
        ]
        return rows if height >= len(rows) else [row for row in rows if row != EMPTY]

    def _footer(self) -> tuple[FooterKey, ...]:
        return tuple(
            FooterKey(key.display, key.label, key.action, key.worth)
            for key in footer_keys("welcome", "runs", "app")
            if key.id != "runs.back"
        )

    def action_demo(self) -> None:
        if self.plasma.read_only:
            self.say("This screen is read-only.", "dim", 4.0)
            return
        self.say("The demo is being prepared.", "dim", None)
        self.plasma.give("demo", self.plasma.actions.start_demo)

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        return None if action == "open" and not self.query_one(RunList).model else True
