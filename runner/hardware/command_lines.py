"""One process against the table of GPU users: its command line, taken apart word by word. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase
from functools import lru_cache
from pathlib import PurePosixPath

from runner.hardware.users_table import NEVER, RULES, Rule

#: the script is one of the first words; after them come its own arguments
_SCRIPT_WORDS = 12
_PLACE_WORDS = 4
_INTERPRETERS = ("python", "pypy", "dotnet")


@dataclass(frozen=True, slots=True)
class Process:
    """What is looked at of a process. `name` as the system gives it, `argv` whole (empty where it may not be
    read); `beside`: files of the table that lie in its working folder; `since_at`: when it began."""

    pid: int
    name: str
    argv: tuple[str, ...] = ()
    cwd: str = ""
    memory_bytes: int = 0
    parent_pid: int | None = None
    since_at: float | None = None
    beside: tuple[str, ...] = ()


def rule_of(process: Process) -> Rule | None:
    if never(process.name) or (process.argv and never(_file(process.argv[0]))):
        return None
    return _looked_up(process.name, process.argv, process.cwd, process.beside)


@lru_cache(
    maxsize=512
)  # processes stay, and 40 rules for each of them every 15 s are not for nothing
def _looked_up(name: str, argv: tuple[str, ...], cwd: str, beside: tuple[str, ...]) -> Rule | None:
    seen = _Seen.of(name, argv, cwd, beside)
    return next((rule for rule in RULES if seen.fits(rule)), None)


def never(name: str) -> bool:
    """Does it only draw the desktop?"""
    return _file(name) in NEVER


def _file(path: str) -> str:
    return PurePosixPath(path.replace("\\", "/")).name.lower()


@dataclass(frozen=True, slots=True)
class _Seen:
    """A command line, taken apart once for all rules, in lower case."""

    programs: frozenset[str]
    scripts: frozenset[str]
    modules: frozenset[str]
    words: frozenset[str]
    place: str
    beside: frozenset[str]

    @classmethod
    def of(cls, name: str, argv: tuple[str, ...], cwd: str, beside: tuple[str, ...]) -> _Seen:
        words = [word.lower() for word in argv]
        program = _file(words[0]) if words else ""
        scripts = {program}
        if program.startswith(_INTERPRETERS):
            scripts |= {_file(word) for word in words[1:_SCRIPT_WORDS] if not word.startswith("-")}
        modules = {words[i + 1] for i, word in enumerate(words[:-1]) if word == "-m"}
        return cls(
            frozenset({program, name.lower()}),
            frozenset(scripts),
            frozenset(modules if program.startswith(_INTERPRETERS) else ()),
            frozenset(words[1:]),
            " ".join((cwd.lower(), *words[:_PLACE_WORDS])),
            frozenset(beside),
        )

    def fits(self, rule: Rule) -> bool:
        return (
            _any(rule.programs, self.programs)
            and _any(rule.scripts, self.scripts)
            and _any(rule.modules, self.modules)
            and all(word in self.words for word in rule.words)
            and (not rule.places or any(place in self.place for place in rule.places))
            and (not rule.beside or bool(self.beside.intersection(rule.beside)))
        )


def _any(patterns: tuple[str, ...], found: frozenset[str]) -> bool:
    if not patterns:
        return True
    return any(fnmatchcase(name, pattern) for pattern in patterns for name in found)


def port_of(argv: Sequence[str], usual: int | None) -> int | None:
    """`--port 8189` or `--port=8189` of the command line, else the usual one; None where a program has none."""
    if usual is None:
        return None
    for index, word in enumerate(argv):
        text = word.partition("=")[2] if word.startswith("--port=") else ""
        if word == "--port" and index + 1 < len(argv):
            text = argv[index + 1]
        if text.isascii() and text.isdigit() and 0 < int(text[:6]) < 65536:
            return int(text[:6])
    return usual
