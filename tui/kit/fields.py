"""Parts of forms and questions: Textual's own inputs and lists, in the theme's roles. They take and show
harmless text only, and none of them blinks: an idle form sends nothing.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, ClassVar, cast

from rich.text import Text
from textual import events
from textual.app import ComposeResult
from textual.binding import Binding
from textual.containers import Horizontal, Vertical
from textual.message import Message
from textual.widget import Widget
from textual.widgets import Input, OptionList, TextArea

from tui.kit import glyphs
from tui.kit.paint import Row
from tui.text import clean

if TYPE_CHECKING:
    from tui.app import PlasmaApp


class Words(Widget):
    """Rows that wrap at the width there is; hidden while there are none."""

    def __init__(self, text: str = "", role: str = "text", *, id: str | None = None) -> None:
        super().__init__(id=id)
        self._rows: tuple[Row, ...] = ()
        self.say(text, role)

    def say(self, text: str, role: str = "text") -> None:
        self.show((((clean(text), role),),) if text else ())  # type: ignore[arg-type]

    def show(self, rows: Iterable[Row]) -> None:
        self._rows = tuple(rows)
        self.display = bool(self._rows)
        self.refresh(layout=True)

    def render(self) -> Text:
        style = cast("PlasmaApp", self.app).looks.palette.style
        rows = [Text.assemble(*((t, style(r, "panel")) for t, r in row)) for row in self._rows]
        return Text("\n").join(rows)


class Line(Input):
    """One line. What is pasted loses its control characters and line breaks."""

    def __init__(self, value: str, *, most: int, placeholder: str = "", secret: bool = False,
                 id: str) -> None:  # fmt: skip
        super().__init__(clean(value, most), placeholder, max_length=most, select_on_focus=False,
                         password=secret, compact=True, id=id)  # fmt: skip
        self.cursor_blink = False

    async def on_key(self, event: events.Key) -> None:
        """Editing keys at once, not through the app's queue, so keys that arrive together keep their order."""
        for binding in self._bindings.key_to_bindings.get(event.key, ()):
            if await self.app.run_action(binding.action, self):
                event.stop()
                event.prevent_default()
                return

    def on_paste(self, event: events.Paste) -> None:
        event.text = clean(event.text.strip())

    def restricted(self) -> None:
        """At its longest a line takes no more; no bell."""


class Note(TextArea):
    """Several lines, wrapped."""

    def __init__(self, value: str, *, id: str) -> None:
        super().__init__(clean_lines(value), compact=True, highlight_cursor_line=False, id=id)
        self.cursor_blink = False

    def on_paste(self, event: events.Paste) -> None:
        event.text = clean_lines(event.text)


def clean_lines(text: str) -> str:
    return "\n".join(clean(line, 10_000) for line in text.splitlines())


class Labelled(Horizontal):
    """A name before what is written in."""

    def __init__(self, label: str, box: Widget) -> None:
        super().__init__()
        self._label, self._box = label, box

    def compose(self) -> ComposeResult:
        yield Words(self._label, "dim")
        yield self._box


class Field(Vertical):
    """A line with what was found to choose from: `options`, each with a note. The page keys step through."""

    BINDINGS: ClassVar = [
        Binding("pagedown", "other(1)", show=False),
        Binding("pageup", "other(-1)", show=False),
    ]

    class Edited(Message):
        """The value is another one."""

    def __init__(self, label: str, value: str = "", *, most: int = 4000, placeholder: str = "",
                 options: Mapping[str, str] | None = None, secret: bool = False,
                 id: str) -> None:  # fmt: skip
        super().__init__(id=id)
        self._label, self._options = label, dict(options or {})
        self.line = Line(value, most=most, placeholder=placeholder, secret=secret, id=f"{id}-line")
        self._hint = Words()

    def compose(self) -> ComposeResult:
        yield Labelled(self._label, self.line)
        yield self._hint

    def on_mount(self) -> None:
        self._tell()

    @property
    def value(self) -> str:
        return self.line.value.strip()

    @value.setter
    def value(self, value: str) -> None:
        self.line.value = clean(value)
        self.line.cursor_position = len(self.line.value)

    def offer(self, options: Mapping[str, str] | Iterable[str]) -> None:
        """Values to choose from, each with a note."""
        notes = options if isinstance(options, Mapping) else {}
        self._options = {value: notes.get(value, "") for value in options}
        self._tell()

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool:
        """With nothing to choose from the page keys are the screen's."""
        return action != "other" or bool(set(self._options) - {self.value})

    def action_other(self, by: int) -> None:
        found = list(self._options)
        at = found.index(self.value) + by if self.value in found else 0
        self.value = found[at % len(found)]

    def on_input_changed(self, event: Input.Changed) -> None:
        event.stop()
        self._tell()
        self.post_message(self.Edited())

    def _tell(self) -> None:
        found = list(self._options)
        place = f"{len(found)} found: PgUp, PgDn" if found else ""
        if self.value in found:
            more = f"{found.index(self.value) + 1} of {len(found)}: PgUp, PgDn"
            place = "   ".join(filter(None, (self._options[self.value], more * (len(found) > 1))))
        self._hint.say(place, "dim")


class Choices(OptionList):
    """Answers, one under the other. The one under the cursor has a mark, not only a colour. A click moves
    the cursor; only Enter answers."""

    def __init__(self, labels: Sequence[str], *, id: str) -> None:
        self._labels = [clean(label, 400) for label in labels]
        super().__init__(
            *(f"  {label}" for label in self._labels), markup=False, compact=True, id=id
        )

    def watch_highlighted(self, highlighted: int | None) -> None:
        for index, label in enumerate(self._labels):
            mark = glyphs.CURSOR if index == highlighted else " "
            self.replace_option_prompt_at_index(index, f"{mark} {label}")
        super().watch_highlighted(highlighted)

    def on_click(self, event: events.Click) -> None:
        event.prevent_default()
        self.highlighted = event.style.meta.get("option", self.highlighted)
