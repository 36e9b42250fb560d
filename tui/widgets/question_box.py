"""A question with its answers; the safe one has the cursor."""

from __future__ import annotations

from collections.abc import Sequence

from textual import events
from textual.message import Message

from tui.render import glyphs
from tui.render.paint import EMPTY, Row, Span
from tui.render.question import told_rows
from tui.text import clean, crop
from tui.viewmodel.stopping import Choice, Question
from tui.widgets.painted import Painted

HINT = "up, down and enter; esc changes nothing"


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
        self._top = self._last = 0
        self._room = 1

    # ----------------------------------------------------------------- drawing

    def draw(self, width: int, height: int) -> Sequence[Row]:
        """Everything in full if it fits; else without blank lines, and what is told scrolls."""
        inner = max(8, width - 4)
        told = told_rows(self.question, inner)
        answers = self._answers(inner)
        title: Row = (Span("  "), Span(crop(self.question.title, inner), "title"))
        full = [EMPTY, title, EMPTY, *told, EMPTY, *answers, EMPTY, self._hint(HINT, inner), EMPTY]
        if len(full) <= height:
            self._top = self._last = 0
            return full
        room = height - 1 - len(answers) - 1
        if room < 2:
            return [title, *told[: max(0, room + 1)], *answers]
        self._last = max(0, len(told) - room)
        self._top = max(0, min(self._top, self._last))
        self._room = room
        below = self._last - self._top
        where = f"{below} more below: pgdn" if below else "pgup for what is above"
        hint = self._hint(f"{where}; {HINT}", inner)
        return [title, *told[self._top : self._top + room], hint, *answers]

    def turn_page(self, pages: int) -> None:
        """On in what is told."""
        self._top = max(0, min(self._last, self._top + pages * max(1, self._room - 1)))
        self.repaint()

    def scroll_rows(self, rows: int) -> None:
        self._top = max(0, min(self._last, self._top + rows))
        self.repaint()

    def on_mouse_scroll_down(self, event: events.MouseScrollDown) -> None:
        event.stop()
        self.scroll_rows(3)

    def on_mouse_scroll_up(self, event: events.MouseScrollUp) -> None:
        event.stop()
        self.scroll_rows(-3)

    def height_in(self, width: int) -> int:
        return len(self.draw(width, 10_000))

    def _hint(self, text: str, width: int, role: str = "dim") -> Row:
        return (Span("  "), Span(crop(text, width), role))

    def _answers(self, inner: int) -> list[Row]:
        rows: list[Row] = []
        for index, label in enumerate([self.safe, *(c.label for c in self.question.choices)]):
            chosen = index == self.cursor
            mark = Span(f"  {glyphs.CURSOR} " if chosen else "    ", "accent")
            rows.append((mark, Span(crop(label, inner - 2), "strong" if chosen else "text")))
        choice = self._choice()
        if choice is not None and choice.typed:
            rows.append(self._hint(f"Type {self.word} and enter: {self.typed}_", inner, "warn"))
        if self.refused:
            rows.append(self._hint(self.refused, inner, "bad"))
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
