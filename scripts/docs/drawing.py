"""A terminal's cells as SVG that looks the same everywhere: blocks, lines and braille dots are shapes, words
are stretched to their cells, and no font has to be loaded."""

from __future__ import annotations

import html
import re
import unicodedata
from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TypeVar

import pyte
import pyte.screens

T = TypeVar("T")
WIDTH, HEIGHT, BASELINE, SIZE, MARGIN = 8.4, 18.0, 13.5, 14, 10
STYLE = (
    "text{white-space:pre;"
    f"font:{SIZE}px ui-monospace,SFMono-Regular,Menlo,Consolas,'DejaVu Sans Mono',monospace}}"
    ".b{font-weight:bold}.m{text-anchor:middle}"
    ".d{fill:none;stroke-width:2.6;stroke-linecap:round}"
)


@dataclass(frozen=True, slots=True)
class Cell:
    """`text`: one character; the right half of a wide one is empty."""

    text: str
    ink: str
    ground: str
    bold: bool = False


Line = tuple[Cell, ...]


def picture(lines: Sequence[Line]) -> str:
    """One screen. All grounds come first, so that blocks of neighbouring rows meet without a seam."""

    def placed(parts: Sequence[str]) -> str:
        return "".join(
            f'<g transform="translate(0 {_n(y * HEIGHT)})">{part}</g>'
            for y, part in enumerate(parts)
            if part
        )

    page = _ground(lines)
    return _svg(
        page,
        lines,
        "",
        placed([grounds(line, page) for line in lines]) + placed(list(map(signs, lines))),
    )


def film(frames: Sequence[tuple[float, Sequence[Line]]], seconds: float) -> str:
    """Screens with their times, repeated for ever. Frames lie side by side and pass a window; a row that is
    the same in several of them is in the file once."""
    page = _ground(frames[-1][1])
    rows: dict[Line, str] = {}
    strips, steps, width = [], [], len(frames[0][1][0]) * WIDTH + MARGIN
    for number, (at_s, lines) in enumerate(frames):
        for y, line in enumerate(lines):
            name = rows.setdefault(line, f"r{len(rows)}")
            strips.append(f'<use href="#{name}" x="{_n(number * width)}" y="{_n(y * HEIGHT)}"/>')
        steps.append(
            f"{100 * at_s / seconds:.3f}%{{transform:translateX({_n(-number * width)}px)}}"
        )
    defined = "".join(
        f'<g id="{name}">{grounds(line, page)}{signs(line)}</g>' for line, name in rows.items()
    )
    style = f".film{{animation:film {seconds:.1f}s step-end infinite}}@keyframes film{{{''.join(steps)}}}"
    strip = f'<defs>{defined}</defs><g class="film">{"".join(strips)}</g>'
    return _svg(page, frames[0][1], style, strip)


def _ground(lines: Sequence[Line]) -> str:
    """The most frequent one."""
    return Counter(cell.ground for line in lines for cell in line).most_common(1)[0][0]


def _svg(page: str, lines: Sequence[Line], style: str, content: str) -> str:
    width, height = len(lines[0]) * WIDTH, len(lines) * HEIGHT
    full = f"{_n(width + 2 * MARGIN)} {_n(height + 2 * MARGIN)}"
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {full}" width="{full.split()[0]}">'
        f"<style>{STYLE}{style}</style>"
        f'<rect width="100%" height="100%" rx="6" fill="{page}"/>'
        f'<svg x="{MARGIN}" y="{MARGIN}" width="{_n(width)}" height="{_n(height)}">{content}</svg></svg>\n'
    )


def grounds(line: Line, page: str) -> str:
    """Where they differ from that of the page."""
    return "".join(
        f'<rect x="{_n(start * WIDTH)}" width="{_n(count * WIDTH + 0.2)}" height="{_n(HEIGHT + 0.2)}" '
        f'fill="{ground}"/>'
        for start, count, ground in _runs([cell.ground for cell in line])
        if ground != page
    )


