"""What grows with runs, live runs, queued runs, hosts and steps, measured on synthetic folders: docs/scale.md.

    .venv/bin/python -m scripts.scale [runs] [live] [queue] [hosts] [steps] [--sizes 1000,5000,20000]

Prints one line per figure. Everything is written below a temporary folder, which is removed afterwards.
"""

from __future__ import annotations

import argparse
import fcntl
import json
import os
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

from runner.files.private import open_lock
from runner.hosts.answer import Answer
from runner.hosts.runs import decoded
from runner.model import Phase, RunListing, RunSpec, RunState, Status
from runner.store.index import RACY_S, index_path
from runner.store.journal import encode_json, read_json, write_json
from runner.store.registry import list_runs, live_runs
from runner.store.rundir import RunDir
from scripts.bench.many_runs import make_runs
from scripts.bench.processes import cpu_percent_over, cpu_s, rss_mb
from scripts.bench.replay import first_seen
from scripts.bench.runs import attach_command, ended_run, own_home
from scripts.bench.terminal import Terminal
from tui.words.runs import RunBoard

SIZES = (1_000, 5_000, 20_000)
LIVE = (10, 100)
QUEUED = 20
REPEATS = 3
WATCHED_S = 10.0
COMMAND = (sys.executable, "-m", "tui.cli")

_PEAK = """
import json, resource, sys, time
from tui.cli.main import main
began = time.perf_counter()
code = main(sys.argv[1:])
used = resource.getrusage(resource.RUSAGE_SELF)
peak = used.ru_maxrss / ((1 << 20) if sys.platform == "darwin" else 1024)
sys.stderr.write(json.dumps([(time.perf_counter() - began) * 1000, used.ru_utime + used.ru_stime, peak]))
"""


def say(what: str, **figures: float) -> None:
    shown = "  ".join(f"{name} {value:,.1f}" for name, value in figures.items())
    print(f"{what:<46} {shown}", flush=True)


def timed(work: Callable[[], object], times: int = REPEATS) -> float:
    """Median of the processor time, in milliseconds: neighbours on the machine don't count."""
    found = []
    for _ in range(times):
        began = time.process_time()
        work()
        found.append((time.process_time() - began) * 1000)
    return statistics.median(found)


def command(*words: str) -> tuple[float, float, float, int]:
    """Milliseconds, CPU seconds, peak megabytes, and bytes printed, of one command in a process of its own."""
    done = subprocess.run(
        [sys.executable, "-c", _PEAK, *words], capture_output=True, check=True, text=True
    )
    ms, cpu, peak = json.loads(done.stderr.splitlines()[-1])
    return ms, cpu, peak, len(done.stdout)


# --------------------------------------------------------------------------- many runs


def measure_runs(count: int) -> None:
    """The list: command, screen, and what a refresh costs."""
    make_runs(count)
    time.sleep(RACY_S + 0.5)
    index_path().unlink(missing_ok=True)
    for name, words in (
        ("runs, without its cache", ("runs",)),
        ("runs", ("runs",)),
        ("runs --limit 20", ("runs", "--limit", "20")),
        ("runs --json", ("runs", "--json")),
        ("what a host is asked", ("runs", "--json", "--limit", "500")),
    ):
        ms, cpu, peak, printed = command(*words)
        say(f"{count:,} runs: {name}", ms=ms, cpu_ms=cpu * 1000, peak_MB=peak, KB=printed / 1000)
    size = index_path().stat().st_size / 1e6
    list_runs()
    say(f"{count:,} runs: list again, same process", cpu_ms=timed(list_runs), cache_MB=size)
    say(f"{count:,} runs: the screen's refresh", cpu_ms=timed(lambda: list_runs(at_leisure=True)))
    say(f"{count:,} runs: which of them live", cpu_ms=timed(live_runs))
    listed = list_runs()
    say(f"{count:,} runs: taken by a new screen", cpu_ms=timed(lambda: RunBoard().take(listed)))
    _screen(f"{count:,} runs", f"_v{count - 1}")


def _screen(what: str, text: str) -> None:
    """First frame with the list, then ten seconds with nothing to do."""
    with (
        tempfile.TemporaryDirectory() as empty,
        Terminal(COMMAND, folder=Path(empty)) as terminal,
    ):
        terminal.wait_text(text)
        size = terminal.size
        at = first_seen(terminal.chunks(), size.columns, size.rows, lambda shown: text in shown)
        first = ((at or time.monotonic()) - terminal.started_at) * 1000
        time.sleep(3.0)
        cpu = cpu_percent_over(terminal.pid, WATCHED_S)
        say(
            f"{what}: first screen, then at rest",
            ms=first,
            cpu_percent=cpu,
            MB=rss_mb(terminal.pid),
        )


# --------------------------------------------------------------------------- live runs


def measure_live(count: int) -> None:
    """Folders as living supervisors keep them: the lock held, status.json replaced every second."""
    paths = make_runs(count)
    with _held(paths), _beating(paths):
        say(f"{count} live runs: list, same process", cpu_ms=timed(list_runs))
        say(f"{count} live runs: which of them live", cpu_ms=timed(live_runs))
        _screen(f"{count} live runs", "training")


