"""A question with consequences. The safe answer has the cursor; Escape is the safe answer."""

from __future__ import annotations

from typing import ClassVar

from textual.app import ComposeResult
from textual.binding import Binding
from textual.screen import ModalScreen

from tui.viewmodel.stopping import Question
from tui.widgets.question_box import QuestionBox

#: cells that the box is wide where there is room
WIDTH = 64
#: the same for one that shows settings and a command
WIDE = 96


class ConfirmScreen(ModalScreen[str | None]):
    """Dismisses with the `mode` of the chosen answer, or None for the safe one."""

    BINDINGS: ClassVar = [
        Binding("escape", "decline", "back", show=False),
        Binding("down,tab,right", "move(1)", show=False),
        Binding("up,shift+tab,left", "move(-1)", show=False),
        Binding("enter", "answer", show=False),
        Binding("pagedown", "page(1)", show=False),
        Binding("pageup", "page(-1)", show=False),
    ]

    def __init__(self, question: Question, safe: str, word: str) -> None:
        super().__init__()
        self._box = QuestionBox(question, safe, word)

    def compose(self) -> ComposeResult:
        yield self._box

    def on_mount(self) -> None:
        self._fit()
        self._box.focus()

    def on_resize(self) -> None:
        self._fit()

    def _fit(self) -> None:
        wide = bool(self._box.question.command or self._box.question.changes)
        width = min(WIDE if wide else WIDTH, self.size.width)
        # one line more than it needs now: the line to type the name in may come
        height = min(self._box.height_in(width) + 2, self.size.height)
        self._box.styles.width, self._box.styles.height = width, height

    def action_move(self, by: int) -> None:
        self._box.move(by)

    def action_page(self, pages: int) -> None:
        self._box.turn_page(pages)

    def action_answer(self) -> None:
        self._box.answer()

    def action_decline(self) -> None:
        self.dismiss(None)

    def on_question_box_answered(self, message: QuestionBox.Answered) -> None:
        self.dismiss(message.mode)
