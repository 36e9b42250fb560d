"""Columns of a foreign table in a given width: cut names in their middle, wrap words, and leave out the columns
that matter least, saying which."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from rich.cells import cell_len

from tui.text import crop, take_cells

GAP = 2
#: a column of words is never made narrower, the last one and one of names even less
LEAST, LEAST_LAST, LEAST_NAMES = 10, 18, 15


@dataclass(frozen=True, slots=True)
class Fitted:
    """`columns`: which are shown, left to right, with their widths; `left_out`: heads of the others."""

    columns: tuple[int, ...]
    widths: tuple[int, ...]
    left_out: tuple[str, ...] = ()


def fit_columns(
    heads: Sequence[str], rows: Sequence[Sequence[str]], numeric: Sequence[int], width: int
) -> Fitted:
    """Columns without any content are dropped silently."""
    natural = [
        max(cell_len(text) for text in (head, *(row[i] for row in rows)))
        for i, head in enumerate(heads)
    ]
    kept = [i for i in range(len(heads)) if not rows or any(row[i].strip() for row in rows)]
    left_out: list[str] = []
    while True:
        names = [
            i for i in kept if i not in numeric and not any(" " in row[i].strip() for row in rows)
        ]
        widths = _shrunk(kept, natural, numeric, names, width)
        if sum(widths) + GAP * (len(kept) - 1) <= width or len(kept) <= 2:
            break
        gone = _least_worth(kept, numeric)
        left_out.append(heads[gone])
        kept.remove(gone)
    over = sum(widths) + GAP * (len(kept) - 1) - width
    if over > 0:  # two columns that are too wide even so
        widths = [min(w, max(4, (width - GAP) // 2)) for w in widths]
    order = {head: i for i, head in enumerate(heads)}
    return Fitted(tuple(kept), tuple(widths), tuple(sorted(left_out, key=lambda h: order[h])))


def _shrunk(
    kept: Sequence[int],
    natural: Sequence[int],
    numeric: Sequence[int],
    names: Sequence[int],
    width: int,
) -> list[int]:
    """The widest columns of words give way first, level by level."""
    widths = {i: natural[i] for i in kept}
    least = {
        i: min(natural[i], LEAST_LAST if i == kept[-1] else LEAST_NAMES if i in names else LEAST)
        for i in kept
        if i not in numeric
    }
    over = sum(widths.values()) + GAP * (len(kept) - 1) - width
    while over > 0:
        open_ones = [i for i in least if widths[i] > least[i]]
        if not open_ones:
            break
        widest = max(widths[i] for i in open_ones)
        level = [i for i in open_ones if widths[i] == widest]
        below = max(
            [widths[i] for i in open_ones if widths[i] < widest] + [least[i] for i in level]
        )
        step = max(1, min(widest - below, -(-over // len(level))))
        for i in level:
            taken = min(step, widths[i] - least[i], over)
            widths[i] -= taken
            over -= taken
    return [widths[i] for i in kept]


def _least_worth(kept: Sequence[int], numeric: Sequence[int]) -> int:
    """The rightmost number behind the first two columns, else the rightmost but the last."""
    numbers = [i for i in kept[2:] if i in numeric]
    return numbers[-1] if numbers else kept[-2] if len(kept) > 2 else kept[-1]


def without_common_ending(names: Sequence[str]) -> list[str]:
    """File names without the ending that all of them have: it takes the room of what tells them apart."""
    endings = {name[name.rfind(".") :] if "." in name else "" for name in names}
    ending = next(iter(endings), "")
    if len(names) < 2 or len(endings) != 1 or not ending[1:].isalpha():
        return list(names)
    return [name[: -len(ending)] for name in names]


def fold(text: str, width: int) -> list[str]:
    """Lines of at most `width` cells, broken at spaces; only a word that is longer than a line is broken."""
    width = max(1, width)
    lines: list[str] = [""]
    for word in text.split(" "):
        joined = f"{lines[-1]} {word}" if lines[-1] else word
        if cell_len(joined) <= width:
            lines[-1] = joined
            continue
        if lines[-1]:
            lines.append("")
        while cell_len(word) > width:
            head = take_cells(word, width) or word[:1]
            lines[-1] = head
            word = word[len(head) :]
            lines.append("")
        lines[-1] = word
    return lines if lines[-1] or len(lines) == 1 else lines[:-1]


def cut_middle(text: str, width: int, tail: str = "…") -> str:
    """File names differ at their ends: what is cut is their middle."""
    if cell_len(text) <= width:
        return text
    if width < 8:
        return crop(text, width, tail)
    end = take_cells(text[::-1], (width - 1) * 3 // 5)[::-1]
    return take_cells(text, width - 1 - cell_len(end)) + tail + end
