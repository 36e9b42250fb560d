"""`runs`, `show`, `log`: looking at what is there."""

from __future__ import annotations

import argparse
import sys
import time
from collections import deque
from pathlib import Path

from runner.model import RunSnapshot, RunState
from runner.reader import RunReader
from runner.registry import list_runs
from runner.report import show_json
from runner.summary import summary_text
from runner.units import duration, loss
from tui.exits import NOT_FOUND, OK, Fail
from tui.text import clean
from tui.verbs.common import OVER, find_run, print_json, print_table, say
from tui.verbs.show_text import HEADS, checkpoint_cells, show_lines


def runs(options: argparse.Namespace) -> int:
    """Every run, newest first."""
    found = list_runs()
    if options.json:
        print_json({"schema": 1, "runs": found})
        return OK
    if not found:
        say("no run yet: `plasma-tui demo` makes one, `plasma-tui start` starts your own")
        return OK
    rows = [
        [
            run.id,
            str(run.outcome or run.state),
            f"{run.step}/{run.total_steps if run.total_steps is not None else '?'}",
            loss(run.loss),
            str(run.checkpoints),
            duration(run.duration_s),
            clean(run.name) if run.problem is None else clean(run.problem),
        ]
        for run in found
    ]
    print_table(["run", "state", "step", "loss", "checkpoints", "took", "name"], rows)
    return OK


def show(options: argparse.Namespace) -> int:
    """All that is known of one run."""
    path = find_run(options.run)
    if options.markdown:
        sys.stdout.write(summary_text(path))
        return OK
    snapshot = _settled(path)
    if options.json:
        print_json(show_json(snapshot))
    else:
        _print(snapshot)
    return OK


def _settled(path: Path) -> RunSnapshot:
    """A run whose trainer is gone but which nobody has judged yet gets a moment to be judged."""
    reader = RunReader(path, console=False)
    deadline = time.monotonic() + 3.0
    while True:
        snapshot = reader.read_all()
        unjudged = snapshot.state is RunState.ENDED and snapshot.outcome is None
        if not unjudged or time.monotonic() > deadline:
            return snapshot
        time.sleep(0.1)


def _print(snapshot: RunSnapshot) -> None:
    for line in show_lines(snapshot):
        sys.stdout.write(f"{line}\n")
    rows = checkpoint_cells(snapshot)
    if rows:
        sys.stdout.write("\n")
        print_table(list(HEADS), rows)


def log(options: argparse.Namespace) -> int:
    """The trainer's bytes as they are, for a pipe; cleaned of control characters on a terminal."""
    path = find_run(options.run)
    console = path / "console.log"
    if not console.exists():
        raise Fail(f"run {path.name} has printed nothing yet", NOT_FOUND)
    raw = not sys.stdout.isatty()
    with console.open("rb") as stream:
        if options.lines is not None:
            last = deque(stream, maxlen=max(0, options.lines))
            _emit(b"".join(last), raw)
        while True:
            data = stream.read(1 << 16)
            if data:
                _emit(data, raw)
                continue
            if not options.follow or RunReader(path, console=False).read_small().state in OVER:
                _emit(stream.read(), raw)
                return OK
            time.sleep(0.2)


def _emit(data: bytes, raw: bool) -> None:
    if raw:
        sys.stdout.buffer.write(data)
        sys.stdout.buffer.flush()
        return
    text = data.decode("utf-8", "replace").replace("\r\n", "\n").replace("\r", "\n")
    sys.stdout.write("\n".join(clean(line) for line in text.split("\n")))
    sys.stdout.flush()
