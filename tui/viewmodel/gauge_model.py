"""What the panel of the hardware is made of: gauges, and lines in words under them."""

from __future__ import annotations

from runner.model.lean import dataclass
from runner.model.units import ago

#: readings come every 2 s; older ones are not what the machine does now
STALE_S = 10.0


@dataclass(frozen=True, slots=True)
class Gauge:
    """`fraction`: of the whole, None where there is no whole or no value; `beside`: what others use of it,
    behind `fraction` in the bar. `history`: means of its last minutes, oldest first. `value` is a word such
    as `not measured` if there is no number, then `known` is false and `note` the reason. `note`: parts split
    at `, `, the last of which give way first. `worth`: the least worthy rows give way on a low panel."""

    label: str
    fraction: float | None
    value: str
    note: str = ""
    history: tuple[float | None, ...] = ()
    known: bool = True
    beside: float = 0.0
    role: str = "text"
    stale: bool = False
    worth: int = 50


@dataclass(frozen=True, slots=True)
class Line:
    """Words under a gauge, or with a label of their own; parts split at `, ` as in a note."""

    label: str
    text: str
    role: str = "dim"
    stale: bool = False
    worth: int = 50


@dataclass(frozen=True, slots=True)
class Fact:
    label: str
    text: str
    role: str = "text"


@dataclass(frozen=True, slots=True)
class Section:
    """A part of the zoomed panel. `note`: where its values come from, and their age."""

    title: str
    facts: tuple[Fact, ...]
    note: str = ""
    stale: bool = False


@dataclass(frozen=True, slots=True)
class GaugeBoard:
    """`age`: source and age of the readings; `history`: the time that the gauges' histories span, empty
    while it is short; `sections`: everything, for the zoomed panel. `stale`: nothing is known of now;
    `silent`: or nothing of the run's own device."""

    rows: tuple[Gauge | Line, ...]
    age: str
    stale: bool
    history: str
    sections: tuple[Section, ...] = ()
    silent: bool = False

    @property
    def gauges(self) -> tuple[Gauge, ...]:
        return tuple(row for row in self.rows if isinstance(row, Gauge))


def share(percent: float | None) -> float | None:
    """A percentage as a fraction; sources are known to say 137."""
    return None if percent is None else max(0.0, min(1.0, percent / 100))


def part(used: int | None, total: int | None) -> float | None:
    if used is None or not total:
        return None
    return max(0.0, min(1.0, used / total))


def joined(*parts: str) -> str:
    """Parts that say something, in order of their worth."""
    return ", ".join(one for one in parts if one)


def age_words(age_s: float) -> str:
    """Readings come every 2 s, in the journal of a long run every 5 s: that is now."""
    return "now" if age_s < 6 else f"{ago(age_s)} ago"
