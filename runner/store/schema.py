"""Run folders written by a newer version: listed with the reason, never evaluated or written to."""

from __future__ import annotations

import msgspec

from runner.model.refusal import Refusal
from runner.store.attempt import newest_attempt
from runner.store.journal import Newer, Unreadable, Versioned, read_json
from runner.store.rundir import RunDir


class WrittenByNewer(Refusal):
    """What this version must not do with a run folder of a newer one; one sentence."""


class Lasting(msgspec.Struct):
    """What spec.json means in every schema: enough to find and list a run, and to keep off its files."""

    name: str = ""
    created_at: float = 0.0
    host: str = ""
    cwd: str = ""
    output_dir: str | None = None
    output_name: str | None = None


def newer(run: RunDir) -> str:
    """What a newer version wrote, and what to do; "" for a folder that this version knows. Its parts may
    differ: a run that a newer version resumed keeps its spec.json."""
    files = [run.spec, run.status]
    try:
        files.append(run.attempt(newest_attempt(run)))
    except (Unreadable, OSError):
        pass
    for path in files:
        try:
            read_json(path, Versioned)
        except Newer as found:
            return str(found)
        except Unreadable:
            continue
    return ""


def refuse_newer(run: RunDir) -> None:
    """Before anything is written to a run folder, or concluded from it. Raises WrittenByNewer."""
    if found := newer(run):
        raise WrittenByNewer(f"run {run.id} was {found}")
