"""Typed access to a parsed TOML table that collects every problem instead of stopping at the first."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from runner.config.errors import ConfigProblem, nearest
from runner.config.positions import KeyPath


@dataclass(slots=True)
class Reading:
    """One file being read: what was wrong with it and what is worth telling."""

    file: str
    lines: Mapping[KeyPath, int]
    problems: list[ConfigProblem] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)

    def line(self, path: KeyPath) -> int | None:
        """The line of the key, or of the nearest table around it."""
        while path:
            if path in self.lines:
                return self.lines[path]
            path = path[:-1]
        return None

    def refuse(self, path: KeyPath, text: str) -> None:
        self.problems.append(ConfigProblem(self.file, self.line(path), text))

    def note(self, path: KeyPath, text: str) -> None:
        self.notes.append(str(ConfigProblem(self.file, self.line(path), text)))


@dataclass(frozen=True, slots=True)
class Section:
    """`[name]` of the file."""

    reading: Reading
    name: str
    values: Mapping[str, Any]

    def label(self, key: str) -> str:
        return f"[{self.name}] {key}" if self.name else key

    def refuse(self, key: str, text: str, *rest: str | int) -> None:
        """`text` continues a sentence that begins with the key's name."""
        path: KeyPath = (self.name, key, *rest) if self.name else (key, *rest)
        self.reading.refuse(path, f"{self.label(key)} {text}")

    def only(self, known: Iterable[str], homes: Mapping[str, str] | None = None) -> None:
        """Refuse every other key. `homes`: keys that belong into another section."""
        names = tuple(known)
        for key in self.values:
            if key in names:
                continue
            home = (homes or {}).get(key)
            meant = nearest(key, names)
            if home:
                cure = f"move it into [{home}]"
            elif meant:
                cure = f"did you mean {meant}?"
            else:
                cure = f"remove it (known here: {', '.join(names)})"
            self.refuse(key, f"is not known; {cure}")

    def table(self, key: str) -> Section:
        """The section of that name; empty when it is absent or no table."""
        value = self.values.get(key, {})
        if not isinstance(value, dict):
            self.refuse(key, f"is {kind(value)}, not a table; write [{key}] on a line of its own")
            value = {}
        return Section(self.reading, key, value)

    def text(self, key: str) -> str | None:
        value: str | None = self._checked(key, str, 'text; write it in quotes: "..."')
        if value is not None and not value.strip():
            self.refuse(key, "is empty; give a value or remove the line")
            return None
        return value

    def flag(self, key: str, default: bool) -> bool:
        value = self._checked(key, bool, "true or false")
        return default if value is None else value

    def whole(self, key: str, *, least: int) -> int | None:
        value: int | None = self._checked(key, int, "a whole number")
        if value is not None and value < least:
            self.refuse(key, f"is {value}; give a whole number of at least {least}")
            return None
        return value

    def choice(self, key: str, allowed: tuple[str, ...]) -> str | None:
        value = self.text(key)
        if value is not None and value not in allowed:
            self.refuse(key, f'is "{value}"; choose one of {_quoted(allowed)}')
            return None
        return value

    def choices(self, key: str, allowed: tuple[str, ...]) -> tuple[str, ...]:
        values = self._checked(key, list, f"a list of {_quoted(allowed)}")
        chosen = []
        for index, value in enumerate(values or []):
            if value in allowed:
                chosen.append(value)
            else:
                text = f"holds {value!r}; choose from {_quoted(allowed)}"
                self.refuse(key, text, index)
        return tuple(chosen)

    def texts(self, key: str) -> dict[str, str]:
        """A table of text."""
        table = self._checked(key, dict, 'a table of text; write { NAME = "value" }')
        found = {}
        for name, value in (table or {}).items():
            if isinstance(value, str):
                found[name] = value
            else:
                self.refuse(key, f'{name} is {kind(value)}, not text; write {name} = "..."', name)
        return found

    def bounds(self, key: str) -> tuple[float, float] | None:
        """`[low, high]`, both positive, in order."""
        value = self._checked(key, list, "two numbers, [lowest, highest]")
        if value is None:
            return None
        numbers = [n for n in value if is_number(n) and n > 0]
        if len(value) != 2 or len(numbers) != 2 or numbers[0] > numbers[1]:
            self.refuse(key, f"is {value}; give two positive numbers, [lowest, highest]")
            return None
        return float(numbers[0]), float(numbers[1])

    def _checked(self, key: str, wanted: type[Any], words: str) -> Any:
        value = self.values.get(key)
        if value is None:
            return None
        if not isinstance(value, wanted) or (isinstance(value, bool) and wanted is not bool):
            self.refuse(key, f"is {kind(value)}; it must be {words}")
            return None
        return value


def is_number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)


def kind(value: object) -> str:
    """The TOML type in words."""
    names: tuple[tuple[type, str], ...] = (
        (bool, "true or false"),
        (int, "a whole number"),
        (float, "a number"),
        (str, "text"),
        (list, "a list"),
        (dict, "a table"),
    )
    return next((words for cls, words in names if isinstance(value, cls)), "a date or time")


def _quoted(names: Iterable[str]) -> str:
    return ", ".join(f'"{name}"' for name in names)
