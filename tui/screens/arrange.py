"""Which panels are seen at which size. Pure."""

from __future__ import annotations

from dataclasses import dataclass

#: panels in the order in which the focus visits them
ORDER = ("loss", "checkpoints", "preflight", "gauges", "smoke", "console")
#: the same before a run
PLAN_ORDER = ("preflight", "plan", "checkpoints")
ALL = tuple(dict.fromkeys((*PLAN_ORDER, *ORDER)))
#: below this a screen shows one panel at a time
SOLO_WIDTH, SOLO_HEIGHT = 60, 16
#: from this height on the console has a strip of its own
STRIP_HEIGHT = 32


@dataclass(frozen=True, slots=True)
class Arrangement:
    """`solo`: one panel has the whole body. `order`: the panels that the focus visits."""

    visible: frozenset[str]
    solo: bool
    console_wrapped: bool
    order: tuple[str, ...] = ORDER


@dataclass(frozen=True, slots=True)
class View:
    """What a person chose to see. `planned`: no run is open; `judged`: a smoke test's verdict is."""

    focused: str | None = None
    zoomed: str | None = None
    drawer: bool = False
    planned: bool = False
    judged: bool = False


def arrange(width: int, height: int, view: View) -> Arrangement:
    """The drawer takes the place of the lower panels; a zoomed panel, or on a tiny screen the focused
    one, takes the place of all. The verdict of a smoke test takes that of the hardware where there is
    no room for both."""
    order: tuple[str, ...] = PLAN_ORDER if view.planned else ORDER
    if not view.judged:
        order = tuple(name for name in order if name != "smoke")
    tiny = width < SOLO_WIDTH or height < SOLO_HEIGHT
    alone = view.zoomed
    if alone is None and tiny:
        alone = "console" if view.drawer else (view.focused or order[0])
    if alone is not None:
        return Arrangement(frozenset({alone}), True, alone == "console", order)
    if view.planned:
        return Arrangement(frozenset(PLAN_ORDER), False, False, order)
    if view.drawer:
        return Arrangement(frozenset({"preflight", "loss", "console"}), False, True, order)
    visible = {"preflight", "gauges", "loss", "checkpoints"}
    if view.judged:
        visible.add("smoke")
        if height < STRIP_HEIGHT:
            visible.remove("gauges")
    if height >= STRIP_HEIGHT:
        visible.add("console")
    return Arrangement(frozenset(visible), False, False, order)
