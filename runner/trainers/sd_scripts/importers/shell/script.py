"""A shell script, or a pasted command, as a draft of plasma.toml. Nothing is run."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path, PurePath
from types import MappingProxyType
from typing import Any

from runner.config.flags import Flags, FlagValue
from runner.config.model import Config, Trainer
from runner.config.paths import ACCELERATE_PATH_FLAGS, absolute
from runner.files.regular_file import read_text
from runner.trainers.sd_scripts.importers.command_line import (
    LaunchLine,
    is_training_script,
    read_launch_line,
)
from runner.trainers.sd_scripts.importers.find import Context, Found
from runner.trainers.sd_scripts.importers.model import Draft, Field, ImportRefused, with_paths
from runner.trainers.sd_scripts.importers.shell.files import ScriptFiles
from runner.trainers.sd_scripts.importers.shell.reader import ScriptReader
from runner.trainers.sd_scripts.importers.shell.scope import Scope
from runner.trainers.sd_scripts.importers.shell.texts import Invocation
from runner.trainers.sd_scripts.importers.shell.tree import Node, parse
from runner.trainers.sd_scripts.importers.shell.ways import TRAINING
from runner.trainers.sd_scripts.importers.shell.words import ShellSyntax
from runner.trainers.sd_scripts.scripts import SCRIPTS, TRAINED

#: a command with at most this many steps is a smoke test of the other one
SMOKE_STEPS_AT_MOST = 50
#: trainings that are left out, one by one
MOST_LISTED = 5
_CHDIR = re.compile(r"^#SBATCH\s+(?:--chdir[= ]|-D\s*)(\S+)", re.M)
#: `pwsh -File train_flux.ps1`, `bash ../train.sh`: scripts that cannot be read from here
_OTHER_SCRIPT = re.compile(
    r"^[^#\n]{0,300}?(?<![\w./\\-])([\w./\\-]{0,200}(?:train|lora)[\w.-]{0,60}\.(?:ps1|sh|bat|cmd))\b",
    re.M | re.I,
)
_SMOKE_NAME = re.compile(r"smoke|(?:^|[_-])(?:dry|try|test)(?:[_-]|$)", re.I)
#: of a file that the script reads
MOST_BYTES_BESIDE = 500_000
#: belong to the shell or its activated environment; the interpreter is set by its path instead
_NOT_TAKEN_ENV = re.compile(r"PATH|PS1|PWD|OLDPWD|SHLVL|_|VIRTUAL_ENV\w*|CONDA_\w+|HOME|USER")
#: sd-scripts' own: the folder of such a script is the checkout, whether it exists or not
_OWN_SCRIPTS = frozenset({*SCRIPTS, *TRAINED, "train_leco.py", "sdxl_train_leco.py"})


@dataclass(frozen=True, slots=True)
class _Training:
    """One command of the script that trains."""

    invocation: Invocation
    line: LaunchLine

    @property
    def output_name(self) -> str:
        return str(self.line.train.flags.get("output_name") or "")

    @property
    def is_smoke(self) -> bool:
        flags = self.line.train.flags
        steps = flags.get("max_train_steps")
        few = isinstance(steps, int) and steps <= SMOKE_STEPS_AT_MOST
        return (few and "max_train_epochs" not in flags) or bool(
            _SMOKE_NAME.search(self.output_name)
        )

    def words(self) -> str:
        named = f" (output_name {self.output_name})" if self.output_name else ""
        return f"the command of {self.invocation.place}{named}"

    def cwd(self, start: Path, found: Found) -> tuple[Path, tuple[str, ...]]:
        """Where relative paths start: if the command does not set its folder, where the script word leads to
        a file. `start`: the folder of the import."""
        if self.invocation.cwd is not None and self.invocation.moved:
            return self.invocation.cwd, ()
        script = PurePath(self.line.script)
        bases = [one for one in (start, *found.around) if (one / script).is_file()]
        if self.line.folder_unknown:
            bases = []
        elif not bases and len(script.parts) == 1 and script.name in _OWN_SCRIPTS:
            bases = found.around[:1]
        if script.is_absolute() or not bases or bases[0] == start:
            unknown = self.invocation.cwd is None
            return start, (f"relative paths are read as if they start in {start}",) * unknown
        where = f"where {self.line.script} is; read as if started in {bases[0]}"
        return bases[0], (f"the command does not say {where}",)


def read_shell(
    text: str,
    source: str,
    path: Path | None,
    where: Context,
    written: Mapping[Path, Field] = MappingProxyType({}),
) -> Draft:
    """`source`: name of the text in messages; `path`: of the script, for `$0` and relative paths; None:
    it was pasted. `written`: files that the program around it writes. Raises ImportRefused."""
    start = where.places.cwd if path is None else path.parent
    shown = None if path is None else str(path)

    def beside(file: Path) -> str | None:
        """Only what the script names in its own folder."""
        if path is None or not file.is_relative_to(start):
            return None
        try:
            return read_text(file, MOST_BYTES_BESIDE)
        except (OSError, UnicodeDecodeError):
            return None

    begun = _begun(text, start)

    def read(nodes: list[Node], **more: Any) -> ScriptReader:
        scope = Scope(where.places.environ, str(where.places.home), script=shown, cwd=begun)
        scope.files.update(written)
        reader = ScriptReader(scope, beside, **more)
        reader.read(nodes)
        return reader

    try:
        nodes, notes = parse(text)
        reader = read(nodes)
        trainings = _trainings(reader)
        if not trainings and TRAINING.search(text):
            reader = read(nodes, searching=True, until=reader.until)
            trainings = _trainings(reader)
        for read_more in (reader.read_uncalled, reader.read_written):
            if not trainings:
                read_more()
                trainings = _trainings(reader)
    except ShellSyntax as error:
        raise ImportRefused(f"{source}:{error.line}: {error}") from None
    if not trainings:
        if other := _OTHER_SCRIPT.search(text):
            raise ImportRefused(
                f"{source} has no training command; it names {other[1]}: import that file"
            )
        raise ImportRefused(
            f"{source} has no training command; use a file with `accelerate launch ... "
            "train_network.py ...` or `python train_network.py ...`"
        )
    scope = reader.scope
    if scope.borrowed:
        names = ", ".join(sorted(scope.borrowed))
        notes.append(f"not set in {source}, taken from this shell: {names}")
    draft = _draft(trainings, source, begun, where, scope.files)
    stray = [  # flags that a comment or an empty line separated from their command
        f"{one.place}: {one.fields[0].text}: is on its own; the command before it had ended"
        for one in reader.found
        if one.fields[0].text.startswith("--")
    ]
    return replace(
        draft,
        notes=(*notes, *scope.notes, *draft.notes),
        unmapped=(*draft.unmapped, *dict.fromkeys(stray)),
    )


def _trainings(reader: ScriptReader) -> list[_Training]:
    return [
        _Training(invocation, line)
        for invocation in reader.found
        if not invocation.again
        and (line := read_launch_line(invocation.fields)) is not None
        and (is_training_script(line.script) or line.accelerate is not None)
    ]


def _begun(text: str, start: Path) -> Path:
    """Where a job of Slurm starts by itself: `#SBATCH --chdir=DIR`."""
    match = _CHDIR.search(text)
    return Path(absolute(match[1].strip("\"'"), start)) if match else start


def _draft(
    trainings: Sequence[_Training],
    source: str,
    start: Path,
    where: Context,
    written: Mapping[Path, Field],
) -> Draft:
    found = where.found
    main, smoke, others = _chosen(trainings)
    invocation, line = main.invocation, main.line
    cwd, guessed = main.cwd(start, found)
    train = with_paths(line.train.flags, cwd)
    notes = [*guessed, *line.notes, *line.train.notes, *invocation.notes]
    unmapped = list(line.train.unmapped)
    if len(trainings) > 1:
        notes.append(f"using {main.words()}")
    listed = others[:MOST_LISTED]
    notes += [f"{other.words()} is another training; it is left out" for other in listed]
    if others[MOST_LISTED:]:
        notes.append(f"{len(others) - MOST_LISTED} more trainings are left out")
    if invocation.redirected:
        notes.append("output redirection is left out; the console of every run is kept")
    difference: Flags = {"max_train_steps": 5}
    if smoke is not None:
        flags = with_paths(smoke.line.train.flags, smoke.cwd(start, found)[0])
        difference = _smoke_difference(train, flags)
        notes.append(f"{smoke.words()} is the smoke test")
        unmapped += [f"smoke test: {text}" for text in smoke.line.train.unmapped]
    accelerate = dict(line.accelerate.flags) if line.accelerate else {}
    for name in ACCELERATE_PATH_FLAGS & accelerate.keys():
        accelerate[name] = absolute(str(accelerate[name]), cwd)
    if line.accelerate:
        unmapped += [f"accelerate launch: {text}" for text in line.accelerate.unmapped]
    path = Path(absolute(line.script, cwd))
    checkout = _checkout(path, main, cwd, found)
    if line.folder_unknown and checkout is not None:
        path = checkout / path.name
    env = {**invocation.env, **line.env}
    draft = Draft(
        source=f"{source}, {invocation.place}",
        train=train,
        sd_scripts=checkout,
        python=_python(main, cwd, checkout, found),
        script=path.name if path.parent == checkout else str(path),
        launcher="python" if line.accelerate is None else "accelerate",
        env={name: value for name, value in env.items() if not _NOT_TAKEN_ENV.fullmatch(name)},
        accelerate=accelerate,
        smoke=difference,
        in_order=True,
        unmapped=tuple(unmapped),
        notes=tuple(notes),
    )
    return ScriptFiles(written, cwd, where.project).complete(draft)


def _chosen(
    trainings: Sequence[_Training],
) -> tuple[_Training, _Training | None, list[_Training]]:
    """The full run, its smoke test, and the rest."""
    loras = [one for one in trainings if "train_network" in one.line.script] or list(trainings)
    main = next((one for one in loras if not one.is_smoke), loras[0])
    smoke = next((one for one in loras if one is not main and one.is_smoke), None)
    return main, smoke, [one for one in trainings if one is not main and one is not smoke]


def _smoke_difference(train: Flags, smoke: Flags) -> dict[str, FlagValue]:
    """What [smoke] must contain so that the smoke test gets exactly these flags."""
    empty = Config(Path("plasma.toml"), "", Trainer(None, "", ""), train=train)
    given = empty.flags(smoke=True)
    named = ("max_train_steps", "output_name")  # written even if they are the default
    difference = {n: v for n, v in smoke.items() if given.get(n) != v or n in named}
    return {**difference, **{name: False for name in given if name not in smoke}}


def _checkout(path: Path, training: _Training, cwd: Path, found: Found) -> Path | None:
    """The folder of an sd-scripts script if the command contains it, else a named one, else the first one
    found."""
    moved = training.invocation.moved and training.invocation.cwd is not None
    said = moved or len(PurePath(training.line.script).parts) > 1
    if training.line.folder_unknown:
        return found.checkout
    if path.name in _OWN_SCRIPTS and (said or path.exists()):
        return path.parent
    if path.parent.name in ("sd-scripts", "sd_scripts"):  # a script of one's own in a checkout
        return path.parent
    env = training.invocation.env
    named = [env.get("SD_SCRIPTS", ""), *env.get("PYTHONPATH", "").split(":"), str(path.parent)]
    folders = [Path(absolute(text, cwd)) for text in named if text]
    return next((folder for folder in folders if (folder / "library").is_dir()), found.checkout)


def _python(training: _Training, cwd: Path, checkout: Path | None, found: Found) -> str | None:
    """From the command, else of the activated environment, else of the checkout."""
    for written in (training.line.python, training.invocation.python):
        if written is not None:
            return absolute(written, cwd)
    chosen = found.python_for(checkout)
    return None if chosen is None else str(chosen)
