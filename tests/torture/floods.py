"""A trainer that floods its console: memory stays bounded, no step is lost, the trainer is not slowed.

python -m tests.torture.floods [KIND ...] [--mb N] [--folder DIR]
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path

from runner.model import Outcome
from runner.state.losses import read_steps
from runner.store.rundir import RunDir
from scripts.bench.many import plasma_command
from scripts.bench.processes import cpu_s, rss_mb
from scripts.bench.runs import attach, own_home
from scripts.bench.terminal import Terminal
from tests.pty.escapes import foreign_sequences
from tests.torture.flood_trainer import KINDS, LAST_LINE, STEPS
from tests.torture.outcome import Result, Tally, table
from tests.torture.watching import command, peak_mb, status_of, training, wait_for

#: megabytes of each flood, and megabytes a second (0: as fast as it can)
FULL = {
    "lines": (2000, 200), "endless": (1000, 0), "invalid": (64, 0), "nul": (256, 0), "escapes": (64, 0),
    "updates": (60, 0), "long": (200, 0),
}  # fmt: skip
#: the most that a supervisor, a screen, a command may use
SUPERVISOR_MB, SCREEN_MB, COMMAND_MB = 130.0, 160.0, 160.0
#: the longest time between two heartbeats
SILENCE_S = 10.0
#: how much longer the trainer may write than into a plain file: two cores are shared with those who read
SLOWER, SLOWER_S = 2.0, 1.0
#: how long reading a flood may take
READ_S = 300.0
#: `inspect` judges every line of a log with far more care than a supervisor: half a minute for so much
INSPECTED_BYTES = 70_000_000
#: a bell is what the screen itself sends at the end, once
BELL = b"\x07"


def flooded(kind: str) -> Callable[[int, Path], Result]:
    """The scenario of one kind of flood at its full size."""
    return lambda seed, folder: flood(seed, folder, kind, *FULL[kind])


def flood(seed: int, folder: Path, kind: str, mb: float, rate_mb: float = 0.0) -> Result:
    """One run of the flood's trainer with a screen on it; the flood is the same with any seed."""
    folder.mkdir(exist_ok=True)
    tally = Tally(f"flood of {kind}, {mb:g} MB")
    flags = ("--kind", kind, "--mb", str(mb), "--rate", str(rate_mb))
    plain = _plain(folder / "plain.log", flags)
    with own_home(folder), training("flood_trainer.py", folder, "flood", *flags) as run:
        with attach(run) as screen:
            screen.wait_for(lambda text: "flood" in text and "step" in text, 60.0, "the screen")
            (folder / "out-flood" / "go").touch()
            _follow(tally, run, screen)
            _judge_screen(tally, screen)
        _judge_run(tally, run)
        _judge_trainer(tally, json.loads((folder / "out-flood" / "flood.json").read_text()), plain)
        _judge_commands(tally, run)
    return tally.result()


def _plain(path: Path, flags: Sequence[str]) -> dict[str, float]:
    """The same flood into a plain file."""
    command = [
        sys.executable,
        str(Path(__file__).with_name("flood_trainer.py")),
        "--plain",
        str(path),
    ]
    done = subprocess.run([*command, *flags], capture_output=True, check=True)
    path.unlink()
    found: dict[str, float] = json.loads(done.stdout)
    return found


def _follow(tally: Tally, run: RunDir, screen: Terminal) -> None:
    """Until the verdict: the longest silence, and the most memory."""
    silence = most = most_screen = spent = 0.0
    ended_at = None
    began = time.monotonic()
    while True:
        status = status_of(run)
        if status is not None:
            silence = max(silence, time.time() - status.heartbeat_at)
            most = max(most, peak_mb(status.supervisor_pid or 0))
            if status.outcome is not None:
                break
            spent = max(spent, cpu_s(status.supervisor_pid or 0))
        most_screen = max(most_screen, rss_mb(screen.pid))
        if run.exit.exists():
            ended_at = ended_at or time.monotonic()
        if time.monotonic() - began > READ_S:
            tally.claim(False, f"no verdict after {READ_S:.0f} s")
            return
        time.sleep(0.05)
    tally.numbers["read_after_the_end_s"] = time.monotonic() - (ended_at or time.monotonic())
    tally.numbers["supervisor_cpu_s"] = spent
    tally.at_most("longest_silence_s", silence, SILENCE_S)
    tally.at_most("supervisor_MB", most, SUPERVISOR_MB)
    tally.at_most("screen_MB", most_screen, SCREEN_MB)


