"""A line of a checklist, and the cause of a failure."""

from __future__ import annotations

from runner.model.lean import dataclass


@dataclass(frozen=True, slots=True)
class CheckResult:
    """One line of the preflight checklist. `fix`: a cure plasma-tui has, for `check --fix NAME`."""

    name: str
    status: str  # pass, warn, fail, skip
    evidence: str
    fix: str | None = None
    title: str = ""
    #: one whole sentence; `evidence` is the few words that fit the panel
    detail: str = ""
    #: what a person can do about it, in words or as a command
    advice: str = ""


@dataclass(frozen=True, slots=True)
class Cause:
    """Why it ended so; `key` is one of the catalogue's names. `fix`: the first change that helps, as
    FLAG=VALUE. `changes`: all that belongs to that cure, what `retry` applies; `env.NAME=VALUE` is a variable
    of the environment, `accelerate.NAME=VALUE` a flag of the launcher."""

    key: str
    evidence: str
    advice: str = ""
    fix: str | None = None
    changes: tuple[str, ...] = ()
