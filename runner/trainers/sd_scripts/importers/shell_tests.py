"""What `[ ... ]` and the few harmless `$( ... )` of a script would say, worked out without a shell."""

from __future__ import annotations

import operator
import os
from collections.abc import Callable, Mapping, Sequence
from fnmatch import fnmatchcase
from pathlib import Path

from runner.trainers.sd_scripts.importers.model import Field
from runner.trainers.sd_scripts.importers.shell_scope import Scope, folder_of
from runner.trainers.sd_scripts.importers.shell_tree import parse
from runner.trainers.sd_scripts.importers.shell_words import ShellSyntax

TESTS = ("[", "[[", "test")
_COMPARED: Mapping[str, Callable[[int, int], bool]] = {
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
    """Of `[ ... ]`, `[[ ... ]]` and `test ...`; None when it is not known."""
    words = [field.text for field in fields][1:]
    if words and words[-1] in ("]", "]]"):
        words.pop()
    unknown = {field.text for field in fields if field.unknown}
    return _joined(words, ("||", "-o"), True, lambda some: _all(some, cwd, unknown))


def _all(words: list[str], cwd: Path | None, unknown: set[str]) -> bool | None:
    return _joined(
        words,
        ("&&", "-a"),
        False,
        lambda some: None if unknown.intersection(some) else _one(some, cwd),
    )


def _joined(
    words: list[str],
    separators: tuple[str, ...],
    decisive: bool,
    ask: Callable[[list[str]], bool | None],
) -> bool | None:
    """One `decisive` answer is enough; without it an unknown one leaves the whole unknown."""
    parts: list[list[str]] = [[]]
    for word in words:
        if word in separators:
            parts.append([])
        else:
            parts[-1].append(word)
    answers = [ask(part) for part in parts]
    return decisive if decisive in answers else None if None in answers else not decisive


def _one(words: list[str], cwd: Path | None) -> bool | None:
    if words[:1] == ["!"]:
        answer = _one(words[1:], cwd)
        return None if answer is None else not answer
    if len(words) < 2:
        return bool(words and words[0])
    if len(words) == 2:
        sign, value = words
        if sign in ("-z", "-n"):
            return bool(value) == (sign == "-n")
        place = folder_of(value, cwd) if value else None
        return None if sign not in _FILES or place is None else _FILES[sign](place)
    if len(words) != 3:
        return None
    left, sign, right = words
    if sign in ("=", "==", "!="):
        return (left == right or fnmatchcase(left, right)) == (sign != "!=")
    try:
        return _COMPARED[sign](int(left or 0), int(right or 0))
    except (KeyError, ValueError):
        return None


def substitute(source: str, scope: Scope) -> str | None:
    """`$(dirname "$0")`, `$(cd X && pwd)` and their like; None for what would have to be run."""
    try:
        nodes, _ = parse(source)
    except ShellSyntax:
        return None
    cwd, answer = scope.cwd, None
    for node in nodes:
        fields = [one for word in node.words for one in scope.expand(word)]
        simple = node.kind == "simple" and node.link != "|"
        if not simple or not fields or any(one.unknown for one in fields):
            return None
        name, *words = (one.text for one in fields)
        words = [word for word in words if word not in ("-f", "-P", "--", "-n")]
        if name == "cd" and len(words) == 1:
            cwd = folder_of(words[0], cwd)
            answer = "" if cwd else None
        else:
            answer = _printed(name, words, cwd)
        if answer is None:
            return None
    return answer


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
