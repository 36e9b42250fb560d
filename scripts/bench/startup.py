"""How soon `attach` shows something useful, beside a bare Textual app."""

from __future__ import annotations

import re
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from scripts.bench.figures import Figure
from scripts.bench.keys import BARE_DRAWER, BARE_MODAL, time_keys
from scripts.bench.processes import cpu_percent_over, queue_note, rss_mb, waited_s
from scripts.bench.replay import first_seen
from scripts.bench.runs import attach_command, live_run
from scripts.bench.terminal import DEFAULT_SIZE, Terminal

BARE = Path(__file__).with_name("bare_textual.py")
FIRST_FRAME_BUDGET_MS, RATIO_BUDGET = 600.0, 1.3
STARTS = 6
FIRST_FRAME = "first useful frame of attach"
IDLE_S = 12.0
STEP_SHOWN = re.compile(r"\d+ */ *4,?000\b")
BARE_COMMAND = (sys.executable, str(BARE))


@dataclass(frozen=True, slots=True)
class Start:
    """One start. `took_ms`: from fork to the first complete useful screen; `sent`: bytes until it was
    quiet; `waited_s`: of its main thread for a core until then."""

    took_ms: float
    sent: int
    waited_s: float | None


def start_once(
    command: Sequence[str],
    condition: Callable[[str], object],
    environment: Mapping[str, str] | None = None,
    folder: Path | None = None,
) -> Start:
    """Start a screen and wait until `condition` holds for the text on it."""
    size = DEFAULT_SIZE
    with Terminal(command, size, environment=environment, folder=folder) as terminal:
        terminal.wait_for(condition, 20.0, f"the first useful frame of {Path(command[0]).name}")
        waited = waited_s(terminal.pid)
        terminal.wait_quiet(0.25, 3.0)
        at_s = first_seen(terminal.chunks(), size.columns, size.rows, condition)
        if at_s is None:
            raise TimeoutError("the first useful frame was never complete")
        return Start((at_s - terminal.started_at) * 1000, len(terminal.output()), waited)


def measure_first_frame(folder: Path) -> list[Figure]:
    """From fork to the run's name and a step number on the screen, at 120x40; a bare Textual beside it, turn by
    turn: header, static and footer are the floor that no Textual app can be under."""

    def useful(text: str) -> bool:
        return "first-frame" in text and STEP_SHOWN.search(text) is not None

    ours: list[Start] = []
    bare: list[Start] = []
    with live_run(folder, "first-frame", 4000, (0.5, 0.5)) as live:
        live.wait_step(5)
        for _ in range(STARTS + 1):
            ours.append(start_once(attach_command(live.run), useful))
            bare.append(start_once(BARE_COMMAND, lambda text: "nothing else" in text))
    del ours[0], bare[0]  # those filled the disk cache
    ratios = tuple(one.took_ms / other.took_ms for one, other in zip(ours, bare, strict=True))
    return [
        Figure(
            "first_frame", FIRST_FRAME, tuple(one.took_ms for one in ours),
            "ms", FIRST_FRAME_BUDGET_MS, note=queue_note([one.waited_s for one in ours]),
        ),
        Figure(
            "first_frame", "bare Textual: first frame", tuple(one.took_ms for one in bare), "ms",
            note=queue_note([one.waited_s for one in bare]),
        ),
        Figure("first_frame", "first useful frame against bare Textual", ratios, "x", RATIO_BUDGET),
        Figure(
            "first_frame", "bytes until the first screen is quiet",
            tuple(one.sent / 1000 for one in ours), "KB",
        ),
    ]  # fmt: skip


def measure_bare(folder: Path) -> list[Figure]:
    """What a bare Textual costs beside its first frame."""
    with Terminal(BARE_COMMAND) as terminal:
        terminal.wait_text("nothing else")
        terminal.wait_quiet(1.0)
        began = time.monotonic()
        cpu = cpu_percent_over(terminal.pid, IDLE_S)
        idle_bytes = terminal.bytes_since(began) / (time.monotonic() - began)
        memory = rss_mb(terminal.pid)
        keys = [
            time_keys(terminal, one, "", name="bare", budget=False)
            for one in (BARE_DRAWER, BARE_MODAL)
        ]
    return [
        Figure("bare", "bare Textual: RSS", (memory,), "MB"),
        Figure("bare", "bare Textual: idle CPU", (cpu,), "%"),
        Figure("bare", "bare Textual: idle bytes", (idle_bytes,), "B/s"),
        *keys,
    ]
