"""One measured number with its budget, and the table of all of them. Pure."""

from __future__ import annotations

import math
import statistics
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass, field

#: so many times the budget is a clear miss
CLEARLY = 1.5
#: units of what becomes more (or less) on a busy machine
_TIMES = ("ms", "x", "GB/s", "MB/s", "%")


@dataclass(frozen=True, slots=True)
class Figure:
    """`values`: the samples, in `unit`. `judged`: which number of them the budget is held against
    (median, p95, max or min); `budget` None: for information. `at_least`: more is better."""

    name: str
    what: str
    values: tuple[float, ...]
    unit: str
    budget: float | None = None
    judged: str = "median"
    at_least: bool = False
    note: str = ""
    missing: str = ""
    #: could be measured here, and was not
    failed: bool = False

    @property
    def value(self) -> float | None:
        """The number that is judged."""
        return number_of(self.values, self.judged)

    @property
    def verdict(self) -> str:
        """met, not met, `-` without a budget, `not measured`."""
        if self.value is None:
            return "not measured"
        if self.budget is None:
            return "-"
        return "met" if self._within(1.0) else "not met"

    def clearly_missed(self, *, busy: bool) -> bool:
        """By far, or not measured though it could be. `busy`: so is the machine, and no time counts."""
        if busy and (self.failed or self.unit in _TIMES):
            return False
        return self.failed or not self._within(CLEARLY)

    def _within(self, slack: float) -> bool:
        if self.value is None or self.budget is None:
            return True
        if self.at_least:
            return self.value >= self.budget / slack
        return self.value <= self.budget * slack


def unmeasured(name: str, what: str, why: str, *, failed: bool = False) -> Figure:
    """A figure that could not be had on this machine."""
    return Figure(name, what, (), "", missing=why, failed=failed)


def number_of(values: Sequence[float], judged: str) -> float | None:
    """Median, p95 (nearest rank), max or min of the samples."""
    if not values:
        return None
    if judged == "max":
        return max(values)
    if judged == "min":
        return min(values)
    return p95(values) if judged == "p95" else statistics.median(values)


def p95(values: Sequence[float]) -> float:
    """The smallest sample that 95 % of the samples do not exceed."""
    ordered = sorted(values)
    return ordered[max(0, math.ceil(0.95 * len(ordered)) - 1)]


@dataclass(frozen=True, slots=True)
class Machine:
    """Where and under what load it was measured."""

    cores: int
    python: str
    textual: str
    platform: str
    load_before: float
    load_after: float = field(default=0.0)

    @property
    def busy(self) -> bool:
        """Others wanted the cores too, before or meanwhile; the measurements themselves load one."""
        return self.load_before > 0.5 * self.cores or self.load_after > self.cores + 0.5


def as_json(figures: Iterable[Figure], machine: Machine) -> dict[str, object]:
    return {
        "schema": 1,
        "machine": asdict(machine),
        "figures": [
            asdict(figure) | {"value": figure.value, "verdict": figure.verdict}
            for figure in figures
        ],
    }


def table(figures: Sequence[Figure]) -> str:
    """Rows of `figure  median  p95  budget  verdict  note`."""
    heads = ("figure", "median", "p95", "n", "budget", "verdict", "")
    rows = [heads, *(_row(figure) for figure in figures)]
    widths = [max(len(row[i]) for row in rows) for i in range(len(heads) - 1)]
    lines = []
    for row in rows:
        name = row[0].ljust(widths[0])
        numbers = [cell.rjust(width) for cell, width in zip(row[1:-1], widths[1:], strict=True)]
        lines.append("  ".join([name, *numbers, row[-1]]).rstrip())
    return "\n".join(lines)


def budgets(figures: Sequence[Figure], *, busy: bool) -> str:
    """`14 budgets: 12 met, 2 not met`, then what was missed clearly."""
    held = [figure for figure in figures if figure.verdict in ("met", "not met")]
    met = sum(figure.verdict == "met" for figure in held)
    lines = [f"{len(held)} budgets: {met} met, {len(held) - met} not met"]
    if busy:
        lines[0] += "; the machine was busy, so times prove nothing: run it again on a quiet one"
    clear = [figure for figure in figures if figure.clearly_missed(busy=busy)]
    return "\n".join(
        [*lines, *(f"clearly missed: {one.what} {one.missing}".rstrip() for one in clear)]
    )


def _row(figure: Figure) -> tuple[str, str, str, str, str, str, str]:
    values = figure.values
    median = _text(number_of(values, "median"), figure.unit)
    high = _text(p95(values), figure.unit) if len(values) >= 5 else ""
    budget = ""
    if figure.budget is not None:
        sign = ">=" if figure.at_least else "<="
        budget = f"{sign} {_text(figure.budget, figure.unit)}"
        if figure.judged != "median":
            budget += f" ({figure.judged})"
    note = figure.missing or figure.note
    return (figure.what, median, high, str(len(values)), budget, figure.verdict, note)


def _text(value: float | None, unit: str) -> str:
    if value is None:
        return ""
    if unit == "%":
        return f"{value:.2f} %"
    return f"{round(value):,} {unit}" if abs(value) >= 100 else f"{value:.3g} {unit}"
