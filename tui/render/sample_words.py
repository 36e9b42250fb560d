"""What is said of one sample image, as rows."""

from __future__ import annotations

from tui.render.paint import Row, Span
from tui.text import crop, crop_start, take_cells, wrap
from tui.viewmodel.samples import Words


def word_rows(words: Words, count: str, width: int, height: int) -> list[Row]:
    """`count`: which prompt of how many. The words of the prompt take what the rest leaves them."""
    room = max(8, width)
    head: list[Row] = [(Span(line, "strong"),) for line in wrap(words.place, room)]
    remarks = [(Span(line, "warn"),) for one in words.remarks for line in wrap(one, room)]
    facts = [(Span(line, "dim"),) for line in _joined(words.facts, room)]
    name: list[Row] = [(Span(crop_start(words.name, room), "dim"),)] if words.name else []
    left = height - len(head) - len(remarks) - len(name)
    if left < 3:
        return [*head, *remarks, *name][:height]
    facts = facts[: max(0, left - 2)]
    left -= len(facts)
    prompt = _prompt(words, count, room, max(0, left - 1)) if left > 2 else []
    blank: list[Row] = [()] if prompt else []
    return [*head, *facts, *blank, *prompt, *remarks, *name][:height]


def _joined(parts: tuple[str, ...], width: int) -> list[str]:
    """Parts joined by commas; a line breaks between them."""
    lines: list[str] = []
    for part in parts:
        if lines and len(lines[-1]) + 2 + len(part) <= width:
            lines[-1] += f", {part}"
        else:
            lines.append(crop(part, width))
    return lines


def _prompt(words: Words, count: str, width: int, height: int) -> list[Row]:
    if not words.prompt:
        only: Row = (Span(count, "dim"),)
        return [only][:height]
    lines = wrap(f"{count}: {words.prompt}", width)
    rows: list[Row] = []
    for at, line in enumerate(lines):
        if at == 0 and line.startswith(count):
            rows.append((Span(line[: len(count) + 1], "dim"), Span(line[len(count) + 1 :])))
        else:
            rows.append((Span(line),))
    if words.negative:
        rows += [(Span(line, "dim"),) for line in wrap(f"negative: {words.negative}", width)]
    if len(rows) > height > 0:
        last = "".join(span.text for span in rows[height - 1])
        rows = [*rows[: height - 1], (Span(f"{take_cells(last, width - 1)}…", "dim"),)]
    return rows[:height]
