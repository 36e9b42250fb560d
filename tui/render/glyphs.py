"""The shapes, and what stands for each where only ASCII can be shown.

State is always told by a word and a shape, never by colour alone. Everything is drawn in Unicode;
`to_ascii` translates finished rows cell by cell, so that nothing moves.
"""

from __future__ import annotations

from rich.cells import get_character_cell_size

RULE = "─"
RULE_FOCUS = "━"
BAR = "━"
BAR_TIP = "╸"
BAR_OTHERS = "╍"
BAR_REST = "─"
AXIS = "─"
AXIS_FUTURE = "┄"
AXIS_TICK = "┴"
AXIS_RESUME = "┼"
AXIS_SIDE = "│"
AXIS_SIDE_TICK = "┤"
AXIS_CORNER = "└"
YES = "✓"
NO = "✗"
WARN = "!"
SKIP = "–"
UNKNOWN = "·"
READY = "○"
ACTIVE = "●"
BUSY = "◐"
WAITING = "◌"
STOPPED = "■"
LOST = "?"
WRITTEN = "◆"
EXPECTED = "◇"
CLIPPED = "▴"
NONFINITE = "×"
NONFINITE_LINE = "╎"
ELLIPSIS = "…"
CURSOR = "▌"
SPARKS = "▁▂▃▄▅▆▇█"

_ASCII = {
    "─": "-",
    "━": "=",
    "╸": ">",
    "╍": "%",
    "°": "'",
    "┄": ".",
    "┴": "+",
    "┤": "+",
    "┼": "|",
    "│": "|",
    "└": "+",
    "✓": "+",
    "✗": "x",
    "–": "-",
    "—": "-",
    "·": ".",
    "○": "o",
    "●": "*",
    "◐": "~",
    "◌": ".",
    "■": "#",
    "◆": "#",
    "◇": "o",
    "▴": "^",
    "×": "x",
    "╎": "!",
    "…": "~",
    "▌": ">",
    "−": "-",
    "→": ">",
    "↑": "^",
    "↓": "v",
    "«": "<",
    "»": ">",
    **dict(zip(SPARKS, "_.-=*#@%", strict=True)),
}


def to_ascii(text: str) -> str:
    """`text` in as many cells, ASCII only; what has no stand-in becomes `?` in each of its cells."""
    if text.isascii():
        return text
    return "".join(
        character
        if character.isascii()
        else _ASCII.get(character) or "?" * get_character_cell_size(character)
        for character in text
    )
