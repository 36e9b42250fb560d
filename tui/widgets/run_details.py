"""Under the list: what else there is to say about the run under the cursor."""

from __future__ import annotations

from collections.abc import Sequence

from rich.cells import cell_len
from textual.reactive import reactive

from tui.render import glyphs
from tui.render.paint import Row, Span, cell
from tui.text import crop, wrap
from tui.viewmodel.run_details import Detail
from tui.widgets.painted import Painted

LABEL = 9


class RunDetails(Painted):
    """`model`: the name, which of the runs it is, and the details."""

    model: reactive[tuple[str, str, tuple[Detail, ...]]] = reactive(
        ("", "", ()), layout=False, repaint=False
    )

    def watch_model(self) -> None:
        self.repaint()

    def draw(self, width: int, height: int) -> Sequence[Row]:
        name, place, details = self.model
        rows: list[Row] = [_rule(name, place, width)]
        for index, detail in enumerate(details):
            # every detail after this one is worth a row more than the end of a long one
            room = max(1, height - len(rows) - (len(details) - index - 1))
            rows += _lines(detail, width, room)
        return rows[:height]


def _rule(name: str, place: str, width: int) -> Row:
    right = f" {place} {glyphs.RULE}" if place else ""
    title = crop(name, max(0, width - 4 - len(right)))
    if not title:
        return (Span(glyphs.RULE * width, "faint"),)
    rest = width - 3 - cell_len(title) - len(right)
    return (
        Span(f"{glyphs.RULE} ", "faint"),
        Span(title, "title"),
        Span(" "),
        Span(glyphs.RULE * max(0, rest), "faint"),
        Span(right, "dim"),
    )


def _lines(detail: Detail, width: int, most: int) -> list[Row]:
    inner = max(8, width - LABEL - 2)
    lines = wrap(detail.text, inner)
    if len(lines) > most:
        lines = [*lines[: most - 1], crop(" ".join(lines[most - 1 :]), inner)]
    labels = [detail.label, *[""] * len(lines)]
    return [
        (Span(" "), cell(label, LABEL, "dim"), Span(line, detail.role))
        for label, line in zip(labels, lines, strict=False)
    ]
