"""Supervisor, screen and commands where hardly any file can be open: they work, or say one sentence; the
training and its record survive.

    python -m tests.torture.few_files [--limits N ...] [--folder DIR]
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from runner.control.orders import needs_adoption
from runner.model import Outcome
from runner.state.losses import read_steps
from runner.store.rundir import RunDir
from scripts.bench.many import plasma_command
from scripts.bench.runs import own_home
from scripts.bench.terminal import Terminal, TimedOut
from tests.torture.outcome import Result, Tally, table
from tests.torture.watching import (
    adopt_again,
    kill_supervisor,
    printed,
    status_of,
    training,
    wait_for,
)

LIMITS = (24, 32, 64)
STEPS = 4000
VERBS = (("show", "last"), ("runs",), ("log", "last", "-n", "3"), ("show", "last", "--json"))


def few_files(seed: int, folder: Path, limits: tuple[int, ...] = LIMITS) -> Result:
    """The scenario; the same with any seed. The limit is set in shells, never in this process."""
    tally = Tally("few open files")
    for limit in limits:
        with own_home(folder / str(limit)):
            _train(tally, folder / str(limit), limit)
    return tally.result()


def _limited(limit: int, words: tuple[str, ...]) -> tuple[str, ...]:
    return ("/bin/sh", "-c", f'ulimit -n {limit}; exec "$@"', "sh", *words)


def _train(tally: Tally, folder: Path, limit: int) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    flags = (
        "--steps",
        str(STEPS),
        "--save_every_n_steps",
        "1000",
        "--ahead",
        "40",
        "--floor",
        "400",
    )
    with training("soak_trainer.py", folder, "few", *flags, exact=True) as run:
        wait_for(lambda: printed(run.console) > 50, 60, "a step")
        pid = kill_supervisor(run)
        # the next one is started from a shell that allows few files, as a command there would
        source = (
            "from pathlib import Path; from runner.control.orders import adopt; "
            f"adopt(Path({str(run.path)!r}))"
        )
        _say(tally, limit, "adopt", _limited(limit, (sys.executable, "-c", source)))
        _screen(tally, limit, run)
        for words in VERBS:
            _say(tally, limit, " ".join(words), _limited(limit, (*plasma_command(), *words)))
        _end(tally, limit, run, pid)


def _say(tally: Tally, limit: int, what: str, command: tuple[str, ...]) -> None:
    """It works, or says one sentence."""
    done = subprocess.run(command, capture_output=True, check=False, stdin=subprocess.DEVNULL)
    lines = done.stderr.strip().splitlines()
    fine = not done.returncode or (len(lines) == 1 and b"Traceback" not in done.stderr)
    tally.claim(fine, f"{limit} files: {what} exits {done.returncode}: {done.stderr[-500:]!r}")
    tally.numbers[f"{limit} files: {what}"] = done.returncode


def _screen(tally: Tally, limit: int, run: RunDir) -> None:
    with Terminal(_limited(limit, (*plasma_command(), "attach", run.id))) as terminal:
        try:
            terminal.wait_for(lambda text: "few" in text and "step" in text, 60.0, "the screen")
            worked = True
            terminal.send(b"q")
            code = terminal.wait_exit()
        except TimedOut:
            worked = False
            code = terminal.wait_exit(1.0) if terminal.ended() else -1
        output = terminal.output()
        said = worked or (b"plasma-tui: " in output and b"Traceback" not in output)
        tally.claim(said, f"{limit} files: the screen: {output[-600:]!r}")
        tally.claim(code >= 0, f"{limit} files: the screen hangs")
        tally.numbers[f"{limit} files: screen works"] = worked


def _end(tally: Tally, limit: int, run: RunDir, before: int) -> None:
    """The training reaches its end; if no supervisor survived, a later one finds everything."""
    wait_for(run.exit.exists, 120, "the end of the training")
    deadline = time.monotonic() + 30.0
    while (status := status_of(run)) is None or status.outcome is None:
        if time.monotonic() > deadline or needs_adoption(run.path):
            tally.numbers[f"{limit} files: adopted again"] = 1
            adopt_again(run)
            deadline = time.monotonic() + 60.0
        time.sleep(0.2)
    tally.claim(
        status.outcome is Outcome.SUCCEEDED,
        f"{limit} files: ended {status.outcome}: {status.reasons}",
    )
    steps = list(read_steps(run.steps).steps)
    tally.claim(steps == list(range(1, STEPS + 1)), f"{limit} files: {len(steps)} of {STEPS} steps")
    tally.claim(
        status.supervisor_pid != before, f"{limit} files: no other supervisor wrote the verdict"
    )
    tally.numbers[f"{limit} files: supervisor.log bytes"] = os.path.getsize(run.log)
    tally.claim(os.path.getsize(run.log) < 100_000, f"{limit} files: supervisor.log grows")
    valid = [one.complete and one.finite for one in status.checkpoints]
    tally.claim(valid == [True] * 4, f"{limit} files: checkpoints {valid}")


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--limits", type=int, nargs="+", default=LIMITS)
    parser.add_argument("--folder", type=Path, help="kept; without it a temporary one")
    args = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="few-files-") as temporary:
        result = few_files(1, args.folder or Path(temporary), tuple(args.limits))
    print(table(result))
    return 1 if result.lost else 0


if __name__ == "__main__":
    sys.exit(main())
