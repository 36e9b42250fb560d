"""Name, tags and note of a run, in one form. The run's own files are never changed for it."""

from __future__ import annotations

from pathlib import Path
from typing import ClassVar, cast

from textual import work
from textual.app import ComposeResult
from textual.binding import Binding
from textual.message import Message
from textual.screen import ModalScreen

from runner.model import Label
from tui.backend.door import Backend
from tui.viewmodel.label_form import form_of, label_of_form
from tui.widgets.label_box import LabelBox

WIDTH, HEIGHT = 78, 22


class LabelAnswered(Message):
    """`problem`: why it was not kept; None: it was."""

    def __init__(self, problem: str | None) -> None:
        super().__init__()
        self.problem = problem


class LabelScreen(ModalScreen[bool]):
    """Dismisses with True after the label was written."""

    BINDINGS: ClassVar = [
        Binding("escape", "back", "back", show=False),
        Binding("down,tab", "move(1)", show=False),
        Binding("up,shift+tab", "move(-1)", show=False),
        Binding("enter", "enter", show=False),
        Binding("ctrl+s,f2", "keep", show=False),
    ]

    def __init__(self, run_path: Path, label: Label, title: str) -> None:
        super().__init__()
        self._run_path, self._label = run_path, label
        self._box = LabelBox(title, form_of(label))
        self._writing = False

    def compose(self) -> ComposeResult:
        yield self._box

    def on_mount(self) -> None:
        self._fit()
        self._box.focus()

    def on_resize(self) -> None:
        self._fit()

    def _fit(self) -> None:
        self._box.styles.width = min(WIDTH, self.size.width)
        self._box.styles.height = min(HEIGHT, self.size.height)

    # ----------------------------------------------------------------- keys

    def action_move(self, by: int) -> None:
        self._box.form = self._box.form.move(by)

    def action_enter(self) -> None:
        if self._box.form.field is None:
            self.action_keep()
        else:
            self.action_move(1)

    def action_keep(self) -> None:
        if self._writing:
            return
        made = label_of_form(self._box.form, self._label)
        if made == self._label:
            self.dismiss(False)
            return
        self._writing = True
        self._write(made)

    def action_back(self) -> None:
        if not self._writing:
            self.dismiss(False)

    # ----------------------------------------------------------------- in a thread

    @work(thread=True, exit_on_error=False)
    def _write(self, label: Label) -> None:
        from tui.planning import told

        try:
            cast("Backend", self.app.backend).relabel(self._run_path, label)  # type: ignore[attr-defined]
        except Exception as error:  # border: a refusal, or whatever the disk says
            self.post_message(LabelAnswered(told(error)))
        else:
            self.post_message(LabelAnswered(None))

    def on_label_answered(self, message: LabelAnswered) -> None:
        """What was refused can be put right; nothing that was typed is lost."""
        self._writing = False
        if not self.is_current:
            return
        if message.problem is None:
            self.dismiss(True)
        else:
            self._box.said = (f"Not kept: {message.problem}", "bad")
