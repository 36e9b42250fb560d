"""Which panels are visible at which size, and how much room each gets."""

from __future__ import annotations

from textual.screen import Screen

from runner.model.lean import dataclass

# ---------------------------------------------------------------------------
# Which panels are visible at which size. Pure.

#: panels in the order in which the focus visits them
ORDER = (
    "result", "smoke", "loss", "samples", "checkpoints", "gauges", "events", "preflight", "console",
)  # fmt: skip
#: the same before a run
PLAN_ORDER = ("preflight", "plan", "checkpoints")
ALL = tuple(dict.fromkeys((*PLAN_ORDER, *ORDER)))
#: below this a screen shows one panel at a time
SOLO_WIDTH, SOLO_HEIGHT = 60, 16
#: from this height on panels show more than their first rows; from the next on the console is visible
STRIP_HEIGHT, CONSOLE_HEIGHT = 32, 50
#: from this width on the console is beside the other panels
BESIDE_WIDTH = 160
#: from this width on sample images have room
STRIP_WIDTH = 100


@dataclass(frozen=True, slots=True)
class Arrangement:
    """`solo`: one panel has the complete body. `console`: a drawer, a strip below, beside, or not visible.
    `order`: the panels that the focus visits."""

    visible: frozenset[str]
    solo: bool
    console: str = ""
    order: tuple[str, ...] = ORDER


@dataclass(frozen=True, slots=True)
class Held:
    """What this run shows beside what every run shows: the verdict of a smoke test; the card of its end;
    whether it trained a step, so that there is a loss; whether there are sample images, and room for them."""

    smoke: bool = False
    ended: bool = False
    trained: bool = True
    sampled: bool = False

    @property
    def card(self) -> str:
        """The panel left of the loss, if any. A smoke test has its own."""
        return "smoke" if self.smoke else "result" if self.ended else ""


@dataclass(frozen=True, slots=True)
class View:
    """What a person chose to see. `planned`: no run is open."""

    focused: str | None = None
    zoomed: str | None = None
    drawer: bool = False
    planned: bool = False
    held: Held = Held()


def strip_fits(width: int, height: int) -> bool:
    return width >= STRIP_WIDTH and height >= STRIP_HEIGHT


def arrange(width: int, height: int, view: View) -> Arrangement:
    """The drawer takes the place of the lower panels; a zoomed panel, or on a tiny screen the focused
    one, takes the place of all."""
    order = _order(view)
    tiny = width < SOLO_WIDTH or height < SOLO_HEIGHT
    alone = view.zoomed
    if alone is None and tiny:
        alone = "console" if view.drawer else (view.focused or order[0])
        alone = alone if alone in order else order[0]
    if alone is not None:
        return Arrangement(frozenset({alone}), True, "drawer" if alone == "console" else "", order)
    if view.planned:
        return Arrangement(frozenset(PLAN_ORDER), False, "", order)
    upper = {view.held.card, "loss"} & {*order}
    if view.drawer:
        return Arrangement(frozenset({*upper, "console"}), False, "drawer", order)
    visible = {*upper, *({"samples"} & {*order}), "checkpoints", "gauges", "events"}
    console = ""
    if height >= CONSOLE_HEIGHT:
        visible.add("console")
        console = "beside" if width >= BESIDE_WIDTH else "strip"
    return Arrangement(frozenset(visible), False, console, order)


def _order(view: View) -> tuple[str, ...]:
    if view.planned:
        return PLAN_ORDER
    left_out = {"result", "smoke"} - {view.held.card}
    if not view.held.sampled:
        left_out.add("samples")
    if not view.held.trained:
        left_out.add("loss")
    return tuple(name for name in ORDER if name not in left_out)


# ---------------------------------------------------------------------------
# Sizes of panels that differ from the stylesheet's. Classes of the screen would do it as well, but a
# class restyles every widget, which a key press has no time for.

#: by place: height of the console, and its width
_CONSOLE = {
    "": (None, None),
    "drawer": ("55%", "1fr"),
    "strip": (None, "1fr"),
    "beside": ("1fr", "36%"),
}
#: rows of the machine under the checkpoints: GPU, memory, CPU, pace, disk; on a high screen VRAM too
GAUGE_ROWS, MORE_GAUGE_ROWS = 6, 7
#: of the width, for the checks before a run
PLAN_LEFT = "54%"


def give_room(screen: Screen[None], made: Arrangement, planned: bool) -> None:
    """Widths and heights for this arrangement."""
    left, console = screen.query_one("#left").styles, screen.query_one("#console").styles
    height, width = ("1fr", "1fr") if made.solo else _CONSOLE[made.console]
    for rule, value in (("height", height), ("width", width)):
        console.clear_rule(rule) if value is None else setattr(console, rule, value)
    body = screen.query_one("#body").styles
    wanted = "horizontal" if made.console in ("", "beside") else "vertical"
    if body.layout is None or body.layout.name != wanted:
        body.layout = wanted
    for rows in ("#upper", "#lower"):
        for panel in screen.query(rows):
            panel.styles.height = "1fr" if made.solo else None
    stacked = "samples" in made.visible and not made.solo
    facts = screen.query_one("#facts").styles
    wanted = "vertical" if stacked else "horizontal"
    if facts.layout is None or facts.layout.name != wanted:
        facts.layout = wanted
    checkpoints, gauges = (screen.query_one(one).styles for one in ("#checkpoints", "#gauges"))
    checkpoints.width = gauges.width = "1fr" if stacked else None
    high = screen.size.height >= CONSOLE_HEIGHT
    gauges.height = (MORE_GAUGE_ROWS if high else GAUGE_ROWS) if stacked else None
    if made.solo:
        left.width, left.margin = "1fr", 0
        return
    left.clear_rule("margin")
    left.width = PLAN_LEFT if planned else None
