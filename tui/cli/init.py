"""`init`: plasma.toml from an existing script or configuration, or from what this machine has."""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from runner.config.errors import ConfigError
from runner.control import begin
from runner.model.units import count, file_size
from runner.trainers.sd_scripts.importers.files import (
    MOST_BYTES,
    PASTED,
    import_file,
    import_text,
    text_of,
)
from runner.trainers.sd_scripts.importers.find import Context
from runner.trainers.sd_scripts.importers.fresh import Answers, missing_of, new_project, suggested
from runner.trainers.sd_scripts.importers.model import Imported, ImportRefused
from runner.trainers.sd_scripts.importers.write import (
    FILE_NAME,
    AlreadyThere,
    Written,
    write_project,
)
from tui.cli.common import answer, at_terminal, check_line, say, write
from tui.cli.exits import NO, NOT_FOUND, OK, WRONG_USE, Fail
from tui.cli.start import by_severity

#: a longer list of models would fill the screen
MOST_OFFERED = 12
#: checks of what no training can start without
NEEDED = frozenset({"trainer", "python", "base_model", "encoders", "dataset", "images", "network"})


def init(options: argparse.Namespace) -> int:
    """Write plasma.toml; its path goes to stdout, everything else to stderr. Exit 1: written, but it lacks
    something without which no training can be started."""
    folder = Path(options.dir).expanduser().absolute() if options.dir else Path.cwd()
    if (folder / FILE_NAME).exists() and not options.force:
        raise Fail(
            f"{folder / FILE_NAME} already exists: --force replaces it and keeps a backup, "
            "--dir DIR writes elsewhere",
            NO,
        )
    context = Context.here(folder)
    made = _imported(options.source, context) if options.source else _fresh(options, context)
    try:
        written = write_project(folder, made.config_text, files=made.files, force=options.force)
    except AlreadyThere as error:
        raise Fail(str(error), NO) from None
    except OSError as error:
        raise Fail(f"{folder} cannot be written to: {error.strerror}", NO) from None
    _report(made, written)
    write(str(written.path))
    return OK if _startable(made, written.path) else NO


def _imported(source: str, context: Context) -> Imported:
    path = Path(os.path.expanduser(source))  # noqa: PTH111 - keeps the ~ of an unknown user
    try:
        if source == "-":
            data = sys.stdin.buffer.read(MOST_BYTES + 1)
            return import_text(text_of(data, PASTED), context=context)
        if not os.path.lexists(path):
            raise Fail(f"no file {path}: give the script or configuration to import", NOT_FOUND)
        return import_file(path, context=context)
    except ImportRefused as error:
        raise Fail(str(error), WRONG_USE) from None


def _fresh(options: argparse.Namespace, context: Context) -> Imported:
    asking = not options.yes and at_terminal()
    answers = _asked(context) if asking else suggested(context.found, context.project)
    return new_project(answers, context=context)


def _asked(context: Context) -> Answers:
    """At most four questions; an empty answer takes the suggestion."""
    found = context.found
    answers = suggested(found, context.project)
    checkouts = [str(checkout.path) for checkout in found.sd_scripts]
    if len(checkouts) != 1:
        text = _choice("folder of sd-scripts", checkouts)
        chosen = Path(text).expanduser().absolute() if text else None
        python = found.python_for(chosen)
        answers = replace(
            answers, sd_scripts=chosen, python=None if python is None else str(python)
        )
    if answers.python is None:
        pythons = [str(python) for python in found.pythons]
        answers = replace(answers, python=_choice("python of its venv", pythons) or None)
    models = [str(model.path) for model in found.models]
    shown = [f"{model.path}  {file_size(model.size_bytes)}" for model in found.models]
    model = _choice("base model", models, shown, suggest=False)
    name = answer(f"name of the LoRA [{answers.name}]: ") or answers.name
    return replace(answers, model=model or None, name=name)


def _choice(
    what: str, values: Sequence[str], shown: Sequence[str] = (), *, suggest: bool = True
) -> str:
    """One of the values by its number, or anything typed; "" for none."""
    for number, text in enumerate((shown or values)[:MOST_OFFERED], start=1):
        say(f"  {number}  {text}")
    default = "1" if values and suggest else "none"
    numbers = f"1-{min(len(values), MOST_OFFERED)} or " if values else ""
    typed = answer(f"{what}, {numbers}a path [{default}]: ")
    if not typed:
        return values[0] if values and suggest else ""
    if typed.isdigit() and 1 <= int(typed) <= len(values):
        return values[int(typed) - 1]
    return typed


def _report(made: Imported, written: Written) -> None:
    if made.source:
        say(f"from {made.source}")
    for note in made.notes:
        say(f"  {note}")
    if made.unmapped:
        say("not imported (also listed at the end of the file):")
        for text in made.unmapped:
            say(f"  {text}")
    for path in written.files:
        say(f"written: {path}")
    for path in written.kept:
        say(f"kept, already exists: {path}")
    if written.backup is not None:
        say(f"backup of the old file: {written.backup}")


def _startable(made: Imported, path: Path) -> bool:
    """Reads the file as a start does, and says what still keeps it from being started."""
    missing = missing_of(made.config_text)
    for text in missing:
        say(f"missing: {text}")
    names = [text.partition(":")[0] for text in missing]
    try:
        config = begin.load(path)
    except ConfigError as error:
        other = [
            problem
            for problem in error.problems
            if not any(f"{name} is missing" in problem.text for name in names)
        ]
        for problem in other:
            say(str(problem))
        return _not_yet([*names, *([count(len(other), "error")] if other else [])])
    if missing:
        return _not_yet(names)
    # [dataset] describes a file that `check --fix dataset` writes
    needed = NEEDED if config.dataset is None else NEEDED - {"dataset"}
    found = by_severity(begin.checks(config, only=needed))
    failed = [result for result in found if result.status == "fail"]
    for result in failed:
        say(check_line(result))
    if failed:
        return _not_yet([str(result.title) for result in failed])
    if steps := begin.forecast_of(config).steps:
        say(f"it will train {count(steps, 'step')}")
    say("`plasma-tui check` runs all preflight checks")
    return True


def _not_yet(what: Sequence[str]) -> bool:
    say(f"it cannot be started yet ({', '.join(what)}): complete it, then run `plasma-tui check`")
    return False
