"""The first screen where there is no plasma.toml: what can be done here."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar

from tui.asking import ask
from tui.key import RUN, Key
from tui.kit.chart import ramp_bar
from tui.kit.footer import FooterKey, footer_of
from tui.kit.framed import wordmark
from tui.kit.paint import EMPTY, Row, Span
from tui.kit.painted import Lines
from tui.screens.run_list import RunList
from tui.screens.runs import KEYS as RUNS_KEYS
from tui.screens.runs import RunsScreen
from tui.text import clean, crop, crop_start

if TYPE_CHECKING:
    from runner.trainers.sd_scripts.importers.find import Found

KEYS = (
    Key("d", "demo", RUN, "Train a small LoRA now, on this machine", "demo", 90),
    Key("n", "new_project", RUN, "Write a plasma.toml from what is on this machine", "set up", 88),
    Key("i", "import_project", RUN, "Write a plasma.toml from a script or config", "import", 87),
)


def found_here(found: Found) -> str:
    """What a new plasma.toml could use, in a few words."""
    counts = (
        (len(found.sd_scripts), "sd-scripts", "sd-scripts"),
        (len(found.pythons), "python", "pythons"),
        (len(found.models), "model", "models"),
    )
    parts = [f"{number} {one if number == 1 else many}" for number, one, many in counts if number]
    return f"found: {', '.join(parts)}" if parts else "nothing found on this machine"


class WelcomeScreen(RunsScreen):
    """The list of runs under a few words."""

    BINDINGS: ClassVar = [*KEYS, *RUNS_KEYS]

    def __init__(self) -> None:
        super().__init__()
        self._found = "looking at this machine"

    def on_mount(self) -> None:
        find = self.plasma.backend.find
        ask(self, lambda: found_here(find(Path.cwd())), self._tell_found, self._tell_found)

    def _tell_found(self, text: str) -> None:
        self._found = text
        self.query_one("#top", Lines).repaint()

    def _top(self, width: int, height: int) -> Sequence[Row]:
        inner = max(10, width - 4)
        folder = crop_start(clean(str(Path.cwd())), max(10, inner - 24))

        def key(letter: str, text: str) -> Row:
            return (Span("  "), Span(letter, "key"), Span(crop(f"  {text}", inner)))

        rows: list[Row] = [
            EMPTY,
            (Span("  "), *wordmark(), Span("  runs, watches and judges LoRA trainings", "dim")),
            (Span("  "), *ramp_bar(1.0, min(48, inner))),
            EMPTY,
            (Span("  "), Span(crop(f"No plasma.toml in {folder}.", inner))),
            key("n", f"sets one up here ({self._found})"),
            key("i", "imports a script, a kohya_ss JSON or an sd-scripts TOML"),
            key("d", "trains a small LoRA here, now: about a minute, no GPU needed"),
            EMPTY,
            (Span("  "), Span("Runs of this machine", "title"), Span("  / filters them", "dim")),
        ]
        return rows if height >= len(rows) else [row for row in rows if row != EMPTY]

    def _footer(self) -> tuple[FooterKey, ...]:
        return tuple(key for key in footer_of(self) if key.key != "esc")

    def action_new_project(self) -> None:
        self._set_up(importing=False)

    def action_import_project(self) -> None:
        self._set_up(importing=True)

    def _set_up(self, *, importing: bool) -> None:
        from tui.screens.project import ProjectScreen

        if self.plasma.read_only:
            self.say("This screen is read-only.", "dim", 4.0)
            return
        self.app.push_screen(ProjectScreen(Path.cwd(), importing=importing))

    def action_demo(self) -> None:
        if self.plasma.read_only:
            self.say("This screen is read-only.", "dim", 4.0)
            return
        self.say("The demo is being prepared.", "dim", None)
        self.plasma.orders.give("demo", self.plasma.backend.start_demo)

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        return None if action == "open" and not self.query_one(RunList).lines else True
