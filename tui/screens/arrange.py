"""Which panels are seen at which size. Pure."""

from __future__ import annotations

from runner.model.lean import dataclass

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
