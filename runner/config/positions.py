"""A TOML file with what tomllib does not tell: the line of each key, and an error as a sentence."""

from __future__ import annotations

import bisect
import re
import tomllib
from pathlib import Path
from typing import Any

from runner.config.errors import ConfigError, ConfigProblem
from runner.files.regular_file import read_text
from runner.files.toml_text import parse_toml

#: keys and indices from the top of the document, e.g. ("datasets", 0, "subsets", 1, "image_dir")
KeyPath = tuple[str | int, ...]

_BLANK = re.compile(r"(?:[ \t\r\n]+|#[^\n]*)*")
_BARE_KEY = re.compile(r"[A-Za-z0-9_-]+")
_BASIC_STRING = re.compile(r'"(?:[^"\\]|\\.)*"', re.S)
_LITERAL_STRING = re.compile(r"'[^']*'")
# A closing delimiter may be preceded by up to two quotes that belong to the text.
_LONG_STRING = re.compile(r'"""(?:[^\\]|\\.)*?"""(?!")|\'\'\'.*?\'\'\'(?!\')', re.S)
_PLAIN_VALUE = re.compile(r"[^,\]}\n#]*")


def key_lines(text: str) -> dict[KeyPath, int]:
    """Line (from 1) of every key, table header, element of an array and array of tables."""
    return _Scanner(text).scan()


class _Scanner:
    def __init__(self, text: str) -> None:
        self.text = text
        self.at = 0
        self.lines: dict[KeyPath, int] = {}
        self._counts: dict[KeyPath, int] = {}
        self._line_starts = [0, *(match.end() for match in re.finditer("\n", text))]

    def scan(self) -> dict[KeyPath, int]:
        table: KeyPath = ()
        while self._skip_blank():
            if self.text[self.at] == "[":
                table = self._header()
            else:
                self._pair(table)
        return self.lines

    def _line(self, offset: int) -> int:
        return bisect.bisect_right(self._line_starts, offset)

    def _skip_blank(self) -> bool:
        """Step over white space, line ends and comments; False at the end of the text."""
        match = _BLANK.match(self.text, self.at)
        self.at = match.end() if match else self.at
        return self.at < len(self.text)

    def _header(self) -> KeyPath:
        line, many = self._line(self.at), self.text.startswith("[[", self.at)
        self.at += 2 if many else 1
        *parents, name = self._key()
        self.at = self.text.index("]", self.at) + (2 if many else 1)
        path = self._current(parents)
        for end in range(1, len(path) + 1):  # [a.b] makes a as well
            self.lines.setdefault(path[:end], line)
        path = (*path, name)
        if many:
            count = self._counts[path] = self._counts.get(path, 0) + 1
            self.lines.setdefault(path, line)
            path = (*path, count - 1)
        self.lines[path] = line
        return path

    def _current(self, parts: list[str]) -> KeyPath:
        """A header's names with the index of the newest element after each array of tables."""
        path: KeyPath = ()
        for part in parts:
            path = (*path, part)
            if path in self._counts:
                path = (*path, self._counts[path] - 1)
        return path

    def _key(self) -> list[str]:
        """A dotted key; stops at `=` or `]`."""
        parts = []
        while True:
            self._skip_blank()
            for pattern in (_BARE_KEY, _BASIC_STRING, _LITERAL_STRING):
                if match := pattern.match(self.text, self.at):
                    parts.append(_unquoted(match.group()))
                    self.at = match.end()
                    break
            self._skip_blank()
            if not self.text.startswith(".", self.at):
                return parts
            self.at += 1

    def _pair(self, table: KeyPath) -> None:
        line = self._line(self.at)
        path = table
        for part in self._key():
            path = (*path, part)
            self.lines.setdefault(path, line)
        self.at = self.text.index("=", self.at) + 1
        self._value(path)

    def _value(self, path: KeyPath) -> None:
        self._skip_blank()
        start = self.text[self.at : self.at + 1]
        if start == "[":
            self._array(path)
        elif start == "{":
            self._inline_table(path)
        else:
            for pattern in (_LONG_STRING, _BASIC_STRING, _LITERAL_STRING, _PLAIN_VALUE):
                if match := pattern.match(self.text, self.at):
                    self.at = match.end()
                    return

    def _array(self, path: KeyPath) -> None:
        self.at += 1
        index = 0
        while self._skip_blank() and self.text[self.at] != "]":
            self.lines[(*path, index)] = self._line(self.at)
            self._value((*path, index))
            index += 1
            self._comma()
        self.at += 1

    def _inline_table(self, path: KeyPath) -> None:
        self.at += 1
        while self._skip_blank() and self.text[self.at] != "}":
            self._pair(path)
            self._comma()
        self.at += 1

    def _comma(self) -> None:
        if self._skip_blank() and self.text[self.at] == ",":
            self.at += 1


def _unquoted(key: str) -> str:
    return next(iter(tomllib.loads(f"{key} = 0"))) if key[0] in "\"'" else key


_PLACE = re.compile(r"\s*\(at (?:line (?P<line>\d+), column (?P<column>\d+)|end of document)\)$")

#: (what tomllib says, what stands on the line, cure); the first that fits both is told
_CURES = (
    ("", r"=\s*(?:True|False)\b", "write true and false in lower case"),
    ("Nested", "", "no setting needs so many brackets or dots"),
    ("escape|hex", r'"[^"]*\\', "write a path with backslashes in single quotes: '...'"),
    ("overwrite|twice|mutate", "", "the key or section is there twice; remove one of them"),
    ("value", r"=\s*[^\s\"'\[{]", 'put text in quotes: key = "text"'),
    ("value", r"=\s*(?:#.*)?$", "give a value after the ="),
    ("after a key", "", "write key = value"),
    ("table declaration", "", "write a section as [name] on a line of its own"),
    ("character", "[\"']", "close the quote on the same line"),
    ("Unclosed|Expected|Unterminated", "", "close the bracket or quote"),
)


def syntax_problem(file: str, text: str, error: tomllib.TOMLDecodeError) -> ConfigProblem:
    message = str(error)
    lines = text.splitlines() or [""]
    place = _PLACE.search(message)
    said = message[: place.start()] if place else message
    line = int(place["line"]) if place and place["line"] else len(lines)
    column = f", column {place['column']}" if place and place["column"] else ""
    content = lines[min(line, len(lines)) - 1]
    cure = next(
        (
            cure
            for words, pattern, cure in _CURES
            if re.search(words, said, re.I) and re.search(pattern, content)
        ),
        "correct this line",
    )
    said = said[:1].lower() + said[1:]
    return ConfigProblem(file, line, f"no valid TOML ({said}{column}); {cure}")


def read_toml(path: Path, missing: str, encoding: str = "utf-8") -> tuple[str, dict[str, Any]]:
    """The text of a file and its values. Raises ConfigError with one problem; `missing`: what to do where
    there is no such file."""
    file = str(path)
    try:
        text = read_text(path, encoding=encoding)
        try:
            return text, parse_toml(text)
        except tomllib.TOMLDecodeError as error:
            problem = syntax_problem(file, text, error)
    except FileNotFoundError:
        problem = ConfigProblem(file, None, f"there is no such file; {missing}")
    except UnicodeDecodeError as error:
        line = error.object[: error.start].count(b"\n") + 1
        problem = ConfigProblem(file, line, "is not UTF-8; save it as UTF-8")
    except OSError as error:
        reason = error.strerror or str(error)
        cure = "check the path and its rights"
        problem = ConfigProblem(file, None, f"cannot be read ({reason}); {cure}")
    raise ConfigError([problem])
