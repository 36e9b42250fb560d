"""What the backend answers. Light: the first frame imports it."""

from __future__ import annotations

from dataclasses import field
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from runner.model import CheckResult, Expectation, Forecast, NotifyRules, RunSnapshot
from runner.model.lean import dataclass

if TYPE_CHECKING:  # a screen on a run needs none of these, and they take time to import
    from runner.config.catalog import FlagReport
    from runner.config.channels import Channels
    from runner.control.gate import GateStatus
    from runner.history.review.best import Candidate
    from runner.history.review.document import Document
    from runner.notify.message import Message


class Reader(Protocol):
    """Reads one run repeatedly: `runner.store.reader.RunReader`, or a recorded one."""

    def changed(self) -> bool:
        """A few stats: is there anything new to read?"""

    def read(self, budget_s: float) -> RunSnapshot:
        """What is known now, in about `budget_s`; `read_fraction` < 1 asks for another call."""


@dataclass(frozen=True, slots=True)
class Plan:
    """What a configuration would start. `problem`: why it cannot be read or started, one sentence;
    `problems`: all that is wrong with the file, a sentence with file and line each;
    `gate`: what must happen before the long run may start (a smoke test, an approval), None if nothing;
    `live_run`: a run that already writes what this one would, opened instead of a second start;
    `checks`: results that are known already; `smoke_lines`: the verdict of the last smoke test with
    these settings; `notes`: what was read with a grain of salt."""

    name: str
    forecast: Forecast | None = None
    checks: tuple[CheckResult, ...] = ()
    problem: str | None = None
    live_run: Path | None = None
    gate: str | None = None
    problems: tuple[str, ...] = ()
    gate_status: GateStatus | None = None
    smoke_lines: tuple[CheckResult, ...] = ()
    expect: Expectation | None = None
    notes: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class FlagSheet:
    """The flags of a trainer's script. `source`: plasma.toml as it was read; `given`: its [train], `smoke`: its
    [smoke], each value as a person would type it."""

    script: str
    report: FlagReport
    given: dict[str, str] = field(default_factory=dict)
    smoke: dict[str, str] = field(default_factory=dict)
    source: bytes = b""


@dataclass(frozen=True, slots=True)
class FlagAnswer:
    """The result of an edit. `sheet`: as plasma.toml is now; `before`: the replaced content; `problem`: why
    nothing was replaced."""

    sheet: FlagSheet
    before: bytes = b""
    problem: str = ""


@dataclass(frozen=True, slots=True)
class Sent:
    """An order that was given; its result will show as an event. `run_path`: a run that it
    started and that should be opened; `config_path`: the plasma.toml that it made for it."""

    text: str
    run_path: Path | None = None
    config_path: Path | None = None


@dataclass(frozen=True, slots=True)
class NoticeTarget:
    """The target of a test. `channels` may hold secrets: passed back, never shown."""

    message: Message
    rules: NotifyRules = field(default_factory=NotifyRules)
    channels: Channels | None = None


@dataclass(frozen=True, slots=True)
class SummarySheet:
    """A review for the screen, which draws the plot itself. `candidates`: best first, with absolute paths;
    `samples`: step and path of one image of each step."""

    document: Document
    snapshot: RunSnapshot
    candidates: tuple[Candidate, ...] = ()
    samples: tuple[tuple[int, str], ...] = ()


@dataclass(frozen=True, slots=True)
class ExportAnswer:
    """The result of an export. `done`: the copy exists; `text`: one sentence; `free_name`: one that could be
    taken where the wanted one is."""

    done: bool
    text: str
    free_name: str | None = None
