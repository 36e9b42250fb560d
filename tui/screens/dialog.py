"""The base of forms: a box in the middle, fields, a button, and one sentence about what went wrong."""

from __future__ import annotations

from typing import ClassVar, cast

from textual import events, on
from textual.app import ComposeResult
from textual.binding import Binding
from textual.containers import VerticalScroll
from textual.screen import ModalScreen, ScreenResultType
from textual.widget import Widget
from textual.widgets import Button

from tui.app import PlasmaApp
from tui.widgets.fields import Field, Line, Words


class Dialog(ModalScreen[ScreenResultType]):
    """`working`: an order is under way; its answer is waited for, and nothing else is taken."""

    BINDINGS: ClassVar = [
        Binding("escape", "back", show=False),
        Binding("down", "app.focus_next", show=False),
        Binding("up", "app.focus_previous", show=False),
        Binding("ctrl+s", "do", show=False),
        # at once, in the app's own queue: letters typed right after them belong to the next field
        Binding("tab", "move(1)", show=False, priority=True),
        Binding("shift+tab", "move(-1)", show=False, priority=True),
        Binding("enter", "next", show=False, priority=True),
    ]
    #: `on_mount` gives the focus
    AUTO_FOCUS: ClassVar[str | None] = ""
    HEAD: ClassVar[str] = ""
    DO: ClassVar[str] = "Save"
    HINT: ClassVar[str] = "Tab next   Ctrl+S save   Esc cancel"

    def __init__(self) -> None:
        super().__init__()
        self.working = False

    @property
    def plasma(self) -> PlasmaApp:
        return cast("PlasmaApp", self.app)

    def fields(self) -> list[Widget]:
        """What stands between the title and the button."""
        raise NotImplementedError

    def compose(self) -> ComposeResult:
        with VerticalScroll(id="dialog", can_focus=False):
            yield Words(self.HEAD, "title", id="title")
            yield from self.fields()
            button = Button(self.DO, id="do", compact=True)
            button.active_effect_duration = 0  # it takes no press meanwhile
            yield button
            yield Words(id="said")
            yield Words(self.HINT, "dim")

    def do(self) -> None:
        """What the button does."""
        raise NotImplementedError

    def refuse(self, sentence: str) -> None:
        """What was refused can be corrected; nothing that was typed is lost."""
        self.working = False
        self.query_one("#said", Words).say(f"{sentence[:1].upper()}{sentence[1:]}", "bad")

    # ----------------------------------------------------------------- keys

    def on_mount(self) -> None:
        self.focus_next()

    def on_key(self, event: events.Key) -> None:
        """Keys that were pressed before the first field was there."""
        if event.is_printable and event.character and isinstance(self.focused, Line):
            self.focused.insert_text_at_cursor(event.character)
        elif event.key == "tab":
            self.focus_next()

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool:
        if action == "next":
            return isinstance(self.focused, Line)
        return action != "move" or self.focused is not None

    def action_move(self, by: int) -> None:
        self.focus_next() if by > 0 else self.focus_previous()

    def action_next(self) -> None:
        self.focus_next()

    @on(Button.Pressed)
    def action_do(self) -> None:
        if not self.working:
            self.query_one("#said", Words).say("")
            self.do()

    def action_back(self) -> None:
        """While an order is under way its answer is waited for."""
        if not self.working:
            self.dismiss(None)

    @on(Field.Edited)
    def forget_sentence(self) -> None:
        if not self.working:
            self.query_one("#said", Words).say("")
