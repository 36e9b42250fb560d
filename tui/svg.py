"""Screenshots that look the same in every SVG renderer.

Textual's SVG trusts the renderer to stretch each run of text to its length; librsvg does not, and takes
braille and blocks from fonts of other widths. So every run is split: blanks become positions, and each
character beyond ASCII stands on its own.
"""

from __future__ import annotations

import html
import re

from rich.cells import get_character_cell_size

_TEXT = re.compile(
    r'<text class="(?P<class>[^"]*)" x="(?P<x>[\d.]+)" y="(?P<y>[\d.]+)" '
    r'textLength="(?P<length>[\d.]+)" clip-path="(?P<clip>[^"]*)">(?P<text>[^<]*)</text>'
)
_BLOCKS = "▁▂▃▄▅▆▇█"
#: height of a cell, and its lower edge below the text's baseline, in Textual's export (font size 20)
_LINE, _BELOW = 24.65, 6.15
_RUNS = re.compile(r"[\x21-\x7e]+|[^\x00-\x20\xa0\x7f]")


def pin_text(svg: str) -> str:
    """The same picture with every word and every sign at a position of its own."""
    return _TEXT.sub(_pinned, svg)


def _block(found: re.Match[str], x: float, width: float, eighths: int) -> str:
    """A lower block as the exact part of its cell, so that it meets its neighbours."""
    height = _LINE * eighths / 8
    y = float(found["y"]) + _BELOW - height
    return (
        f'<rect class="{found["class"]}" x="{x:.1f}" y="{y:.2f}" width="{width + 0.05:.2f}" '
        f'height="{height:.2f}" shape-rendering="crispEdges"/>'
    )


def _pinned(found: re.Match[str]) -> str:
    text = html.unescape(found["text"]).replace("\xa0", " ")
    cells = sum(get_character_cell_size(character) for character in text)
    if not cells:
        return ""
    width = float(found["length"]) / cells
    parts = []
    for run in _RUNS.finditer(text):
        before = sum(get_character_cell_size(c) for c in text[: run.start()])
        size = sum(get_character_cell_size(c) for c in run[0])
        if run[0] in _BLOCKS:
            x = float(found["x"]) + before * width
            parts.append(_block(found, x, width, _BLOCKS.index(run[0]) + 1))
            continue
        shown = html.escape(run[0]).replace(" ", "&#160;")
        parts.append(
            f'<text class="{found["class"]}" x="{float(found["x"]) + before * width:.1f}" '
            f'y="{found["y"]}" textLength="{size * width:.1f}" '
            f'clip-path="{found["clip"]}">{shown}</text>'
        )
    return "".join(parts)
