"""Which panels are seen at which size. Pure."""

from __future__ import annotations

from dataclasses import dataclass

#: panels in the order in which the focus visits them
ORDER = ("loss", "checkpoints", "preflight", "gauges", "console")
#: below this a screen shows one panel at a time
SOLO_WIDTH, SOLO_HEIGHT = 60, 16
#: from this height on the console has a strip of its own
STRIP_HEIGHT = 32


@dataclass(frozen=True, slots=True)
class Arrangement:
    """`solo`: one panel has the whole body."""

    visible: frozenset[str]
    solo: bool
    console_wrapped: bool


def arrange(
    width: int, height: int, focused: str | None, zoomed: str | None, drawer: bool
) -> Arrangement:
    """The drawer takes the place of the lower panels; a zoomed panel, or on a tiny screen the focused
    one, takes the place of all."""
    tiny = width < SOLO_WIDTH or height < SOLO_HEIGHT
    alone = zoomed or ("console" if drawer and tiny else (focused or "loss") if tiny else None)
    if alone is not None:
        return Arrangement(frozenset({alone}), True, alone == "console")
    if drawer:
        return Arrangement(frozenset({"preflight", "loss", "console"}), False, True)
    visible = {"preflight", "gauges", "loss", "checkpoints"}
    if height >= STRIP_HEIGHT:
        visible.add("console")
    return Arrangement(frozenset(visible), False, False)
