"""What the screen asks of the outside world, and what it gets back.

The app knows only these protocols; `tui/cli.py` hands in what does the work. Every method may block and
is called from a worker thread, never from the screen's loop.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from runner.model import CheckResult, Forecast, RunListing, RunSnapshot


class ActionFailed(Exception):
    """An order that was refused or could not be given; one sentence with what to do."""


class Reader(Protocol):
    """Reads one run again and again (`runner.reader.RunReader`)."""

    def changed(self) -> bool:
        """A few stats: is there anything new to read?"""

    def read(self, budget_s: float) -> RunSnapshot:
        """What is known now, in about `budget_s`; `read_fraction` < 1 asks for another call."""


@dataclass(frozen=True, slots=True)
class Plan:
    """What a configuration would start. `problem`: why it cannot be read or started, one sentence;
    `gate`: what must happen before the long run may start (a smoke test, an approval), None if nothing;
    `live_run`: a run that already writes what this one would, opened instead of a second start."""

    name: str
    forecast: Forecast | None = None
    checks: tuple[CheckResult, ...] = ()
    problem: str | None = None
    live_run: Path | None = None
    gate: str | None = None


@dataclass(frozen=True, slots=True)
class Sent:
    """An order that was given; what comes of it will show as an event. `run_path`: a run that it
    started and that should be opened."""

    text: str
    run_path: Path | None = None


class Actions(Protocol):
    """Everything the keys can do beyond the screen. All may raise ActionFailed."""

    def open_reader(self, run_path: Path) -> Reader: ...

    def list_runs(self) -> Sequence[RunListing]: ...

    def run_path(self, run_id: str) -> Path: ...

    def plan(self, config_path: Path) -> Plan: ...

    def start(self, config_path: Path, smoke: bool = False) -> Sent: ...

    def approve(self, run_path: Path) -> Sent:
        """A person's yes to a smoke test: the long run with the same settings may start."""

    def start_demo(self) -> Sent: ...

    def stop(self, run_path: Path, mode: str) -> Sent:
        """`mode`: default, after_save, now (as in runner.control.stop), or cancel: take back a stop
        that waits for the next save."""

    def resume(self, run_path: Path) -> Sent: ...

    def adopt(self, run_path: Path) -> Sent: ...
