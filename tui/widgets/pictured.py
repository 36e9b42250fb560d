"""Painted rows that may hold pictures: roles that are colours themselves, `#rrggbb/#rrggbb`."""

from __future__ import annotations

from functools import lru_cache

from rich.color import Color
from rich.segment import Segment
from rich.style import Style
from textual.strip import Strip

from tui.render.glyphs import to_ascii
from tui.render.paint import EMPTY, pad
from tui.widgets.painted import Painted


class Pictured(Painted):
    """Cells of a picture are drawn in their own colours, all others by the theme."""

    def _strip(self, y: int) -> Strip:
        palette, ground = self.plasma.palette, self.ground_of(y)
        row = self._rows[y] if y < len(self._rows) else pad(EMPTY, self.content_size.width)
        behind = palette.style("text", ground)
        segments = []
        for text, role in row:
            if role.startswith("#"):
                segments.append(Segment(text, picture_style(role, behind)))
            else:
                shown = to_ascii(text) if self.plasma.ascii else text
                segments.append(Segment(shown, palette.style(role, ground)))
        return Strip(segments)


@lru_cache(maxsize=8192)
def picture_style(role: str, behind: Style) -> Style:
    """`#rrggbb/#rrggbb`: upper and lower pixel; `#rrggbb/`: a picture's number, on the ground of `behind`."""
    upper, _, lower = role.partition("/")
    below = _color(lower) if lower else behind.bgcolor
    return Style(color=_color(upper), bgcolor=below)


@lru_cache(maxsize=8192)
def _color(text: str) -> Color:
    return Color.from_rgb(int(text[1:3], 16), int(text[3:5], 16), int(text[5:7], 16))
