"""A table that fits a terminal: columns are narrowed, then dropped by rank. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from rich.cells import cell_len

from tui.text import crop, crop_start

GAP = "  "


@dataclass(frozen=True, slots=True)
class Column:
    """`least`: the narrowest width in cells, None: never narrowed. `rank`: the highest is dropped first;
    0 is never dropped. `keep_end`: cropped at its start."""

    head: str
    rank: int = 0
    least: int | None = None
    right: bool = False
    keep_end: bool = False


@dataclass(frozen=True, slots=True)
class Title:
    """A line over the rows that follow."""

    text: str


Line = Title | Sequence[str]


def table_lines(columns: Sequence[Column], lines: Sequence[Line], width: int | None) -> list[str]:
    """`lines`: rows of cleaned cells, or titles. `width` None: no limit."""
    rows = [line for line in lines if not isinstance(line, Title)]
    sizes = [_size(column.head, [row[i] for row in rows]) for i, column in enumerate(columns)]
    kept = _fitting(columns, sizes, width)
    found = [_line([columns[i].head for i in kept], columns, kept)]
    for line in lines:
        if isinstance(line, Title):
            found.append(line.text if width is None else crop(line.text, width))
        else:
            found.append(_line([line[i] for i in kept], columns, kept))
    return found


def _size(head: str, cells: Sequence[str]) -> int:
    """0: an empty column, which is dropped."""
    widest = max((cell_len(text) for text in cells), default=0)
    return max(widest, cell_len(head)) if widest else 0


def _fitting(columns: Sequence[Column], sizes: list[int], width: int | None) -> dict[int, int]:
    """Width by column, for those that stay."""
    kept = {i: size for i, size in enumerate(sizes) if size}
    while width is not None and _total(kept) > width:
        narrowed = _narrowed(columns, kept, _total(kept) - width)
        if _total(narrowed) <= width:
            return narrowed
        last = max(kept, key=lambda i: columns[i].rank)
        if columns[last].rank == 0:
            return narrowed  # never cut what identifies a row: the terminal may wrap it
        del kept[last]
    return kept


def _total(kept: dict[int, int]) -> int:
    return sum(kept.values()) + len(GAP) * (len(kept) - 1)


def _narrowed(columns: Sequence[Column], kept: dict[int, int], excess: int) -> dict[int, int]:
    """Narrows the widest column, cell by cell."""
    found = dict(kept)
    while excess > 0:
        can = [i for i in found if (least := columns[i].least) is not None and found[i] > least]
        if not can:
            return found
        found[max(can, key=lambda i: found[i])] -= 1
        excess -= 1
    return found


def _line(cells: Sequence[str], columns: Sequence[Column], kept: dict[int, int]) -> str:
    parts = []
    for text, (i, size) in zip(cells, kept.items(), strict=True):
        shown = (crop_start if columns[i].keep_end else crop)(text, size)
        blank = " " * (size - cell_len(shown))
        parts.append(blank + shown if columns[i].right else shown + blank)
    return GAP.join(parts).rstrip()
