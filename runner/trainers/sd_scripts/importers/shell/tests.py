"""Results of `[ ... ]` and a few harmless commands of `$( ... )`, computed without a shell."""

from __future__ import annotations

import operator
import os
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase
from pathlib import Path

from runner.config.paths import absolute
from runner.trainers.sd_scripts.importers.model import Field
from runner.trainers.sd_scripts.importers.shell.parameters import unescaped
from runner.trainers.sd_scripts.importers.shell.scope import UNSET, Scope
from runner.trainers.sd_scripts.importers.shell.state import SHOWN
from runner.trainers.sd_scripts.importers.shell.sums import computed
from runner.trainers.sd_scripts.importers.shell.words import Token

TESTS = ("[", "[[", "test")
_NUMBERS = ("-eq", "-ne", "-gt", "-lt", "-ge", "-le")
_BINARY = frozenset({"=", "==", "!=", "=~", "<", ">", "-nt", "-ot", "-ef", *_NUMBERS})
_FILES: Mapping[str, Callable[[Path], bool]] = {
    "-d": Path.is_dir,
    "-f": Path.is_file,
    "-e": Path.exists,
    "-x": lambda path: os.access(path, os.X_OK),
    "-r": lambda path: os.access(path, os.R_OK),
    "-w": lambda path: os.access(path, os.W_OK),
    "-L": Path.is_symlink,
    "-h": Path.is_symlink,
    "-s": lambda path: path.is_file() and path.stat().st_size > 0,
}
_UNARY = frozenset({"-z", "-n", "-v", "-t", "-a", "-p", "-S", "-b", "-c", "-o", *_FILES})
#: a repeated group may take forever to match
_SLOW = re.compile(r"\)[*+?{]|\[:|\\")
MOST_MATCHED = 200
#: numbers that `seq` prints
MOST_NUMBERS = 1_000


def folder_of(text: str, base: Path | None) -> Path | None:
    """The folder of a `cd`; None if relative to an unknown folder."""
    if text.startswith(("/", "~")):
        return Path(absolute(text, Path("/")))
    return None if base is None else Path(absolute(text, base))


def truth(fields: Sequence[Field], scope: Scope, *, patterns: bool = False) -> bool | None:
    """Of the text between `[` and `]`; None if unknown. `patterns`: of `[[ ]]`."""
    test = _Test(fields, scope, patterns)
    answer = test.either() if fields else False
    return answer if test.at == len(fields) else None


@dataclass(slots=True)
class _Test:
    fields: Sequence[Field]
    scope: Scope
    patterns: bool
    at: int = 0

    def took(self, *signs: str) -> bool:
        found = self.at < len(self.fields) and self.fields[self.at].text in signs
        self.at += found
        return found

    def either(self) -> bool | None:
        answers = [self.both()]
        while self.took("||", "-o"):
            answers.append(self.both())
        return True if True in answers else None if None in answers else False

    def both(self) -> bool | None:
        answers = [self.single()]
        while self.took("&&", "-a"):
            answers.append(self.single())
        return False if False in answers else None if None in answers else True

    def single(self) -> bool | None:
        rest = [one.text for one in self.fields[self.at : self.at + 3]]
        if len(rest) == 3 and rest[1] in _BINARY:
            self.at += 3
            return self.compared(self.fields[self.at - 3], rest[1], self.fields[self.at - 1])
        if rest[:1] == ["!"]:
            self.at += 1
            answer = self.single()
            return None if answer is None else not answer
        if self.took("("):
            answer = self.either()
            self.took(")")
            return answer
        if len(rest) > 1 and rest[0] in _UNARY:
            self.at += 2
            return self.of_one(rest[0], self.fields[self.at - 1])
        self.at += 1
        value = self.known(self.fields[self.at - 1]) if rest else ""
        return None if value is None else bool(value)

    def known(self, one: Field) -> str | None:
        """Its text; a variable that is set nowhere is empty."""
        if not one.unknown:
            return one.text
        if any(not why.endswith(UNSET) for why in one.unknown):
            return None
        self.scope.assumptions.append(one.unknown[0])
        return SHOWN.sub("", one.text)

    def of_one(self, sign: str, value: Field) -> bool | None:
        text = self.known(value)
        if sign == "-v":
            name = value.text.partition("[")[0]
            return name in self.scope.variables or name in self.scope.environ
        if text is None:
            return None
        if sign in ("-z", "-n"):
            return bool(text) == (sign == "-n")
        if sign not in _FILES or value.unknown:
            return None
        path = folder_of(text, self.scope.cwd) if text else None
        if path is None:
            return None if text else False
        if path in self.scope.files:
            return sign != "-d"
        try:
            found = _FILES[sign](path)
        except (OSError, ValueError):
            found = False
        self.scope.assumptions.append(f"{path} {'exists' if found else 'does not exist'} here")
        return found

    def number(self, text: str) -> int | None:
        """Of a comparison; in `[[ ]]` also of a variable's name."""
        if self.patterns and re.fullmatch(r"[A-Za-z_]\w*", text):
            text = self.known(self.scope.text(Token(f"${text}", 0))) or ""
        try:
            return int(text or 0)
        except ValueError:
            return self.scope.sum(text) if self.patterns else None

    def compared(self, left: Field, sign: str, right: Field) -> bool | None:
        one, other = self.known(left), self.known(right)
        if one is None or other is None:
            return None
        if sign in ("=", "==", "!="):
            same = one == other or (self.patterns and fnmatchcase(one, other))
            return same == (sign != "!=")
        if sign in _NUMBERS:
            numbers = self.number(one), self.number(other)
            return None if None in numbers else bool(getattr(operator, sign[1:])(*numbers))
        if sign in ("<", ">"):
            return one < other if sign == "<" else one > other
        if sign != "=~" or max(len(one), len(other)) > MOST_MATCHED or _SLOW.search(other):
            return None
        try:
            match = re.search(other, one)
        except re.error:
            return None
        found = (match[0], *match.groups("")) if match else ()
        self.scope.put("BASH_REMATCH", {str(at): Field(text) for at, text in enumerate(found)})
        return match is not None


