"""`export`: copy a checkpoint of a run to another folder."""

from __future__ import annotations

import argparse
import os
from pathlib import Path

from tui.cli.common import agreed, at_terminal, find_run, print_json, say, write
from tui.cli.exits import NOT_FOUND, OK, WRONG_USE, Fail
from tui.text import clean


def export(options: argparse.Namespace) -> int:
    """Prints the path of the copy."""
    from runner.checkpoints.export import export_file
    from runner.checkpoints.export_places import remember_folder
    from runner.history.review.chosen import NotChosen, choose

    run_path = find_run(options.run)
    try:
        chosen = choose(run_path, options.checkpoint)
    except NotChosen as error:
        raise Fail(clean(str(error)), NOT_FOUND) from None
    folder = Path(options.to).expanduser() if options.to else _suggested(run_path)
    for line in (f"{chosen.checkpoint.name}:" if chosen.why else "", *chosen.why):
        if line:
            say(line)
    _make_folder(folder, yes=options.yes)
    made = export_file(
        chosen.path, folder, options.name, force=options.force, known=chosen.checkpoint
    )
    remember_folder(folder)
    for note in made.notes:
        say(f"note: {note}")
    if options.json:
        print_json({"schema": 1, "checkpoint": chosen.checkpoint.name, "step": chosen.checkpoint.step,
                    "path": made.path, "bytes": made.size_bytes, "sha256": made.sha256})  # fmt: skip
    else:
        write(str(made.path))
    return OK


def _make_folder(folder: Path, *, yes: bool) -> None:
    """Creates a missing folder; asks first at a terminal. Raises Fail."""
    if os.path.lexists(folder):
        return
    if at_terminal() and not agreed(f"{folder} doesn't exist. Create it?", "", yes=yes):
        raise Fail(f"nothing was exported: {clean(str(folder), 300)} doesn't exist")
    try:
        folder.mkdir(parents=True)
    except OSError as error:
        raise Fail(f"{clean(str(folder), 300)} cannot be created: {error.strerror}") from None
    say(f"created {folder}")


def _suggested(run_path: Path) -> Path:
    """Without --to nothing is written: the error suggests a folder."""
    from runner.checkpoints.export_places import suggested_folders
    from runner.model import RunSpec
    from runner.store.journal import Unreadable, read_json
    from runner.store.rundir import RunDir

    try:
        spec = read_json(RunDir(run_path).spec, RunSpec)
        found = suggested_folders(spec.command, spec.cwd)
    except Unreadable:
        found = suggested_folders()
    example = f", for example --to {clean(str(found[0]), 300)}" if found else ""
    raise Fail(f"give the destination with --to DIR{example}", WRONG_USE)
