"""A line of a checklist, and the cause of a failure."""

from __future__ import annotations

from runner.model.lean import dataclass


@dataclass(frozen=True, slots=True)
class CheckResult:
    """One line of the preflight checklist. `fix`: an automatic fix, for `check --fix NAME`."""

    name: str
    status: str  # pass, warn, fail, skip
    evidence: str
    fix: str | None = None
    title: str = ""
    #: one full sentence; `evidence` is the short form for the panel
    detail: str = ""
    #: what the user can do about it, as text or a command
    advice: str = ""


@dataclass(frozen=True, slots=True)
class Cause:
    """Why a run failed; `key` is one of the catalogue's names. `fix`: the first change that helps, as
    FLAG=VALUE. `changes`: all changes of that fix, applied by `retry`; `env.NAME=VALUE` is a variable
    of the environment, `accelerate.NAME=VALUE` a flag of the launcher."""

    key: str
    evidence: str
    advice: str = ""
    fix: str | None = None
    changes: tuple[str, ...] = ()
