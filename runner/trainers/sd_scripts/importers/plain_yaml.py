"""YAML as people write settings in it: mappings, lists and one-line values, without anchors, tags or block
texts. A reader of its own, because no package of this program reads YAML and the complete language is not
needed."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any

from runner.trainers.sd_scripts.importers.model import Number

MOST_LEVELS = 30
_KEY = re.compile(
    r"(\"[^\"]*\"|'[^']*'|[^\s#\[\]{},:'\"&*!|>%@`-][^:#]*?|--?\w[\w-]*)\s*:(?:\s+(.*))?$"
)
_WORDS: dict[str, Any] = {
    "": None, "~": None, "null": None, "true": True, "false": False, "yes": True, "no": False,
    "on": True, "off": False,
}  # fmt: skip
_Line = tuple[int, int, str]


class PlainYamlError(ValueError):
    """`line`: where the text is not a plain setting."""

    def __init__(self, line: int) -> None:
        super().__init__(f"line {line} is more YAML than settings need")
        self.line = line


def parse_yaml(text: str) -> Any:
    """Mappings, lists, texts, numbers, true and false. Raises PlainYamlError."""
    lines: list[_Line] = []
    for number, line in enumerate(text.splitlines(), start=1):
        content = _without_comment(line).rstrip()
        if content.strip() in ("", "---", "..."):
            continue
        if "\t" in content[: len(content) - len(content.lstrip())]:
            raise PlainYamlError(number)
        lines.append((number, len(content) - len(content.lstrip()), content.lstrip()))
    if not lines:
        return None
    value, end = _block(lines, 0, lines[0][1], MOST_LEVELS)
    if end < len(lines):
        raise PlainYamlError(lines[end][0])
    return value


def _without_comment(line: str) -> str:
    quote = ""
    for at, char in enumerate(line):
        if quote:
            quote = "" if char == quote else quote
        elif char in "\"'":
            quote = char
        elif char == "#" and (at == 0 or line[at - 1] in " \t"):
            return line[:at]
    return line


def _block(lines: Sequence[_Line], at: int, indent: int, levels: int) -> tuple[Any, int]:
    """The value that begins in this line, and the line after it."""
    if not levels:
        raise PlainYamlError(lines[at][0])
    if lines[at][2].startswith("- ") or lines[at][2] == "-":
        return _list(lines, at, indent, levels)
    values: dict[str, Any] = {}
    while at < len(lines) and lines[at][1] == indent and not lines[at][2].startswith("- "):
        number, _, content = lines[at]
        if not (match := _KEY.fullmatch(content)):
            raise PlainYamlError(number)
        key, text = str(_scalar(match[1], number)), match[2] or ""
        at += 1
        deeper = at < len(lines) and (
            lines[at][1] > indent or (lines[at][1] == indent and lines[at][2].startswith("- "))
        )
        if text or not deeper:
            values[key] = _scalar(text, number)
        else:
            values[key], at = _block(lines, at, lines[at][1], levels - 1)
    return values, at


def _list(lines: Sequence[_Line], at: int, indent: int, levels: int) -> tuple[list[Any], int]:
    items: list[Any] = []
    while at < len(lines) and lines[at][1] == indent and lines[at][2][:2] in ("- ", "-"):
        number, _, content = lines[at]
        inner = content[1:].lstrip()
        if not inner and at + 1 < len(lines) and lines[at + 1][1] > indent:
            value, at = _block(lines, at + 1, lines[at + 1][1], levels - 1)
        elif _KEY.fullmatch(inner):  # a mapping whose first key is beside the dash
            column = indent + len(content) - len(inner)
            end = at + 1
            while end < len(lines) and lines[end][1] > indent:
                end += 1
            nested = [(number, column, inner), *lines[at + 1 : end]]
            value, read = _block(nested, 0, column, levels - 1)
            if read < len(nested):
                raise PlainYamlError(nested[read][0])
            at = end
        else:
            value, at = _scalar(inner, number), at + 1
        items.append(value)
    return items, at


def _scalar(text: str, line: int) -> Any:
    text = text.strip()
    if text[:1] == "[" and text[-1:] == "]":
        inner = text[1:-1].strip()
        return [_scalar(item, line) for item in inner.split(",")] if inner else []
    if text[:1] in ('"', "'"):
        if len(text) < 2 or text[-1] != text[0]:
            raise PlainYamlError(line)
        return text[1:-1]
    if text[:1] and (text[0] in "&*!|>%@`{[" or text.startswith("- ")):
        raise PlainYamlError(line)
    if text.lower() in _WORDS:
        return _WORDS[text.lower()]
    if re.fullmatch(r"[-+]?\d{1,18}", text):
        return int(text)
    return Number(text) if re.fullmatch(r"[-+]?(\d+\.\d*|\.?\d+)(e[-+]?\d+)?", text, re.I) else text
