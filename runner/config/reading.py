"""Tables of plasma.toml by a table of keys: each key has a reader that gives its value or raises `Wrong`.
Every problem is collected with its line instead of stopping at the first."""

from __future__ import annotations

import math
import os
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, TypeVar

from runner.config.catalog import FlagCatalog
from runner.config.errors import ConfigError, ConfigProblem, cure_for, kind
from runner.config.flags import FlagValue, plain_name, typed_value, unpassable
from runner.config.paths import PATH_FLAGS, resolved
from runner.config.positions import KeyPath, line_of

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Reader:
    """Reads one value or raises Wrong. `schema`: what it accepts, as JSON Schema; `help`: the meaning of the
    key, for the documentation and for editors."""

    read: Callable[[Any], Any]
    schema: Mapping[str, Any]
    help: str = ""

    def __call__(self, value: Any) -> Any:
        return self.read(value)

    def about(self, help: str) -> Reader:
        return replace(self, help=help)


def reads(**schema: Any) -> Callable[[Callable[[Any], Any]], Reader]:
    """Makes a function a reader of what `schema` describes."""
    return lambda read: Reader(read, schema)


#: location shown for problems of the command line
PLACE = "--set"


#: of Linux; a name's of macOS too
PATH_LIMIT, NAME_LIMIT_BYTES = 4000, 255


class Wrong(ValueError):
    """Continues a sentence that starts with the key's name. `at`: the place inside its value."""

    def __init__(self, text: str, *at: str | int) -> None:
        super().__init__(text)
        self.at = at


def _check_null(key: str, value: Any) -> None:
    """No command line, environment or path can hold a null byte. Raises Wrong."""
    level: list[Any] = [key, value]
    while level:
        if any(isinstance(one, str) and "\0" in one for one in level):
            raise Wrong("contains a null byte; remove it")
        tables = (part for one in level if isinstance(one, dict) for part in (*one, *one.values()))
        level = [*tables, *(part for one in level if isinstance(one, list) for part in one)]


@dataclass(slots=True)
class Reading:
    """One file being read: its problems and notes."""

    file: str
    lines: Mapping[KeyPath, int]
    problems: list[ConfigProblem] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)

    def problem(self, path: KeyPath, text: str) -> ConfigProblem:
        return ConfigProblem(self.file, line_of(path, self.lines), text)

    def note(self, path: KeyPath, text: str) -> None:
        self.notes.append(str(self.problem(path, text)))


@dataclass(frozen=True, slots=True)
class Section:
    """`[name]` of the file."""

    reading: Reading
    name: str
    values: Mapping[str, Any]

    def label(self, key: str) -> str:
        return f"[{self.name}] {key}" if self.name else key

    def refuse(self, key: str, text: str, *at: str | int) -> None:
        """`text` continues a sentence that starts with the key's name."""
        path: KeyPath = (self.name, key, *at) if self.name else (key, *at)
        self.reading.problems.append(self.reading.problem(path, f"{self.label(key)} {text}"))

    def read(
        self, readers: Mapping[str, Reader], instead: Mapping[str, str] | None = None
    ) -> dict[str, Any]:
        """What the file sets, without what is rejected: wrong values, keys without a reader. `instead`:
        messages for some of those."""
        found = {}
        for key, value in self.values.items():
            try:
                if key not in readers:
                    raise Wrong((instead or {}).get(key) or _unknown(key, readers))
                if self.name or not isinstance(value, dict):  # a table is checked key by key
                    _check_null(key, value)
                found[key] = readers[key](value)
            except Wrong as wrong:
                self.refuse(key, str(wrong), *wrong.at)
        return found

    def table(self, key: str) -> Section:
        """The section of that name; empty if it is missing or not a table."""
        value = self.values.get(key, {})
        if not isinstance(value, dict):
            self.refuse(key, f"is {kind(value)}, not a table; write [{key}] on its own line")
            value = {}
        return Section(self.reading, key, value)

    def flags(
        self, base: Path, known: FlagCatalog | None, ours: Mapping[str, Reader] | None = None
    ) -> dict[str, FlagValue]:
        """The flags of a program by plain name, paths absolute, `false` kept; among them keys that are
        `ours`."""
        found: dict[str, FlagValue] = {}
        for key, raw in self.values.items():
            name = plain_name(key)
            if name != key:
                self.reading.note((self.name, key), f"{self.label(key)} is read as {name}")
            try:
                if name in found:
                    raise Wrong(f"is given twice (as {name}); remove one of them")
                own = (ours or {}).get(name)
                _check_null(key, raw)
                value = own(raw) if own else checked_flag(name, raw)
                found[name] = resolved(name, value, base)
                if known is not None and not own:
                    _check_flag(name, value, known)
            except Wrong as wrong:
                self.refuse(key, str(wrong), *wrong.at)
        return found


def _unknown(key: str, known: Iterable[str]) -> str:
    cure = cure_for(key, known)
    listed = f" (known here: {', '.join(known)})" if cure == "remove it" else ""
    return f"is unknown; {cure}{listed}"


# --------------------------------------------------------------------------- readers


def _checked(value: Any, wanted: type[T], words: str) -> T:
    if not isinstance(value, wanted) or (isinstance(value, bool) and wanted is not bool):
        raise Wrong(f"is {kind(value)}; it must be {words}")
    return value


@reads()
def anything(value: Any) -> Any:
    return value


