"""Values of a PowerShell script: expressions and words of a command, as far as they follow from the script."""

from __future__ import annotations

import re
from dataclasses import dataclass

from runner.trainers.sd_scripts.importers.commands import (
    MOST_ITEMS,
    is_known,
    joined,
    unknown,
)
from runner.trainers.sd_scripts.importers.model import Number
from runner.trainers.sd_scripts.importers.windows.powershell_operations import (
    NUMBER,
    STATIC,
    Undefined,
    Unreadable,
    Value,
    item,
    member,
    method,
    operate,
    texts,
    truth,
)
from runner.trainers.sd_scripts.importers.windows.powershell_text import (
    VARIABLE,
    Scope,
    end_of,
    parts_of,
)

MOST_LEVELS = 10
_SPACE = re.compile(r"[\s\x00]*")
_OPERATORS = (
    re.compile(r"-(or|and|xor)\b", re.I),
    re.compile(
        r"-[ci]?(eq|ne|gt|lt|ge|le|like|notlike|match|notmatch|contains|in|join|replace|split)\b",
        re.I,
    ),
    re.compile(r"[-+](?=[\s(\"'$\d])"),
    re.compile(r"[*/%]"),
    re.compile(r"-f\b", re.I),
    re.compile(r","),
)
_ESCAPES = {"n": "\n", "t": "\t", "r": "\r", "0": "", "a": "", "b": "", "f": "", "v": ""}


def evaluate(source: str, scope: Scope, level: int = 0) -> Value:
    """What cannot be computed is an unknown text."""
    try:
        parser = _Parser(source.strip(" \t\n\x00"), scope, level)
        value = parser.expression(0)
        parser.skip()
        if parser.text.startswith("?", parser.at):
            value = parser.ternary(value)
        if parser.at < len(parser.text):
            raise Unreadable
        return value
    except (Unreadable, ValueError, ArithmeticError, IndexError):
        return unknown(source)


def condition(source: str, scope: Scope, level: int = 0) -> bool | None:
    """None if it is unknown."""
    try:
        return truth(evaluate(source, scope, level))
    except Unreadable:
        return None


def argument_words(text: str, scope: Scope) -> list[str]:
    """The words of a command up to its pipe. Raises Unreadable."""
    words, at = list[str](), 0
    while at < len(text):
        if text[at] in " \t\n\x00":
            at += 1
            continue
        if text[at] in "|;&":
            break
        end, value = _word(text, at, scope)
        raw, at = text[at:end], max(end, at + 1)
        if redirection := re.fullmatch(r"[\d*]?>>?(&\d)?.*", raw):
            if not redirection[1] and raw.endswith(">"):
                at = _word(text, at + 1, scope)[0]
            continue
        words += texts(value)
        if len(words) > MOST_ITEMS:
            raise Unreadable
    return words


def _word(text: str, at: int, scope: Scope) -> tuple[int, Value]:
    """The end of a word, and its value: a list alone is several words."""
    parts, begun = list[Value](), at
    if match := re.compile(r"@(\w+)").match(text, at):
        return match.end(), scope.variables.get(match[1].lower(), Undefined(match[1]))
    while at < len(text) and text[at] not in " \t\n\x00":
        char = text[at]
        if char in "|;" and at > begun:
            break
        if char == "`":
            parts.append(text[at + 1 : at + 2])
            at += 2
        elif char == '"':
            end = end_of(text, at)
            parts.append(_double(text[at + 1 : end - 1], scope))
            at = end
        elif char == "'":
            end = end_of(text, at)
            parts.append(text[at + 1 : end - 1].replace("''", "'"))
            at = end
        elif (
            text.startswith("$(", at) or (char == "(" and at == begun) or text.startswith("@(", at)
        ):
            end = end_of(text, at)
            parts.append(evaluate(text[at:end], scope))
            at = end
        elif match := VARIABLE.match(text, at):
            parser = _Parser(text, scope, 0)
            parser.at = match.end()
            parts.append(parser.postfix(scope.get(match)))
            at = parser.at
        else:
            parts.append(char)
            at += 1
    value = parts[0] if len(parts) == 1 else joined((joined(texts(one), " ") for one in parts), "")
    return at, value


