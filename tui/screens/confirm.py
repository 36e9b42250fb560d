"""A question with consequences. The safe answer has the cursor; Escape is the safe answer."""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar

from textual import events
from textual.app import ComposeResult
from textual.binding import Binding
from textual.message import Message
from textual.screen import ModalScreen

from tui.render import glyphs
from tui.render.paint import EMPTY, Row, Span
from tui.text import clean, crop, wrap
from tui.viewmodel.stopping import Choice, Question
from tui.widgets.painted import Painted

#: cells that the box is wide where there is room
WIDTH = 64


class QuestionBox(Painted, can_focus=True):
    """Facts, then the answers. One that must be typed takes letters while it has the cursor."""

    GROUND = "panel"

    class Answered(Message):
        """`mode` of the chosen answer; None: the safe one."""

        def __init__(self, mode: str | None) -> None:
            super().__init__()
            self.mode = mode

    def __init__(self, question: Question, safe: str, word: str) -> None:
        super().__init__(id="question")
        self.question, self.safe, self.word = question, safe, clean(word, 200)
        self.cursor = 0
        self.typed = ""
        self.refused = ""

    # ----------------------------------------------------------------- drawing

    def draw(self, width: int, height: int) -> Sequence[Row]:
        """Everything in full if it fits; else without blank lines, then without the last facts."""
        inner = max(8, width - 4)
        facts = [self._plain(line) for fact in self.question.facts for line in wrap(fact, inner)]
        answers = self._answers(inner)
        title: Row = (Span("  "), Span(crop(self.question.title, inner), "title"))
        hint = self._plain("up, down and enter; esc changes nothing", "dim", inner)
        full = [EMPTY, title, EMPTY, *facts, EMPTY, *answers, EMPTY, hint, EMPTY]
        if len(full) <= height:
            return full
        room = max(0, height - 1 - len(answers))
        return [title, *facts[:room], *answers]

    def height_in(self, width: int) -> int:
        return len(self.draw(width, 10_000))

    def _plain(self, text: str, role: str = "text", width: int = 10_000) -> Row:
        return (Span("  "), Span(crop(text, width), role))

    def _answers(self, inner: int) -> list[Row]:
        rows: list[Row] = []
        for index, label in enumerate([self.safe, *(c.label for c in self.question.choices)]):
            chosen = index == self.cursor
            mark = Span(f"  {glyphs.CURSOR} " if chosen else "    ", "accent")
            rows.append((mark, Span(crop(label, inner - 2), "strong" if chosen else "text")))
        choice = self._choice()
        if choice is not None and choice.typed:
            rows.append(self._plain(f"Type {self.word} and enter: {self.typed}_", "warn", inner))
        if self.refused:
            rows.append(self._plain(self.refused, "bad", inner))
        return rows

    def _choice(self) -> Choice | None:
        return self.question.choices[self.cursor - 1] if self.cursor else None

    # ----------------------------------------------------------------- answering

    def move(self, by: int) -> None:
        self.cursor = (self.cursor + by) % (len(self.question.choices) + 1)
        self.typed = self.refused = ""
        self.repaint()

    def answer(self) -> None:
        choice = self._choice()
        if choice is not None and choice.typed and self.typed.strip() != self.word:
            self.refused = "That is not the name."
            self.repaint()
            return
        self.post_message(self.Answered(choice.mode if choice is not None else None))

    def on_key(self, event: events.Key) -> None:
        choice = self._choice()
        if choice is None or not choice.typed:
            return
        if event.key == "backspace":
            self.typed = self.typed[:-1]
        elif event.is_printable and event.character:
            self.typed = (self.typed + event.character)[:200]
        else:
            return
        event.stop()
        event.prevent_default()
        self.refused = ""
        self.repaint()

    def on_paste(self, event: events.Paste) -> None:
        choice = self._choice()
        if choice is not None and choice.typed:
            self.typed = clean(self.typed + event.text, 200)
            self.repaint()

    def on_click(self, event: events.Click) -> None:
        """A click moves the cursor; only Enter answers."""
        first = next(
            (y for y, row in enumerate(self._rows) if self._is_answer(row, self.safe)), None
        )
        if first is not None and first <= event.y <= first + len(self.question.choices):
            self.move(event.y - first - self.cursor)

    def _is_answer(self, row: Row, label: str) -> bool:
        return len(row) > 1 and row[1].text.startswith(label[:4]) and row[1].role != "title"


class ConfirmScreen(ModalScreen[str | None]):
    """Dismisses with the `mode` of the chosen answer, or None for the safe one."""

    BINDINGS: ClassVar = [
        Binding("escape", "decline", "back", show=False),
        Binding("down,tab,right", "move(1)", show=False),
        Binding("up,shift+tab,left", "move(-1)", show=False),
        Binding("enter", "answer", show=False),
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
        width = min(WIDTH, self.size.width)
        # one line more than it needs now: the line to type the name in may come
        height = min(self._box.height_in(width) + 2, self.size.height)
        self._box.styles.width, self._box.styles.height = width, height

    def action_move(self, by: int) -> None:
        self._box.move(by)

    def action_answer(self) -> None:
        self._box.answer()

    def action_decline(self) -> None:
        self.dismiss(None)

    def on_question_box_answered(self, message: QuestionBox.Answered) -> None:
        self.dismiss(message.mode)
