"""What `[ ... ]` and the few harmless `$( ... )` of a script would say, worked out without a shell."""

from __future__ import annotations

import operator
import os
from collections.abc import Callable, Mapping, Sequence
from fnmatch import fnmatchcase
from pathlib import Path

from runner.trainers.sd_scripts.importers.shell_model import ShellSyntax
from runner.trainers.sd_scripts.importers.shell_scope import Field, Scope, folder_of
from runner.trainers.sd_scripts.importers.shell_words import read_commands

TESTS = ("[", "[[", "test")

_NUMBERS: Mapping[str, Callable[[int, int], bool]] = {
    "-eq": operator.eq,
    "-ne": operator.ne,
    "-gt": operator.gt,
    "-lt": operator.lt,
    "-ge": operator.ge,
    "-le": operator.le,
}
_FILES: Mapping[str, Callable[[Path], bool]] = {
    "-d": Path.is_dir,
    "-f": Path.is_file,
    "-e": Path.exists,
    "-x": lambda path: os.access(path, os.X_OK),
    "-s": lambda path: path.is_file() and path.stat().st_size > 0,
}


def truth(fields: Sequence[Field], cwd: Path | None) -> bool | None:
    """Of `[ ... ]`, `[[ ... ]]` and `test ...`; None when it cannot be told."""
    if any(field.unknown for field in fields):
        return None
    words = [field.text for field in fields][1:]
    if words and words[-1] in ("]", "]]"):
        words.pop()
    return _any(words, cwd)


def _any(words: list[str], cwd: Path | None) -> bool | None:
    told = [_all(part, cwd) for part in _split(words, ("||", "-o"))]
    return True if True in told else None if None in told else False


def _all(words: list[str], cwd: Path | None) -> bool | None:
    told = [_one(part, cwd) for part in _split(words, ("&&", "-a"))]
    return False if False in told else None if None in told else True


def _split(words: list[str], separators: tuple[str, ...]) -> list[list[str]]:
    parts: list[list[str]] = [[]]
    for word in words:
        if word in separators:
            parts.append([])
        else:
            parts[-1].append(word)
    return parts


def _one(words: list[str], cwd: Path | None) -> bool | None:
    if words[:1] == ["!"]:
        told = _one(words[1:], cwd)
        return None if told is None else not told
    if len(words) == 1:
        return bool(words[0])
    if len(words) == 2:
        return _unary(words[0], words[1], cwd)
    if len(words) != 3:
        return None
    left, sign, right = words
    if sign in ("=", "=="):
        return left == right or fnmatchcase(left, right)
    if sign == "!=":
        return not (left == right or fnmatchcase(left, right))
    try:
        return _NUMBERS[sign](int(left), int(right))
    except (KeyError, ValueError):
        return None


def _unary(sign: str, value: str, cwd: Path | None) -> bool | None:
    if sign in ("-z", "-n"):
        return bool(value) == (sign == "-n")
    place = folder_of(value, cwd) if value else None
    if sign not in _FILES or place is None:
        return None
    return _FILES[sign](place)


def substitute(source: str, scope: Scope) -> str | None:
    """`$(dirname "$0")`, `$(cd X && pwd)` and their like; None for what would have to be run."""
    try:
        commands, _ = read_commands(source)
    except ShellSyntax:
        return None
    cwd, told = scope.cwd, None
    for command in commands:
        fields = [field for word in command.words for field in scope.expand(word)]
        if not fields or any(field.unknown for field in fields):
            return None
        name, *words = (field.text for field in fields)
        words = [word for word in words if word not in ("-f", "-P", "--")]
        if name == "cd" and len(words) == 1:
            cwd = folder_of(words[0], cwd)
            if cwd is None:
                return None
            continue
        told = _printed(name, words, cwd)
        if told is None:
            return None
    return told


def _printed(name: str, words: list[str], cwd: Path | None) -> str | None:
    if name == "pwd":
        return None if cwd is None else str(cwd)
    if name == "echo":
        return " ".join(words)
    if not words:
        return None
    if name == "dirname":
        return os.path.dirname(words[0].rstrip("/")) or "."  # noqa: PTH120 - "." for a bare name
    if name == "basename":
        last = Path(words[0]).name
        return last.removesuffix(words[1]) if len(words) > 1 else last
    if name in ("realpath", "readlink"):
        place = folder_of(words[0], cwd)
        return None if place is None else str(place)
    return None
