"""The runs of this machine: listing them, and finding one by what a person typed."""

from __future__ import annotations

import difflib
import os
from pathlib import Path

from runner.model import RunListing, RunSnapshot, RunState
from runner.reader import RunReader
from runner.rundir import runs_root

LIVE = (RunState.STARTING, RunState.RUNNING, RunState.STOPPING)
#: how many of the newest runs are looked at where a screen waits for the answer
RECENT = 50


class RunNotFound(LookupError):
    """No run, or more than one, fits the text; the message names what is near."""


def run_paths() -> list[Path]:
    """All run folders, newest first (ids begin with their time)."""
    try:
        with os.scandir(runs_root()) as entries:
            found = [Path(entry.path) for entry in entries if entry.is_dir()]
    except OSError:
        return []
    return sorted(found, key=lambda path: path.name, reverse=True)


def listing(path: Path) -> RunListing:
    """One line about a run, from its two small files; unreadable folders are listed with the reason."""
    return listing_of(RunReader(path, console=False).read_small())


def listing_of(snapshot: RunSnapshot) -> RunListing:
    spec, status = snapshot.spec, snapshot.status
    duration = None
    if status is not None and status.started_at is not None:
        end = status.ended_at if status.ended_at is not None else snapshot.read_at
        if snapshot.state is RunState.LOST:
            end = status.heartbeat_at
        duration = max(0.0, end - status.started_at)
    return RunListing(
        id=snapshot.id,
        name=spec.name if spec is not None else snapshot.id,
        state=snapshot.state,
        outcome=snapshot.outcome,
        created_at=spec.created_at if spec is not None else 0.0,
        step=status.step if status is not None else 0,
        total_steps=status.total_steps if status is not None else None,
        loss=(status.loss if status.loss is not None else status.average) if status else None,
        checkpoints=sum(1 for c in status.checkpoints if not c.removed) if status else 0,
        duration_s=duration,
        host=spec.host if spec is not None else "",
        problem=snapshot.problems[0] if snapshot.problems else None,
    )


def list_runs() -> list[RunListing]:
    """Every run, newest first."""
    return [listing(path) for path in run_paths()]


def resolve(text: str) -> Path:
    """The run folder that `text` names: an id, a unique beginning of one, a folder's path, or `last`.

    Raises RunNotFound with the nearest ids.
    """
    paths = run_paths()
    if text == "last":
        if not paths:
            raise RunNotFound(
                "there is no run yet: start one with `plasma-tui start`, or try `demo`"
            )
        return paths[0]
    direct = Path(text).expanduser()
    if os.sep in text and (direct / "spec.json").exists():
        return direct.absolute()
    exact = [path for path in paths if path.name == text]
    found = exact or [path for path in paths if path.name.startswith(text)]
    if len(found) == 1:
        return found[0]
    ids = [path.name for path in paths]
    if found:
        near = [path.name for path in found]
        raise RunNotFound(f"{text!r} fits {len(found)} runs: {_some(near)}")
    near = [i for i in ids if text.lower() in i] or difflib.get_close_matches(text, ids, 3, 0.4)
    if not ids:
        raise RunNotFound(f"no run {text!r}: there is no run yet")
    raise RunNotFound(f"no run {text!r}; nearest: {_some(near or ids)} (see `plasma-tui runs`)")


def _some(ids: list[str], limit: int = 3) -> str:
    more = f" and {len(ids) - limit} more" if len(ids) > limit else ""
    return ", ".join(ids[:limit]) + more


def live_runs() -> list[RunSnapshot]:
    """Runs that are starting, running or stopping now."""
    found = (RunReader(path, console=False).read_small() for path in run_paths())
    return [snapshot for snapshot in found if snapshot.state in LIVE]


def live_run_of(config_path: Path) -> Path | None:
    """The folder of the newest live run that this plasma.toml started, if there is one."""
    for path in run_paths()[:RECENT]:
        snapshot = RunReader(path, console=False).read_small()
        spec = snapshot.spec
        if spec is not None and spec.config_path == str(config_path) and snapshot.state in LIVE:
            return path
    return None


def same_target(output_dir: str | None, output_name: str | None) -> RunSnapshot | None:
    """A live run that writes the same files, if there is one."""
    if output_dir is None:
        return None
    wanted = (os.path.realpath(output_dir), output_name)
    for snapshot in live_runs():
        spec = snapshot.spec
        if spec is None or spec.output_dir is None:
            continue
        if (os.path.realpath(spec.output_dir), spec.output_name) == wanted:
            return snapshot
    return None
