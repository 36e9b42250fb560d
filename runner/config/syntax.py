"""A TOML syntax error as one sentence with its line and the usual cure."""

from __future__ import annotations

import re
import tomllib

from runner.config.errors import ConfigProblem

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
