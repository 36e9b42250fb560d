"""What several verbs need: finding a run, printing JSON and tables, waiting for a run's end."""

from __future__ import annotations

import contextlib
import json
import shutil
import sys
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import msgspec

from runner.control import orders as control
from runner.history.report import current_step
from runner.model import OVER, CheckResult, Outcome, RunSnapshot, RunState, Waiting
from runner.model.units import UNKNOWN, duration, loss, pace
from runner.store.jobs import job_of
from runner.store.reader import RunReader
from runner.store.registry import RunNotFound, group_of, resolve
from runner.store.rundir import RunDir, runs_root
from tui.cli.exits import NO, NOT_FOUND, OK, WRONG_USE, Fail
from tui.text import INVISIBLE, clean
from tui.words.job import submitted_words
from tui.words.progress import loss_now
from tui.words.queue import waiting_line
from tui.words.table import Column, Line, table_lines

MARKS = {"pass": "✓", "warn": "!", "fail": "✗", "skip": "-"}


def find_runs(text: str, *, adopt: bool = True) -> tuple[list[Path], str]:
    """The folder of RUN; or of every run of the group with this name, oldest first, and that name. Raises
    Fail."""
    try:
        return [find_run(text, adopt=adopt)], ""
    except Fail:
        group = group_of(text)
        if not group:
            raise
    paths = [runs_root() / one.id for one in group]
    if adopt:
        for path in paths:
            with contextlib.suppress(OSError):
                control.adopt(path)
    return paths, group[0].group


def find_run(text: str, *, adopt: bool = True) -> Path:
    """The folder of RUN; a run whose supervisor was killed gets a new one. Raises Fail (exit 3)."""
    try:
        path = resolve(text)
    except RunNotFound as error:
        raise Fail(str(error), NOT_FOUND) from None
    if adopt:
        with contextlib.suppress(OSError):  # a folder of another user: it can still be read
            control.adopt(path)
    return path


def say(text: str) -> None:
    """Narration. A closed stderr must not leave an order half done."""
    with contextlib.suppress(OSError, ValueError):
        sys.stderr.write(f"{clean(text)}\n")
        sys.stderr.flush()


def counted(text: str) -> None:
    """A line that the next one replaces, at a terminal only; "" removes it."""
    if sys.stderr.isatty():
        sys.stderr.write(f"\r\x1b[K{clean(text)}")
        sys.stderr.flush()


def answer(question: str) -> str:
    """What a person types at a terminal."""
    sys.stderr.write(clean(question))
    sys.stderr.flush()
    return sys.stdin.readline().strip()


def at_terminal() -> bool:
    """A person can be asked."""
    return sys.stdin.isatty() and sys.stderr.isatty()


def agreed(question: str, refusal: str, *, yes: bool) -> bool:
    """Yes or no, asked at a terminal only; elsewhere only --yes agrees. Raises Fail."""
    if yes:
        return True
    if not at_terminal():
        raise Fail(f"{refusal}: add --yes to agree, there is no terminal to ask on", WRONG_USE)
    return answer(f"{question} [y/N] ").lower() in ("y", "yes")


def write(*lines: str) -> None:
    """Lines of data on stdout."""
    sys.stdout.writelines(f"{line}\n" for line in lines)
    sys.stdout.flush()


def print_table(columns: Sequence[Column], lines: Sequence[Line]) -> None:
    """As wide as the terminal; in full for a pipe."""
    width = shutil.get_terminal_size().columns if sys.stdout.isatty() else None
    write(*table_lines(columns, lines, width))


def check_line(result: CheckResult) -> str:
    """`! Disk: 3 GB free`."""
    text = result.detail or result.evidence
    return f"{MARKS[result.status]} {clean(result.title or result.name)}: {clean(text)}"


def print_json(value: Any) -> None:
    """One object and a final newline, in ASCII where the locale has no UTF-8."""
    text = msgspec.json.format(msgspec.json.encode(value), indent=2).decode()
    if not text.isascii() and "utf" not in (sys.stdout.encoding or "utf").lower():
        text = json.dumps(json.loads(text), indent=2)
    # JSON itself allows the control characters above ASCII, which terminals obey
    text = INVISIBLE.sub(lambda found: json.dumps(found[0])[1:-1], text)
    sys.stdout.write(f"{text}\n")


def progress_line(snapshot: RunSnapshot) -> str:
    """`training  step 412/920  epoch 2/4  loss 0.0934  3.1 s/step  26 min left`."""
    status = snapshot.status
    if snapshot.state is RunState.QUEUED and status is not None:
        return waiting_line(status.waiting or Waiting(), snapshot.read_at)
    if status is None:
        return str(snapshot.state)
    if status.evaluating and snapshot.state not in OVER:
        return status.evaluating
    step, stopping = current_step(snapshot), snapshot.state is RunState.STOPPING
    word = str(snapshot.state if stopping else status.phase)
    if not step:
        detail = f": {status.phase_detail}" if status.phase_detail and not stopping else ""
        return f"{word}{detail}"
    value = loss_now(snapshot)
    words = [
        word,
        f"step {step}/{status.total_steps or UNKNOWN}",
        f"epoch {status.epoch}/{status.epochs}" if status.epoch else "",
        f"loss {loss(status.average if value is None else value)}",
        pace(status.seconds_per_step),
        f"{duration(status.eta_s)} left" if status.eta_s is not None and not stopping else "",
    ]
    return "  ".join(word for word in words if word)


def snapshots(path: Path, every_s: float = 0.1) -> Iterator[RunSnapshot]:
    """The run repeatedly, in its current state."""
    reader = RunReader(path, console=False)
    while True:
        snapshot = reader.read(0.1)
        yield snapshot if snapshot.read_fraction >= 1 else reader.read_all()
        time.sleep(every_s)


def wait_for_end(path: Path) -> RunSnapshot:
    """Until the run is over, with a progress line on stderr (one a few seconds where that is no
    terminal). Ctrl+C leaves the training running."""
    live = sys.stderr.isatty()
    shown, shown_at = "", 0.0
    try:
        for snapshot in snapshots(path, 0.2):
            line = clean(progress_line(snapshot))
            now = time.monotonic()
            if line != shown and now - shown_at >= (0.2 if live else 5.0):
                sys.stderr.write(f"\r\x1b[K{line[:200]}" if live else f"{line}\n")
                sys.stderr.flush()
                shown, shown_at = line, now
            if snapshot.state in OVER and (
                snapshot.outcome is not None or snapshot.state is not RunState.ENDED
            ):
                if live:
                    sys.stderr.write("\r\x1b[K")
                return snapshot
            # the supervisor may have died before it evaluated the end of the trainer; of a cluster's job,
            # or between two of them, none is here
            unknown = snapshot.outcome is None or snapshot.job is not None
            if unknown and not snapshot.supervisor_alive:
                control.adopt(path)
    except KeyboardInterrupt:
        say(f"\ntraining continues: `plasma-tui attach {path.name}` shows it")
        raise
    raise AssertionError("a run is watched until it is over")


def started(run: RunDir, *, wait: bool, silent: bool = False) -> int:
    """Print the ID of a run that has started; `wait` for its end."""
    if not silent:
        write(run.id)
        say_submitted(run)
    return exit_code(wait_for_end(run.path)) if wait else OK


def say_submitted(run: RunDir) -> None:
    """Nothing for a run of this machine."""
    if (job := job_of(run)) is not None:
        say(submitted_words(job))


def exit_code(snapshot: RunSnapshot) -> int:
    return OK if snapshot.outcome is Outcome.SUCCEEDED else NO
