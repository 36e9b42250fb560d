"""A cure: what it will do, the question, and its output while it works. Nothing happens without a yes."""

from __future__ import annotations

import threading
from collections import deque
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar, cast

from textual.app import ComposeResult
from textual.binding import Binding
from textual.screen import ModalScreen

from runner.model import CheckResult
from runner.model.refusal import Refusal
from tui.asking import ask
from tui.viewmodel.preflight import PreflightRow
from tui.widgets.cure_box import CureBox, Stage

if TYPE_CHECKING:
    from runner.preflight.cures.model import Cure
    from tui.app import PlasmaApp

WIDTH, HEIGHT = 78, 22
#: output is looked at so often: git prints hundreds of lines a second
LOOK_S = 0.1
#: lines of output that are kept
LINES = 500


class CureScreen(ModalScreen[bool]):
    """Dismisses with True when something may have been changed."""

    BINDINGS: ClassVar = [
        Binding("escape", "back", "back", show=False),
        Binding("down,tab,right", "move(1)", show=False),
        Binding("up,shift+tab,left", "move(-1)", show=False),
        Binding("enter", "answer", show=False),
        Binding("pageup", "scroll_box(-8)", show=False),
        Binding("pagedown", "scroll_box(8)", show=False),
    ]

    def __init__(self, name: str, row: PreflightRow) -> None:
        super().__init__()
        self._cure_name = name
        self._box = CureBox(row)
        self._cure: Cure | None = None
        self._cancelled = threading.Event()
        self._output: deque[str] = deque(maxlen=LINES)
        self._fresh = threading.Event()

    @property
    def plasma(self) -> PlasmaApp:
        return cast("PlasmaApp", self.app)

    @property
    def _config(self) -> Path:
        path = self.plasma.config_path
        assert path is not None  # there is no key to here without one
        return path

    def compose(self) -> ComposeResult:
        yield self._box

    def on_mount(self) -> None:
        self._fit()
        self._box.focus()
        self.set_interval(LOOK_S, self._show_output)
        find = partial(self.plasma.backend.cure, self._config, self._cure_name, self._cancelled)
        ask(self, find, self._offer, self._box.nothing)

    def on_unmount(self) -> None:
        self._cancelled.set()

    def on_resize(self) -> None:
        self._fit()

    def _fit(self) -> None:
        self._box.styles.width = min(WIDTH, self.size.width)
        self._box.styles.height = min(HEIGHT, self.size.height)

    # ----------------------------------------------------------------- the work

    def _offer(self, cure: Cure | None) -> None:
        self._cure = cure
        if cure is None:
            self._box.nothing("")
        else:
            self._box.offer(cure.title, cure.will_do)

    def _apply(self, cure: Cure) -> None:
        """However it ends, the check is asked again."""

        def ended(problem: str | None) -> None:
            self._show_output()
            self._box.end(problem)
            look = partial(self.plasma.backend.look_again, self._config, cure.check)
            ask(self, look, self._checked_again, lambda text: self._box.checked(text, "bad"))

        ask(self, partial(self._in_thread, cure), ended, ended)

    def _in_thread(self, cure: Cure) -> None:
        from runner.preflight.cures.model import CureFailed

        try:
            cure.apply(self._tell, self._cancelled)
        except CureFailed as error:
            raise Refusal(str(error)) from None

    def _tell(self, line: str) -> None:
        self._output.append(line)
        self._fresh.set()

    def _show_output(self) -> None:
        if self._fresh.is_set():
            self._fresh.clear()
            self._box.show_output(list(self._output))

    def _checked_again(self, result: CheckResult | None) -> None:
        if result is None:
            self._box.checked("", "bad")
            return
        self.plasma.take_result(result)
        said = f"{result.title or result.name}: {result.detail or result.evidence}"
        role = {"pass": "good", "fail": "bad"}.get(result.status, "warn")
        self._box.checked(said, role)

    # ----------------------------------------------------------------- keys

    def action_move(self, by: int) -> None:
        self._box.move(by)

    def action_scroll_box(self, by: int) -> None:
        self._box.scroll_rows(by)

    def action_answer(self) -> None:
        box = self._box
        if box.stage is Stage.OFFERED and box.agreed and self._cure is not None:
            box.begin()
            self._apply(self._cure)
        elif box.stage is not Stage.WORKING:
            self.dismiss(box.stage is Stage.ENDED)

    def action_back(self) -> None:
        """Changes nothing; while the cure works, ends it and stays until it has ended."""
        if self._box.stage is Stage.WORKING:
            self._cancelled.set()
            self._box.breaking_off()
        else:
            self.dismiss(self._box.stage is Stage.ENDED)
