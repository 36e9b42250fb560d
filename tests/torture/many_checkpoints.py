"""A training that saves ten thousand checkpoints, against one that saves ten.

python -m tests.torture.many_checkpoints [--count N] [--folder DIR]
"""

from __future__ import annotations

import argparse
import sys
import tempfile
import time
from pathlib import Path

from runner.model import ExpectedCheckpoint, Forecast, Outcome
from runner.store.rundir import RunDir
from scripts.bench.processes import cpu_s, rss_mb
from scripts.bench.runs import attach, own_home
from tests.torture.outcome import Result, Tally, table
from tests.torture.watching import command, peak_mb, status_of, training, wait_for

FEW = 10
#: of the supervisor for each checkpoint: most of it is the trainer's wait for it
CPU_MS, STATUS_BYTES = 20.0, 250.0
SUPERVISOR_MB, SCREEN_MB = 250.0, 250.0
#: how much longer a screen may need than with ten checkpoints, and a command
OPENING_S, SHOW_S = 3.0, 5.0
#: how long the longest run may take
READ_S = 600.0


def many_checkpoints(seed: int, folder: Path, *, count: int = 10_000) -> Result:
    """The scenario; the same with any seed."""
    folder.mkdir(exist_ok=True)
    tally = Tally(f"{count:,} checkpoints")
    with own_home(folder):
        few_s = _train(Tally("few"), folder, "few", FEW)
        many_s = _train(tally, folder, "many", count)
    tally.numbers["opened_with_ten_cpu_s"] = few_s
    tally.at_most("opened_with_many_cpu_s", many_s, few_s + OPENING_S)
    return tally.result()


def _train(tally: Tally, folder: Path, name: str, count: int) -> float:
    """Processor seconds of a screen on the ended run until its first useful frame."""
    flags = ("--steps", str(count), "--save_every_n_steps", "1", "--epoch_steps", str(count))
    names = [(f"{name}-step{step:08d}.safetensors", step) for step in range(1, count)]
    names.append((f"{name}.safetensors", count))
    files = tuple(ExpectedCheckpoint(*one) for one in names)
    forecast = Forecast(steps=count, checkpoints=files, final=names[-1][0])
    with training("soak_trainer.py", folder, name, *flags, forecast=forecast) as run:
        _follow(tally, run, count)
        _judge(tally, run, count)
        opened = [_open(tally, run) for _ in range(2)]
        for words in (("show", run.id), ("show", run.id, "--json"), ("runs",)):
            done, key = command(*words), " ".join(words).replace(run.id, "RUN")
            tally.at_most(f"{key}_cpu_s", done.cpu_s, SHOW_S)
            tally.claim(not done.code, f"{key} exits {done.code}: {done.errors[-300:]!r}")
        return min(opened)


def _follow(tally: Tally, run: RunDir, count: int) -> None:
    began, spent, most, silence = time.monotonic(), 0.0, 0.0, 0.0
    while time.monotonic() - began < READ_S:
        status = status_of(run)
        if status is not None:
            if status.outcome is not None:
                break
            pid = status.supervisor_pid or 0
            silence = max(silence, time.time() - status.heartbeat_at)
            most = max(most, peak_mb(pid))
            spent = max(spent, _cpu(pid))
        time.sleep(0.2)
    tally.numbers["training_s"] = time.monotonic() - began
    tally.numbers["supervisor_cpu_s"] = spent
    tally.at_most("supervisor_ms_per_checkpoint", 1000 * spent / count, CPU_MS + 2000 / count)
    tally.at_most("supervisor_MB", most, SUPERVISOR_MB)
    tally.at_most("longest_silence_s", silence, 15.0)


def _cpu(pid: int) -> float:
    try:
        return cpu_s(pid)
    except Exception:  # it has just ended
        return 0.0


def _judge(tally: Tally, run: RunDir, count: int) -> None:
    status = wait_for(lambda: status_of(run), 10, "the status")
    tally.claim(status.outcome is Outcome.SUCCEEDED, f"ended {status.outcome}: {status.reasons}")
    valid = [one for one in status.checkpoints if one.complete and one.finite]
    tally.claim(len(valid) == count, f"{len(valid)} of {count} checkpoints are valid")
    tally.claim(str(count) in " ".join(status.reasons), f"the verdict names {status.reasons}")
    tally.at_most(
        "status_bytes_per_checkpoint",
        run.status.stat().st_size / count,
        STATUS_BYTES + 20_000 / count,
    )
    tally.numbers["events_kB"] = run.events.stat().st_size / 1000
    tally.numbers["summary_kB"] = run.summary_json.stat().st_size / 1000


def _open(tally: Tally, run: RunDir) -> float:
    with attach(run) as screen:
        screen.wait_for(
            lambda text: "ucceeded" in text and "Checkpoints" in text, 60.0, "the screen"
        )
        opened = cpu_s(screen.pid)
        tally.numbers["opened_s"] = time.monotonic() - screen.started_at
        screen.wait_quiet()
        tally.at_most("screen_MB", rss_mb(screen.pid), SCREEN_MB)
        return opened


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--count", type=int, default=10_000)
    parser.add_argument("--folder", type=Path, help="kept; without it a temporary one")
    args = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="checkpoints-") as temporary:
        result = many_checkpoints(1, args.folder or Path(temporary), count=args.count)
    print(table(result))
    return 1 if result.lost else 0


if __name__ == "__main__":
    sys.exit(main())
