"""One command line -> launcher, its flags, the script and the script's flags. Pure."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import PurePath

from runner.trainers.sd_scripts.importers.flag_words import FlagWords, read_flag_words
from runner.trainers.sd_scripts.importers.model import Field

_PROGRAMS = re.compile(
    r"(?P<python>(?:python(?:\d+(?:\.\d+)?)?w?|py|pypy\d*)(?:\.exe)?)"
    r"|(?P<accelerate>accelerate(?:-launch)?(?:\.exe)?)|(?P<torchrun>torchrun)"
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
    env: Mapping[str, str]
    notes: tuple[str, ...]


def is_training_script(script: str) -> bool:
    """sd-scripts' training scripts, and what is called like one."""
    path = PurePath(script.replace("\\", "/"))
    return path.suffix == ".py" and ("train" in path.stem or path.stem == "fine_tune")


def read_launch_line(fields: Sequence[Field]) -> LaunchLine | None:
    """None when the command starts no training script."""
    texts = [one.text for one in fields]
    start = next((at for at, word in enumerate(texts) if _kind(word)), len(texts))
    if start == len(texts) or (start and _basename(texts[0]) not in _WRAPPERS):
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
    elif python is not None:  # the interpreter in the folder of a program of its environment
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
    options = [replace(word, text=_SHORT.get(word.text, word.text)) for word in fields[at:end]]
    if kind == "torchrun":
        return _by_accelerate(line, read_flag_words(fields[at:end]))
    return replace(line, accelerate=read_flag_words(options)) if kind == "accelerate" else line


def _basename(word: str) -> str:
    return PurePath(word.replace("\\", "/")).name


def _kind(word: str) -> str:
    """One of "python", "accelerate", "torchrun", "script" for one that is started itself, else ""."""
    if match := _PROGRAMS.fullmatch(_basename(word)):
        return str(match.lastgroup)
    return "script" if is_training_script(word) and not word.startswith("-") else ""


def _script_in(fields: Sequence[Field], start: int) -> tuple[str, int, int] | None:
    """The script, where the words before it end and those behind it begin."""
    for at, word in enumerate(fields[start:], start):
        script, after = word.text, at + 1
        if word.text in ("-m", "--module") and after < len(fields):
            script, after = f"{fields[after].text.replace('.', '/')}.py", after + 1
        if script.endswith(".py") and not script.startswith("-"):
            return None if word.unknown else (script, at, after)
    return None


def _by_accelerate(line: LaunchLine, options: FlagWords) -> LaunchLine:
    """Several processes by torchrun are started by accelerate instead."""
    processes = options.flags.pop("nproc_per_node", 1)
    unmapped = [f"torchrun --{name}={value}" for name, value in options.flags.items()]
    accelerate = FlagWords({"num_processes": processes}, unmapped)
    if processes != 1:
        accelerate.flags["multi_gpu"] = True
    note = f"torchrun is replaced by accelerate with num_processes = {processes}"
    return replace(line, accelerate=accelerate, notes=(*line.notes, note))
