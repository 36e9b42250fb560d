"""A question with consequences. The safe answer has the cursor; Escape is the safe answer."""

from __future__ import annotations

from typing import ClassVar

from textual import events, on
from textual.app import ComposeResult
from textual.binding import Binding
from textual.containers import Vertical, VerticalScroll
from textual.screen import ModalScreen
from textual.widgets import Input

from tui.render.question import told_rows
from tui.text import clean
from tui.viewmodel.stopping import Choice, Question
from tui.widgets.fields import Choices, Line, Words

#: cells that the box is wide where there is room; the same for one that shows settings and a command
WIDTH, WIDE = 64, 96
#: rows of a box beside its facts and answers: with blank rows between them, and without
ROOMY, TIGHT = 9, 4
HINT = "Up, Down, Enter   Esc cancel"


class ConfirmScreen(ModalScreen[str | None]):
    """Dismisses with the `mode` of the chosen answer, or None for the safe one. Keys are the screen's own, so
    that those pressed before it is drawn count as well; only a name to type has the focus."""

    BINDINGS: ClassVar = [
        Binding("escape", "dismiss", show=False),
        Binding("down,tab,right", "move(1)", show=False),
        Binding("up,shift+tab,left", "move(-1)", show=False),
        Binding("enter", "answer", show=False),
        Binding("pagedown", "page(1)", show=False),
        Binding("pageup", "page(-1)", show=False),
    ]
    AUTO_FOCUS: ClassVar[str | None] = ""

    def __init__(self, question: Question, safe: str, word: str) -> None:
        super().__init__()
        self._question, self._word = question, clean(word, 200)
        self._facts = Words()
        self._choices = Choices([safe, *(one.label for one in question.choices)], id="choices")
        self._choices.can_focus = False
        self._typed = Line("", most=200, placeholder=f"Type {self._word} to confirm", id="typed")
        self._typed.display = False
        self._refused, self._hint = Words(), Words(HINT, "dim")

    def compose(self) -> ComposeResult:
        with Vertical(id="question"):
            yield Words(self._question.title, "title")
            with VerticalScroll(can_focus=False):
                yield self._facts
            yield self._choices
            yield self._typed
            yield self._refused
            yield self._hint

    def on_resize(self) -> None:
        """Everything in full if it fits; else without blank rows, and the facts scroll."""
        width, height = self.size
        wide = bool(self._question.command or self._question.changes)
        width = min(WIDE if wide else WIDTH, width)
        rows = [row[1:] for row in told_rows(self._question, max(8, width - 5))]
        left = height - len(self._question.choices) - 1
        roomy, most = len(rows) + ROOMY <= left, max(1, left - TIGHT)
        box, scroll = self.query_one("#question"), self.query_one(VerticalScroll)
        box.styles.width = width
        box.set_class(roomy, "-roomy")
        scroll.styles.max_height = None if roomy else most
        self._facts.show(rows)
        self._hint.say(HINT if roomy or len(rows) <= most else f"PgUp, PgDn scroll   {HINT}", "dim")

    # ----------------------------------------------------------------- keys

    def _choice(self) -> Choice | None:
        at = self._choices.highlighted
        return self._question.choices[at - 1] if at else None

    def action_move(self, by: int) -> None:
        count = len(self._question.choices) + 1
        self._choices.highlighted = ((self._choices.highlighted or 0) + by) % count
        self.show_choice()

    @on(Choices.OptionHighlighted)
    def show_choice(self) -> None:
        choice = self._choice()
        wanted = choice is not None and choice.typed
        if wanted != self._typed.display:
            self._typed.display = wanted
            self._typed.value = ""
            self.set_focus(self._typed if wanted else None)
        self._refused.say("")

    def on_key(self, event: events.Key) -> None:
        """Letters that were pressed before there was a field for them."""
        if event.is_printable and event.character and self._typed.display:
            self._typed.insert_text_at_cursor(event.character)

    def action_page(self, pages: int) -> None:
        scroll = self.query_one(VerticalScroll)
        scroll.scroll_relative(y=pages * max(1, scroll.size.height - 1), animate=False)

    @on(Input.Submitted)
    def action_answer(self) -> None:
        choice = self._choice()
        if choice is not None and choice.typed and self._typed.value.strip() != self._word:
            self._refused.say(f"That is not the name. Type {self._word}", "bad")
        else:
            self.dismiss(choice.mode if choice is not None else None)
