"""The base of all panels: rows on the screen, and only rows that changed on the wire.

A row that changed is marked dirty from its left edge to its last changed cell; an equal row costs
nothing. No widget here ever asks for a layout.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, ClassVar, cast

from rich.segment import Segment
from textual.geometry import Region, Size
from textual.reactive import Reactive
from textual.strip import Strip
from textual.widget import Widget

from tui.render.glyphs import to_ascii
from tui.render.paint import EMPTY, Row, changed_extent, pad

if TYPE_CHECKING:
    from tui.app import PlasmaApp


class Painted(Widget):
    """Shows what `draw()` returns for the present size."""

    #: the ground that roles are drawn on
    GROUND: ClassVar[str] = "background"
    #: see tui/widgets/still.py
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
        palette, ground = self.plasma.palette, self.ground_of(y)
        row = self._rows[y] if y < len(self._rows) else pad(EMPTY, self.content_size.width)
        ascii_only = self.plasma.ascii
        return Strip(
            [
                Segment(
                    to_ascii(span.text) if ascii_only else span.text,
                    palette.style(span.role, ground),
                )
                for span in row
            ]
        )

    def ground_of(self, y: int) -> str:
        """The ground of row `y`; a cursor may differ."""
        return self.GROUND

    def on_resize(self) -> None:
        self.repaint()

    def notify_style_update(self) -> None:
        """Colours changed: all strips are stale."""
        super().notify_style_update()
        self._strips.clear()
