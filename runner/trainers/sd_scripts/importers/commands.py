"""What a script in another language would start, as shell text, so that one reader reads all of them.

A reader of such a language computes its values, as far as they follow from the file, and gives this the
commands in the order in which they would be started. A value is text; what is only known when it runs is a mark
within it.
"""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

from runner.trainers.sd_scripts.importers.command_line import basename, is_training_script
from runner.trainers.sd_scripts.importers.model import ImportRefused, on_windows
from runner.trainers.sd_scripts.importers.shell.tree import parse
from runner.trainers.sd_scripts.importers.shell.words import ShellSyntax

#: longest text and list of a value, and steps of one file; scripts have a hundredth of it
MOST_CHARACTERS = 100_000
MOST_ITEMS = 5_000
MOST_STEPS = 50_000
#: blocks within blocks, functions that call each other
MOST_CALLS = 15

_UNKNOWN = re.compile("\ue000([^\ue001]*)\ue001|\ue002(\\w*)\ue003")
_MARKS = re.compile("[\ue000-\ue003]")
_STARTS_TRAINING = re.compile(r"train\S*\.py\b|\bfine_tune\.py\b|\baccelerate\b|\btorchrun\b")
#: commands of a notebook that decide where and with what a training starts
_USEFUL = re.compile(r"\.py\b|\b(?:accelerate|cd|export|source|activate|conda|torchrun)\b")
_ACTIVATION = re.compile(r"(.*?)[\\/](?:Scripts|bin)[\\/]activate(?:\.\w+)?", re.I)
_IN_VENV = re.compile(r"\bScripts([\\/])(python|accelerate)(?:\.exe)?$", re.I)


def unknown(source: str) -> str:
    """The value of an expression that would have to be run."""
    plain = re.sub(r"[^a-zA-Z0-9_. ]", " ", _MARKS.sub(" ", source))
    return f"\ue000{' '.join(plain.split())[:60] or 'expression'}\ue001"


def from_environment(name: str) -> str:
    """The value of a variable that the file does not set."""
    return f"\ue002{name}\ue003"


def is_known(value: object) -> bool:
    return not (isinstance(value, str) and _UNKNOWN.search(value))


def without_marks(text: str) -> str:
    """A file's text has no marks of ours."""
    return _MARKS.sub("?", text.replace("\r\n", "\n"))


def slashes(text: str) -> str:
    """`\\` of relative paths as `/`; paths such as `C:\\...` and `\\\\server` stay."""
    if re.search(r"\w:\\|^\\\\", text):
        return text
    return re.sub(r"\\(?=[\w.*-])|(?<=[\w.])\\$", "/", text)


@dataclass(slots=True)
class Commands:
    """`source`: name of the file in messages; `here`: its folder. `written`: what it would write, by path.
    `in_doubt`: enclosing conditions that are unknown, for display."""

    source: str
    here: str = "."
    notes: list[str] = field(default_factory=list)
    written: dict[str, Any] = field(default_factory=dict)
    in_doubt: list[str] = field(default_factory=list)
    _lines: list[list[str]] = field(default_factory=list)
    _steps: int = 0

    def step(self, line: int) -> None:
        """Raises ImportRefused if the file takes too long."""
        self._steps += 1
        if self._steps > MOST_STEPS:
            raise ImportRefused(
                f"{self.source}:{line}: takes too long to follow; use the command that it starts"
            )

    def say(self, line: int, text: str) -> None:
        if (note := f"line {line}: {text}") not in self.notes:
            self.notes.append(note)

    def shell(self, line: int, text: str) -> None:
        """A command in the language of the shell, with marks."""
        if self.in_doubt and _STARTS_TRAINING.search(text):
            self.say(line, f"`{self.in_doubt[-1]}` is unknown; read as if true")
        while len(self._lines) < line:
            self._lines.append([])
        self._lines[-1].append(_UNKNOWN.sub(_shell_mark, text))

    def start(self, line: int, words: Sequence[str]) -> None:
        """A program with its words; flags on their own belong to a command that ended too early."""
        text = " ".join(map(quoted, words))
        if _USEFUL.search(text) or text.startswith("--"):
            self.shell(line, text)

    def windows(self, line: int, words: Sequence[str]) -> None:
        """A program of Windows: paths with `/`, environments as on this machine."""
        if not words:
            return
        first = _IN_VENV.sub(lambda match: f"bin{match[1]}{match[2]}", words[0])
        if match := _ACTIVATION.fullmatch(first):
            self.activate(line, match[1])
            return
        words = list(map(slashes, (first, *words[1:])))
        scripts = [word for word in words if on_windows(word) and is_training_script(word)]
        for word in scripts:
            self.say(line, f"{word} is a Windows path; the script is searched in sd-scripts")
        self.start(line, [basename(word) if word in scripts else word for word in words])

    def activate(self, line: int, folder: str) -> None:
        if not on_windows(folder):
            self.shell(line, f"source {quoted((slashes(folder) or '.') + '/bin/activate')}")

    def change_folder(self, line: int, folder: str) -> None:
        if on_windows(folder):
            said = "a Windows path; relative paths are read as if it were the folder of this file"
            self.say(line, f"{folder} is {said}")
            self._lines = [[p for p in parts if not p.startswith("cd ")] for parts in self._lines]
        else:
            self.shell(line, f"cd {quoted(slashes(folder))}")

    def export(self, line: int, name: str, value: str) -> None:
        if name == "LD_PRELOAD":
            self.say(line, f"{name} is left out: the program would fail without {value}")
            return
        self.shell(line, f"export {name}={quoted(value)}")

    def shell_if_useful(self, line: int, text: str, before: Sequence[str]) -> None:
        """A text for a shell, after the commands `before` it; one that has no effect on the training may be
        broken, and is left out."""
        if not (_USEFUL.search(text) or before):
            return
        if not _STARTS_TRAINING.search(text):
            try:
                parse(_UNKNOWN.sub("x", text))
            except ShellSyntax:
                return
        text = text.strip()
        self.shell(line, f"({'; '.join((*before, text))}\n)" if before else text)

    def text(self) -> str:
        return "\n".join("".join(_separated(parts)) for parts in self._lines)


def _shell_mark(match: re.Match[str]) -> str:
    return f"${{{match[2]}}}" if match[2] is not None else f"$({match[1]})"


def quoted(word: str) -> str:
    """As one word for a shell."""
    parts: list[str] = []
    at = 0
    for match in _UNKNOWN.finditer(word):
        parts += [shlex.quote(word[at : match.start()])] if match.start() > at else []
        parts.append(f'"{_shell_mark(match)}"')
        at = match.end()
    rest = word[at:]
    return "".join([*parts, shlex.quote(rest)] if rest or not parts else parts)


def _separated(parts: Sequence[str]) -> Iterator[str]:
    """Commands of one line; what may end in a comment, `&` or a here-document ends with its line."""
    for at, part in enumerate(parts):
        yield part
        if at + 1 < len(parts):
            yield "\n" if re.search(r"[#&\n<]", part) else "; "


def joined(values: Iterable[object], sign: str) -> str:
    """Raises OverflowError beyond MOST_CHARACTERS."""
    return within_limit(sign.join(map(str, values)))


def within_limit(text: str) -> str:
    if len(text) > MOST_CHARACTERS:
        raise OverflowError
    return text
