"""From a key to the complete frame that answers it."""

from __future__ import annotations

import contextlib
import random
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from scripts.bench.figures import Figure
from scripts.bench.processes import cpu_s, queue_note, waited_s
from scripts.bench.replay import Chunk, Replay
from scripts.bench.runs import attach, ended_run, live_run
from scripts.bench.terminal import Terminal

KEY_BUDGET_MS = 30.0
PRESSES = 40
#: keys in pairs, so that the screen is the same after each pair: (key, text that it brings or takes)
CONSOLE = (b"l", "l closes it")
HELP = ((b"?", b"\x1b"), "Close the screen; a training goes on")


@dataclass(frozen=True, slots=True)
class Press:
    """A key, when it was sent, and the text whose presence it changes."""

    at_s: float
    marker: str
    appears: bool


def answer_times_ms(
    chunks: list[Chunk], presses: list[Press], size: tuple[int, int]
) -> list[float]:
    """For each press the time to the first complete frame in which its marker has changed."""
    found: list[float] = []
    waiting = list(presses)
    for at_s, text in Replay(*size).frames(chunks):
        while waiting and at_s >= waiting[0].at_s:
            if (waiting[0].marker in text) is not waiting[0].appears:
                break
            found.append((at_s - waiting.pop(0).at_s) * 1000)
    return found


@dataclass(frozen=True, slots=True)
class Cost:
    """What the screen used for the keys of one series, its ticks included, a key."""

    cpu_ms: float
    waited_s: float | None


@contextlib.contextmanager
def costs(terminal: Terminal, keys: int) -> Iterator[list[Cost]]:
    """The cost of what happens within; it is in the list afterwards."""
    found: list[Cost] = []
    cpu, waited = cpu_s(terminal.pid), waited_s(terminal.pid)
    yield found
    later = waited_s(terminal.pid)
    wait = (later - waited) / keys if later is not None and waited is not None else None
    found.append(Cost((cpu_s(terminal.pid) - cpu) * 1000 / keys, wait))


def press_keys(terminal: Terminal, count: int, seed: int = 3) -> list[Press]:
    """Open and close the console drawer `count` times in all, at random moments."""
    dice = random.Random(seed)
    presses: list[Press] = []
    for index in range(count):
        time.sleep(dice.uniform(0.15, 0.45))
        key, marker = CONSOLE
        presses.append(Press(terminal.send(key), marker, index % 2 == 0))
    terminal.wait_quiet(0.4, 2.0)
    return presses


def press_help(terminal: Terminal, count: int, seed: int = 4) -> list[Press]:
    """Open the help and leave it. Only the opening is timed: Escape alone is ambiguous, so that
    Textual waits 100 ms for the rest of a sequence."""
    dice = random.Random(seed)
    presses: list[Press] = []
    (key, back), marker = HELP
    for _ in range(count):
        time.sleep(dice.uniform(0.15, 0.45))
        presses.append(Press(terminal.send(key), marker, True))
        time.sleep(0.3)
        terminal.send(back)
        time.sleep(0.3)
    return presses


def measure_keys(folder: Path) -> list[Figure]:
    """Keys on a run that logs four steps a second, and on an ended one."""
    figures: list[Figure] = []
    with live_run(folder, "keys", 4000, (0.2, 0.3)) as live:
        live.wait_step(4)
        with attach(live.run) as terminal:
            terminal.wait_text("keys", "step ")
            terminal.wait_quiet(0.1, 3.0)
            size = (terminal.size.columns, terminal.size.rows)
            with costs(terminal, PRESSES) as cost:
                drawer = press_keys(terminal, PRESSES)
            with costs(terminal, PRESSES // 2) as help_cost:
                shown = press_help(terminal, PRESSES // 2)
            chunks = terminal.chunks()
    found = answer_times_ms(chunks, drawer, size)
    figures.append(_figure("console drawer, live run", found, cost))
    figures.append(_figure("help, live run", answer_times_ms(chunks, shown, size), help_cost))
    with attach(ended_run("keys-ended", 2000)) as terminal:
        terminal.wait_text("keys-ended", "step ")
        terminal.wait_quiet(0.3, 3.0)
        with costs(terminal, PRESSES) as cost:
            drawer = press_keys(terminal, PRESSES)
        found = answer_times_ms(terminal.chunks(), drawer, size)
    figures.append(_figure("console drawer, ended run", found, cost))
    return figures


def _figure(what: str, found: list[float], cost: list[Cost]) -> Figure:
    note = f"{cost[0].cpu_ms:.0f} ms CPU a key; {queue_note([cost[0].waited_s])}"
    return Figure(
        "keys", f"key to screen: {what}", tuple(found), "ms", KEY_BUDGET_MS, "p95", note=note
    )
