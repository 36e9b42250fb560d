"""What an open screen costs: bytes, processor time, memory; live and idle."""

from __future__ import annotations

import time
from pathlib import Path

from scripts.bench.figures import Figure
from scripts.bench.processes import cpu_percent_over, rss_mb
from scripts.bench.replay import bursts
from scripts.bench.runs import attach, ended_run, live_run
from scripts.bench.terminal import Terminal

SCREEN_BUDGET_MB = 60.0
SUPERVISOR_BUDGET_MB = 80.0
IDLE_CPU_BUDGET_PERCENT = 1.0
#: of an ended run; the times of a live one go on
IDLE_BYTES_BUDGET, SILENT_BYTES_BUDGET = 0.0, 700.0
TICK_BUDGET_KB = 3.0
WATCH_S = 10.0


def measure_live(folder: Path) -> list[Figure]:
    """A run of four steps a second with checkpoints: bytes a tick, and what both processes use."""
    with live_run(folder, "live", 920, (0.22, 0.28), save_every=20) as live:
        live.wait_step(12)
        with attach(live.run) as terminal:
            terminal.wait_text("live", "920")
            terminal.wait_quiet(0.2, 5.0)
            time.sleep(2.0)
            began = time.monotonic()
            screen_cpu = cpu_percent_over(terminal.pid, WATCH_S)
            took_s = time.monotonic() - began
            chunks = [chunk for chunk in terminal.chunks() if chunk.at_s >= began]
            screen_mb = rss_mb(terminal.pid)
        supervisor = live.supervisor_pid()
        supervisor_mb = rss_mb(supervisor)
        supervisor_cpu = cpu_percent_over(supervisor, WATCH_S / 2)
    ticks = tuple(size / 1000 for size in bursts(chunks))
    sent = sum(len(chunk.data) for chunk in chunks) / took_s
    return [
        Figure(
            "live", "bytes a tick, live at 120x40", ticks, "KB", TICK_BUDGET_KB, "p95",
            note=f"{len(ticks) / took_s:.1f} ticks/s, max {max(ticks, default=0):.3g} KB",
        ),
        Figure("live", "bytes to the terminal, live", (sent / 1000,), "KB/s"),
        Figure("live", "screen RSS, live run", (screen_mb,), "MB", SCREEN_BUDGET_MB),
        Figure("live", "screen CPU, live run", (screen_cpu,), "%"),
        Figure(
            "live", "supervisor RSS, exact losses on", (supervisor_mb,), "MB", SUPERVISOR_BUDGET_MB
        ),
        Figure("live", "supervisor CPU, 4 steps/s", (supervisor_cpu,), "%"),
    ]  # fmt: skip


def measure_idle(folder: Path) -> list[Figure]:
    """An ended run, and a live one whose trainer prints nothing."""
    with attach(ended_run("idle-ended", 2000)) as terminal:
        terminal.wait_text("idle-ended", "2000")
        figures = _idle(terminal, "ended run", IDLE_BYTES_BUDGET)
    with live_run(folder, "idle-silent", 500, (0.05, 0.06), silent_after=40) as live:
        live.wait_step(40)
        with attach(live.run) as terminal:
            terminal.wait_text("idle-silent", "40", "500")
            figures += _idle(terminal, "silent live run", SILENT_BYTES_BUDGET)
        supervisor = live.supervisor_pid()
        cpu = cpu_percent_over(supervisor, WATCH_S / 2)
    return [*figures, Figure("idle", "supervisor CPU, silent live run", (cpu,), "%")]


def _idle(terminal: Terminal, what: str, bytes_budget: float) -> list[Figure]:
    terminal.wait_quiet(0.8, 5.0)
    time.sleep(2.0)
    began = time.monotonic()
    cpu = cpu_percent_over(terminal.pid, WATCH_S)
    sent = terminal.bytes_since(began) / (time.monotonic() - began)
    memory = rss_mb(terminal.pid)
    return [
        Figure("idle", f"idle CPU of the screen, {what}", (cpu,), "%", IDLE_CPU_BUDGET_PERCENT),
        Figure("idle", f"idle bytes, {what}", (sent,), "B/s", bytes_budget),
        Figure("idle", f"screen RSS, {what}", (memory,), "MB", SCREEN_BUDGET_MB),
    ]
