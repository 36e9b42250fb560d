"""The first screen where there is no plasma.toml: what to do first, and the runs of this machine."""

from __future__ import annotations

import time
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar

from tui.asking import ask
from tui.key import RUN, Key
from tui.kit import glyphs
from tui.kit.chart import ramp_bar
from tui.kit.framed import wordmark
from tui.kit.paint import EMPTY, Row, Span, cell
from tui.screens.runs import KEYS as RUNS_KEYS
from tui.screens.runs import RunsScreen
from tui.text import clean, crop, crop_start
from tui.words.runs import name_of
from tui.words.state import label_of

if TYPE_CHECKING:
    from runner.trainers.sd_scripts.importers.find import Found

KEYS = (
    Key("d", "demo", RUN, "Train a small LoRA now, on this machine", "demo", 90),
    Key("n", "new_project", RUN, "Write a plasma.toml from what is on this machine", "set up", 88),
    Key("i", "import_project", RUN, "Write a plasma.toml from a script or config", "import", 87),
)
SPIN_S = 0.25
SPINNER = "⠋⠙⠹⠸⠼⠴⠦⠧⠇⠏"


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
    """All runs under the first action: open one, else set up a project, else the demo."""

    BINDINGS: ClassVar = [*KEYS, *RUNS_KEYS]
    NOT_HERE: ClassVar[str] = "back"

    def __init__(self) -> None:
        super().__init__()
        self._found: Found | None = None
        self._found_words = "searching this machine"

    def on_mount(self) -> None:
        find = self.plasma.backend.find
        ask(self, lambda: find(Path.cwd()), self._take_found, self._take_problem)

    def _take_found(self, found: Found) -> None:
        self._found, self._found_words = found, found_here(found)
        self.repaint_heading()

    def _take_problem(self, problem: str) -> None:
        self._found_words = problem
        self.repaint_heading()

    # ----------------------------------------------------------------- the first action

    def _actions(self) -> list[tuple[str, str]]:
        """Key and sentence, the one to take first at the top."""
        entry, found = self.under_cursor(), self._found
        demo = ("d", "Try the demo: train a small LoRA here, a minute, no GPU needed")
        new = ("n", f"Set up a project here ({self._found_words})")
        imported = ("i", "Import a script, a kohya_ss JSON or an sd-scripts TOML")
        if entry is not None:
            run = entry.listing
            state = label_of(run.state, run.outcome).word
            return [("enter", f"Open {name_of(run)} ({state})"), new, imported, demo]
        if found is not None and found.sd_scripts:
            return [new, imported, demo]
        return [demo, new, imported]

    def _top(self, width: int, height: int) -> Sequence[Row]:
        inner = max(10, width - 12)
        folder = crop_start(clean(str(Path.cwd())), max(10, width - 22))
        bar: Row = (Span("  "), *ramp_bar(1.0, min(48, width - 4)))
        rows: list[Row] = [
            EMPTY,
            (Span("  "), *wordmark(), Span("  run, watch and evaluate LoRA trainings", "dim")),
            bar,
            (Span("  "), Span(crop(f"No plasma.toml in {folder}", width - 4), "dim")),
        ]
        for place, (key, text) in enumerate(self._actions()):
            mark, role = (glyphs.CURSOR, "strong") if place == 0 else (" ", "text")
            line = Span(f" {crop(text, inner)}", role)
            rows.append((Span(f" {mark} ", "accent"), cell(key, 6, "key"), line))
        rows += [EMPTY] * max(1, height - 1 - len(rows))
        hint = "  / filter" if self.board.total else ""
        rows.append((Span("  "), Span(self.runs_title(), "title"), Span(hint, "dim")))
        if len(rows) > height:
            rows = [row for row in rows if row not in (EMPTY, bar)]
        return rows

    def on_run_list_moved(self) -> None:
        super().on_run_list_moved()
        self.repaint_heading()

    # ----------------------------------------------------------------- keys

    def action_new_project(self) -> None:
        self._set_up(importing=False)

    def action_import_project(self) -> None:
        self._set_up(importing=True)

    def _set_up(self, *, importing: bool) -> None:
        from tui.screens.project import ProjectScreen

        if not self.locked():
            self.app.push_screen(ProjectScreen(Path.cwd(), importing=importing))

    def action_demo(self) -> None:
        app = self.plasma
        if self.locked():
            return
        began = time.monotonic()

        def spin() -> None:
            if "demo" not in app.orders.unanswered:
                timer.stop()
            else:
                passed = time.monotonic() - began
                frame = SPINNER[int(passed / SPIN_S) % len(SPINNER)]
                self.say(f"{frame} Preparing the demo… {passed:.0f} s", "dim")

        already = "demo" in app.orders.unanswered
        app.orders.give("demo", app.backend.start_demo)
        if not already:
            timer = self.set_interval(SPIN_S, spin)
            spin()