def _judge_screen(tally: Tally, screen: Terminal) -> None:
    screen.wait_for(lambda text: "ucceeded" in text, 20.0, "the verdict on the screen")
    tally.numbers["screen_cpu_s"] = cpu_s(screen.pid)
    screen.send(b"q")
    screen.wait_exit()
    found = foreign_sequences(screen.output())
    foreign = [one for one in found if one != BELL]
    tally.claim(found.count(BELL) <= 1, f"the bell rang {found.count(BELL)} times")
    tally.claim(not foreign, f"the terminal got {foreign[:3]}")


def _judge_run(tally: Tally, run: RunDir) -> None:
    status = wait_for(lambda: status_of(run), 10, "the status")
    tally.claim(status.outcome is Outcome.SUCCEEDED, f"ended {status.outcome}: {status.reasons}")
    steps = list(read_steps(run.steps).steps)
    tally.claim(steps == list(range(1, STEPS + 1)), f"steps in the ledger: {steps}")
    tally.claim(status.step == STEPS, f"the status shows step {status.step}")
    named = [(one.name, one.complete, one.finite) for one in status.checkpoints]
    tally.claim(named == [("flood.safetensors", True, True)], f"checkpoints: {named}")
    for path in (run.status, run.events, run.summary_json, run.summary_md, run.log):
        size = path.stat().st_size if path.exists() else -1
        tally.claim(0 <= size < 1_000_000, f"{path.name} has {size} bytes")
    raw = b"".join(path.read_bytes() for path in (run.summary_md, run.summary_json))
    tally.claim(b"\x1b" not in raw, "a summary has an escape")


def _judge_trainer(tally: Tally, ours: dict[str, float], plain: dict[str, float]) -> None:
    tally.numbers["plain_write_s"] = plain["write_s"]
    tally.numbers["longest_write_s"] = ours["longest_s"]
    tally.at_most("write_s", ours["write_s"], plain["write_s"] * SLOWER + SLOWER_S)


def _judge_commands(tally: Tally, run: RunDir) -> None:
    """The verbs that read a console."""
    verbs = [("show", run.id), ("log", run.id)]
    if run.console.stat().st_size < INSPECTED_BYTES:
        verbs.append(("inspect", str(run.console)))
    for words in verbs:
        done = command(*words)
        tally.claim(not done.code, f"{words[0]} exits {done.code}: {done.errors[-300:]!r}")
        tally.numbers[f"{words[0]}_cpu_s"] = done.cpu_s
        tally.at_most(f"{words[0]}_MB", done.peak_mb, COMMAND_MB)
    if run.console.stat().st_size >= INSPECTED_BYTES:
        return
    with Terminal((*plasma_command(), "log", run.id)) as terminal:
        terminal.wait_exit(READ_S)
        foreign = foreign_sequences(terminal.output())
        tally.claim(not foreign, f"`log` on a terminal wrote {foreign[:3]}")
        tally.claim(LAST_LINE.encode() in terminal.output(), "`log` has no end")


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("kinds", nargs="*", metavar="KIND", help=f"of {', '.join(KINDS)}; all")
    parser.add_argument("--mb", type=float, help="instead of the full size")
    parser.add_argument("--folder", type=Path, help="kept; without it a temporary one")
    args = parser.parse_args()
    failed = False
    with tempfile.TemporaryDirectory(prefix="floods-") as temporary:
        top = args.folder or Path(temporary)
        top.mkdir(exist_ok=True)
        for kind in args.kinds or KINDS:
            mb, rate = FULL[kind]
            result = flood(1, top / kind, kind, args.mb or mb, 0.0 if args.mb else rate)
            print(table(result), flush=True)
            failed = failed or bool(result.lost)
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
