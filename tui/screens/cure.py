"""The fix of a check: what it will do, the question, its output, and what the check reports then."""

from __future__ import annotations

import threading
from collections import deque
from enum import Enum
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, cast

from textual.widget import Widget
from textual.widgets import Log

from runner.model import CheckResult
from runner.model.refusal import Refusal
from tui.asking import ask
from tui.kit.paint import EMPTY, Row, Span
from tui.screens.questions import HINT, QuestionBox
from tui.text import clean, wrap
from tui.words.checklist import PreflightRow

if TYPE_CHECKING:
    from runner.preflight.cures.model import Cure
    from tui.app import PlasmaApp

ANSWERS = ("Cancel", "Apply the fix")
#: between two reads of the output: git prints hundreds of lines a second
LOOK_S = 0.1
#: lines of output that are kept
LINES = 500


class Stage(Enum):
    """The value is the hint below the box."""

    LOOKING = "Esc cancel"
    NOTHING = "Enter back"
    OFFERED = HINT
    WORKING = "Esc cancels the fix"
    ENDED = "Enter back "


class CureScreen(QuestionBox[bool]):
    """Nothing is changed before a yes. Dismisses with True when something may have been changed."""

    def __init__(self, name: str, row: PreflightRow) -> None:
        super().__init__(f"{row.title}: {row.evidence}", ANSWERS, wide=True)
        self._fix_name, self._row = name, row
        self._stage = Stage.LOOKING
        self._cure: Cure | None = None
        self._cancelled = threading.Event()
        self._lines: deque[str] = deque(maxlen=LINES)
        self._output = Log(max_lines=LINES, id="output")
        self._output.can_focus = False
        self._output.display = self.choices.display = False

    @property
    def plasma(self) -> PlasmaApp:
        return cast("PlasmaApp", self.app)

    @property
    def _config(self) -> Path:
        path = self.plasma.config_path
        assert path is not None  # there is no key to here without one
        return path

    def rows(self, width: int) -> list[Row]:
        """What was found, and the exact commands and changes of the fix."""
        rows: list[Row] = [(Span(" "), Span(line)) for line in wrap(self._row.detail, width)]
        if self._stage is Stage.NOTHING and self._row.advice:
            rows += [EMPTY, *_accent(self._row.advice, width)]
        elif self._cure is not None:
            title = clean(self._cure.title)
            rows += [EMPTY, (Span(" "), Span(f"To {title[:1].lower()}{title[1:]}:", "strong"))]
            for line in self._cure.will_do:
                rows += _accent(f"  {clean(line, 600)}", width)
        return rows

    def between(self) -> list[Widget]:
        return [self._output]

    def hint(self) -> str:
        return self._stage.value.strip()

    def on_mount(self) -> None:
        self._enter(Stage.LOOKING, "Looking for a fix…", "dim")
        self.set_interval(LOOK_S, self._show_output)
        find = partial(self.plasma.backend.cure, self._config, self._fix_name, self._cancelled)
        ask(self, find, self._offer, lambda problem: self._enter(Stage.NOTHING, problem, "bad"))

    def on_unmount(self) -> None:
        self._cancelled.set()

    def _enter(self, stage: Stage, sentence: str, role: str) -> None:
        self._stage = stage
        self.choices.display = stage is Stage.OFFERED
        self.said.say(clean(sentence, 600), role)
        self.fit()

    # ----------------------------------------------------------------- the work

    def _offer(self, cure: Cure | None) -> None:
        self._cure = cure
        if cure is None:
            self._enter(Stage.NOTHING, "plasma-tui has no fix for this.", "warn")
        else:
            self._enter(Stage.OFFERED, "", "text")

    def _apply(self, cure: Cure) -> None:
        """However it ends, the check runs again."""

        def ended(problem: str | None) -> None:
            self._show_output()
            said = f"The fix failed: {problem}" if problem else "Done. Checking again…"
            self._enter(Stage.ENDED, said, "bad" if problem else "good")
            look = partial(self.plasma.backend.look_again, self._config, cure.check)
            ask(self, look, partial(self._checked, problem),
                lambda text: self.said.say(clean(f"The check did not run: {text}", 600), "bad"))  # fmt: skip

        self._enter(Stage.WORKING, "Applying the fix…", "accent")
        ask(self, partial(self._in_thread, cure), ended, ended)

    def _in_thread(self, cure: Cure) -> None:
        from runner.preflight.cures.model import CureFailed

        try:
            cure.apply(self._lines.append, self._cancelled)
        except CureFailed as error:
            raise Refusal(str(error)) from None

    def _show_output(self) -> None:
        found = []
        while self._lines:
            found.append(clean(self._lines.popleft(), 400))
        if found:
            self._output.display = True
            self._output.write_lines(found)

    def _checked(self, problem: str | None, result: CheckResult | None) -> None:
        if result is None:
            return
        self.plasma.planner.take_result(result)
        begin = f"The fix failed: {problem} " if problem else "Done. "
        said = f"{begin}{result.title or result.name}: {result.detail or result.evidence}"
        role = {"pass": "good", "fail": "bad"}.get(result.status, "warn")
        self.said.say(clean(said, 1200), role)

    # ----------------------------------------------------------------- keys

    def action_move(self, by: int) -> None:
        if self._stage is Stage.OFFERED:
            super().action_move(by)

    def action_answer(self) -> None:
        if self._stage is Stage.OFFERED and self.chosen and self._cure is not None:
            self._apply(self._cure)
        elif self._stage is not Stage.WORKING:
            self.dismiss(self._stage is Stage.ENDED)

    def action_back(self) -> None:
        """While the fix works, cancels it and stays until it has ended."""
        if self._stage is Stage.WORKING:
            self._cancelled.set()
            self.said.say("Cancelling…", "warn")
        else:
            self.dismiss(self._stage is Stage.ENDED)


def _accent(text: str, width: int) -> list[Row]:
    return [(Span(" "), Span(line, "accent")) for line in wrap(text, width, "    ")]
