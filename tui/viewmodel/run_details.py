"""What else there is to say about the run under the cursor, the most telling first."""

from __future__ import annotations

import math
from dataclasses import dataclass

from runner.model import LossBucket, Outcome, RunListing, RunSnapshot, RunState
from runner.model.units import duration, file_size, loss
from tui.text import clean
from tui.viewmodel.cause import cause_of
from tui.viewmodel.cause_titles import cause_title
from tui.viewmodel.run_board import Entry
from tui.viewmodel.run_curve import Curve, curve_of
from tui.viewmodel.runs import date_of, kind_of, short_path, tags_of

#: the smoothed loss of the first steps is hardly smoothed
SETTLED_STEPS = 20

_KINDS = {
    "smoke": "smoke test",
    "inspected": "imported from a console log",
    "imported": "imported from existing files",
}


@dataclass(frozen=True, slots=True)
class Glance:
    """What only the run's own files tell; `key` is its id. `best`: the lowest smoothed loss."""

    key: str
    path: str = ""
    why: str = ""
    best: str = ""
    output: str = ""
    curve: Curve | None = None


@dataclass(frozen=True, slots=True)
class Detail:
    label: str
    text: str
    role: str = "text"


def glance_of(key: str, snapshot: RunSnapshot) -> Glance:
    spec = snapshot.spec
    return Glance(
        key,
        short_path(snapshot.path),
        _why(snapshot),
        _best(snapshot) if snapshot.read_fraction >= 1 else "",
        short_path(spec.output_dir or "") if spec is not None else "",
        curve_of(snapshot.loss) if snapshot.read_fraction >= 1 else None,
    )


def _why(snapshot: RunSnapshot) -> str:
    """The cause, else the first reason of an outcome that is no success."""
    cause = cause_of(snapshot)
    if cause is not None and cause.key != "unknown":
        evidence = clean(cause.evidence, 300)
        return cause_title(cause.key) + (f": {evidence}" if evidence else "")
    outcome = snapshot.outcome or (snapshot.status.outcome if snapshot.status else None)
    if snapshot.status is None or outcome in (None, Outcome.SUCCEEDED):
        return ""
    return clean(snapshot.status.reasons[0], 300) if snapshot.status.reasons else ""


def _best(snapshot: RunSnapshot) -> str:
    first = snapshot.loss.first_step or 0
    settled = [one for one in snapshot.loss.buckets if _usable(one, first + SETTLED_STEPS)]
    if not settled:
        return ""
    best = min(settled, key=lambda one: one.smooth or 0.0)
    return f"{loss(best.smooth)} at step {best.last_step}"


def _usable(bucket: LossBucket, from_step: int) -> bool:
    known = bucket.smooth is not None and math.isfinite(bucket.smooth)
    return known and bucket.last_step >= from_step


def details(entry: Entry, glance: Glance | None) -> tuple[Detail, ...]:
    """`glance` may still be missing, or be of another run."""
    one = entry.listing
    seen = glance if glance is not None and glance.key == entry.key else Glance(entry.key)
    rows = [
        Detail("problem", clean(one.problem, 300), "bad"),
        Detail("why", seen.why, "warn" if one.outcome is Outcome.STOPPED else "bad"),
        Detail("what", _what(one)),
        Detail("tags", tags_of(one, 400), "accent"),
        Detail("note", clean(one.note, 4000)),
        Detail("loss", _loss(one, seen)),
        Detail("project", short_path(one.project)),
        Detail("run", seen.path or clean(one.id, 200), "dim"),
        Detail("output", seen.output if seen.output != short_path(one.project) else "", "dim"),
    ]
    return tuple(row for row in rows if row.text)


def _what(one: RunListing) -> str:
    kind = kind_of(one)
    ended = date_of(one.ended_at, with_time=True) if one.ended_at else ""
    size = file_size(one.size_bytes) if one.size_bytes else ""
    began = date_of(one.created_at, with_time=True) if one.created_at else ""
    facts = (
        _KINDS.get(kind, kind),
        f"began {began}" if began else "",
        f"ended {ended}" if ended and one.state is RunState.ENDED else "",
        f"took {duration(one.duration_s)}" if one.duration_s is not None else "",
        clean(one.device, 40),
        f"on {clean(one.host, 60)}" if one.host else "",
        f"{size} in the run folder" if size else "",
    )
    return ", ".join(fact for fact in facts if fact)


def _loss(one: RunListing, seen: Glance) -> str:
    smooth = seen.curve.smooth if seen.curve is not None else one.smooth
    facts = (
        f"{loss(one.loss)} last" if one.loss is not None else "",
        f"{loss(smooth)} smoothed" if smooth is not None else "",
        f"lowest smoothed {seen.best}" if seen.best else "",
    )
    return ", ".join(fact for fact in facts if fact)
