"""plasma.toml as it may be kept with a run: without what `[notify]` says about where notices go.

Lines stay where they are, so that a problem of the file can still be named by its line.
"""

from __future__ import annotations

import re
import tomllib
from typing import Any

from runner.config.positions import key_lines
from runner.store.hidden import HIDDEN

#: values that tell nobody anything that could be used
_HARMLESS = frozenset(
    {"on", "bell", "terminal", "per_hour", "ntfy_priority", "ntfy_token_env", "apprise_env"}
)
_SECTION = "notify"
_KEY = re.compile(r"""^\s*(?:[\w-]+|"[^"]*"|'[^']*')(?:\s*\.\s*(?:[\w-]+|"[^"]*"|'[^']*'))*\s*=""")


def without_addresses(text: str) -> str:
    """The same TOML with `[notify]`'s addresses, commands, paths and comments hidden."""
    try:
        notify = tomllib.loads(text).get(_SECTION)
    except tomllib.TOMLDecodeError:  # a configuration is read before it is kept; to be safe
        return _cut(text)
    if not isinstance(notify, dict):
        return text
    hidden = "\n".join(_lines(text))
    return hidden if not _still_there(notify, hidden) else _cut(text)


def _lines(text: str) -> list[str]:
    lines = text.split("\n")
    marks = _marks(text)
    inside: str | None = None  # a key of [notify] whose value is being written, "" between keys
    for number, line in enumerate(lines, 1):
        if number in marks:
            inside = marks[number]
            lines[number - 1] = _hidden_line(line, inside) if inside is not None else line
        elif inside is not None and line.strip():
            lines[number - 1] = line if _is_harmless(inside, line) else f"# {HIDDEN}"
    return lines


def _marks(text: str) -> dict[int, str | None]:
    """Lines where a key or table begins: its name if it is one of [notify], "" its header, else None."""
    marks: dict[int, str | None] = {}
    for path, line in key_lines(text).items():
        if path[0] != _SECTION:
            marks.setdefault(line, None)
        elif len(path) == 1:
            marks.setdefault(line, "")
        elif len(path) == 2:
            known = marks.get(line)
            # several keys on one line (an inline table): what is not harmless decides
            if not known or known in _HARMLESS:
                marks[line] = str(path[1])
    return marks


def _is_harmless(key: str, line: str) -> bool:
    return key in _HARMLESS and "#" not in line


def _hidden_line(line: str, key: str) -> str:
    """A header keeps its name, a harmless key its value; a comment behind either is hidden."""
    if key == "":
        return line.split("#", 1)[0].rstrip()
    if _is_harmless(key, line):
        return line
    if key in _HARMLESS and "{" not in line:
        return line.split("#", 1)[0].rstrip()
    found = _KEY.match(line)
    if found is None:
        return f"# {HIDDEN}"
    if re.match(rf"\s*[\"']?{_SECTION}[\"']?\s*=", line):  # notify = { ... }
        return f'{found.group()} {{ command = "{HIDDEN}" }}'
    return f'{found.group()} "{HIDDEN}"'


def _still_there(notify: dict[str, Any], text: str) -> bool:
    """Is the text no TOML any more, or does it hold one of the values?"""
    try:
        tomllib.loads(text)
    except tomllib.TOMLDecodeError:
        return True
    words = [
        word for key, value in notify.items() if key not in _HARMLESS for word in _words(value)
    ]
    return any(len(word) > 5 and word in text for word in words)


def _words(value: Any) -> list[str]:
    if isinstance(value, list):
        return [word for item in value for word in _words(item)]
    if isinstance(value, dict):
        return [word for item in value.values() for word in _words(item)]
    return [value] if isinstance(value, str) else []


def _cut(text: str) -> str:
    """The blunt way, for a layout that was not foreseen: nothing from the first mention of it on."""
    lines = text.split("\n")
    first = next((i for i, line in enumerate(lines) if _SECTION in line), len(lines))
    return "\n".join([*lines[:first], *(f"# {HIDDEN}" for _ in lines[first:])])
