"""Results as a table: for the terminal, and for docs/reliability.md."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterable, Sequence
from pathlib import Path

from tests.torture.judge import READOPTION_S
from tests.torture.run import LifeResult, Point


def read_results(path: Path) -> list[LifeResult]:
    """What `--results` wrote."""
    found = []
    for line in path.read_text().splitlines():
        data = json.loads(line)
        points = tuple(Point(**one) for one in data.pop("points"))
        tuples = {name: tuple(data.pop(name)) for name in ("lost", "readopted_s", "notes")}
        found.append(LifeResult(points=points, **tuples, **data))
    return found


def table_of(results: Sequence[LifeResult]) -> str:
    """Markdown: a row for each family and for each phase. A loss counts for every fault of its life."""
    lines = ["| what | tried | survived | lost |", "|---|---|---|---|"]
    points = [(point, bool(result.lost)) for result in results for point in result.points]
    for family in sorted({point.family for point, _ in points}):
        lines.append(_row(family, [lost for point, lost in points if point.family == family]))
    for phase in dict.fromkeys(point.phase for point, _ in points):
        lines.append(
            _row(f"phase: {phase}", [lost for point, lost in points if point.phase == phase])
        )
    lines.append(_row("all", [lost for _, lost in points]))
    readopted = sorted(one for result in results for one in result.readopted_s)
    lines.append("")
    if readopted:
        middle, late = readopted[len(readopted) // 2], sum(one > READOPTION_S for one in readopted)
        lines.append(
            f"{len(results)} lives. {len(readopted)} supervisors replaced: median {middle:.2f} s to the first "
            f"heartbeat, longest {readopted[-1]:.2f} s, {late} over {READOPTION_S:.0f} s."
        )
    largest = max((result.resident_mb for result in results), default=0.0)
    lines.append(f"Largest supervisor: {largest:.0f} MB.")
    return "\n".join(lines)


def _row(what: str, lost: Iterable[bool]) -> str:
    values = list(lost)
    return f"| {what} | {len(values)} | {len(values) - sum(values)} | {sum(values)} |"


if __name__ == "__main__":
    print(table_of([one for name in sys.argv[1:] for one in read_results(Path(name))]))
