"""`hardware`: what this machine has, how busy it is, who uses it, and why a value is missing.

`--json` prints one object, with `--follow` one a line. Its keys: `schema`, `at`; `cpu` {percent (of all cores),
count, load}; `memory` {used_bytes, total_bytes, left_bytes, pressure (Apple: 1, 2, 4), swapped_out_bytes};
`swap` {used_bytes, total_bytes}; `disks` [{what, path, free_bytes, total_bytes}]; `gpus` [GpuSample of
runner.model: every field, `reasons` by field]; `users` [{pid, title, name, how, hold, memory_bytes,
gpu_memory_bytes, gpu_percent, since_at, port, on_gpu, outside}]; `runs` [{id, name, pid}]; `reasons` {what is
missing: why}; `silent` [sources without an answer]; `ages_s` {source: seconds since it answered}.
"""

from __future__ import annotations

import argparse
import os
import shutil
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import msgspec

from runner.hardware.board import Board, default_sources
from runner.hardware.cpu import CpuMeter
from runner.hardware.host import HOST, written_places
from runner.hardware.processes import UserWatch, myself
from runner.hardware.source import Source
from runner.hardware.users import roots_of
from runner.model import HardwareSample, RunSnapshot
from runner.store.registry import live_runs
from tui.cli.common import print_json, write
from tui.cli.exits import OK
from tui.cli.hardware_text import Look, block, line
from tui.text import clean, crop

ANSWER_S = 3.0
PERIOD_S = 2.0
#: searching the run folders for live runs is too slow for every line
RUNS_EVERY_S = 15.0
_CPU_S = 0.6


def hardware(options: argparse.Namespace) -> int:
    """Print it once, or with --follow until Ctrl+C."""
    watcher = Watcher(default_sources())
    try:
        if options.follow:
            _follow(watcher, json=options.json)
            return OK
        look = watcher.first()
    finally:
        watcher.stop()
    if options.json:
        print_json(as_json(look))
    else:
        write(*block(look))
    return OK


@dataclass
class Watcher:
    """All sources, each in a thread of its own."""

    sources: Sequence[Source]

    def __post_init__(self) -> None:
        places = written_places(os.getcwd(), None, os.environ)  # noqa: PTH109
        named = {"working folder": places.pop("output"), **places}
        self._board = Board(named, self.sources)
        self._users = UserWatch()
        self._mine = myself()
        self._runs: list[RunSnapshot] = []
        self._runs_at: float | None = None

    def first(self) -> Look:
        """Waits for all answers, at most `ANSWER_S`."""
        self._board.start()
        deadline = time.monotonic() + ANSWER_S
        self._look_for_runs()
        self._board.sample(*self._roots())
        self._users.users(())
        meter = CpuMeter()
        time.sleep(_CPU_S)
        cpu = meter.percent()
        while time.monotonic() < deadline and not (
            self._board.answered and self._users.ready.is_set()
        ):
            time.sleep(0.02)
        look = self.look()
        if look.sample.cpu_percent is not None or HOST in look.silent:
            return look
        reasons = {name: why for name, why in look.sample.reasons.items() if name != "cpu"}
        return replace(look, sample=replace(look.sample, cpu_percent=cpu, reasons=reasons))

    def look(self) -> Look:
        """The newest readings."""
        self._look_for_runs()
        sample = self._board.sample(*self._roots())
        if sample is None:
            sample = HardwareSample(time.time())
        roots = roots_of(self._runs)
        others = self._users.users(sample.gpus, roots)
        users = tuple(user for user in others if user.pid is None or user.pid not in self._mine)
        return Look(sample, users, tuple(self._runs), self._board.silent, ANSWER_S)

    def _look_for_runs(self) -> None:
        now = time.monotonic()
        if self._runs_at is None or now - self._runs_at >= RUNS_EVERY_S:
            self._runs_at, self._runs = now, live_runs()

    def _roots(self) -> tuple[int | None, None, frozenset[int]]:
        """The newest live run is the one whose processes are measured: those of its keeper, and its trainer's
        where the keeper was killed."""
        for run in self._runs:
            if run.status is not None:
                trainer = run.status.trainer_pid
                return run.status.keeper_pid, None, frozenset({trainer} if trainer else ())
        return None, None, frozenset()

    def stop(self) -> None:
        self._board.stop()


def as_json(look: Look) -> dict[str, Any]:
    """The documented object."""
    sample = look.sample
    used, total = sample.memory_used_bytes, sample.memory_total_bytes
    return {
        "schema": 1,
        "at": sample.at,
        "cpu": {
            "percent": sample.cpu_percent,
            "count": sample.cpu_count,
            "load": sample.load,
        },
        "memory": {
            "used_bytes": used,
            "total_bytes": total,
            "left_bytes": sample.memory_left_bytes,
            "pressure": sample.pressure,
            "swapped_out_bytes": sample.swapped_out_bytes,
        },
        "swap": {"used_bytes": sample.swap_used_bytes, "total_bytes": sample.swap_total_bytes},
        "disks": sample.disks,
        "gpus": sample.gpus,
        "users": look.users,
        "runs": [
            {
                "id": run.id,
                "name": run.spec.name if run.spec is not None else run.id,
                "pid": run.status.trainer_pid if run.status is not None else None,
            }
            for run in look.runs
        ],
        "reasons": look.reasons,
        "silent": look.silent,
        "ages_s": sample.ages_s,
    }


# ------------------------------------------------------------------------------------------ --follow


def _follow(watcher: Watcher, *, json: bool) -> None:
    """Until Ctrl+C, which exits 0, or a closed pipe."""
    screen = None if json or not _rewrites() else Screen()
    try:
        look = watcher.first()
        while True:
            if screen is not None:
                screen.show(block(look))
            else:
                write(msgspec.json.encode(as_json(look)).decode() if json else line(look))
            time.sleep(PERIOD_S)
            look = watcher.look()
    except KeyboardInterrupt:
        if sys.stdout.isatty():
            sys.stdout.write("\n")


def _rewrites() -> bool:
    return sys.stdout.isatty() and os.environ.get("TERM", "dumb") not in ("", "dumb")


class Screen:
    """A block of lines that is redrawn in place, cropped to the terminal."""

    def __init__(self) -> None:
        self._height = 0

    def show(self, lines: Sequence[str]) -> None:
        """Each line is cropped to one row, so that moving up by their number finds the first."""
        size = shutil.get_terminal_size()
        rows = [crop(clean(text), size.columns - 1) for text in lines[: max(1, size.lines - 1)]]
        up = f"\x1b[{self._height}A" if self._height else ""
        sys.stdout.write(f"{up}\r\x1b[J" + "\n".join(rows) + "\n")
        sys.stdout.flush()
        self._height = len(rows)
