"""One command line -> launcher, its flags, the script and the script's flags. Pure."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import PurePath

from runner.config.flags import FlagValue
from runner.trainers.sd_scripts.importers.flag_words import FlagWords, read_flag_words
from runner.trainers.sd_scripts.importers.model import Field

_PYTHON = re.compile(r"(?:python(?:\d+(?:\.\d+)?)?w?|py|pypy\d*)(?:\.exe)?")
_ACCELERATE = re.compile(r"accelerate(?:-launch)?(?:\.exe)?")
_ACCELERATE_MODULES = (
    "accelerate.commands.launch",
    "accelerate.commands.accelerate_cli",
    "accelerate",
)
_TORCH_MODULES = ("torch.distributed.run", "torch.distributed.launch")
#: words that only start another program
_WRAPPERS = frozenset(
    {
        "caffeinate", "chrt", "command", "conda", "env", "exec", "ionice", "mamba", "micromamba",
        "nice", "nohup", "numactl", "pipenv", "poetry", "screen", "setsid", "srun", "stdbuf",
        "sudo", "systemd-run", "taskset", "time", "tmux", "unbuffer", "uv",
    }
)  # fmt: skip
_PYTHON_OPTIONS_WITH_VALUE = ("-X", "-W", "-Q")
#: short options of `accelerate launch`
_SHORT = {"-m": "--module", "-q": "--quiet"}
_ASSIGNMENT = re.compile(r"([A-Za-z_]\w*)=(.*)", re.S)


@dataclass(frozen=True, slots=True)
class LaunchLine:
    """`python`: the interpreter as written, or the one beside the launcher, None when only a name
    looked up on PATH. `accelerate`: the launcher's flags, None without accelerate."""

    script: str
    python: str | None
    accelerate: FlagWords | None
    train: FlagWords
    env: Mapping[str, str] = field(default_factory=dict)
    notes: tuple[str, ...] = ()

    def flag(self, name: str) -> FlagValue | None:
        return self.train.flags.get(name)


def is_training_script(script: str) -> bool:
    """sd-scripts' training scripts, and what is called like one."""
    path = PurePath(script.replace("\\", "/"))
    return path.suffix == ".py" and ("train" in path.stem or path.stem == "fine_tune")


def read_launch_line(fields: Sequence[Field]) -> LaunchLine | None:
    """None when the command starts no training script."""
    texts = [one.text for one in fields]
    start = _launcher(texts)
    if start is None:
        return None
    env, notes = _wrappers(texts[:start])
    launcher = _basename(texts[start])
    if launcher.endswith(".py"):
        return _direct(fields, start, None, env, notes)
    if _ACCELERATE.fullmatch(launcher):
        begin = start + 1 + (texts[start + 1 : start + 2] == ["launch"])
        return _accelerated(fields, begin, _beside(texts[start]), env, notes)
    if launcher == "torchrun":
        return _torchrun(fields, start + 1, _beside(texts[start]), env, notes)
    return _python(fields, start, env, notes)


def _basename(word: str) -> str:
    return PurePath(word.replace("\\", "/")).name


def _beside(program: str) -> str | None:
    """The interpreter in the folder of a program of its environment."""
    return str(PurePath(program).with_name("python")) if "/" in program else None


def _launcher(texts: list[str]) -> int | None:
    """Where the launcher, the interpreter or a script that is started itself stands."""
    if not texts or not (_starts(texts[0]) or _basename(texts[0]) in _WRAPPERS):
        return None
    return next((index for index, word in enumerate(texts) if _starts(word)), None)


def _starts(word: str) -> bool:
    name = _basename(word)
    known = _PYTHON.fullmatch(name) or _ACCELERATE.fullmatch(name) or name == "torchrun"
    return bool(known) or (is_training_script(word) and not word.startswith("-"))


def _wrappers(words: list[str]) -> tuple[dict[str, str], tuple[str, ...]]:
    """The variables of `env NAME=value`, and a note on what else is left out."""
    env = {match[1]: match[2] for word in words if (match := _ASSIGNMENT.fullmatch(word))}
    rest = [word for word in words if not _ASSIGNMENT.fullmatch(word) and word != "env"]
    return env, (
        f"`{' '.join(rest)}` is left out; plasma-tui detaches the run itself",
    ) if rest else ()


def _direct(
    fields: Sequence[Field],
    at: int,
    python: str | None,
    env: dict[str, str],
    notes: tuple[str, ...],
) -> LaunchLine | None:
    """`SCRIPT flags` without accelerate."""
    if not is_training_script(fields[at].text) or fields[at].unknown:
        return None
    return LaunchLine(fields[at].text, python, None, read_flag_words(fields[at + 1 :]), env, notes)


def _python(
    fields: Sequence[Field], start: int, env: dict[str, str], notes: tuple[str, ...]
) -> LaunchLine | None:
    texts = [one.text for one in fields]
    python = texts[start] if "/" in texts[start] else None
    at = start + 1
    while at < len(texts) and texts[at].startswith("-") and texts[at] != "-m":
        at += 2 if texts[at] in _PYTHON_OPTIONS_WITH_VALUE else 1
    if at >= len(texts):
        return None
    if texts[at] != "-m":
        return _direct(fields, at, python, env, notes)
    module = texts[at + 1] if at + 1 < len(texts) else ""
    begin = at + 2 + (texts[at + 2 : at + 3] == ["launch"])
    if module in _ACCELERATE_MODULES:
        return _accelerated(fields, begin, python, env, notes)
    if module in _TORCH_MODULES:
        return _torchrun(fields, at + 2, python, env, notes)
    script = f"{module.replace('.', '/')}.py"
    return _direct([Field(script), *fields[at + 2 :]], 0, python, env, notes)


def _split_at_script(
    fields: Sequence[Field], begin: int
) -> tuple[list[Field], str, list[Field]] | None:
    """The launcher's words, the script, the script's words."""
    for index in range(begin, len(fields)):
        word = fields[index]
        if word.text in ("-m", "--module") and index + 1 < len(fields):
            script = f"{fields[index + 1].text.replace('.', '/')}.py"
            return list(fields[begin:index]), script, list(fields[index + 2 :])
        if word.text.endswith(".py") and not word.text.startswith("-"):
            if word.unknown:
                return None
            return list(fields[begin:index]), word.text, list(fields[index + 1 :])
    return None


def _accelerated(
    fields: Sequence[Field],
    begin: int,
    python: str | None,
    env: dict[str, str],
    notes: tuple[str, ...],
) -> LaunchLine | None:
    split = _split_at_script(fields, begin)
    if split is None:
        return None
    before, script, after = split
    options = [Field(_SHORT.get(word.text, word.text), word.unknown) for word in before]
    return LaunchLine(script, python, read_flag_words(options), read_flag_words(after), env, notes)


def _torchrun(
    fields: Sequence[Field],
    begin: int,
    python: str | None,
    env: dict[str, str],
    notes: tuple[str, ...],
) -> LaunchLine | None:
    """Several processes by torchrun are started by accelerate instead."""
    split = _split_at_script(fields, begin)
    if split is None:
        return None
    before, script, after = split
    options, accelerate = read_flag_words(before), FlagWords()
    processes = options.flags.pop("nproc_per_node", 1)
    accelerate.flags["num_processes"] = processes
    if processes != 1:
        accelerate.flags["multi_gpu"] = True
    accelerate.unmapped = [f"torchrun --{name}={value}" for name, value in options.flags.items()]
    said = (*notes, f"torchrun is replaced by accelerate with num_processes = {processes}")
    return LaunchLine(script, python, accelerate, read_flag_words(after), env, said)
