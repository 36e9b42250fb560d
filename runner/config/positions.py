"""A TOML file with what tomllib lacks: the line of each key, and errors as sentences."""

from __future__ import annotations

import re
import tomllib
from bisect import bisect
from collections import deque
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from runner.config.errors import ConfigError, ConfigProblem
from runner.files.regular_file import read_text
from runner.files.toml_text import parse_toml

#: keys and indices from the top of the document, e.g. ("datasets", 0, "subsets", 1, "image_dir")
KeyPath = tuple[str | int, ...]

#: text, comments, a date with a space, punctuation, and words (also dotted ones) of a valid document. A
#: closing delimiter may be preceded by up to two quotes that belong to the text.
_TOKEN = re.compile(
    r'''"""(?:[^\\]|\\.)*?"""(?!") | "(?:[^"\\]|\\.)*" | \#[^\n]* | \d{4}-\d\d-\d\d[ ]\d\d:[\d:.+Zz-]*
    | [\[\]{}=,] | [^\s\[\]{}=,\#"']+ | '''
    r"""'''.*?'''(?!') | '[^']*'""",
    re.S | re.X,
)


def key_lines(text: str) -> dict[KeyPath, int]:
    """Line (from 1) of every key, table header, element of an array and array of tables. `text` is valid."""
    return _Scanner(text).lines


def comments(text: str) -> list[str]:
    """Of a valid document, in its order."""
    return [match[0].rstrip() for match in _TOKEN.finditer(text) if match[0][0] == "#"]


def line_of(path: KeyPath, lines: Mapping[KeyPath, int]) -> int | None:
    """Of the key, or of the nearest table around it."""
    while path and path not in lines:
        path = path[:-1]
    return lines.get(path)


class _Scanner:
    def __init__(self, text: str) -> None:
        self.lines: dict[KeyPath, int] = {}
        self._counts: dict[KeyPath, int] = {}
        ends = [match.start() for match in re.finditer("\n", text)]
        found = ((match[0], match.start()) for match in _TOKEN.finditer(text))
        self._tokens = deque((word, bisect(ends, at) + 1) for word, at in found if word[0] != "#")
        table: KeyPath = ()
        while self._tokens:
            if self._tokens[0][0] == "[":
                table = self._header()
            else:
                self._pair(table)

    def _took(self, sign: str) -> bool:
        found = self._tokens[0][0] == sign
        if found:
            self._tokens.popleft()
        return found

    def _header(self) -> KeyPath:
        """Names with the index of the newest element behind each array of tables."""
        _, line = self._tokens.popleft()
        many = self._took("[")
        *parents, name = self._key()
        path: KeyPath = ()
        for part in parents:  # [a.b] creates a too
            path = (*path, part)
            self.lines.setdefault(path, line)
            if path in self._counts:
                path = (*path, self._counts[path] - 1)
        path = (*path, name)
        if many:
            self._took("]")
            count = self._counts[path] = self._counts.get(path, 0) + 1
            self.lines.setdefault(path, line)
            path = (*path, count - 1)
        self.lines[path] = line
        return path

    def _key(self) -> list[str]:
        """A dotted key and the sign behind it."""
        words = []
        while (word := self._tokens.popleft()[0]) not in ("=", "]"):
            words.append(word)
        value: Any = tomllib.loads(f"{' '.join(words)} = 0")
        names = []
        while value:
            ((name, value),) = value.items()
            names.append(name)
        return names

    def _pair(self, path: KeyPath) -> None:
        line = self._tokens[0][1]
        for name in self._key():
            path = (*path, name)
            self.lines.setdefault(path, line)
        self._value(path)

    def _value(self, path: KeyPath) -> None:
        opening, _ = self._tokens.popleft()
        index = 0
        while opening in ("[", "{") and not self._took("]" if opening == "[" else "}"):
            if opening == "{":
                self._pair(path)
            else:
                self.lines[(*path, index)] = self._tokens[0][1]
                self._value((*path, index))
                index += 1
            self._took(",")


_PLACE = re.compile(r"\s*\(at (?:line (?P<line>\d+), column (?P<column>\d+)|end of document)\)$")

#: (tomllib's message, what is on the line, fix); the first that matches both is used
_CURES = (
    ("", "^\ufeff", "save the file as UTF-8 without a byte order mark"),
    ("", r"=\s*(?:True|False)\b", "write true and false in lower case"),
    ("Nested", "", "no setting needs so many brackets or dots"),
    ("escape|hex", r'"[^"]*\\', "write a path with backslashes in single quotes: '...'"),
    ("overwrite|twice|mutate", "", "the key or section is defined twice; remove one"),
    ("value", r"=\s*[^\s\"'\[{]", 'put text in quotes: key = "text"'),
    ("value", r"=\s*(?:#.*)?$", "add a value after the ="),
    ("after a key", "", "write key = value"),
    ("table declaration", "", "write a section as [name] on its own line"),
    ("character", "[\"']", "close the quote on the same line"),
    ("Unclosed|Expected|Unterminated", "", "close the bracket or quote"),
)


def syntax_problem(file: str, text: str, error: tomllib.TOMLDecodeError) -> ConfigProblem:
    lines = text.removesuffix("\n").split("\n")  # splitlines() also ends a line at other characters
    said, line, column = str(error), len(lines), ""
    if place := _PLACE.search(said):
        said = said[: place.start()]
        if place["line"]:
            line, column = int(place["line"]), f", column {place['column']}"
    content = lines[min(line, len(lines)) - 1]
    fitting = (
        cure
        for words, pattern, cure in _CURES
        if re.search(words, said, re.I) and re.search(pattern, content)
    )
    cure = next(fitting, "correct this line")
    return ConfigProblem(
        file, line, f"not valid TOML ({said[:1].lower()}{said[1:]}{column}); {cure}"
    )


def parsed_toml(path: Path, text: str) -> dict[str, Any]:
    """Raises ConfigError with one problem."""
    try:
        return parse_toml(text)
    except tomllib.TOMLDecodeError as error:
        raise ConfigError([syntax_problem(str(path), text, error)]) from None


def read_toml(path: Path, missing: str, encoding: str = "utf-8") -> tuple[str, dict[str, Any]]:
    """The text of a file and its values. Raises ConfigError with one problem; `missing`: what to do where
    there is no such file."""
    line = None
    try:
        text = read_text(path, encoding=encoding)
        return text, parsed_toml(path, text)
    except FileNotFoundError:
        what = f"file not found; {missing}"
    except UnicodeDecodeError as error:
        line = error.object[: error.start].count(b"\n") + 1
        what = "is not UTF-8; save it as UTF-8"
    except OSError as error:
        what = f"cannot be read ({error.strerror or error}); check the path and its permissions"
    raise ConfigError([ConfigProblem(str(path), line, what)])
