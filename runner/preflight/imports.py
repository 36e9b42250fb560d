"""Can the trainer's Python really import the script? A package that is found may still be broken.

`packages` only asks whether modules exist. This check imports them in the same environment, working folder and
path as the launch, and reports the exception that the trainer would end with.
"""

from __future__ import annotations

import shlex
from pathlib import Path

from runner.analysis.diagnosis.cures import NOT_KNOWN, Setting
from runner.analysis.diagnosis.matcher import diagnose
from runner.model import ExceptionSeen
from runner.preflight.facts import Facts
from runner.preflight.import_probe import Imported, Raised
from runner.preflight.model import Check, Finding, failed, passed, short, skipped, warned
from runner.preflight.modules import TENSORBOARD, wanted_modules
from runner.preflight.trainer import filled
from runner.state.evidence import Evidence

_TEXT_CHARS = 300


def look(facts: Facts) -> Finding:
    if facts.interpreter().problem:
        return skipped("python does not run")
    trainer = facts.config.trainer
    if not trainer.embedded and not filled(Path(trainer.script)):
        return skipped("no script", f"{trainer.script} does not exist or is empty.")
    absent = set(facts.interpreter().missing()) & set(wanted_modules(trainer, facts.flags))
    if absent - {TENSORBOARD}:
        return skipped("packages missing", f"No {', no '.join(sorted(absent))}.")
    found = facts.imported()
    if found.problem == "cancelled":
        return skipped("cancelled")
    platform = facts.platform
    setting = Setting(device=platform.device, runs_on=platform)
    cwd = str(facts.config.trainer_cwd)
    return judge(found, trainer.python, trainer.script, cwd, setting)


def judge(
    found: Imported, python: str, script: str, cwd: str, setting: Setting = NOT_KNOWN
) -> Finding:
    by_hand = f"cd {shlex.quote(cwd)} && {shlex.quote(python)} {shlex.quote(script)} --help"
    if found.problem is not None:
        detail = f"Importing {script} gave no answer: {found.problem}."
        return warned("no answer", detail, by_hand)
    if not found.errors:
        return passed("imported", f"{python} imports {script} without an error.")
    first, origin = found.errors[0], found.errors[-1]
    if found.doing != script and "." in found.doing:
        code = shlex.quote(f"import {found.doing}")
        by_hand = f"cd {shlex.quote(cwd)} && {shlex.quote(python)} -c {code}"
    detail = f"Importing {found.doing} fails with {_words(first)}."
    if origin is not first:
        detail += f" It began with {_words(origin)}."
    seen = Evidence(tuple(_seen(error) for error in reversed(found.errors)))
    cause = diagnose(seen, setting)
    advice = f"{cause.advice} " if cause is not None else ""
    return failed(
        short(origin.name.rpartition(".")[2]), detail, f"{advice}To reproduce it: {by_hand}"
    )


def _words(error: Raised) -> str:
    text = " ".join(str(error).split()).rstrip(".")
    if len(text) > _TEXT_CHARS:
        text = f"{text[:_TEXT_CHARS]} ..."
    return f"{text} ({error.place})" if error.place else text


def _seen(error: Raised) -> ExceptionSeen:
    return ExceptionSeen(0, error.name, error.text, error.frames)


CHECK = Check("imports", "Imports", look, slow=True)
