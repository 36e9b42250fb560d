"""Kitty's graphics protocol with Unicode placeholders: a picture is sent once, and shown wherever cells
name it. To Textual's compositor these are text, which it can move, cover and redraw.

https://sw.kovidgoyal.net/kitty/graphics-protocol/#unicode-placeholders. Pure but for Pillow.
"""

from __future__ import annotations

import base64
import io
from collections.abc import Iterator
from typing import TYPE_CHECKING

from tui.kit.paint import Row, Span

if TYPE_CHECKING:
    from PIL.Image import Image

PLACEHOLDER = "\U0010eeee"
#: of base64, a message: the protocol's limit
CHUNK = 4096
#: numbers of pictures that fit a colour, which is how a cell names its picture
MOST_ID = 0xFFFFFF
#: pixels that a cell may have at most, for the size in which pictures are sent
CELL_PIXELS = (16, 32)

# The protocol's rowcolumn-diacritics in its order, as (first code point, how many).
_MARK_RUNS = (
    (773, 1), (781, 2), (784, 1), (786, 1), (829, 3), (838, 1), (842, 3), (848, 3), (855, 1),
    (859, 1), (867, 13), (1155, 5), (1426, 4), (1431, 3), (1436, 6), (1448, 2), (1451, 2), (1455, 1),
    (1476, 1), (1552, 8), (1623, 5), (1629, 2), (1750, 7), (1759, 4), (1764, 1), (1767, 2), (1771, 2),
    (1840, 1), (1842, 2), (1845, 2), (1850, 1), (1853, 1), (1855, 3), (1859, 1), (1861, 1), (1863, 1),
    (1865, 2), (2027, 7), (2035, 1), (2070, 4), (2075, 9), (2085, 3), (2089, 5), (2385, 1), (2387, 2),
    (3970, 2), (3974, 2), (4957, 3), (6109, 1), (6458, 1), (6679, 1), (6773, 8), (7019, 1), (7021, 7),
    (7376, 2),
)  # fmt: skip
MARKS = "".join(chr(first + more) for first, number in _MARK_RUNS for more in range(number))
#: rows and columns that can be named
MOST_CELLS = len(MARKS)


def placeholder_rows(number: int, columns: int, rows: int) -> tuple[Row, ...]:
    """Cells that show picture `number` (1 to MOST_ID) in `columns` x `rows`, each at most MOST_CELLS."""
    role = f"#{number:06x}/"
    return tuple(
        (Span("".join(PLACEHOLDER + MARKS[y] + MARKS[x] for x in range(columns)), role),)
        for y in range(rows)
    )


def sent(image: Image, number: int, columns: int, rows: int) -> str:
    """The messages that send the picture to the terminal, to be shown in so many cells. The terminal must not
    answer (q=2): answers would arrive as keys."""
    most = (columns * CELL_PIXELS[0], rows * CELL_PIXELS[1])
    small = image.copy()
    small.thumbnail(most)
    out = io.BytesIO()
    small.save(out, "PNG", compress_level=3)
    keys = f"a=T,q=2,f=100,U=1,i={number},c={columns},r={rows}"
    return "".join(_messages(keys, base64.standard_b64encode(out.getvalue()).decode("ascii")))


def _messages(keys: str, payload: str) -> Iterator[str]:
    for at in range(0, max(1, len(payload)), CHUNK):
        more = int(at + CHUNK < len(payload))
        head = f"{keys},m={more}" if at == 0 else f"q=2,m={more}"
        yield f"\x1b_G{head};{payload[at : at + CHUNK]}\x1b\\"


def forgotten(number: int) -> str:
    """Removes the picture from the terminal's memory."""
    return f"\x1b_Ga=d,d=I,q=2,i={number}\x1b\\"
