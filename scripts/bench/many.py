"""Five thousand runs: how long a list of them takes, what it costs in memory, how fast one is found."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from pathlib import Path

from runner.store.index import RACY_S, index_path
from runner.store.registry import list_runs, live_runs
from runner.store.rundir import runs_root
from scripts.bench.figures import Figure
from scripts.bench.keys import Series, time_keys
from scripts.bench.many_runs import make_runs
from scripts.bench.processes import rss_mb
from scripts.bench.replay import first_seen
from scripts.bench.terminal import Terminal
from tui.words.runs import RunBoard

RUNS = 5_000
LIST_BUDGET_MS = 300.0
MEMORY_BUDGET_MB = 80.0
REPEATS = 5
LETTER = Series("a letter in the filter", b"1", b"\x7f", "↓  1 of 5000")
FILTERS = ("spyke", "state:failed", "tag:good anna", "v4321", "nothing like that")

#: in a process of its own, as the command does it; what it prints are milliseconds and megabytes
_LIST = """
import json, resource, sys, time
import runner.store.registry as registry
def timed():
    began = time.perf_counter()
    found = registry.list_runs()
    return len(found), (time.perf_counter() - began) * 1000
count, first = timed()
again = timed()[1]
peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
peak_mb = peak / (1 << 20) if sys.platform == "darwin" else peak / 1024
print(json.dumps([count, first, again, peak_mb]))
"""


def measure_many(folder: Path) -> list[Figure]:
    """The list cold (no index), warm (a new process with the index), again (the same process)."""
    make_runs(RUNS)
    time.sleep(RACY_S + 0.5)  # what has just changed is never kept
    cold, warm = [], []
    for _ in range(REPEATS):
        index_path().unlink(missing_ok=True)
        cold.append(_listed())
        warm.append(_listed())
    what = f"{RUNS:,} runs"
    return [
        Figure("many", f"{what}: list, index deleted", _column(cold, 1), "ms",
               note="reads every run, writes the index"),
        Figure("many", f"{what}: list, new process", _column(warm, 1), "ms", LIST_BUDGET_MS, "max"),
        Figure("many", f"{what}: list, same process", _column(warm, 2), "ms", LIST_BUDGET_MS, "max"),
        Figure("many", f"{what}: peak memory of the process that lists",
               _column(cold, 3) + _column(warm, 3), "MB", MEMORY_BUDGET_MB, "max"),
        *_board(what),
        *_screen(what, folder),
        Figure("many", f"{what}: which of them live (before a start)", _times(live_runs), "ms"),
        Figure("many", f"{what}: the command `runs --limit 20`", _command("runs", "--limit", "20"), "ms"),
        Figure("many", f"{what}: the command `show ID`", _command("show", _some_id()), "ms"),
    ]  # fmt: skip


def _listed() -> tuple[float, ...]:
    done = subprocess.run(
        [sys.executable, "-c", _LIST],
        cwd=Path(__file__).parents[2],
        capture_output=True,
        check=True,
    )
    found = tuple(float(one) for one in json.loads(done.stdout))
    if found[0] < RUNS:
        raise RuntimeError(f"{found[0]:.0f} runs were listed, {RUNS} are there")
    return found


def _column(rows: list[tuple[float, ...]], index: int) -> tuple[float, ...]:
    return tuple(row[index] for row in rows)


def _board(what: str) -> list[Figure]:
    """What the screen does with a list: taking it, a letter typed into the filter, another order."""
    board, listed = RunBoard(), list_runs()
    taken = _times(lambda: RunBoard().take(listed))
    board.take(listed)
    filtered = [one for text in FILTERS for one in _times(partial(_typed, board, text))]
    return [
        Figure("many", f"{what}: taken by the screen for the first time", taken, "ms"),
        Figure("many", f"{what}: taken again unchanged", _times(lambda: board.take(listed)), "ms"),
        Figure("many", f"{what}: a letter typed into the filter", tuple(filtered), "ms", 30.0, "max"),
    ]  # fmt: skip


def _screen(what: str, folder: Path) -> list[Figure]:
    """The welcome screen with its list, the filter, and a run opened from it."""
    empty = folder / "no-project"
    empty.mkdir()
    newest = f"_v{RUNS - 1}"
    starts, opens, memory = [], [], []
    letters: list[Figure] = []
    for number in range(REPEATS):
        with Terminal(plasma_command(), folder=empty) as terminal:
            terminal.wait_text(newest)
            starts.append((_seen(terminal, newest) - terminal.started_at) * 1000)
            terminal.send(b"h")
            terminal.wait_text("by when")
            terminal.send(b"/")
            terminal.wait_text("tag:good")
            terminal.send(b"v432")
            terminal.wait_text("11 of 5000")
            if not number:
                letters.append(replace(time_keys(terminal, LETTER, f", {what}"), name="many"))
            terminal.send(b"1")
            terminal.wait_text("↓  1 of 5000")
            terminal.send(b"\r")
            terminal.wait_text("edit label")
            memory.append(rss_mb(terminal.pid))
            began = terminal.send(b"\r")
            terminal.wait_text("Events")
            opens.append((_seen(terminal, "Events") - began) * 1000)
    return [
        Figure("many", f"{what}: first screen with its list", tuple(starts), "ms"),
        *letters,
        Figure("many", f"{what}: a run opened from the list", tuple(opens), "ms"),
        Figure("many", f"{what}: memory of the screen", tuple(memory), "MB", MEMORY_BUDGET_MB, "max"),
    ]  # fmt: skip


def _seen(terminal: Terminal, text: str) -> float:
    """When the first complete frame with that text was there, by time.monotonic()."""
    size = terminal.size
    at_s = first_seen(terminal.chunks(), size.columns, size.rows, lambda shown: text in shown)
    if at_s is None:
        raise TimeoutError(f"{text!r} was never on a complete frame")
    return at_s


def _typed(board: RunBoard, text: str) -> None:
    board.type(text)
    board.lines()


def _times(work: Callable[[], object]) -> tuple[float, ...]:
    found = []
    for _ in range(REPEATS):
        began = time.perf_counter()
        work()
        found.append((time.perf_counter() - began) * 1000)
    return tuple(found)


def _some_id() -> str:
    names = sorted(path.name for path in runs_root().iterdir() if path.name.startswith("2"))
    return names[len(names) // 2]


def plasma_command() -> tuple[str, ...]:
    script = Path(sys.executable).with_name("plasma-tui")
    return (str(script),) if script.exists() else (sys.executable, "-m", "tui.cli")


def _command(*words: str) -> tuple[float, ...]:
    return _times(
        lambda: subprocess.run([*plasma_command(), *words], capture_output=True, check=True)
    )