def _double(text: str, scope: Scope, level: int = 0) -> str:
    """The inside of double quotes."""
    result, at = list[str](), 0
    while at < len(text):
        char = text[at]
        if char == "`":
            follows = text[at + 1 : at + 2]
            result.append(_ESCAPES.get(follows, follows))
            at += 2
        elif text.startswith("$(", at):
            end = end_of(text, at)
            result.append(joined(texts(evaluate(text[at:end], scope, level + 1)), " "))
            at = end
        elif match := VARIABLE.match(text, at):
            result.append(joined(texts(scope.get(match)), " "))
            at = match.end()
        else:
            result.append(char)
            at += 2 if text.startswith('""', at) else 1
    return joined(result, "")


@dataclass(slots=True)
class _Parser:
    text: str
    scope: Scope
    level: int
    at: int = 0

    def __post_init__(self) -> None:
        if self.level > MOST_LEVELS:
            raise Unreadable

    def skip(self) -> None:
        if found := _SPACE.match(self.text, self.at):
            self.at = found.end()

    def expression(self, rank: int) -> Value:
        """Operators from the weakest (`-or`) to the strongest (a comma)."""
        if rank == len(_OPERATORS):
            return self.unary()
        value = self.expression(rank + 1)
        while True:
            self.skip()
            match = _OPERATORS[rank].match(self.text, self.at)
            if match is None:
                return value
            self.at = match.end()
            self.skip()
            if match[0] == ",":
                right = self.unary()
                value = [*(value if isinstance(value, list) else [value]), right]
                if len(value) > MOST_ITEMS:
                    raise Unreadable
            else:
                name = (match[1] if match.groups() else match[0].lstrip("-") or "-").lower()
                value = operate(name, value, self.expression(rank + 1))

    def ternary(self, holds: Value) -> Value:
        """`a ? b : c`."""
        first, *others = parts_of(self.text[self.at + 1 :], ":")
        if len(others) != 1:
            raise Unreadable
        self.at = len(self.text)
        return evaluate(first if truth(holds) else others[0], self.scope, self.level + 1)

    def unary(self) -> Value:
        self.skip()
        if match := re.compile(r"-not\b|!", re.I).match(self.text, self.at):
            self.at = match.end()
            value = self.unary()
            return not truth(value)
        if self.text.startswith("-join", self.at):
            self.at += 5
            return joined(texts(self.unary()), "")
        return self.postfix(self.primary())

    def primary(self) -> Value:
        self.skip()
        text, at = self.text, self.at
        char = text[at : at + 1]
        if char == "," or not char:
            raise Unreadable
        if char in "\"'" or text.startswith(('@"', "@'"), at):
            self.at = end_of(text, at)
            here = char == "@"
            inner = (
                text[at + 2 + text[at + 2 : at + 3].count("\n") : self.at - 3]
                if here
                else text[at + 1 : self.at - 1]
            )
            single = (text[at + 1] if here else char) == "'"
            if single:
                return inner if here else inner.replace("''", "'")
            return _double(inner, self.scope, self.level)
        if text.startswith(("@(", "@{", "$("), at) or char == "(":
            self.at = end_of(text, at)
            inner = text[at + (1 if char == "(" else 2) : self.at - 1]
            if text[at : at + 2] == "@{":
                return _table(inner, self.scope, self.level)
            return self.inner(inner, many=char == "@")
        if match := VARIABLE.match(text, at):
            self.at = match.end()
            return self.scope.get(match)
        if char == "[":
            return self.of_type()
        if match := NUMBER.match(text, at):
            self.at = match.end()
            return Number(match[0])
        if match := re.compile(r"if\s*(?=\()", re.I).match(text, at):
            self.at = match.end()
            return self.chosen()
        return self.of_command()

    def inner(self, source: str, *, many: bool) -> Value:
        """The inside of `( )`, `$( )` or `@( )`."""
        parts = [one for one in parts_of(source, "\n;") if one.strip(" \t\x00,")]
        if len(parts) > MOST_ITEMS:
            raise Unreadable
        if not many:
            if len(parts) != 1:
                raise Unreadable
            return evaluate(parts[0], self.scope, self.level + 1)
        items = list[Value]()
        for part in parts:
            value = evaluate(part.strip().rstrip(","), self.scope, self.level + 1)
            items += value if isinstance(value, list) else [value]
        return items

    def of_type(self) -> Value:
        """`[type]value`, `[type]::method(...)`."""
        match = re.compile(r"\[([\w.\[\],` ]+)\]").match(self.text, self.at)
        if match is None:
            raise Unreadable
        self.at = match.end()
        name = match[1].lower().removeprefix("system.")
        method = re.compile(r"::(\w+)\s*(?=\()").match(self.text, self.at)
        if method is None:
            if self.text.startswith("::", self.at):
                raise Unreadable
            value = self.unary()
            if (
                name in ("int", "int32", "int64", "long")
                and isinstance(value, str)
                and is_known(value)
            ):
                return Number(round(float(value)))
            return str(value) if name == "string" and isinstance(value, bool) else value
        end = end_of(self.text, method.end())
        given = self.arguments(self.text[method.end() + 1 : end - 1])
        self.at = end
        if method[1].lower() == "new":
            return {} if "hashtable" in name or "dictionary" in name else []
        found = STATIC.get((name.rpartition(".")[2], method[1].lower()))
        if found is None or not all(map(is_known, given)):
            raise Unreadable
        return found(given)

    def arguments(self, source: str) -> list[Value]:
        return [evaluate(part, self.scope, self.level + 1) for part in parts_of(source, ",")]

    def chosen(self) -> Value:
        """`if (a) { b } else { c }` as a value."""
        end = end_of(self.text, self.at)
        holds = condition(self.text[self.at + 1 : end - 1], self.scope, self.level + 1)
        match = re.compile(r"[\s\x00]*(?=\{)").match(self.text, end)
        if match is None or holds is None:
            raise Unreadable
        end = end_of(self.text, match.end())
        body = self.text[match.end() + 1 : end - 1]
        other = re.compile(r"[\s\x00]*else[\s\x00]*(?=\{)", re.I).match(self.text, end)
        otherwise = ""
        if other is not None:
            end = end_of(self.text, other.end())
            otherwise = self.text[other.end() + 1 : end - 1]
        self.at = end
        taken = body if holds else otherwise
        return evaluate(taken, self.scope, self.level + 1) if taken.strip() else None

    def of_command(self) -> Value:
        """`Join-Path a b`, `New-Object ArrayList`: the only commands with a known result."""
        source = self.text[self.at :]
        words = argument_words(source, self.scope)
        self.at = len(self.text)
        if "|" in source:
            raise Unreadable
        match [words[0].lower(), *(word for word in words[1:] if word.lower() not in _OPTIONS)]:
            case ["join-path", *parts] if len(parts) > 1:
                return joined(
                    (part.strip("\\/") if at else part for at, part in enumerate(parts)), "/"
                )
            case ["new-object", name, *_]:
                return {} if "hashtable" in name.lower() else []
            case ["resolve-path" | "get-item", path]:
                return path
        raise Unreadable

    def postfix(self, value: Value) -> Value:
        """`.name`, `.Method(...)`, `[index]` directly after a value."""
        while True:
            if match := re.compile(r"\.([A-Za-z]\w*)(\()?").match(self.text, self.at):
                if match[2]:
                    end = end_of(self.text, match.end() - 1)
                    given = self.arguments(self.text[match.end() : end - 1])
                    value, self.at = method(match[1].lower(), value, given), end
                elif isinstance(value, dict | list):
                    value, self.at = member(value, match[1]), match.end()
                elif isinstance(value, str) and match[1] in ("Path", "FullName", "ProviderPath"):
                    self.at = match.end()  # of Resolve-Path or Get-Item
                else:
                    return value  # `$name.safetensors`
            elif self.text[self.at : self.at + 1] == "[" and isinstance(value, dict | list):
                end = end_of(self.text, self.at)
                key = evaluate(self.text[self.at + 1 : end - 1], self.scope, self.level + 1)
                value, self.at = item(value, key), end
            else:
                return value


_OPTIONS = ("-path", "-childpath", "-typename")


def _table(source: str, scope: Scope, level: int) -> dict[str, Value]:
    table: dict[str, Value] = {}
    for part in parts_of(source, "\n;"):
        name, sign, value = part.strip(" \t\x00").partition("=")
        if sign:
            key = (
                joined(texts(evaluate(name.strip(), scope, level + 1)), "")
                if name.strip()[:1] in "\"'$"
                else name.strip()
            )
            table[key] = evaluate(value, scope, level + 1)
    return table
