"""Which panels are visible at which size, and how much room each gets."""

from __future__ import annotations

from textual.geometry import Size
from textual.screen import Screen

from runner.model.lean import dataclass
from tui.kit.painted import Painted
from tui.panels.cause import CausePanel

# ---------------------------------------------------------------------------
# Which panels are seen at which size. Pure.

#: panels in the order in which the focus visits them
ORDER = ("loss", "checkpoints", "cause", "gauges", "events", "preflight", "smoke", "console")
#: the same before a run
PLAN_ORDER = ("preflight", "plan", "checkpoints")
ALL = tuple(dict.fromkeys((*PLAN_ORDER, *ORDER)))
#: below this a screen shows one panel at a time
SOLO_WIDTH, SOLO_HEIGHT = 60, 16
#: from this height on panels show more than their first rows, and from the next on the console has a strip
STRIP_HEIGHT, CONSOLE_HEIGHT = 32, 50


@dataclass(frozen=True, slots=True)
class Arrangement:
    """`solo`: one panel has the whole body. `order`: the panels that the focus visits."""

    visible: frozenset[str]
    solo: bool
    console_wrapped: bool
    order: tuple[str, ...] = ORDER


@dataclass(frozen=True, slots=True)
class Held:
    """What the run has to show beside what every run has: the verdict of a smoke test; the cause of its
    end; whether a step was `trained`, so that there is a loss."""

    judged: bool = False
    caused: bool = False
    trained: bool = True


@dataclass(frozen=True, slots=True)
class View:
    """What a person chose to see. `planned`: no run is open."""

    focused: str | None = None
    zoomed: str | None = None
    drawer: bool = False
    planned: bool = False
    held: Held = Held()


def arrange(width: int, height: int, view: View) -> Arrangement:
    """The drawer takes the place of the lower panels; a zoomed panel, or on a tiny screen the focused
    one, takes the place of all."""
    order = _order(view)
    tiny = width < SOLO_WIDTH or height < SOLO_HEIGHT
    alone = view.zoomed
    if alone is None and tiny:
        alone = "console" if view.drawer else (view.focused or order[0])
        if alone not in order:
            alone = "cause" if "cause" in order else order[0]
    if alone is not None:
        return Arrangement(frozenset({alone}), True, alone == "console", order)
    if view.planned:
        return Arrangement(frozenset(PLAN_ORDER), False, False, order)
    if view.drawer:
        beside = {"cause", "loss"} & {*order}
        return Arrangement(frozenset({*beside, "console"}), False, True, order)
    return Arrangement(_panels(height, view.held), False, False, order)


def _order(view: View) -> tuple[str, ...]:
    if view.planned:
        return PLAN_ORDER
    left_out = set()
    if not view.held.judged:
        left_out.add("smoke")
    if not view.held.caused:
        left_out.add("cause")
    elif not view.held.trained:
        left_out.add("loss")
    return tuple(name for name in ORDER if name not in left_out)


def _panels(height: int, held: Held) -> frozenset[str]:
    """The checks are old news while training: a title line. The verdict of a smoke test and the cause of an
    end take the left side; on a low screen the cause is worth more than the hardware and the events, and
    without a step there is no loss beside it."""
    low = height < STRIP_HEIGHT
    visible = {"gauges", "loss", "checkpoints", "events"}
    if held.judged:
        visible.add("smoke")
        if low:
            visible.remove("gauges")
    if held.caused:
        visible.add("cause")
        if low:
            visible -= {"gauges", "events"}
        if not held.trained:
            visible.remove("loss")
    if height >= CONSOLE_HEIGHT:
        visible.add("console")
    return frozenset(visible)


# ---------------------------------------------------------------------------
# Sizes of panels that differ from the stylesheet's. Classes of the screen would do it as well, but a
# class restyles every widget, which a key press has no time for.

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
