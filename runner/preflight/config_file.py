"""Is plasma.toml read without a grain of salt? (A broken one never gets as far as this check.)"""

from __future__ import annotations

from runner.config.errors import ConfigError
from runner.model import CheckResult
from runner.preflight.facts import Facts
from runner.preflight.model import Check, Finding, passed, warned
from runner.units import count

NAME, TITLE = "config", "Config"


def look(facts: Facts) -> Finding:
    notes = facts.config.notes
    if not notes:
        return passed("plasma.toml is valid", f"{facts.config.path} was understood in full.")
    return warned(count(len(notes), "note"), "; ".join(notes))


def refused(error: ConfigError) -> CheckResult:
    """The one result there is when the file could not be read."""
    problems = error.problems
    evidence = count(len(problems), "error")
    cure = f"correct {problems[0].file}" if problems else None
    return CheckResult(NAME, "fail", evidence, cure, TITLE, str(error))


CHECK = Check(NAME, TITLE, look)
