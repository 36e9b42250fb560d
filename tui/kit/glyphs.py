"""The shapes, and their substitutes where only ASCII can be shown.

State is always a word and a shape, never by colour alone. Everything is drawn in Unicode;
`to_ascii` translates finished rows cell by cell, so that nothing moves.
"""

from __future__ import annotations

from rich.cells import get_character_cell_size

RULE = "─"
RULE_FOCUS = "━"
BAR = "━"
BAR_TIP = "╸"
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
BEST = "★"
CLIPPED = "▴"
CLIPPED_LOW = "▼"
SAMPLE = "□"
NONFINITE = "×"
NONFINITE_LINE = "╎"
CURSOR_LINE = "┊"
ELLIPSIS = "…"
CURSOR = "▌"
FOLDED = "▸"
UNFOLDED = "▾"
SPARKS = "▁▂▃▄▅▆▇█"

_ASCII = {
    "─": "-",
    "━": "=",
    "╸": ">",
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
    "★": "*",
    "▴": "^",
    "▼": "v",
    "□": "%",
    "×": "x",
    "╎": "!",
    "┊": ":",
    "…": "~",
    "▌": ">",
    "▸": "+",
    "▾": "-",
    "−": "-",
    "→": ">",
    "↑": "^",
    "↓": "v",
    "«": "<",
    "»": ">",
    **dict(zip(SPARKS, "_.-=*#@%", strict=True)),
}


#: dots of a braille cell by height, the highest first, and what draws a line at that height
_HEIGHTS = ((0x09, "'"), (0x12, "-"), (0x24, "."), (0xC0, "_"))


def _braille(character: str) -> str:
    """A line of dots as one at about that height; empty if it is something else."""
    dots = ord(character) - 0x2800
    if not 0 < dots <= 0xFF:
        return ""
    return next(shown for bits, shown in _HEIGHTS if dots & bits)


def to_ascii(text: str) -> str:
    """`text` in as many cells, ASCII only; what has no substitute becomes `?` in each of its cells."""
    if text.isascii():
        return text
    return "".join(
        character
        if character.isascii()
        else _ASCII.get(character)
        or _braille(character)
        or "?" * get_character_cell_size(character)
        for character in text
    )
