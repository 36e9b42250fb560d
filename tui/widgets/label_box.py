"""The form for name, tags and note."""

from __future__ import annotations

from collections.abc import Sequence

from textual import events
from textual.reactive import reactive

from tui.render import glyphs
from tui.render.caret import line_row, text_rows
from tui.render.paint import EMPTY, Row, Span, cell, row_width
from tui.text import crop
from tui.viewmodel.label_form import LabelForm
from tui.viewmodel.text_field import TextField
from tui.widgets.painted import Painted

LABEL = 8
#: rows of the note, where there is room
NOTE_ROWS = 8
HINT = "tab and enter go on, ctrl+s keeps it, esc changes nothing"


class LabelBox(Painted, can_focus=True):
    """Takes the letters; what keeping means is the screen's business."""

    GROUND = "panel"

    form: reactive[LabelForm] = reactive(LabelForm(()), layout=False, repaint=False)
    said: reactive[tuple[str, str]] = reactive(("", "dim"), layout=False, repaint=False)

    def __init__(self, title: str, form: LabelForm) -> None:
        super().__init__(id="label")
        self._title = title
        self.set_reactive(LabelBox.form, form)

    def watch_form(self) -> None:
        self.repaint()

    def watch_said(self) -> None:
        self.repaint()

    # ----------------------------------------------------------------- drawing

    def draw(self, width: int, height: int) -> Sequence[Row]:
        inner = max(8, width - 4)
        title: Row = (Span("  "), Span(crop(self._title, inner), "title"))
        roomy = height >= 16
        room = max(1, min(NOTE_ROWS, height - (13 if roomy else 6)))
        fields: list[Row] = []
        for index, one in enumerate(self.form.fields):
            fields += self._field(one, index == self.form.cursor, inner, room)
            if roomy:
                fields.append(EMPTY)
        keep = self.form.field is None
        mark = Span(f"  {glyphs.CURSOR} " if keep else "    ", "accent")
        text, role = self.said
        foot: list[Row] = [
            (mark, Span("Keep it", "strong" if keep else "key")),
            *([EMPTY] if roomy else []),
            (Span("  "), Span(crop(text or HINT, inner), role if text else "dim")),
        ]
        if roomy:
            return [EMPTY, title, EMPTY, *fields, *foot]
        return [title, *fields, *foot][:height]

    def _field(self, one: TextField, selected: bool, inner: int, room: int) -> list[Row]:
        size = max(4, inner - LABEL - 2)
        at = one.at if selected else None
        lines = (
            text_rows(one.value, at, size, room) if one.lines else [line_row(one.value, at, size)]
        )
        if not one.value and not selected:
            lines = [(Span("none", "dim"),)]
        hint = f"  {one.hint}"
        if selected and row_width(lines[0]) + len(hint) <= size and len(lines) == 1:
            lines = [(*lines[0], Span(hint, "dim"))]
        mark = Span(f"  {glyphs.CURSOR} " if selected else "    ", "accent")
        head = cell(one.label, LABEL, "title" if selected else "dim")
        rest = Span(" " * (LABEL + 4))
        return [(mark, head, *lines[0]), *((rest, *line) for line in lines[1:])]

    # ----------------------------------------------------------------- keys

    def on_key(self, event: events.Key) -> None:
        field = self.form.field
        if field is None:
            return
        changed = field.pressed(event.key, event.character if event.is_printable else None)
        if changed is None:
            return
        self._change(changed)
        event.stop()
        event.prevent_default()

    def on_paste(self, event: events.Paste) -> None:
        event.stop()
        if self.form.field is not None:
            text = event.text.replace("\r\n", "\n").replace("\r", "\n")
            self._change(self.form.field.typed(text))

    def _change(self, field: TextField) -> None:
        self.said = ("", "dim")
        self.form = self.form.changed(field)
