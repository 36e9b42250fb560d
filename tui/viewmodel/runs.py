"""One run of the list as words."""

from __future__ import annotations

import math
import time
from dataclasses import dataclass
from pathlib import Path

from runner.model import RunListing, RunState
from runner.model.units import count, duration, loss
from tui.text import clean, crop
from tui.viewmodel.run_curve import Curve
from tui.viewmodel.state import StateLabel, label_of

LIVE = (RunState.STARTING, RunState.RUNNING, RunState.STOPPING)
DAY_S = 86_400
#: longer ago than this, a date says more than a number of days
WEEK_S = 7 * DAY_S
#: characters of a note in a row
NOTE_SHOWN = 200


@dataclass(frozen=True, slots=True)
class RunRow:
    """One run; `key` is its complete id. `kind`: smoke test, imported from a log or from files;
    empty for a run as usual."""

    key: str
    name: str
    kind: str
    state: StateLabel
    steps: str
    loss: str
    files: str
    took: str
    age: str
    tags: str = ""
    device: str = ""
    project: str = ""
    note: str = ""
    id: str = ""
    #: 0 to 1 of the planned steps; None: unknown
    progress: float | None = None
    live: bool = False
    curve: Curve | None = None


def row_of(one: RunListing, now: float, curve: Curve | None = None) -> RunRow:
    """`curve`: where the run's losses have been read."""
    total = one.total_steps
    value = curve.smooth if curve is not None and curve.smooth is not None else shown_loss(one)
    return RunRow(
        key=one.id,
        name=name_of(one),
        kind=kind_of(one),
        state=label_of(one.state, one.outcome),
        steps=f"{one.step}/{total}" if total else str(one.step),
        loss=loss(value) if value is not None else "",
        files=count(one.checkpoints, "file") if one.checkpoints else "",
        took=duration(one.duration_s) if one.duration_s is not None else "",
        age=when(one.created_at, now),
        tags=tags_of(one, 120),
        device=clean(one.device, 40),
        project=short_path(one.project),
        note=clean(one.note[: NOTE_SHOWN * 2], NOTE_SHOWN),
        id=short_id(one.id),
        progress=min(1.0, one.step / total) if total else None,
        live=is_live(one),
        curve=curve,
    )


def short_id(run_id: str) -> str:
    """The part that tells runs of one name apart: `ab12` of 20261121-182911-spyke-ab12."""
    return clean(run_id.rpartition("-")[2], 8)


def is_live(one: RunListing) -> bool:
    return one.state in LIVE


def name_of(one: RunListing) -> str:
    return clean(one.name, 200).strip() or clean(one.id, 200)


def kind_of(one: RunListing) -> str:
    """The word that sets a run apart from those that were started to be kept."""
    return clean(one.origin, 20) or ("smoke" if one.smoke else "")


def tags_of(one: RunListing, limit: int) -> str:
    return crop(", ".join(clean(tag, 60) for tag in one.tags[:40]), limit)


def shown_loss(one: RunListing) -> float | None:
    """The smoothed loss where it is known, for a single step's says little; one that is not finite is
    never hidden by it."""
    if one.loss is not None and not math.isfinite(one.loss):
        return one.loss
    return one.smooth if one.smooth is not None else one.loss


def when(at: float, now: float) -> str:
    """One unit is enough in a list; what is older than a week gets its date. Empty: not known."""
    if not at or not math.isfinite(at):
        return ""
    passed = now - at
    if passed < 5:
        return "now"
    if passed >= WEEK_S:
        return date_of(at)
    for unit_s, name in ((DAY_S, "d"), (3600, "h"), (60, "min")):
        if passed >= unit_s:
            return f"{int(passed // unit_s)} {name} ago"
    return f"{int(passed // 5) * 5} s ago"


def date_of(at: float, with_time: bool = False) -> str:
    """`2026-11-21`, local; empty for what is no time."""
    try:
        return time.strftime("%Y-%m-%d %H:%M" if with_time else "%Y-%m-%d", time.localtime(at))
    except (ValueError, OverflowError, OSError):
        return ""


def short_path(path: str) -> str:
    """A folder as people write it: home is `~`."""
    home = str(Path.home())
    if path == home or path.startswith(home + "/"):
        path = "~" + path[len(home) :]
    return clean(path, 400)
