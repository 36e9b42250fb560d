"""The flags of one script, as types: names, values, choices, and what is wrong with a value. Source:
`runner.trainers.flag_catalog`."""

from __future__ import annotations

import argparse
import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from enum import Enum
from typing import Any, Protocol

from runner.config.errors import cure_for
from runner.config.flags import FlagScalar, FlagValue, int_or_float
from runner.config.model import Trainer


class FlagCatalog(Protocol):
    """What one trainer accepts on its command line."""

    @property
    def names(self) -> frozenset[str]: ...

    def problem(self, name: str, value: FlagValue) -> str | None:
        """What is wrong with the value of a known flag, continuing a sentence; None: fine."""

    def cure(self, name: str) -> str:
        """What to do about an unknown flag."""


#: None: this trainer's flags are unknown, so no name is rejected
KnownFlags = Callable[[Trainer], FlagCatalog | None]


@dataclass(frozen=True, slots=True)
class Flag:
    """One option of a script. `kind`: the name of its argparse type ("int", "float", "str", ...);
    None: unknown. `nargs` as in argparse; `bare`: a switch without a value.
    `repeats`: it may be given several times. `help`: the script's own text, both languages."""

    name: str
    kind: str | None = "str"
    nargs: int | str | None = None
    bare: bool = False
    choices: tuple[FlagScalar, ...] | None = None
    default: Any = None
    help: str = ""
    dest: str = ""
    aliases: tuple[str, ...] = ()
    repeats: bool = False

    @property
    def many(self) -> bool:
        """Does it take a list?"""
        return self.nargs in ("*", "+", "...") or (isinstance(self.nargs, int) and self.nargs > 1)

    @property
    def english(self) -> str:
        """The help without its second language: sd-scripts writes `English / Japanese`."""
        return _SECOND_LANGUAGE.split(self.help, maxsplit=1)[0].strip()

    @property
    def takes(self) -> str:
        """Accepted values, as text."""
        if self.bare:
            return "true or false"
        plain = "text" if self.kind in ("str", "Path") else "a value"
        _, one = _KINDS.get(self.kind or "", (str, plain))
        if self.choices is not None:
            one = f"one of {', '.join(map(str, self.choices))}"
        return f"{one}; several, separated by spaces" if self.many else one


#: a slash with kana or kanji before the next slash
_SECOND_LANGUAGE = re.compile(r"\s*[/／]\s*(?=[^/]*[\u3040-\u30ff\u4e00-\u9fff])")


#: a shell has removed the quotes
_NO_LIST = 'not a list; write ["…", "…"], in a shell between single quotes'


class Catalog:
    """The flags of one script, with the types and choices that argparse would enforce."""

    def __init__(self, flags: Iterable[Flag], elsewhere: Mapping[str, str] | None = None) -> None:
        """`elsewhere`: where other settings of the trainer belong, by name."""
        self.flags, self._elsewhere = tuple(flags), elsewhere or {}
        self._by_name = {name: flag for flag in self.flags for name in (flag.name, *flag.aliases)}

    @property
    def names(self) -> frozenset[str]:
        return frozenset(self._by_name)

    def get(self, name: str) -> Flag | None:
        return self._by_name.get(name)

    def cure(self, name: str) -> str:
        return self._elsewhere.get(name) or cure_for(name, self.names)

    def problem(self, name: str, value: FlagValue) -> str | None:
        flag = self._by_name[name]
        if flag.bare:
            return None if isinstance(value, bool) else "is a switch; write true or false"
        if isinstance(value, bool):
            empty_allowed = flag.nargs in ("?", "*")
            return "needs a value, not true" if value and not empty_allowed else None
        if flag.many and isinstance(value, str) and value[:1] + value[-1:] == "[]":
            return f'is the text "{value}", {_NO_LIST}'
        values = value if isinstance(value, tuple) else (value,)
        if len(values) > 1 and not flag.many:
            return f"takes one value, not {len(values)}"
        if isinstance(flag.nargs, int) and len(values) != flag.nargs:
            return f"takes {flag.nargs} values, not {len(values)}"
        problems = (_problem_of_one(flag, str(one)) for one in values)
        return next((problem for problem in problems if problem), None)


def _problem_of_one(flag: Flag, text: str) -> str | None:
    kind = flag.kind or "value"
    convert, words = _KINDS.get(kind, (str, kind.replace("_", " ")))
    try:
        converted = convert(text)
    except (argparse.ArgumentTypeError, TypeError, ValueError):
        return f'is "{text}"; it must be {words}'
    comparable = kind == "str" or kind in _KINDS
    if flag.choices is not None and comparable and converted not in flag.choices:
        return f'is "{text}"; choose one of {", ".join(map(str, flag.choices))}'
    return None


#: argparse type -> its parser, and the expected value as text
_KINDS: Mapping[str, tuple[Callable[[str], Any], str]] = {
    "int": (int, "an integer"),
    "float": (float, "a number"),
    "int_or_float": (int_or_float, "an integer, a fraction below 1 or a percentage"),
}


class Effort(Enum):
    """How long reading a checkout's flags may take when they are not cached."""

    CACHED = "cached"  # none: read a file, start nothing
    QUICK = "quick"  # about 0.3 s, at most 2: read the script without its packages
    FULL = "full"  # up to a minute each: import it and run --help


@dataclass(frozen=True, slots=True)
class FlagReport:
    """`note`: why nothing is known, one sentence; None otherwise."""

    catalog: Catalog | None
    note: str | None = None
