"""A run of a million steps: opening it, and drawing its loss."""

from __future__ import annotations

import time
from pathlib import Path

from runner.store.reader import RunReader
from scripts.bench.figures import Figure, number_of
from scripts.bench.limits import rounds, waiting
from scripts.bench.processes import cpu_s, queue_note, rss_mb, waited_s
from scripts.bench.replay import first_seen
from scripts.bench.runs import attach, ended_run
from scripts.bench.terminal import Terminal, TimedOut

MILLION = 1_000_000
FIRST_FRAME_BUDGET_MS = 600.0
COMPLETE_BUDGET_MS = 2500.0
SCREEN_BUDGET_MB = 60.0
OPENINGS = 3
#: so long the openings may take, the first one (which only fills caches) among them
OPENINGS_S = 45.0
#: a screen that sends nothing and works on nothing for this long is complete
QUIET_S, QUIET_CPU = 1.0, 0.1
#: the chart's panel at 120x40
CHART_CELLS = (76, 20)
REDRAWS = 30


def measure_million(folder: Path) -> list[Figure]:
    """From fork to a step number, and to the last frame."""
    run = ended_run("million", MILLION)
    first: list[float] = []
    complete: list[float] = []
    memory: list[float] = []
    waited: list[float | None] = []
    cpu: list[float] = []
    for _ in rounds(OPENINGS + 1, OPENINGS_S):
        with attach(run) as terminal:
            size = (terminal.size.columns, terminal.size.rows)
            terminal.wait_for(_is_useful, 20.0, "the last step")
            _wait_complete(terminal)
            chunks, began = terminal.chunks(), terminal.started_at
            waited.append(waited_s(terminal.pid))
            cpu.append(cpu_s(terminal.pid))
            memory.append(rss_mb(terminal.pid))
        at_s = first_seen(chunks, *size, _is_useful)
        first.append(((at_s or chunks[-1].at_s) - began) * 1000)
        complete.append((chunks[-1].at_s - began) * 1000)
    size_mb = run.steps.stat().st_size / 1e6
    return [
        Figure(
            "million", "1,000,000 steps: first useful frame", tuple(first[1:]), "ms",
            FIRST_FRAME_BUDGET_MS,
        ),
        Figure(
            "million", "1,000,000 steps: complete", tuple(complete[1:]), "ms", COMPLETE_BUDGET_MS,
            note=f"{size_mb:.0f} MB; {number_of(cpu, 'median'):.1f} s CPU; {queue_note(waited[1:])}",
        ),
        Figure(
            "million", "1,000,000 steps: screen RSS", tuple(memory[1:]), "MB", SCREEN_BUDGET_MB
        ),
    ]  # fmt: skip


def _is_useful(text: str) -> bool:
    return "million" in text and "1000000" in text.replace(",", "")


def _wait_complete(terminal: Terminal) -> None:
    """Until the screen of an ended run has drawn its last frame: nothing comes, and nothing is worked on.
    Raises TimedOut."""
    deadline = time.monotonic() + 20.0
    with waiting("the complete loss of 1,000,000 steps"):
        while time.monotonic() < deadline:
            began, before = time.monotonic(), cpu_s(terminal.pid)
            time.sleep(QUIET_S)
            worked_s = cpu_s(terminal.pid) - before
            if not terminal.bytes_since(began) and worked_s < QUIET_CPU * QUIET_S:
                return
    raise TimedOut(f"still reading after 20 s; the screen:\n{terminal.text()}")


def measure_chart(folder: Path) -> list[Figure]:
    """Processor time of one redraw of the loss chart, from the snapshot to its rows."""
    figures: list[Figure] = []
    for steps, label in ((1000, "1k"), (100_000, "100k"), (MILLION, "1M")):
        figures.append(Figure("chart", f"loss chart redraw, {label} steps", _redraws(steps), "ms"))
    short, long = (number_of(figure.values, "median") or 1.0 for figure in figures[1:])
    ratio = Figure("chart", "loss chart, 1M against 100k", (long / short,), "x", 2.0)
    return [*figures, ratio]


def _redraws(steps: int) -> tuple[float, ...]:
    from tui.kit.chart import ALL, draw_chart, range_of
    from tui.kit.scale import sticky_range
    from tui.words.loss import Look, chart_model, loss_chart

    snapshot = RunReader(ended_run("chart", steps).path, console=False).read_all()
    found = []
    for _ in range(REDRAWS):
        began = time.process_time()
        chart = loss_chart(chart_model(snapshot), Look())
        draw_chart(chart, *CHART_CELLS, sticky_range(None, range_of(chart, ALL)))
        found.append((time.process_time() - began) * 1000)
    return tuple(found)
