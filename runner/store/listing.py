"""A run as one line of a list, from its small files and its label."""

from __future__ import annotations

import os
from pathlib import Path

import msgspec

from runner.model import Label, RunListing, RunSnapshot, RunSpec, RunState, Status, Waiting
from runner.store.identity import replacements
from runner.store.journal import readable
from runner.store.labels import read_label
from runner.store.reader import RunReader
from runner.store.rundir import RunDir

#: how much of a note is in a list; label.json has all of it
NOTE_IN_LIST = 1000


def listing(path: Path) -> RunListing:
    """One line about a run, from its small files; unreadable folders are listed with the reason."""
    return listing_of(RunReader(path, console=False).read_small(), read_label(path))


def listing_of(snapshot: RunSnapshot, label: Label | None = None) -> RunListing:
    """`label`: the user's label."""
    label = label or Label()
    note = label.note
    spec = snapshot.spec or RunSpec(snapshot.id, snapshot.id, (), "", {}, 0.0, "", None, None)
    status = snapshot.status or Status(snapshot.state, 1, 0.0)
    queued, forecast = snapshot.state is RunState.QUEUED, spec.forecast
    trains = snapshot.state in (RunState.STARTING, RunState.RUNNING, RunState.STOPPING)
    return RunListing(
        id=snapshot.id,
        name=label.name or spec.name,
        state=snapshot.state,
        outcome=snapshot.outcome,
        created_at=spec.created_at,
        step=status.step,
        total_steps=status.total_steps or (forecast.steps if queued and forecast else None),
        loss=status.loss if status.loss is not None else status.average,
        checkpoints=_kept(Path(snapshot.path), spec.cwd, status),
        duration_s=_duration_s(snapshot, status, made=bool(spec.origin)),
        host=spec.host,
        problem=snapshot.problems[0] if snapshot.problems else None,
        tags=label.tags,
        note=note if len(note) <= NOTE_IN_LIST else note[: NOTE_IN_LIST - 1] + "…",
        project=os.path.dirname(spec.config_path or "") or spec.output_dir or "",  # noqa: PTH120 - of thousands
        ended_at=status.ended_at,
        origin=spec.origin,
        smoke=spec.smoke,
        device=status.device,
        smooth=_smooth(snapshot, status),
        group=spec.group,
        waiting=(status.waiting or Waiting()) if queued else None,
        ends_at=snapshot.read_at + status.eta_s if trains and status.eta_s is not None else None,
        forecast_s=forecast.duration_s if (queued or trains) and forecast else None,
    )


def _kept(run: Path, cwd: str, status: Status) -> int:
    """Checkpoints that neither the trainer deleted nor a later run wrote over, as both recorded: a list asks no
    disk about thousands of files."""
    there = [one for one in status.checkpoints if not (one.removed or one.replaced)]
    if later := {one.path: one.mtime_ns for one in replacements(run)} if there else {}:
        at = [later.get(os.path.realpath(os.path.join(cwd, one.path)), 0) for one in there]  # noqa: PTH118
        return sum(time_ns <= (one.mtime_ns or 0) for one, time_ns in zip(there, at, strict=True))
    return len(there)


def _duration_s(snapshot: RunSnapshot, status: Status, *, made: bool) -> float | None:
    """From the start to the end; to now for a live run, to the last sign of life of a lost one. None:
    not started, or imported without its end."""
    if status.started_at is None or (made and status.ended_at is None):
        return None
    if status.took_s is not None and snapshot.state is not RunState.LOST:
        return status.took_s
    end = status.heartbeat_at if snapshot.state is RunState.LOST else snapshot.read_at
    return max(0.0, end - status.started_at)


class _SummaryLoss(msgspec.Struct):
    smooth: float | None = None


class _Summary(msgspec.Struct):
    """The number of summary.json shown in a list."""

    loss: _SummaryLoss | None = None


def _smooth(snapshot: RunSnapshot, status: Status) -> float | None:
    """An ended run's final loss: from the checkpoint of the last step, else from summary.json; else what the
    supervisor wrote last."""
    if snapshot.state is not RunState.ENDED or snapshot.status is None:
        return status.smooth
    for checkpoint in reversed(status.checkpoints):
        if checkpoint.step == status.step and checkpoint.loss is not None:
            return checkpoint.loss
    found = readable(RunDir(Path(snapshot.path)).summary_json, _Summary)
    return found.loss.smooth if found is not None and found.loss is not None else status.smooth
