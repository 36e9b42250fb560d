"""Sizes of panels that differ from the stylesheet's. Classes of the screen would do it as well, but a
class restyles every widget, which a key press has no time for."""

from __future__ import annotations

from textual.geometry import Size
from textual.screen import Screen

from tui.screens.arrange import STRIP_HEIGHT, Arrangement, Held
from tui.widgets.cause import CausePanel
from tui.widgets.painted import Painted

#: of the screen, for the open console
DRAWER_HEIGHT = "55%"
#: of the width, for the checks before a run
PLAN_LEFT = "54%"
#: of the width, for the cause of an end: on a narrow screen as much as leaves the checkpoints their
#: columns; more where no loss stands beside it
NARROW, CAUSE_LEFT, CAUSE_ALONE_LEFT = 100, "41%", "58%"
#: the stylesheet's own shares of the left side, in percent
LEFT_PERCENT, WIDE, WIDE_LEFT_PERCENT = 36, 160, 30


def give_room(screen: Screen[None], made: Arrangement, planned: bool, held: Held) -> None:
    """Widths and heights for this arrangement."""
    left, console = screen.query_one("#left").styles, screen.query_one("#console").styles
    lower = screen.query_one("#lower").styles
    if made.solo:
        for panel in screen.query("#cause").results(Painted):
            panel.styles.height = "1fr"
        lower.height = "1fr"
        left.width, left.margin = "1fr", 0
        console.height = "1fr"
        return
    left.clear_rule("width")
    left.clear_rule("margin")
    lower.clear_rule("height")
    # beside a cause the right side is too narrow for two
    wanted = "vertical" if held.caused or held.judged else "horizontal"
    if lower.layout is None or lower.layout.name != wanted:
        lower.layout = wanted
    if planned:
        left.width = PLAN_LEFT
    elif held.caused and not held.trained:
        left.width = CAUSE_ALONE_LEFT
    elif held.caused and screen.size.width < NARROW:
        left.width = CAUSE_LEFT
    if made.console_wrapped:
        console.height = DRAWER_HEIGHT
    else:
        console.clear_rule("height")


def fit_cause(panel: CausePanel, size: Size, alone: bool) -> None:
    """On a high screen the checks get the rows that the cause does not need. Its width is told from the
    screen's: its own is another one until the screen is laid out."""
    if size.height < STRIP_HEIGHT:
        panel.styles.clear_rule("height")
        return
    percent = WIDE_LEFT_PERCENT if size.width >= WIDE else LEFT_PERCENT
    if alone:
        percent = int(CAUSE_ALONE_LEFT.rstrip("%"))
    # a blank row parts it from what stands below
    wanted = 1 + panel.rows_wanted(max(20, size.width * percent // 100))
    _set_height(panel, min(wanted, size.height * 11 // 20))


def _set_height(panel: Painted, rows: int) -> None:
    height = panel.styles.height
    if height is None or not height.is_cells or height.value != rows:
        panel.styles.height = rows