def printed(words: Sequence[str], cwd: Path | None) -> str | None:
    """What a command prints; None for one that would have to be run."""
    given = [word for word in words[1:] if not re.fullmatch(r"-[a-zA-Z]|--", word)]
    match [words[0], *given]:
        case ["pwd"]:
            return None if cwd is None else f"{cwd}\n"
        case ["echo", *_]:
            flags = [word for word in words[1:3] if word in ("-n", "-e", "-en", "-ne")]
            text = " ".join(words[1 + len(flags) :])
            text = unescaped(text) if any("e" in one for one in flags) else text
            return text if any("n" in one for one in flags) else f"{text}\n"
        case ["printf", form, *values]:
            return _formatted(form, values)
        case ["expr", left, "+" | "-" | "*" | "/" | "%" as sign, right] if all(
            re.fullmatch(r"-?\d{1,9}", one) for one in (left, right)
        ):
            value = computed(f"{left} {sign} {right}", lambda _: None, lambda *_: None)
            return None if value is None else f"{value}\n"
        case ["dirname", path]:
            return f"{os.path.dirname(path.rstrip('/')) or '.'}\n"  # noqa: PTH120 - "." for a bare name
        case ["basename", path, *suffix]:
            return f"{Path(path).name.removesuffix(''.join(suffix[:1]))}\n"
        case ["realpath" | "readlink", path] if place := folder_of(path, cwd):
            return f"{place}\n"
        case ["seq", *ends] if all(re.fullmatch(r"-?\d{1,9}", one) for one in ends) and len(
            ends
        ) in (1, 2, 3):
            numbers = [int(one) for one in ends]
            first = numbers[0] if len(numbers) > 1 else 1
            step = numbers[1] if len(numbers) == 3 else 1
            counted = range(first, numbers[-1] + (1 if step > 0 else -1), step or 1)
            return "".join(f"{one}\n" for one in counted[:MOST_NUMBERS])
    return None


def _formatted(form: str, values: Sequence[str]) -> str | None:
    """`printf`: the format again until all values are used."""
    parts = re.split(r"(%%|%[-0 ]?\d{0,3}(?:\.\d{1,3})?[sdbqf])", form)
    if any(re.search(r"%(?!%)", part) for part in parts[::2]):
        return None
    left, texts = list(values), list[str]()
    while True:
        for at, part in enumerate(parts):
            if at % 2 == 0 or part == "%%":
                texts.append(unescaped(part) if at % 2 == 0 else "%")
                continue
            value = left.pop(0) if left else ""
            kind = part[-1]
            try:
                texts.append(
                    f"{part[:-1]}d" % int(value or 0) if kind == "d"
                    else part % float(value or 0) if kind == "f"
                    else f"{part[:-1]}s" % (unescaped(value) if kind == "b" else value)
                )  # fmt: skip
            except (ValueError, OverflowError, MemoryError):
                return None
        if not left or not any(part != "%%" for part in parts[1::2]):
            return "".join(texts)
