"""The form of an export, and what came of it."""

from __future__ import annotations

from collections.abc import Sequence

from textual import events
from textual.reactive import reactive

from tui.render import glyphs
from tui.render.paint import EMPTY, Row, Span, cell
from tui.render.table_fit import cut_middle, fold
from tui.text import clean, crop, take_cells
from tui.viewmodel.summary import Pick
from tui.viewmodel.summary_export import FOLDER, ExportForm
from tui.viewmodel.text_field import TextField
from tui.widgets.painted import Painted

LABEL = 8
HINT = "tab and enter go on; esc changes nothing"
#: rows of what came of it; rows from which on there are empty ones
SAID_ROWS, ROOMY = 5, 13
#: cells that stay for what follows the caret
AHEAD = 6


class ExportBox(Painted, can_focus=True):
    """Takes the letters; what exporting means is the screen's business."""

    GROUND = "panel"

    form: reactive[ExportForm] = reactive(ExportForm(), layout=False, repaint=False)
    #: (sentence, role)
    said: reactive[tuple[str, str]] = reactive(("", "dim"), layout=False, repaint=False)
    working: reactive[bool] = reactive(False, layout=False, repaint=False)

    def __init__(self, pick: Pick) -> None:
        super().__init__(id="export")
        self._pick = pick

    def watch_form(self) -> None:
        self.repaint()

    def watch_said(self) -> None:
        self.repaint()

    def watch_working(self) -> None:
        self.repaint()

    # ----------------------------------------------------------------- drawing

    def draw(self, width: int, height: int) -> Sequence[Row]:
        inner = max(8, width - 4)
        form = self.form
        title: Row = (Span("  "), Span(crop("Export a copy", inner), "title"))
        of = cut_middle(self._pick.name, max(8, inner - len(self._pick.facts) - 2))
        source: Row = (Span("  "), Span(of), Span(f"  {self._pick.facts}", "dim"))
        fields = [self._field(form.folder, form.cursor == 0, inner)]
        if form.hint() or height >= ROOMY:
            fields.append(
                (Span(" " * (LABEL + 4)), Span(crop(form.hint(), inner - LABEL - 2), "dim"))
            )
        fields.append(self._field(form.name, form.cursor == 1, inner))
        last = form.cursor == 2
        mark = Span(f"  {glyphs.CURSOR} " if last else "    ", "accent")
        word = "Copying, reading back" if self.working else "Export"
        do: Row = (mark, Span(word, "dim" if self.working else "strong" if last else "key"))
        foot = self._foot(inner)
        if height >= 8 + len(fields) + len(foot):
            return [EMPTY, title, EMPTY, source, EMPTY, *fields, EMPTY, do, EMPTY, *foot]
        return [title, source, *fields, do, *foot][:height]

    def _foot(self, inner: int) -> list[Row]:
        text, role = self.said
        if not text:
            return [(Span("  "), Span(crop(HINT, inner), "dim"))]
        shape = {"bad": f"{glyphs.NO} ", "good": f"{glyphs.YES} "}.get(role, "")
        lines = fold(shape + clean(text, 1500), inner)[:SAID_ROWS]
        return [(Span("  "), Span(line, role)) for line in lines]

    def _field(self, field: TextField, selected: bool, inner: int) -> Row:
        size = max(4, inner - LABEL - 2)
        mark = Span(f"  {glyphs.CURSOR} " if selected else "    ", "accent")
        head = cell(field.name, LABEL, "title" if selected else "dim")
        if not selected:
            value = clean(field.value)
            return (mark, head, Span(cut_middle(value, size) if value else "none",
                                     "text" if value else "dim"))  # fmt: skip
        before, after = clean(field.value[: field.at]), clean(field.value[field.at :])
        room = max(1, size - 1 - min(AHEAD, len(after)))
        shown = take_cells(before[::-1], room)[::-1]
        if len(shown) < len(before):
            shown = glyphs.ELLIPSIS + take_cells(before[::-1], room - 1)[::-1]
        rest = crop(after, max(0, size - 1 - len(shown)))
        return (
            mark,
            head,
            Span(shown, "strong"),
            Span(glyphs.AXIS_SIDE, "accent"),
            Span(rest, "strong"),
        )

    # ----------------------------------------------------------------- keys

    def on_key(self, event: events.Key) -> None:
        field = self.form.field
        if field is None or self.working:
            return
        changed = field.pressed(event.key, event.character if event.is_printable else None)
        if changed is None:
            return
        self._change(changed)
        event.stop()
        event.prevent_default()

    def on_paste(self, event: events.Paste) -> None:
        event.stop()
        field = self.form.field
        if field is not None and not self.working:
            self._change(field.typed(event.text.strip()))

    def _change(self, field: TextField) -> None:
        self.said = ("", "dim")
        self.form = self.form.changed(field)

    def other_folder(self, by: int) -> None:
        if not self.working and self.form.field is not None and self.form.field.name == FOLDER:
            self.form = self.form.other_folder(by)
