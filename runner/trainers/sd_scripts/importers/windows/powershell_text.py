"""The text of a PowerShell script in pieces: quotes, brackets, statements, and its variables."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field

from runner.trainers.sd_scripts.importers.commands import from_environment
from runner.trainers.sd_scripts.importers.windows.powershell_operations import Undefined, Value

_OPEN = {"(": ")", "{": "}", "[": "]"}
#: what `end_of` knows the end of
_BEGINS = "\"'({[@$`"
VARIABLE = re.compile(r"\$(?:\{(?P<braced>[^}]*)\}|(?:(?P<scope>\w+):)?(?P<name>\w+|[?^$]))")


@dataclass(slots=True)
class Scope:
    """Names are compared without case. `here`: the script's folder; `given`: parameters that a caller has
    set."""

    here: str
    variables: dict[str, Value] = field(default_factory=dict)
    environment: dict[str, str] = field(default_factory=dict)
    given: set[str] = field(default_factory=set)

    def set(self, name: str, value: Value) -> None:
        self.variables[name.lower()] = value

    def copied(self) -> Scope:
        return Scope(self.here, dict(self.variables), self.environment, set(self.given))

    def changed_since(self, before: Scope) -> list[str]:
        old = before.variables
        return [n for n, v in self.variables.items() if n not in old or old[n] != v]

    def get(self, match: re.Match[str]) -> Value:
        name = (match["braced"] or match["name"]).lower()
        scope = (match["scope"] or "").lower()
        if name.startswith("env:"):
            scope, name = "env", name[4:]
        if scope == "env":
            return self.environment.get(name, from_environment(name.upper()))
        constants: Mapping[str, Value] = {
            "true": True, "false": False, "null": None, "psscriptroot": self.here, "pwd": ".", "args": [],
        }  # fmt: skip
        if name in constants and name not in self.variables:
            return constants[name]
        return self.variables.get(name, Undefined(name))


def end_of(text: str, at: int) -> int:
    """The end of what begins here: a text in quotes, brackets with all that they hold, or one character."""
    if text.startswith(('@"', "@'"), at):
        end = text.find(f"\n{text[at + 1]}@", at)
        return len(text) if end < 0 else end + 3
    at += text.startswith(("@(", "@{", "$("), at)
    closing = list[str]()
    while at < len(text):
        char = text[at]
        if char == "'" and closing[-1:] != ['"']:
            end = text.find("'", at + 1)
            at = len(text) if end < 0 else end + 1
        elif char == "`":
            at += 2
        elif closing[-1:] == ['"']:
            if char == '"':
                closing.pop()
            elif text.startswith("$(", at):
                closing.append(")")
                at += 1
            at += 1
        elif char == '"':
            closing.append('"')
            at += 1
        elif char in _OPEN:
            closing.append(_OPEN[char])
            at += 1
        else:
            if closing and char == closing[-1]:
                closing.pop()
            at += 1
        if not closing:
            return at
    return len(text)


def without_comments(text: str) -> str:
    """Comments as spaces; lines that a backtick continues are joined by a mark of their length."""
    result, at = list[str](), 0
    while at < len(text):
        char = text[at]
        if text.startswith("<#", at):
            end = text.find("#>", at)
            end = len(text) if end < 0 else end + 2
            result.append("\n" * text.count("\n", at, end))
        elif char == "#" and text[at - 1 : at] in ("", " ", "\t", "\n", ";", "(", "{", "}", ")"):
            end = text.find("\n", at)
            end = len(text) if end < 0 else end
        elif char in "\"'" or text.startswith(('@"', "@'"), at):
            end = end_of(text, at)
            result.append(text[at:end])
        elif char == "`":
            end = at + 2
            blank = re.compile(r"`[ \t]*\n").match(text, at)
            if blank:
                end = blank.end()
                result.append(" \x00")  # a line end that separates nothing
            else:
                result.append(text[at:end])
        else:
            end = at + 1
            result.append(char)
        at = end
    return "".join(result)


def parts_of(source: str, signs: str) -> list[str]:
    """Split at signs outside quotes and brackets."""
    parts, begun, at = list[str](), 0, 0
    while at < len(source):
        if source[at] in signs:
            parts.append(source[begun:at])
            begun = at + 1
        at = end_of(source, at) if source[at] in _BEGINS else at + 1
    rest = source[begun:]
    return [*parts, rest] if rest.strip() or parts else []


def statement_end(text: str, at: int) -> int:
    """The end of a statement: a line end or `;` outside quotes and brackets."""
    while at < len(text) and text[at] not in "\n;}":
        at = end_of(text, at) if text[at] in _BEGINS else at + 1
    return at
