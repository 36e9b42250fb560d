"""`import`: existing checkpoints and TensorBoard logs as runs."""

from __future__ import annotations

import argparse
import time
from collections.abc import Mapping
from pathlib import Path

from runner.history.imported_runs.from_files import (
    import_training,
    known_run,
    watched_files,
    watched_run,
)
from runner.history.imported_runs.trainings import Findings, FoundTraining, look_for_trainings
from runner.model.units import count
from tui.cli.common import print_json, say, write
from tui.cli.exits import NO, NOT_FOUND, OK, WRONG_USE, Fail
from tui.text import clean

#: this many skipped files are named
NAMED = 5


def import_runs(options: argparse.Namespace) -> int:
    """Changes nothing below the folder; importing again adds nothing twice."""
    root = Path(options.folder).expanduser()
    if not root.is_dir():
        raise Fail(f"no folder {root}: give the one that holds the checkpoints", NOT_FOUND)
    root = root.absolute()
    findings = look_for_trainings(root)
    if options.name and len(findings.trainings) > 1:
        found = count(len(findings.trainings), "training")
        raise Fail(
            f"--name works for a single training, but there are {found} in {root}: leave it out",
            WRONG_USE,
        )
    watched = watched_files()
    rows = [_one(training, root, options, watched) for training in findings.trainings]
    if options.json:
        print_json({"schema": 1, "trainings": rows, **_rest(findings)})
    else:
        write(*map(_line, rows))
    _say_rest(findings, root)
    failed = any(one["problem"] for one in rows)
    return NO if failed or not rows else OK


def _one(
    training: FoundTraining, root: Path, options: argparse.Namespace, watched: Mapping[str, str]
) -> dict[str, object]:
    known, own = known_run(training), watched_run(training, watched)
    row: dict[str, object] = {
        "run": own or (known[0].id if known is not None else None),
        "name": options.name or training.name,
        "began_at": training.began_at,
        "files": [str(one.path) for one in training.files],
        "event_folder": str(training.events.folder) if training.events is not None else None,
        "watched": own is not None,
        "made": False,
        "problem": None,
    }
    if options.dry_run or own is not None:
        return row
    try:
        path, made = import_training(training, root, name=options.name, verify=options.verify)
        row |= {"run": path.name, "made": made}
    except OSError as error:
        row["problem"] = f"{error.filename or path_of(training)}: {error.strerror or error}"
    return row


def path_of(training: FoundTraining) -> str:
    return str(training.files[0].path) if training.files else training.key


def _line(one: dict[str, object]) -> str:
    files, events = one["files"], one["event_folder"]
    began = one["began_at"]
    assert isinstance(files, list) and isinstance(began, float)
    when = time.strftime("%Y-%m-%d %H:%M", time.localtime(began))
    parts = [count(len(files), "checkpoint"), "exact losses" if events else "no event files"]
    if one["problem"]:
        how = f"NOT imported: {one['problem']}"
    elif one["watched"]:
        how = f"skipped: already the run {one['run']}"
    elif one["made"]:
        how = f"imported as {one['run']}"
    else:
        how = f"already imported as {one['run']}" if one["run"] else "would be imported"
    return clean(f"{one['name']}, {when}, {', '.join(parts)}: {how}", 2000)


def _rest(findings: Findings) -> dict[str, object]:
    return {
        "passed_over": [{"path": str(path), "why": why} for path, why in findings.passed_over],
        "unreadable": [{"path": str(path), "why": why} for path, why in findings.unreadable],
        "cut": findings.cut,
    }


def _say_rest(findings: Findings, root: Path) -> None:
    for title, found in (
        ("skipped", findings.passed_over),
        ("unreadable", findings.unreadable),
    ):
        for path, why in found[:NAMED]:
            say(f"{title}: {path}: {why}")
        if len(found) > NAMED:
            say(f"{title}: {len(found) - NAMED} more (--json lists all)")
    if findings.cut:
        say(f"too many files in {root}: give a subfolder to find the rest")
    if not findings.trainings:
        say(f"nothing to import: no checkpoint and no event file in {root}")
