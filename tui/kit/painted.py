"""Widgets that paint rows of their own: what changes is sent, nothing else."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import lru_cache
from typing import TYPE_CHECKING, ClassVar, cast

from rich.color import Color
from rich.segment import Segment
from rich.style import Style
from textual.containers import Horizontal, Vertical
from textual.geometry import Region, Size
from textual.reactive import Reactive
from textual.strip import Strip
from textual.widget import Widget

from tui.kit.glyphs import to_ascii
from tui.kit.paint import EMPTY, Row, changed_extent, pad

if TYPE_CHECKING:
    from tui.app import PlasmaApp


# ---------------------------------------------------------------------------
# The base of all panels: rows on the screen, and only rows that changed on the wire.
#
# A row that changed is marked dirty from its left edge to its last changed cell; an equal row costs
# nothing. No widget here ever asks for a layout.


class Painted(Widget):
    """Shows what `draw()` returns for the present size."""

    #: the ground that roles are drawn on
    GROUND: ClassVar[str] = "background"
    #: see `StillVertical`
    virtual_size: Reactive[Size] = Reactive(Size(0, 0), layout=False)

    def __init__(self, *, id: str | None = None, classes: str | None = None) -> None:
        super().__init__(id=id, classes=classes)
        self._rows: tuple[Row, ...] = ()
        self._strips: dict[int, Strip] = {}

    @property
    def plasma(self) -> PlasmaApp:
        """The app, as what it is."""
        return cast("PlasmaApp", self.app)

    def draw(self, width: int, height: int) -> Sequence[Row]:
        """The rows for `width` x `height` cells. Pure but for the widget's own model."""
        raise NotImplementedError

    def repaint(self) -> None:
        """Draw again and mark what changed."""
        width, height = self.content_size
        if width <= 0 or height <= 0 or not self.is_mounted:
            return
        rows = [pad(row, width) for row in list(self.draw(width, height))[:height]]
        rows += [pad(EMPTY, width)] * (height - len(rows))
        old, self._rows = self._rows, tuple(rows)
        if len(old) != len(rows):
            self._strips.clear()
            self.refresh()
            return
        dirty = []
        for y, (before, after) in enumerate(zip(old, rows, strict=True)):
            extent = changed_extent(before, after)
            if extent:
                self._strips.pop(y, None)
                dirty.append(Region(0, y, extent if extent > 0 else width, 1))
        if dirty:
            self.refresh(*dirty)

    def render_line(self, y: int) -> Strip:
        strip = self._strips.get(y)
        if strip is None:
            strip = self._strip(y)
            self._strips[y] = strip
        return strip

    def _strip(self, y: int) -> Strip:
        row = self._rows[y] if y < len(self._rows) else pad(EMPTY, self.content_size.width)
        ground = self.ground_of(y)
        return Strip([self.segment(text, role, ground) for text, role in row])

    def segment(self, text: str, role: str, ground: str) -> Segment:
        shown = to_ascii(text) if self.plasma.ascii else text
        return Segment(shown, self.plasma.looks.palette.style(role, ground))

    def ground_of(self, y: int) -> str:
        """The ground of row `y`; a cursor may differ."""
        return self.GROUND

    def on_resize(self) -> None:
        self.repaint()

    def notify_style_update(self) -> None:
        """Colours changed: all strips are stale."""
        super().notify_style_update()
        self._strips.clear()


# ---------------------------------------------------------------------------
# Rows made elsewhere: headings of screens.


class Lines(Painted):
    """Shows what `make(width, height)` returns; `repaint()` after what it depends on has changed."""

    def __init__(self, make: Callable[[int, int], Sequence[Row]], *, id: str | None = None) -> None:
        super().__init__(id=id)
        self._make = make

    def draw(self, width: int, height: int) -> Sequence[Row]:
        return self._make(width, height)


# ---------------------------------------------------------------------------
# What never scrolls in Textual's sense, and so needs no second layout.
#
# Textual lays out again whenever a widget's `virtual_size` changes, for the scrollbars that may come of
# it; here there are none, so that second layout (3 to 7 ms at 120x40) finds nothing.


class StillHorizontal(Horizontal):
    virtual_size: Reactive[Size] = Reactive(Size(0, 0), layout=False)


class StillVertical(Vertical):
    virtual_size: Reactive[Size] = Reactive(Size(0, 0), layout=False)


# ---------------------------------------------------------------------------
# Painted rows that may hold pictures: roles that are colours themselves, `#rrggbb/#rrggbb`.


class Pictured(Painted):
    """Cells of a picture are drawn in their own colours, all others by the theme."""

    def segment(self, text: str, role: str, ground: str) -> Segment:
        if role.startswith("#"):
            return Segment(
                text, picture_style(role, self.plasma.looks.palette.style("text", ground))
            )
        return super().segment(text, role, ground)


@lru_cache(maxsize=8192)
def picture_style(role: str, behind: Style) -> Style:
    """`#rrggbb/#rrggbb`: upper and lower pixel; `#rrggbb/`: a picture's number, on the ground of `behind`."""
    upper, _, lower = role.partition("/")
    below = _color(lower) if lower else behind.bgcolor
    return Style(color=_color(upper), bgcolor=below)


@lru_cache(maxsize=8192)
def _color(text: str) -> Color:
    return Color.from_rgb(int(text[1:3], 16), int(text[3:5], 16), int(text[5:7], 16))