def signs(line: Line) -> str:
    """Shapes, one path a colour, then words."""
    shapes: dict[str, list[Box]] = defaultdict(list)
    dots: dict[str, list[str]] = defaultdict(list)
    words: list[str] = []
    for start, count, (ink, bold, kind) in _runs(
        [(one.ink, one.bold, _kind(one.text)) for one in line]
    ):
        text = "".join(cell.text for cell in line[start : start + count])
        if kind == "word":
            words += _words(text, start, ink, bold)
            continue
        for x, sign in enumerate(text, start):
            if kind == "dots":
                dots[ink] += [f"M{_n(x * WIDTH + left)} {_n(top)}h0" for left, top in braille(sign)]
            elif kind == "shape":
                shapes[ink] += [(x * WIDTH + left, *rest) for left, *rest in boxes(sign)]
            elif sign.strip():
                words.append(_text(sign, (x + 0.5) * WIDTH, ink, "m", bold))
    paths = [f'<path fill="{ink}" d="{_outline(found)}"/>' for ink, found in shapes.items()]
    paths += [
        f'<path class="d" stroke="{ink}" d="{"".join(found)}"/>' for ink, found in dots.items()
    ]
    return "".join(paths + words)


def _runs(values: Sequence[T]) -> Iterator[tuple[int, int, T]]:
    """(start, length, value) of equal neighbours."""
    start = 0
    for at in range(1, len(values) + 1):
        if at == len(values) or values[at] != values[start]:
            yield start, at - start, values[start]
            start = at


def _kind(text: str) -> str:
    """`word`: in every font of the same width; `dots`, `shape`: drawn; `sign`: from whatever font has it."""
    if not text or text.isascii():
        return "word"
    if "\u2800" <= text <= "\u28ff":
        return "dots"
    return "shape" if "\u2500" <= text <= "\u259f" else "sign"


def _words(text: str, start: int, ink: str, bold: bool) -> Iterator[str]:
    for word in re.finditer(r"\S+(?: \S+)*", text):
        x, width = (start + word.start()) * WIDTH, len(word[0]) * WIDTH
        yield _text(word[0], x, ink, "", bold, f' textLength="{_n(width)}"')


def _text(text: str, x: float, ink: str, look: str, bold: bool, more: str = "") -> str:
    classes = " ".join(filter(None, (look, "b" if bold else "")))
    named = f' class="{classes}"' if classes else ""
    return f'<text{named} x="{_n(x)}" y="{BASELINE}" fill="{ink}"{more}>{html.escape(text, quote=False)}</text>'


# ------------------------------------------------------------------------------------------ shapes

#: x, y, width, height in a cell
Box = tuple[float, float, float, float]
#: the bits of a braille pattern, by column and row
_DOTS = ((0x01, 0x02, 0x04, 0x40), (0x08, 0x10, 0x20, 0x80))
_SIDES = {"LEFT": (0, -1), "RIGHT": (0, 1), "UP": (1, -1), "DOWN": (1, 1)}
_PARTS = {"DOUBLE": 2, "TRIPLE": 3, "QUADRUPLE": 4}


def braille(sign: str) -> Iterator[tuple[float, float]]:
    """The middle of each dot."""
    for x, column in enumerate(_DOTS):
        for y, bit in enumerate(column):
            if (ord(sign) - 0x2800) & bit:
                yield WIDTH * (1 + 2 * x) / 4, HEIGHT * (1 + 2 * y) / 8


def boxes(sign: str) -> Iterator[Box]:
    """What is inked in the cell of a block or a line."""
    code = ord(sign)
    return _block(code) if code >= 0x2580 else _strokes(unicodedata.name(sign).split())


