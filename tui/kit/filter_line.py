"""The filter of a list: opened by `/`, Enter goes back to the list, Escape clears it."""

from __future__ import annotations

from textual import events
from textual.app import ComposeResult
from textual.message import Message
from textual.widgets import Input

from tui.kit.footer import FooterKey
from tui.kit.paint import Span
from tui.kit.painted import Lines, StillHorizontal

LONGEST = 80
TYPING_FOOTER = (
    FooterKey("enter", "to the list", "", 90),
    FooterKey("esc", "clear the filter", "back", 80),
    FooterKey("f1", "help", "app.help", 70),
)


class FilterInput(Input):
    async def _on_key(self, event: events.Key) -> None:
        """Enter goes back to the list at once, and keys that were typed after it and already wait here belong
        to the list."""
        line, here = self.parent, self.screen.focused is self
        if here and event.key != "enter":
            await super()._on_key(event)
            return
        event.stop()
        event.prevent_default()
        if here and isinstance(line, FilterLine):
            line.leave()
        else:
            await self.app.on_event(events.Key(event.key, event.character))


class FilterLine(StillHorizontal):
    """Hidden without a filter. `under`: the list's selector, which has the focus else."""

    class Changed(Message):
        def __init__(self, text: str) -> None:
            super().__init__()
            self.text = text

    def __init__(self, under: str, hint: str) -> None:
        super().__init__(id="filter")
        self._under = under
        self._input = FilterInput(placeholder=hint, compact=True, max_length=LONGEST)
        self._input.cursor_blink = False  # an idle screen sends nothing

    def compose(self) -> ComposeResult:
        yield Lines(lambda width, height: ((Span(" / ", "key"),),))
        yield self._input

    @property
    def typing(self) -> bool:
        return self._input.has_focus

    def open(self) -> None:
        self.set_class(True, "-shown")
        self.screen.set_focus(self._input)

    def clear(self) -> bool:
        """False: there was nothing to clear."""
        if not self.has_class("-shown"):
            return False
        self._input.value = ""
        self.leave()
        return True

    def leave(self) -> None:
        """Back to the list."""
        self.set_class(bool(self._input.value), "-shown")
        self.screen.set_focus(self.screen.query_one(self._under))

    def on_input_changed(self, event: Input.Changed) -> None:
        event.stop()
        self.post_message(self.Changed(event.value))
