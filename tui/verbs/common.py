"""What several verbs need: finding a run, printing JSON and tables, waiting for a run's end."""

from __future__ import annotations

import contextlib
import sys
import time
from pathlib import Path
from typing import Any

import msgspec

from runner.control import orders as control
from runner.history.report import current_step
from runner.model import Outcome, RunSnapshot, RunState
from runner.model.units import UNKNOWN, duration, loss, pace
from runner.store.reader import RunReader
from runner.store.registry import RunNotFound, resolve
from tui.exits import NO, NOT_FOUND, OK, Fail
from tui.text import clean

MARKS = {"pass": "✓", "warn": "!", "fail": "✗", "skip": "-"}
OVER = (RunState.ENDED, RunState.LOST)


def find_run(text: str, *, adopt: bool = True) -> Path:
    """The folder of RUN; a run whose supervisor was killed gets a new one. Raises Fail (exit 3)."""
    try:
        path = resolve(text)
    except RunNotFound as error:
        raise Fail(str(error), NOT_FOUND) from None
    if adopt:
        try:
            control.adopt(path)
        except OSError:
            pass  # somebody else's folder: it can still be read
    return path


def say(text: str) -> None:
    """Narration. Nobody listening is no reason to leave an order half done."""
    with contextlib.suppress(OSError, ValueError):
        sys.stderr.write(f"{clean(text)}\n")
        sys.stderr.flush()


def print_json(value: Any) -> None:
    """One object; a reader of another program gets UTF-8 and one final newline."""
    sys.stdout.write(msgspec.json.format(msgspec.json.encode(value), indent=2).decode() + "\n")


def print_table(heads: list[str], rows: list[list[str]]) -> None:
    """Columns as wide as their content; foreign text is cleaned by the caller."""
    widths = [max(len(row[i]) for row in [heads, *rows]) for i in range(len(heads))]
    for row in [heads, *rows]:
        line = "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True))
        sys.stdout.write(line.rstrip() + "\n")


def progress_line(snapshot: RunSnapshot) -> str:
    """`training  step 412/920  epoch 2/4  loss 0.0934  3.1 s/step  26 min left`."""
    status = snapshot.status
    if status is None:
        return str(snapshot.state)
    if status.evaluating and snapshot.state not in OVER:
        return status.evaluating
    step = current_step(snapshot)
    if not step:
        return f"{status.phase}{f': {status.phase_detail}' if status.phase_detail else ''}"
    value = snapshot.loss.smooth if snapshot.loss.smooth is not None else status.average
    words = [
        str(status.phase),
        f"step {step}/{status.total_steps or UNKNOWN}",
        f"epoch {status.epoch}/{status.epochs}" if status.epoch else "",
        f"loss {loss(value)}",
        pace(status.seconds_per_step),
        f"{duration(status.eta_s)} left" if status.eta_s is not None else "",
    ]
    return "  ".join(word for word in words if word)


def wait_for_end(path: Path) -> RunSnapshot:
    """Until the run is over, with a progress line on stderr (one a few seconds where that is no
    terminal). Ctrl+C leaves the training running."""
    reader = RunReader(path, console=False)
    live = sys.stderr.isatty()
    shown, shown_at = "", 0.0
    try:
        while True:
            snapshot = reader.read(0.1)
            line = clean(progress_line(snapshot))
            now = time.monotonic()
            if line != shown and now - shown_at >= (0.2 if live else 5.0):
                sys.stderr.write(f"\r\x1b[K{line[:200]}" if live else f"{line}\n")
                sys.stderr.flush()
                shown, shown_at = line, now
            if snapshot.state in OVER and (
                snapshot.outcome is not None or snapshot.state is RunState.LOST
            ):
                if live:
                    sys.stderr.write("\r\x1b[K")
                return reader.read_all()
            # a supervisor may be gone with the trainer's end not judged yet
            if snapshot.outcome is None and not snapshot.supervisor_alive:
                control.adopt(path)
            time.sleep(0.2)
    except KeyboardInterrupt:
        say(f"\nthe training goes on: `plasma-tui attach {path.name}` watches it")
        raise


def exit_code(snapshot: RunSnapshot) -> int:
    return OK if snapshot.outcome is Outcome.SUCCEEDED else NO
