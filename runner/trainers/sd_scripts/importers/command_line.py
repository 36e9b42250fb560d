"""One command line -> launcher, its flags, the script and the script's flags, as argparse reads them.
Pure."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path, PurePath
from typing import Any

from runner.config.flags import FlagScalar, FlagValue, plain_name, unpassable
from runner.config.paths import PATH_FLAGS, PATH_OR_NAME_FLAGS
from runner.trainers.sd_scripts.importers.find import Found
from runner.trainers.sd_scripts.importers.model import Draft, Field, with_paths

_PROGRAMS = re.compile(
    r"(?P<python>(?:python(?:\d+(?:\.\d+)?)?w?|py|pypy\d*)(?:\.exe)?)"
    r"|(?P<accelerate>accelerate(?:-launch)?(?:\.exe)?)|(?P<torchrun>torchrun|deepspeed)"
)
_MODULES = {
    "accelerate.commands.launch": "accelerate",
    "accelerate.commands.accelerate_cli": "accelerate",
    "accelerate": "accelerate",
    "torch.distributed.run": "torchrun",
    "torch.distributed.launch": "torchrun",
}
#: words that only start another program
_WRAPPERS = frozenset(
    {
        "apptainer", "caffeinate", "chrt", "command", "conda", "docker", "dotenv", "env", "exec",
        "flock", "gosu", "ionice", "mamba", "micromamba", "nice", "nohup", "numactl", "pipenv",
        "pixi", "podman", "poetry", "runuser", "screen", "setsid", "singularity", "srun", "ssh",
        "stdbuf", "sudo", "systemd-run", "taskset", "time", "timeout", "tmux", "unbuffer", "uv",
        "xvfb-run",
    }
)  # fmt: skip
_PYTHON_OPTIONS_WITH_VALUE = ("-X", "-W", "-Q")
#: short options of `accelerate launch`
_SHORT = {"-m": "--module", "-q": "--quiet"}
_ASSIGNMENT = re.compile(r"([A-Za-z_]\w*)=(.*)", re.S)
#: argparse reads a word with a dash as a flag, unless it is a number or contains a space
_FLAG = re.compile(r"--?[A-Za-z][^ ]*", re.S)
_OPTION = re.compile(r"--([A-Za-z][\w-]*)(=.*)?", re.S)
#: text even if it looks like a number: other parts of plasma-tui read them as text
_TEXT_FLAGS = frozenset(
    {
        *PATH_FLAGS, *PATH_OR_NAME_FLAGS, "output_name", "resolution", "log_prefix", "comment",
        "training_comment", "wandb_run_name", "log_tracker_name", "metadata_title",
    }
)  # fmt: skip


@dataclass(slots=True)
class FlagWords:
    """`flags` in order; `unmapped`: what could not be read, a sentence each."""

    flags: dict[str, FlagValue] = field(default_factory=dict)
    unmapped: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)

    def put(self, name: str, texts: Sequence[str], shown: str) -> None:
        """The flag with this text, or `shown` with the reason why plasma.toml cannot contain it."""
        if name in PATH_FLAGS | PATH_OR_NAME_FLAGS and texts and not all(texts):
            self.unmapped.append(f"{shown}: the path is empty")
        elif word := unpassable(texts):
            self.unmapped.append(f"{shown}: a trainer would read {word} as a flag")
        else:
            self.flags[name] = flag_value(name, texts)


def read_flag_words(fields: Iterable[Field]) -> FlagWords:
    """Every flag of a command line, after the script's name."""
    told = FlagWords()
    for name, values in _by_flag(fields, told.unmapped):
        texts = [value.text for value in values]
        if reasons := [reason for value in values for reason in value.unknown]:
            told.unmapped.append(f"--{name}={' '.join(texts)}: {reasons[0]}")
            continue
        before = told.flags.get(name)
        told.put(name, texts, f"--{name} {' '.join(texts)}".rstrip())
        if before not in (None, told.flags.get(name)):
            told.flags[name] = told.flags.pop(name)  # at the position of the last one
            told.notes.append(f"--{name} is given twice; the last one counts")
    return told


def _by_flag(fields: Iterable[Field], stray: list[str]) -> Iterator[tuple[str, list[Field]]]:
    """Each flag with the words after it; words without a flag are added to `stray`."""
    name, values, closed = "", list[Field](), True  # `--name=value` takes no further word
    for word in fields:
        if match := _OPTION.fullmatch(word.text):
            if name:
                yield name, values
            name, closed = plain_name(match[1]), match[2] is not None
            values = [Field(match[2][1:], word.unknown)] if closed else []
        elif word.text == "--" and not word.unknown:
            continue  # no script here takes positional words after it
        elif closed or (word.unknown and values):
            why = word.unknown[0] if word.unknown else "it belongs to no flag"
            stray.append(f"{word.text}: {why}")
        elif _FLAG.fullmatch(word.text):
            stray.append(f"{word.text}: an unknown short flag")
        else:
            values.append(word)
    if name:
        yield name, values


def flag_value(name: str, texts: Sequence[str]) -> FlagValue:
    """A flag's value from the words after it: none is a switch, several are a list."""
    scalars = tuple(scalar(name, text) for text in texts)
    if not scalars:
        return True
    return scalars if len(scalars) > 1 or name.endswith("_args") else scalars[0]


