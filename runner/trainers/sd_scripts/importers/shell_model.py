"""What shell text is made of."""

from __future__ import annotations

from dataclasses import dataclass


class ShellSyntax(Exception):
    """`str()` says what is wrong in line `line` (from 1)."""

    def __init__(self, line: int, text: str) -> None:
        super().__init__(text)
        self.line = line


@dataclass(frozen=True, slots=True)
class Text:
    text: str
    quoted: bool = False


@dataclass(frozen=True, slots=True)
class Variable:
    """`expression`: what stands between the braces of `${...}`, or the name alone."""

    expression: str
    quoted: bool = False


@dataclass(frozen=True, slots=True)
class Substitution:
    """`$(source)` or backticks; `$((source))` when `arithmetic`."""

    source: str
    quoted: bool = False
    arithmetic: bool = False


Part = Text | Variable | Substitution


@dataclass(frozen=True, slots=True)
class Word:
    """Parts that stand together without a blank. `array` holds the words of `NAME=( ... )`; the
    only part is then `NAME=` or `NAME+=`."""

    parts: tuple[Part, ...]
    line: int
    array: tuple[Word, ...] | None = None

    def plain(self) -> str | None:
        """The word when it is unquoted text alone."""
        if len(self.parts) == 1 and isinstance(part := self.parts[0], Text) and not part.quoted:
            return part.text
        return None


@dataclass(frozen=True, slots=True)
class Command:
    """`end`: the operator behind it. `redirected`: its output goes elsewhere."""

    words: tuple[Word, ...]
    line: int
    end: str = ""
    redirected: bool = False


def joined(parts: list[Part]) -> tuple[Part, ...]:
    """Neighbouring texts of the same kind as one."""
    result: list[Part] = []
    for part in parts:
        last = result[-1] if result else None
        if isinstance(part, Text) and isinstance(last, Text) and part.quoted == last.quoted:
            result[-1] = Text(last.text + part.text, part.quoted)
        else:
            result.append(part)
    return tuple(result)