@reads(type="string", pattern=r"\S")
def text(value: Any) -> str:
    if not _checked(value, str, 'text; write it in quotes: "..."').strip():
        raise Wrong("is empty; give a value or remove the line")
    return str(value)


@reads(type="string", pattern=r"\S")
def path_text(value: Any) -> str:
    try:
        names = [os.fsencode(part) for part in text(value).split("/")]
    except UnicodeEncodeError:  # half of a character, as JSON can write it
        raise Wrong("has a character that no file name can have") from None
    if len(value) > PATH_LIMIT or any(len(name) > NAME_LIMIT_BYTES for name in names):
        raise Wrong("is longer than a path can be")
    return str(value)


@reads(type="boolean")
def flag(value: Any) -> bool:
    return _checked(value, bool, "true or false")


def whole(least: int, most: int | None = None) -> Reader:
    allowed = f"of at least {least}" if most is None else f"of {least} to {most}"
    limits = {"minimum": least} | ({} if most is None else {"maximum": most})

    @reads(type="integer", **limits)
    def read(value: Any) -> int:
        number = _checked(value, int, "an integer")
        if number < least or (most is not None and number > most):
            raise Wrong(f"is {number}; use an integer {allowed}")
        return number

    return read


def one_of(allowed: Sequence[str]) -> Reader:
    @reads(enum=list(allowed))
    def read(value: Any) -> str:
        if text(value) not in allowed:
            raise Wrong(f'is "{value}"; choose one of {_quoted(allowed)}')
        return str(value)

    return read


def some_of(allowed: Sequence[str]) -> Reader:
    @reads(type="array", items={"enum": list(allowed)})
    def read(value: Any) -> tuple[str, ...]:
        for index, item in enumerate(_checked(value, list, f"a list of {_quoted(allowed)}")):
            if item not in allowed:
                raise Wrong(f"contains {item!r}; choose from {_quoted(allowed)}", index)
        return tuple(value)

    return read


def _quoted(names: Iterable[str]) -> str:
    return ", ".join(f'"{name}"' for name in names)


@reads(type="object", additionalProperties={"type": "string"})
def texts(value: Any) -> dict[str, str]:
    """A table of text."""
    for name, item in _checked(value, dict, 'a table of text; write { NAME = "value" }').items():
        if not isinstance(item, str):
            raise Wrong(f'{name} is {kind(item)}, not text; write {name} = "..."', name)
    return dict(value)


@reads(type="array", items={"type": "number", "exclusiveMinimum": 0}, minItems=2, maxItems=2)
def bounds(value: Any) -> tuple[float, float]:
    """`[low, high]`, both positive, in order."""
    match _checked(value, list, "two numbers, [lowest, highest]"):
        case [int() | float() as low, int() | float() as high] if 0 < low <= high < math.inf:
            return float(low), float(high)
    raise Wrong(f"is {value}; use two positive numbers, [lowest, highest]")


# --------------------------------------------------------------------------- flags


def _flag_value(name: str, raw: Any) -> FlagValue:
    if isinstance(raw, list):
        for index, item in enumerate(raw):
            if isinstance(item, bool) or not isinstance(item, int | float | str):
                raise Wrong(f"holds {kind(item)}; a list may contain text and numbers", index)
        if word := unpassable(raw):
            raise Wrong(f'holds "{word}", which the trainer would read as a flag; remove it')
        return tuple(raw) or False
    if not isinstance(raw, bool | int | float | str):
        raise Wrong(f"is {kind(raw)}; a flag is true, false, a number, text or a list")
    if isinstance(raw, float) and not math.isfinite(raw):
        raise Wrong(f"is {raw}; use a finite number")
    if raw == "" and name in PATH_FLAGS:
        raise Wrong("is empty; set a path or remove the line")
    return raw


def checked_flag(name: str, raw: Any) -> FlagValue:
    """The value of any trainer's flag. Raises Wrong."""
    _check_null(name, raw)
    value = _flag_value(name, raw)
    if name in PATH_FLAGS and isinstance(value, str):
        checked_path(value)
    return value


def checked_path(raw: str) -> None:
    """Raises Wrong."""
    _check_null("", raw)
    path_text(raw)


def _check_flag(name: str, value: FlagValue, known: FlagCatalog) -> None:
    if name not in known.names:
        raise Wrong(f"is not a flag of this trainer; {known.cure(name)}")
    if problem := known.problem(name, value):
        raise Wrong(problem)


def read_settings(
    settings: Sequence[str], base: Path, known: FlagCatalog | None = None
) -> dict[str, FlagValue]:
    """`--set FLAG=VALUE` of our own command line. Values as in TOML (true, 4, 1e-4, ["a", "b"]); anything
    else is text. Relative paths start at `base`, the shell's folder. `False` means: remove the flag. Raises
    ConfigError."""
    values: dict[str, Any] = {}
    for setting in settings:
        name, sign, value = setting.partition("=")
        if not sign or not name.strip():
            problem = (
                f"{setting!r} is not a setting; write FLAG=VALUE, for example max_train_epochs=2"
            )
            raise ConfigError([ConfigProblem(PLACE, None, problem)])
        values[name.strip()] = typed_value(value)
    reading = Reading(PLACE, {})
    found = Section(reading, "train", values).flags(base, known)
    if reading.problems:
        raise ConfigError(reading.problems)
    return found
