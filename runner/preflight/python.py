"""Does the trainer's Python run, and is it new enough?"""

from __future__ import annotations

from runner.preflight.facts import Facts
from runner.preflight.model import Check, Finding, failed, passed, warned

#: our own package needs 3.11; kohya_ss asks for 3.10 or 3.11
LEAST_EMBEDDED = (3, 11)
LEAST_SD_SCRIPTS = (3, 10)


def look(facts: Facts) -> Finding:
    trainer = facts.config.trainer
    found = facts.interpreter()
    if found.problem:
        advice = "correct [trainer] python: it is the interpreter inside the trainer's venv"
        return failed("python does not run", f"{trainer.python}: {found.problem}.", advice)
    words = f"Python {found.version}"
    version = tuple(int(part) for part in found.version.split(".")[:2])
    detail = f"{trainer.python} is {words} in {found.prefix}."
    if trainer.embedded and version < LEAST_EMBEDDED:
        advice = "choose a Python of at least 3.11 as [trainer] python"
        return failed(f"{words} is too old", detail, advice)
    if not trainer.embedded and version < LEAST_SD_SCRIPTS:
        advice = "make the trainer's venv with Python 3.10 or newer"
        return warned(f"{words} is old", detail, advice)
    return passed(words, detail)


CHECK = Check("python", "Python", look)
