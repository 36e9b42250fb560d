"""From the trainer's write to the step number on the screen, through a real run."""

from __future__ import annotations

import re
import threading
import time
from pathlib import Path

from scripts.bench.figures import Figure
from scripts.bench.replay import Chunk, Replay
from scripts.bench.runs import LiveRun, attach, live_run

LINE_BUDGET_MS = 500.0
STEPS = 45
#: random pauses, so that every phase of every poll is met
PAUSE_S = (0.35, 1.05)
TOTAL = STEPS * 100
_STEP = re.compile(rf"(\d+) */ *{TOTAL}\b")


def shown_at(chunks: list[Chunk], size: tuple[int, int]) -> dict[int, float]:
    """When the header first showed each step or a later one."""
    found: dict[int, float] = {}
    newest = 0
    for at_s, text in Replay(*size).frames(chunks):
        match = _STEP.search(text.replace(",", ""))
        step = int(match[1]) if match else 0
        for passed in range(newest + 1, step + 1):
            found[passed] = at_s
        newest = max(newest, step)
    return found


class JournalWatch(threading.Thread):
    """Notes when steps.jsonl grew, to tell the supervisor's share from the screen's."""

    def __init__(self, path: Path) -> None:
        super().__init__(daemon=True)
        self._path = path
        self._over = threading.Event()
        self.seen: dict[int, float] = {}

    def run(self) -> None:
        size = 0
        while not self._over.wait(0.005):
            try:
                now_size = self._path.stat().st_size
            except OSError:
                continue
            if now_size == size:
                continue
            size, now = now_size, time.monotonic()
            for line in self._path.read_bytes().splitlines():
                step = int(line[1:].split(b",", 1)[0] or 0)
                self.seen.setdefault(step, now)

    def stop(self) -> None:
        self._over.set()
        self.join()


def measure_latency(folder: Path) -> list[Figure]:
    """With exact losses (TensorBoard events) and with the console alone."""
    return [*_measure(folder, exact=True), *_measure(folder, exact=False)]


def _measure(folder: Path, *, exact: bool) -> list[Figure]:
    name = "line-exact" if exact else "line-console"
    with live_run(folder, name, TOTAL, PAUSE_S, exact=exact) as live:
        live.wait_step(3)
        watch = JournalWatch(live.run.steps)
        watch.start()
        with attach(live.run) as terminal:
            terminal.wait_text(name)
            first = max(live.printed()) + 2
            live.wait_step(first + STEPS, STEPS * 2.0)
            time.sleep(1.5)
            size = (terminal.size.columns, terminal.size.rows)
            shown = shown_at(terminal.chunks(), size)
        watch.stop()
        wanted = range(first, first + STEPS)
        return _figures(live, wanted, shown, watch.seen, "exact loss" if exact else "console only")


def _figures(
    live: LiveRun, wanted: range, shown: dict[int, float], journaled: dict[int, float], kind: str
) -> list[Figure]:
    printed = live.printed()
    lag = [(shown[s] - printed[s]) * 1000 for s in wanted if s in shown]
    journal = [(journaled[s] - printed[s]) * 1000 for s in wanted if s in journaled]
    lost = len(wanted) - len(lag)
    note = f"{lost} steps never shown" if lost else ""
    return [
        Figure(
            "latency", f"line to screen, {kind}", tuple(lag), "ms", LINE_BUDGET_MS, "p95", note=note
        ),
        Figure("latency", f"line to steps.jsonl, {kind}", tuple(journal), "ms"),
    ]
