"""A run as one line of a list: what its small files and its label tell."""

from __future__ import annotations

import os
from pathlib import Path

import msgspec

from runner.model import Label, RunListing, RunSnapshot, RunSpec, RunState
from runner.store.journal import Unreadable, read_json
from runner.store.labels import read_label
from runner.store.reader import RunReader
from runner.store.rundir import RunDir

#: how much of a note stands in a list; label.json has all of it
NOTE_IN_LIST = 1000


def listing(path: Path) -> RunListing:
    """One line about a run, from its small files; unreadable folders are listed with the reason."""
    return listing_of(RunReader(path, console=False).read_small(), read_label(path))


def listing_of(snapshot: RunSnapshot, label: Label | None = None) -> RunListing:
    """`label`: what a person calls the run. `smooth` is known of an ended run alone."""
    spec, status, label = snapshot.spec, snapshot.status, label or Label()
    return RunListing(
        id=snapshot.id,
        name=label.name or (spec.name if spec is not None else snapshot.id),
        state=snapshot.state,
        outcome=snapshot.outcome,
        created_at=spec.created_at if spec is not None else 0.0,
        step=status.step if status is not None else 0,
        total_steps=status.total_steps if status is not None else None,
        loss=(status.loss if status.loss is not None else status.average) if status else None,
        checkpoints=sum(not (c.removed or c.replaced) for c in status.checkpoints) if status else 0,
        duration_s=_duration_s(snapshot),
        host=spec.host if spec is not None else "",
        problem=snapshot.problems[0] if snapshot.problems else None,
        tags=label.tags,
        note=_cut(label.note),
        project=_project(spec),
        ended_at=status.ended_at if status is not None else None,
        origin=spec.origin if spec is not None else "",
        smoke=spec.smoke if spec is not None else False,
        device=status.device if status is not None else None,
        smooth=_smooth(snapshot),
    )


def _duration_s(snapshot: RunSnapshot) -> float | None:
    """From the start to the end; to now where a run goes on, to the last sign of life of a lost one."""
    spec, status = snapshot.spec, snapshot.status
    if status is None or status.started_at is None:
        return None
    end = status.ended_at
    if end is None and spec is not None and spec.origin:
        return None  # an old run whose end nobody knows
    if end is None:
        end = snapshot.read_at
    if snapshot.state is RunState.LOST:
        end = status.heartbeat_at
    return max(0.0, end - status.started_at)


def _project(spec: RunSpec | None) -> str:
    """The folder of plasma.toml, else that of the output; "" if neither is known."""
    if spec is None:
        return ""
    if spec.config_path:
        return os.path.dirname(spec.config_path)  # noqa: PTH120 - of thousands of runs
    return spec.output_dir or ""


def _cut(note: str) -> str:
    return note if len(note) <= NOTE_IN_LIST else note[: NOTE_IN_LIST - 1] + "…"


class _SummaryLoss(msgspec.Struct):
    smooth: float | None = None


class _Summary(msgspec.Struct):
    """Of summary.json the one number that a list shows."""

    loss: _SummaryLoss | None = None


def _smooth(snapshot: RunSnapshot) -> float | None:
    """At the end: as it stands with the checkpoint of the last step, else in summary.json."""
    status = snapshot.status
    if status is None or snapshot.state is not RunState.ENDED:
        return None
    for checkpoint in reversed(status.checkpoints):
        if checkpoint.step == status.step and checkpoint.loss is not None:
            return checkpoint.loss
    try:
        found = read_json(RunDir(Path(snapshot.path)).summary_json, _Summary)
    except Unreadable:
        return None
    return found.loss.smooth if found.loss is not None else None
