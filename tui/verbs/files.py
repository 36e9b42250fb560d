"""`inspect` and `verify`: judging files that nobody here made."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import Any

from runner.units import file_size
from tui.exits import NO, NOT_FOUND, OK, WRONG_USE, Fail
from tui.text import clean
from tui.verbs.common import print_json


def inspect(options: argparse.Namespace) -> int:
    """Parse and judge a console log."""
    from runner.inspect import inspect_log

    path = Path(options.log).expanduser()
    if not path.is_file():
        raise Fail(f"no file {path}: give the path of a console log", NOT_FOUND)
    folder = Path(options.tensorboard).expanduser() if options.tensorboard else None
    if folder is not None and not folder.is_dir():
        raise Fail(f"no folder {folder}: --tensorboard takes a folder of event files", NOT_FOUND)
    try:
        report = inspect_log(path, options.exit, folder)
    except ValueError as error:
        raise Fail(str(error), WRONG_USE) from None
    except OSError as error:
        raise Fail(f"{path} cannot be read: {error.strerror}") from None
    data = report.to_json()
    if options.json:
        print_json(data)
    else:
        _print(data)
    return OK


def _print(data: dict[str, Any]) -> None:
    for key, value in data.items():
        if key == "cause" and value:
            sys.stdout.write(f"cause: {value['key']}\n  evidence: {clean(value['evidence'])}\n")
            sys.stdout.write(f"  advice: {clean(value['advice'])}\n")
        elif isinstance(value, (list, tuple)):
            sys.stdout.write(f"{key}: {clean(', '.join(map(str, value))) or 'none'}\n")
        else:
            sys.stdout.write(f"{key}: {'unknown' if value is None else clean(str(value))}\n")


def verify(options: argparse.Namespace) -> int:
    """Whole against its header, finite in every tensor; a process each, so that this one stays
    small."""
    import subprocess

    import msgspec

    from runner.checkpoints import Verification

    paths = [str(Path(name).expanduser().absolute()) for name in options.files]
    done = subprocess.run(
        [sys.executable, "-m", "runner.checkpoints", *paths],
        capture_output=True,
        cwd=Path(__file__).resolve().parents[2],
    )
    found = [msgspec.json.decode(line, type=Verification) for line in done.stdout.splitlines()]
    if options.json:
        print_json({"schema": 1, "files": found})
    else:
        for one in found:
            whole = "complete" if one.complete else "NOT COMPLETE"
            numbers = {True: "finite", False: "NOT FINITE", None: "not looked at"}[one.finite]
            why = f": {one.problem}" if one.problem else ""
            sys.stdout.write(
                clean(f"{one.path}: {whole}, {numbers}, {file_size(one.size_bytes)}{why}") + "\n"
            )
    good = len(found) == len(paths) and all(f.complete and f.finite is not False for f in found)
    return OK if good else NO
