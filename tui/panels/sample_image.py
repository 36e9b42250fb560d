"""One sample image as large as fits, and its words."""

from __future__ import annotations

from collections.abc import Sequence

from textual.reactive import reactive

from tui.images.store import Made
from tui.kit.paint import Row, Span, row_width
from tui.kit.painted import Pictured
from tui.text import crop, crop_start, take_cells, wrap
from tui.words.samples import ImageWords


def word_rows(words: ImageWords, count: str, width: int, height: int) -> list[Row]:
    """`count`: which prompt of how many. The prompt takes what the rest leaves it."""
    room = max(8, width)
    head: list[Row] = [(Span(line, "strong"),) for line in wrap(words.place, room)]
    remarks = [(Span(line, "warn"),) for one in words.remarks for line in wrap(one, room)]
    name: list[Row] = [(Span(crop_start(words.name, room), "dim"),)] if words.name else []
    left = height - len(head) - len(remarks) - len(name)
    if left < 3:
        return [*head, *remarks, *name][:height]
    facts = [(Span(line, "dim"),) for line in _joined(words.facts, room)][: left - 2]
    left -= len(facts)
    prompt: list[Row] = [(), *_prompt(words, count, room, left - 1)] if left > 2 else []
    return [*head, *facts, *prompt, *remarks, *name][:height]


def _joined(parts: tuple[str, ...], width: int) -> list[str]:
    """Parts joined by commas; a line breaks between them."""
    lines: list[str] = []
    for part in parts:
        if lines and len(lines[-1]) + 2 + len(part) <= width:
            lines[-1] += f", {part}"
        else:
            lines.append(crop(part, width))
    return lines


def _prompt(words: ImageWords, count: str, width: int, height: int) -> list[Row]:
    lines = wrap(f"{count}: {words.prompt}" if words.prompt else count, width)
    rows: list[Row] = [(Span(line),) for line in lines]
    if lines[0].startswith(count):
        size = len(count) + 1
        rows[0] = (Span(lines[0][:size], "dim"), Span(lines[0][size:]))
    if words.prompt and words.negative:
        rows += [(Span(line, "dim"),) for line in wrap(f"negative: {words.negative}", width)]
    if len(rows) > height > 0:
        last = "".join(span.text for span in rows[height - 1])
        rows = [*rows[: height - 1], (Span(f"{take_cells(last, width - 1)}…", "dim"),)]
    return rows[:height]


class Picture(Pictured):
    """One picture as large as fits. `model` None: not ready yet. `instead`: lines in its place."""

    model: reactive[Made | None] = reactive(None, layout=False, repaint=False)
    instead: reactive[tuple[str, ...]] = reactive((), layout=False, repaint=False)

    def watch_model(self) -> None:
        self.repaint()

    watch_instead = watch_model

    def draw(self, width: int, height: int) -> Sequence[Row]:
        made, room = self.model, max(8, width - 2)
        if self.instead:
            return [
                (Span(f" {line}", "dim"),) for text in self.instead for line in wrap(text, room)
            ]
        if made is None:
            return ()
        if made.problem:
            return [(), *((Span(f" {line}", "warn"),) for line in wrap(made.problem, room))]
        # at the top, where the eye left it; in the middle from left to right
        left = max(0, (width - (row_width(made.rows[0]) if made.rows else 0)) // 2)
        return [(Span(" " * left), *row) if left else row for row in made.rows]