def scalar(name: str, text: str) -> FlagScalar:
    """A number if its text is preserved (`64`, `0.5`), else the text (`1e-4`)."""
    for convert in (int, float) if name not in _TEXT_FLAGS else ():
        try:
            number: int | float = convert(text)
        except ValueError:
            continue
        if str(number) == text and number - number == 0:  # neither infinite nor nan
            return number
    return text


def draft_of(told: FlagWords, source: str, folder: Path, found: Found, **more: Any) -> Draft:
    """For a file without checkout or interpreter. `folder`: where its paths start."""
    checkout = found.checkout
    python = found.python_for(checkout)
    return Draft(
        source=source,
        train=with_paths(told.flags, folder),
        sd_scripts=checkout,
        python=None if python is None else str(python),
        smoke={"max_train_steps": 5},
        unmapped=tuple(told.unmapped),
        notes=tuple(told.notes),
        exact=True,
        **more,
    )


@dataclass(frozen=True, slots=True)
class LaunchLine:
    """`python`: the interpreter as written, or the one next to the launcher, None if only a name on PATH.
    `accelerate`: the launcher's flags, None without accelerate."""

    script: str
    python: str | None
    accelerate: FlagWords | None
    train: FlagWords
    env: Mapping[str, str]
    notes: tuple[str, ...]
    #: of `$SD_SCRIPTS/train_network.py` only the name is known
    folder_unknown: bool = False


def is_training_script(script: str) -> bool:
    """sd-scripts' training scripts, and similar names."""
    path = PurePath(script.replace("\\", "/"))
    return path.suffix == ".py" and ("train" in path.stem or path.stem == "fine_tune")


def read_launch_line(fields: Sequence[Field]) -> LaunchLine | None:
    """None if the command starts no training script."""
    texts = [one.text for one in fields]
    start = next((at for at, word in enumerate(texts) if _kind(word)), len(texts))
    if start == len(texts) or (start and basename(texts[0]) not in _WRAPPERS):
        return None
    program, kind, at = texts[start], _kind(texts[start]), start + 1
    python = program if "/" in program else None
    if kind == "script":
        python, at = None, start
    elif kind == "python":
        while at < len(texts) and texts[at].startswith("-") and texts[at] != "-m":
            at += 2 if texts[at] in _PYTHON_OPTIONS_WITH_VALUE else 1
        module = "".join(texts[at + 1 : at + 2]) if texts[at : at + 1] == ["-m"] else ""
        kind = _MODULES.get(module, "script")
        at += 2 if module in _MODULES else 0
    elif python is not None:  # the interpreter next to a program of its environment
        python = str(PurePath(program).with_name("python"))
    at += kind == "accelerate" and texts[at : at + 1] == ["launch"]
    found = _script_in(fields, at)
    if found is None or (kind == "script" and (found[1] > at or not is_training_script(found[0]))):
        return None
    script, end, after = found
    words = [one for one in texts[:start] if one != "env"]
    env = {match[1]: match[2] for word in words if (match := _ASSIGNMENT.fullmatch(word))}
    rest = " ".join(word for word in words if not _ASSIGNMENT.fullmatch(word))
    notes = (f"`{rest}` is left out; plasma-tui detaches the run itself",) if rest else ()
    line = LaunchLine(script, python, None, read_flag_words(fields[after:]), env, notes)
    if unknown := fields[after - 1].unknown:
        said = f"{script}: {unknown[0]}; the script is searched in sd-scripts"
        line = replace(line, script=basename(script), notes=(*notes, said), folder_unknown=True)
    options = [replace(word, text=_SHORT.get(word.text, word.text)) for word in fields[at:end]]
    if kind == "torchrun":
        return _by_accelerate(line, read_flag_words(fields[at:end]))
    return replace(line, accelerate=read_flag_words(options)) if kind == "accelerate" else line


def basename(word: str) -> str:
    return PurePath(word.replace("\\", "/")).name


def _kind(word: str) -> str:
    """One of "python", "accelerate", "torchrun", "script" for one that is started directly, else ""."""
    if match := _PROGRAMS.fullmatch(basename(word)):
        return str(match.lastgroup)
    return "script" if is_training_script(word) and not word.startswith("-") else ""


def _script_in(fields: Sequence[Field], start: int) -> tuple[str, int, int] | None:
    """The script, the end of the words before it and the start of those after it."""
    for at, word in enumerate(fields[start:], start):
        script, after = word.text, at + 1
        if word.text in ("-m", "--module") and after < len(fields):
            script, after = f"{fields[after].text.replace('.', '/')}.py", after + 1
        if script.endswith(".py") and not script.startswith("-"):
            return (script, at, after) if not word.unknown or _in_unknown_folder(word) else None
    return None


def _in_unknown_folder(word: Field) -> bool:
    """`$SD_SCRIPTS/train_network.py`, of which only the folder is unknown."""
    return is_training_script(word.text) and "$" not in basename(word.text)


def _by_accelerate(line: LaunchLine, options: FlagWords) -> LaunchLine:
    """Several torchrun processes are started by accelerate instead."""
    counts = [options.flags.pop(name, 1) for name in ("nproc_per_node", "num_gpus")]
    processes = next((count for count in counts if count != 1), 1)
    unmapped = [f"torchrun --{name}={value}" for name, value in options.flags.items()]
    accelerate = FlagWords({"num_processes": processes}, unmapped)
    if processes != 1:
        accelerate.flags["multi_gpu"] = True
    note = f"torchrun is replaced by accelerate with num_processes = {processes}"
    return replace(line, accelerate=accelerate, notes=(*line.notes, note))
