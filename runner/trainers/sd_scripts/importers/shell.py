"""A shell script, or a command pasted from one, as a draft of plasma.toml. Nothing of it is run."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from runner.config.flags import Flags, FlagValue
from runner.config.model import Config, Trainer
from runner.config.paths import ACCELERATE_PATH_FLAGS, absolute
from runner.trainers.sd_scripts.importers.find import Found
from runner.trainers.sd_scripts.importers.launch_line import (
    LaunchLine,
    is_training_script,
    read_launch_line,
)
from runner.trainers.sd_scripts.importers.model import Draft, ImportRefused, with_paths
from runner.trainers.sd_scripts.importers.place import Place, place_of
from runner.trainers.sd_scripts.importers.shell_reader import Invocation, ScriptReader
from runner.trainers.sd_scripts.importers.shell_scope import Scope
from runner.trainers.sd_scripts.importers.shell_tree import parse
from runner.trainers.sd_scripts.importers.shell_words import ShellSyntax

#: a command with at most so many steps is a smoke test of the other one
SMOKE_STEPS_AT_MOST = 50
_SMOKE_NAME = re.compile(r"smoke|(?:^|[_-])(?:dry|try|test)(?:[_-]|$)", re.I)
#: belong to the shell or to what was activated in it; the interpreter is named by its path instead
_NOT_TAKEN_ENV = re.compile(r"PATH|PS1|PWD|OLDPWD|SHLVL|_|VIRTUAL_ENV\w*|CONDA_\w+|HOME|USER")


@dataclass(frozen=True, slots=True)
class _Training:
    """One command of the script that trains."""

    invocation: Invocation
    line: LaunchLine

    @property
    def output_name(self) -> str:
        return str(self.line.flag("output_name") or "")

    @property
    def is_smoke(self) -> bool:
        steps = self.line.flag("max_train_steps")
        few = isinstance(steps, int) and steps <= SMOKE_STEPS_AT_MOST
        short = few and self.line.flag("max_train_epochs") is None
        return short or bool(_SMOKE_NAME.search(self.output_name))

    def words(self) -> str:
        named = f" (output_name {self.output_name})" if self.output_name else ""
        return f"the command of line {self.invocation.line}{named}"


def read_shell(
    text: str,
    *,
    source: str,
    start: Path,
    script: Path | None = None,
    environ: Mapping[str, str],
    home: Path,
    found: Found,
) -> Draft:
    """`source`: how to call the text in a message; `start`: the folder it lies in, or the one it was
    pasted in; `script`: its own path, for `$0`. Raises ImportRefused."""
    shown = str(script) if script is not None else None
    scope = Scope(environ, str(home), script=shown, cwd=start)
    reader = ScriptReader(scope)
    try:
        nodes, notes = parse(text)
        reader.read(nodes)
        if not _trainings(reader):
            reader.read_uncalled()
    except ShellSyntax as error:
        raise ImportRefused(f"{source}:{error.line}: {error}") from None
    except RecursionError:
        raise ImportRefused(f"{source} is nested too deep to be read; give the command") from None
    trainings = _trainings(reader)
    if not trainings:
        raise ImportRefused(
            f"{source} holds no training command; give a file with `accelerate launch ... "
            "train_network.py ...` or `python train_network.py ...`"
        )
    borrowed = sorted(scope.borrowed)
    if borrowed:
        notes.append(f"not set in {source}, taken from this shell: {', '.join(borrowed)}")
    draft = _draft(trainings, source, start, found)
    return replace(
        draft,
        notes=(*notes, *scope.notes, *draft.notes),
        unmapped=(*draft.unmapped, *_stray(reader)),
    )


def _trainings(reader: ScriptReader) -> list[_Training]:
    return [
        _Training(invocation, line)
        for invocation in reader.found
        if (line := read_launch_line(invocation.fields)) is not None
        and (is_training_script(line.script) or line.accelerate is not None)
    ]


def _stray(reader: ScriptReader) -> list[str]:
    """Flags that a comment or a blank cut off from their command."""
    return [
        f"line {one.line}: {one.fields[0].text}: stands alone; the command before it had ended"
        for one in reader.found
        if one.fields[0].text.startswith("--")
    ]


def _draft(trainings: Sequence[_Training], source: str, start: Path, found: Found) -> Draft:
    main, smoke, others = _chosen(trainings)
    place = place_of(main.invocation, main.line, start, found)
    train = with_paths(main.line.train.flags, place.cwd)
    notes = [*place.notes, *main.line.notes, *main.line.train.notes, *main.invocation.notes]
    unmapped = list(main.line.train.unmapped)
    if len(trainings) > 1:
        notes.append(f"{main.words()} is taken")
    notes += [f"{other.words()} is another training; it is left out" for other in others]
    if main.invocation.redirected:
        notes.append("where its output goes is left out; the console of every run is kept")
    difference: Flags = {"max_train_steps": 5}
    if smoke is not None:
        smoke_place = place_of(smoke.invocation, smoke.line, start, found)
        flags = with_paths(smoke.line.train.flags, smoke_place.cwd)
        difference = smoke_difference(train, flags)
        notes.append(f"{smoke.words()} is the smoke test")
        unmapped += [f"smoke test: {text}" for text in smoke.line.train.unmapped]
    accelerate = _accelerate(main.line, place, unmapped)
    return Draft(
        source=f"{source}, line {main.invocation.line}",
        train=train,
        sd_scripts=place.sd_scripts,
        python=place.python,
        script=place.script,
        launcher="python" if main.line.accelerate is None else "accelerate",
        env=_env({**main.invocation.env, **main.line.env}),
        accelerate=accelerate,
        smoke=difference,
        in_order=True,
        unmapped=tuple(unmapped),
        notes=tuple(notes),
    )


def _chosen(
    trainings: Sequence[_Training],
) -> tuple[_Training, _Training | None, list[_Training]]:
    """The long run, its smoke test, and what is left."""
    loras = [one for one in trainings if "train_network" in one.line.script] or list(trainings)
    long_ones = [one for one in loras if not one.is_smoke]
    main = (long_ones or loras)[0]
    smoke = next((one for one in loras if one is not main and one.is_smoke), None)
    return main, smoke, [one for one in trainings if one is not main and one is not smoke]


def smoke_difference(train: Flags, smoke: Flags) -> dict[str, FlagValue]:
    """What [smoke] must hold so that the smoke test gets exactly these flags."""
    empty = Config(Path("plasma.toml"), "", Trainer(None, "", ""), train=train)
    given = empty.flags(smoke=True)
    named = ("max_train_steps", "output_name")  # said even where they are the default
    difference: dict[str, FlagValue] = {
        name: value for name, value in smoke.items() if given.get(name) != value or name in named
    }
    return {**difference, **{name: False for name in given if name not in smoke}}


def _accelerate(line: LaunchLine, place: Place, unmapped: list[str]) -> dict[str, FlagValue]:
    if line.accelerate is None:
        return {}
    unmapped += [f"accelerate launch: {text}" for text in line.accelerate.unmapped]
    flags = dict(line.accelerate.flags)
    for name in ACCELERATE_PATH_FLAGS & flags.keys():
        flags[name] = absolute(str(flags[name]), place.cwd)
    return flags


def _env(env: Mapping[str, str]) -> dict[str, str]:
    return {name: value for name, value in env.items() if not _NOT_TAKEN_ENV.fullmatch(name)}
