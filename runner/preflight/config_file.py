"""Is plasma.toml read without a grain of salt? (A broken one never gets as far as this check.)"""

from __future__ import annotations

from runner.config.errors import ConfigError
from runner.model import CheckResult
from runner.model.units import count
from runner.preflight.facts import Facts
from runner.preflight.model import Check, Finding, passed, warned

NAME, TITLE = "config", "Config"


def look(facts: Facts) -> Finding:
    notes = facts.config.notes
    if not notes:
        return passed("plasma.toml is valid", f"{facts.config.path} was understood in full.")
    advice = f"look at {facts.config.path}"
    return warned(count(len(notes), "note"), "; ".join(notes), advice)


def refused(error: ConfigError) -> CheckResult:
    """The one result there is when the file could not be read."""
    problems = error.problems
    evidence = count(len(problems), "error")
    advice = f"correct {problems[0].file}" if problems else ""
    return CheckResult(NAME, "fail", evidence, None, TITLE, str(error), advice)


CHECK = Check(NAME, TITLE, look)
