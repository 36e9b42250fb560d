"""What never scrolls in Textual's sense, and so needs no second layout.

Textual lays out again whenever a widget's `virtual_size` changes, for the scrollbars that may come of
it; here there are none, so that second layout (3 to 7 ms at 120x40) finds nothing.
"""

from __future__ import annotations

from textual.containers import Horizontal, Vertical
from textual.geometry import Size
from textual.reactive import Reactive


class StillHorizontal(Horizontal):
    virtual_size: Reactive[Size] = Reactive(Size(0, 0), layout=False)


class StillVertical(Vertical):
    virtual_size: Reactive[Size] = Reactive(Size(0, 0), layout=False)