def _block(code: int) -> Iterator[Box]:
    eighth = HEIGHT / 8
    if code == 0x2580:
        yield 0, 0, WIDTH, HEIGHT / 2
    elif code <= 0x2588:
        height = (code - 0x2580) * eighth
        yield 0, HEIGHT - height, WIDTH, height + 0.3  # to meet what lies below
    elif code <= 0x258F:
        yield 0, 0, WIDTH * (0x2590 - code) / 8, HEIGHT
    elif code == 0x2590:
        yield WIDTH / 2, 0, WIDTH / 2, HEIGHT
    elif code <= 0x2593:  # shades as a pattern of dots
        step = 4.2 - (code - 0x2590) * 0.7
        yield from (
            (x * step, y * step, 1.4, 1.4) for x in range(2) for y in range(int(HEIGHT / step))
        )
    elif code == 0x2594:
        yield 0, 0, WIDTH, eighth
    elif code == 0x2595:
        yield WIDTH * 7 / 8, 0, WIDTH / 8, HEIGHT
    else:
        name = unicodedata.name(chr(code))
        for side, (x, y) in {"UPPER LEFT": (0, 0), "UPPER RIGHT": (1, 0),
                             "LOWER LEFT": (0, 1), "LOWER RIGHT": (1, 1)}.items():  # fmt: skip
            if side in name:
                yield x * WIDTH / 2, y * HEIGHT / 2, WIDTH / 2, HEIGHT / 2


def _strokes(words: Sequence[str]) -> Iterator[Box]:
    """`BOX DRAWINGS LIGHT UP AND RIGHT` and the like: half a line for each side."""
    thick = 2.4 if "HEAVY" in words else 1.0
    sides = [side for side in _SIDES if side in words]
    sides += ["LEFT", "RIGHT"] if "HORIZONTAL" in words else []
    sides += ["UP", "DOWN"] if "VERTICAL" in words else []
    if "DASH" in words:
        count = next((number for word, number in _PARTS.items() if word in words), 2)
        across = "HORIZONTAL" in words
        length = (WIDTH if across else HEIGHT) / count
        for part in range(count):
            at, middle = part * length + length * 0.2, (HEIGHT if across else WIDTH) / 2 - thick / 2
            yield (at, middle, length * 0.6, thick) if across else (middle, at, thick, length * 0.6)
        return
    for side in sides:
        upright, way = _SIDES[side]
        size, other = (HEIGHT, WIDTH) if upright else (WIDTH, HEIGHT)
        at, middle = 0.0 if way < 0 else size / 2 - thick / 2, other / 2 - thick / 2
        length = size / 2 + thick / 2
        yield (middle, at, thick, length) if upright else (at, middle, length, thick)


def _outline(found: Sequence[Box]) -> str:
    """Boxes that touch their neighbour on the left become one with it."""
    joined: list[Box] = []
    for x, y, width, height in found:
        before, _, length, _ = joined[-1] if joined else (0.0, 0.0, 0.0, 0.0)
        if joined and joined[-1][1::2] == (y, height) and x < before + length + 0.01:
            joined[-1] = (before, y, x + width - before, height)
        else:
            joined.append((x, y, width, height))
    return "".join(f"M{_n(x)} {_n(y)}h{_n(w)}v{_n(h)}h{_n(-w)}z" for x, y, w, h in joined)


def _n(value: float) -> str:
    return f"{value:.2f}".rstrip("0").rstrip(".") or "0"


# --------------------------------------------------------------------------- from pyte's screen


def lines_of(
    screen: pyte.Screen, ink: str = "#e8e6f0", ground: str = "#0e0c16"
) -> tuple[Line, ...]:
    """`ink`, `ground`: the colours of the terminal itself. Raises ValueError for one of the 16 named ones."""

    def cell(char: pyte.screens.Char) -> Cell:
        own = ink if char.fg == "default" else f"#{int(char.fg, 16):06x}"
        behind = ground if char.bg == "default" else f"#{int(char.bg, 16):06x}"
        return Cell(char.data, *((behind, own) if char.reverse else (own, behind)), char.bold)

    across = range(screen.columns)
    return tuple(tuple(cell(screen.buffer[y][x]) for x in across) for y in range(screen.lines))
