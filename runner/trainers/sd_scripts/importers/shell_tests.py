"""Results of `[ ... ]` and a few harmless commands of `$( ... )`, computed without a shell."""

from __future__ import annotations

import operator
import os
from collections.abc import Callable, Mapping, Sequence
from fnmatch import fnmatchcase
from pathlib import Path

from runner.config.paths import absolute
from runner.trainers.sd_scripts.importers.model import Field

TESTS = ("[", "[[", "test")
_NUMBERS = ("-eq", "-ne", "-gt", "-lt", "-ge", "-le")
_FILES: Mapping[str, Callable[[Path], bool]] = {
    "-d": Path.is_dir,
    "-f": Path.is_file,
    "-e": Path.exists,
    "-x": lambda path: os.access(path, os.X_OK),
    "-s": lambda path: path.is_file() and path.stat().st_size > 0,
}


def folder_of(text: str, base: Path | None) -> Path | None:
    """The folder of a `cd`; None if relative to an unknown folder."""
    if text.startswith(("/", "~")):
        return Path(absolute(text, Path("/")))
    return None if base is None else Path(absolute(text, base))


def truth(fields: Sequence[Field], cwd: Path | None) -> bool | None:
    """Of the text between `[` and `]`; None if unknown."""
    texts = [one.text for one in fields]
    for signs, decisive in ((("||", "-o"), True), (("&&", "-a"), False)):
        if found := [at for at, text in enumerate(texts) if text in signs]:
            ends = zip((-1, *found), (*found, len(fields)), strict=True)
            answers = [truth(fields[start + 1 : end], cwd) for start, end in ends]
            return decisive if decisive in answers else None if None in answers else not decisive
    if any(one.unknown for one in fields):
        return None
    if texts[:1] == ["!"]:
        answer = truth(fields[1:], cwd)
        return None if answer is None else not answer
    match texts:
        case [] | [_]:
            return bool(texts and texts[0])
        case ["-z" | "-n" as sign, value]:
            return bool(value) == (sign == "-n")
        case [sign, value] if sign in _FILES and value and (place := folder_of(value, cwd)):
            return _FILES[sign](place)
        case [left, "=" | "==" | "!=" as sign, right]:
            return (left == right or fnmatchcase(left, right)) == (sign != "!=")
        case [left, sign, right] if sign in _NUMBERS:
            try:
                return bool(getattr(operator, sign[1:])(int(left or 0), int(right or 0)))
            except ValueError:
                return None
    return None


def printed(words: Sequence[str], cwd: Path | None) -> str | None:
    """What a command prints; None for one that would have to be run."""
    match words:
        case ["pwd", *_]:
            return None if cwd is None else str(cwd)
        case ["echo", *texts]:
            return " ".join(texts)
        case ["dirname", path, *_]:
            return os.path.dirname(path.rstrip("/")) or "."  # noqa: PTH120 - "." for a bare name
        case ["basename", path, *suffix]:
            return Path(path).name.removesuffix("".join(suffix[:1]))
        case ["realpath" | "readlink", path, *_] if place := folder_of(path, cwd):
            return str(place)
    return None
