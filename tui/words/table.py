"""Tables that fit a width: columns are narrowed first, then left out by rank. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from rich.cells import cell_len

from tui.text import crop, crop_start

GAP = "  "


@dataclass(frozen=True, slots=True)
class Column:
    """`least`: cells that it may be narrowed to, None: never narrowed. `rank`: the highest is left out
    first, 0 never. `keep_end`: cropped at its start."""

    head: str
    rank: int = 0
    least: int | None = None
    right: bool = False
    keep_end: bool = False


@dataclass(frozen=True, slots=True)
class Title:
    """A line above the rows that follow."""

    text: str


Line = Title | Sequence[str]


def table_lines(columns: Sequence[Column], lines: Sequence[Line], width: int | None) -> list[str]:
    """`lines`: cells as many as columns, cleaned already, or titles. `width` None: as wide as it is."""
    kept = fit_columns(columns, [line for line in lines if not isinstance(line, Title)], width)
    found = [_line([columns[i].head for i in kept], columns, kept)]
    for line in lines:
        if isinstance(line, Title):
            found.append(line.text if width is None else crop(line.text, width))
        else:
            found.append(_line([line[i] for i in kept], columns, kept))
    return found


def fit_columns(
    columns: Sequence[Column], rows: Sequence[Sequence[str]], width: int | None
) -> dict[int, int]:
    """Index and width of each column that is shown, left to right; one without content is left out."""
    kept = {}
    for i, column in enumerate(columns):
        widest = max((cell_len(row[i]) for row in rows), default=0)
        if widest or not rows:
            kept[i] = max(widest, cell_len(column.head))
    while width is not None and _total(kept) > width:
        narrowed = _narrowed(columns, kept, _total(kept) - width)
        last = max(kept, key=lambda i: columns[i].rank)
        if _total(narrowed) <= width or columns[last].rank == 0:
            return narrowed  # what identifies a row is never left out: the terminal may wrap it
        del kept[last]
    return kept


def _total(kept: dict[int, int]) -> int:
    return sum(kept.values()) + len(GAP) * (len(kept) - 1)


def _narrowed(columns: Sequence[Column], kept: dict[int, int], excess: int) -> dict[int, int]:
    """Narrow the widest column, cell by cell."""
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
