"""A form, and under it the text that it makes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from rich.cells import cell_len
from textual import events
from textual.message import Message
from textual.reactive import reactive

from tui.render import glyphs
from tui.render.paint import EMPTY, Row, Span, cell
from tui.text import clean, crop, crop_start, wrap
from tui.viewmodel.form import Field, Form
from tui.widgets.painted import Painted

LABEL = 12


@dataclass(frozen=True, slots=True)
class Preview:
    """What would be written. `problem`: why nothing can be; `notes`: what a person should know before,
    `unmapped` and `missing` what the text does not hold; `waiting`: it is being made."""

    text: str = ""
    problem: str = ""
    notes: tuple[str, ...] = ()
    unmapped: tuple[str, ...] = ()
    missing: tuple[str, ...] = ()
    waiting: bool = False


class FormBox(Painted, can_focus=True):
    """Keys that change the form are posted as `Changed`; the screen decides what comes of it."""

    form: reactive[Form] = reactive(Form(), layout=False, repaint=False)
    preview: reactive[Preview] = reactive(Preview(), layout=False, repaint=False)

    class Changed(Message):
        """The form is another one."""

    def __init__(self, *, id: str | None = None) -> None:
        super().__init__(id=id)
        self._top = 0

    def watch_form(self) -> None:
        self.repaint()

    def watch_preview(self) -> None:
        self._top = 0
        self.repaint()

    # ----------------------------------------------------------------- keys

    def move(self, by: int) -> None:
        self.form = self.form.move(by)

    def choose(self, by: int) -> None:
        if not self.form.on_write:
            self._change(self.form.fields[self.form.cursor].chosen(by))

    def scroll_rows(self, by: int) -> None:
        self._top = max(0, self._top + by)
        self.repaint()

    def on_key(self, event: events.Key) -> None:
        if self.form.on_write:
            return
        field = self.form.fields[self.form.cursor]
        if event.key == "backspace":
            self._change(field.erased())
        elif event.key == "ctrl+u":
            self._change(replace(field, value=""))
        elif event.is_printable and event.character:
            self._change(field.typed(event.character))
        else:
            return
        event.stop()
        event.prevent_default()

    def on_paste(self, event: events.Paste) -> None:
        if not self.form.on_write:
            self._change(self.form.fields[self.form.cursor].typed(clean(event.text.strip(), 1000)))

    def _change(self, field: Field) -> None:
        self.form = self.form.changed(field)
        self.post_message(self.Changed())

    # ----------------------------------------------------------------- drawing

    def draw(self, width: int, height: int) -> Sequence[Row]:
        rows: list[Row] = []
        for index, field in enumerate(self.form.fields):
            rows += self._field(field, index == self.form.cursor, width)
        rows.append(self._write_row(width))
        rule = Span(glyphs.RULE * max(0, width - 14), "faint")
        rows.append((Span(glyphs.RULE, "faint"), Span(" plasma.toml ", "title"), rule))
        below = self._below(width)
        room = max(1, height - len(rows))
        self._top = max(0, min(self._top, len(below) - room))
        shown = below[self._top : self._top + room]
        hidden = len(below) - self._top - room
        if hidden > 0:
            shown[-1] = (Span(f" … {hidden + 1} more lines: page down", "dim"),)
        return [*rows, *shown]

    def _field(self, field: Field, selected: bool, width: int) -> list[Row]:
        place = field.place()
        room = max(8, width - LABEL - cell_len(place) - 5)
        value = crop_start(field.value, room - 1) + ("_" if selected else "")
        shown = value if value else "none"
        role = "strong" if selected else "text" if field.value else "dim"
        row: Row = (
            Span(f" {glyphs.CURSOR}" if selected else "  ", "accent"),
            cell(field.label, LABEL, "title" if selected else "text"),
            cell(shown, room, role),
            Span(f"  {place}", "accent" if selected else "dim"),
        )
        if not field.note:
            return [row]
        indent = " " * (LABEL + 2)
        return [row, (Span(indent), Span(crop(field.note, width - LABEL - 3), "dim"))]

    def _write_row(self, width: int) -> Row:
        selected, made = self.form.on_write, self.preview
        if made.waiting:
            text, role = "being made", "dim"
        elif made.problem or not made.text:
            text, role = "nothing to write yet", "dim"
        else:
            text, role = "Write plasma.toml and open it", "strong" if selected else "key"
        mark = Span(f" {glyphs.CURSOR}" if selected else "  ", "accent")
        return (mark, Span(crop(text, width - 3), role))

    def _below(self, width: int) -> list[Row]:
        """What must be known before it is written stands first."""
        made = self.preview
        rows: list[Row] = []
        for texts, head, role in (
            ((made.problem,) if made.problem else (), "", "bad"),
            (made.unmapped, "Not taken over (also at the end of the file):", "warn"),
            (made.missing, "Missing, to be filled in with e:", "warn"),
            (made.notes, "", "dim"),
        ):
            if texts and head:
                rows.append((Span(f" {head}", role),))
            indent = "   " if head else " "
            for text in texts:
                lines = wrap(clean(text, 600), max(10, width - len(indent) - 1))
                rows += [(Span(indent), Span(line, role)) for line in lines]
        if rows and made.text:
            rows.append(EMPTY)
        rows += [
            (Span(" "), Span(crop(clean(line, 400), width - 2))) for line in made.text.splitlines()
        ]
        return rows