@contextmanager
def _held(paths: Sequence[Path]) -> Iterator[None]:
    held = [open_lock(RunDir(path).lock) for path in paths]
    for one in held:
        fcntl.flock(one, fcntl.LOCK_EX)
    try:
        yield
    finally:
        for one in held:
            os.close(one)


@contextmanager
def _beating(paths: Sequence[Path]) -> Iterator[None]:
    """What all supervisors together write, once a second."""
    over = threading.Event()
    states = [(RunDir(path), read_json(RunDir(path).status, Status)) for path in paths]
    for run, _ in states:
        run.exit.unlink()

    def beat(step: int) -> None:
        for run, status in states:
            now = time.time()
            write_json(
                run.status,
                replace(status, state=RunState.RUNNING, phase=Phase.TRAINING, outcome=None, ended_at=None,
                        step=min(step, 900), heartbeat_at=now, started_at=now - step, eta_s=900.0 - step),
            )  # fmt: skip

    def run_all() -> None:
        step = 1
        while not over.wait(1.0):
            step += 1
            beat(step)

    beat(1)
    writer = threading.Thread(target=run_all, daemon=True)
    writer.start()
    try:
        yield
    finally:
        over.set()
        writer.join()


# --------------------------------------------------------------------------- the queue


def measure_queue(count: int) -> None:
    """Waiting processes of queued runs: memory that is theirs alone, and CPU over ten seconds."""
    from scripts.scale_queue import waiting

    with waiting(count) as pids:
        before, began = [cpu_s(pid) for pid in pids], time.monotonic()
        time.sleep(WATCHED_S)
        used = sum(cpu_s(pid) - old for pid, old in zip(pids, before, strict=True))
        share = 100 * used / (time.monotonic() - began) / len(pids)
        own = statistics.mean(_own_mb(pid) for pid in pids)
        rss = statistics.mean(map(rss_mb, pids))
        say(f"{count} queued: one waiting process", cpu_percent=share, own_MB=own, rss_MB=rss)
        say("1,000 queued, by calculation", cpu_percent=1000 * share, own_GB=own)


def _own_mb(pid: int) -> float:
    """Private memory: what a further process of the same program adds."""
    lines = Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()
    return sum(int(line.split()[1]) for line in lines if line.startswith("Private_")) / 1000


# --------------------------------------------------------------------------- hosts and steps


def measure_hosts() -> None:
    """The answer of a host: reading it, and the list with ten such hosts."""
    make_runs(600)
    listed = list_runs()[:500]
    text = encode_json({"schema": 1, "runs": listed, "total": 600})
    say(
        "a host's answer: decoded",
        ms=timed(lambda: decoded("gpu", Answer(0, text))),
        KB=len(text) / 1000,
    )
    runs: list[RunListing] = []
    for number in range(10):
        runs += decoded(f"gpu{number}", Answer(0, text))[0]
    board = RunBoard()
    say("10 hosts: taken by a new screen", cpu_ms=timed(lambda: RunBoard().take(runs)))
    board.take(runs)
    say("10 hosts: taken again unchanged", cpu_ms=timed(lambda: board.take(list(runs))))


def measure_steps(steps: int) -> None:
    run = ended_run("long", steps)
    assert read_json(run.spec, RunSpec).id == run.id
    ms, cpu, peak, _ = command("show", run.id)
    say(f"{steps:,} steps: show", ms=ms, cpu_ms=cpu * 1000, peak_MB=peak)
    with Terminal((*COMMAND, *attach_command(run)[-2:])) as terminal:
        terminal.wait_text("Succeeded")
        time.sleep(4.0)
        say(f"{steps:,} steps: screen", cpu_ms=cpu_s(terminal.pid) * 1000, MB=rss_mb(terminal.pid),
            journal_MB=run.steps.stat().st_size / 1e6)  # fmt: skip


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("parts", nargs="*", default=["runs", "live", "hosts", "steps"])
    parser.add_argument("--sizes", default=",".join(map(str, SIZES)))
    options = parser.parse_args()
    sizes = [int(one) for one in options.sizes.split(",")]
    parts: dict[str, Callable[[], object]] = {
        "runs": lambda: each(measure_runs, sizes),
        "live": lambda: each(measure_live, LIVE),
        "queue": lambda: each(measure_queue, (QUEUED,)),
        "hosts": lambda: each(lambda _: measure_hosts(), (0,)),
        "steps": lambda: each(measure_steps, (100_000, 1_000_000)),
    }
    for part in options.parts:
        parts[part]()


def each(measure: Callable[[int], None], sizes: Sequence[int]) -> None:
    """Each size in a home of its own."""
    for size in sizes:
        with tempfile.TemporaryDirectory() as folder, own_home(Path(folder)):
            (Path(folder) / "home").mkdir(mode=0o700)
            measure(size)


if __name__ == "__main__":
    main()
