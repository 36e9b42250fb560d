"""Integer arithmetic of bash: `$(( ))`, `(( ))`, `let`. Pure but for the variables that it sets."""

from __future__ import annotations

import operator
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass

#: longer ones are not computed
MOST_CHARACTERS = 300
_TOKEN = re.compile(
    r"\s*(?:(\d+#\w+|0[xX][0-9a-fA-F]+|\d+)|\$?\{?([A-Za-z_]\w*)\}?|(\+\+|--|<<=?|>>=?|\*\*|&&|\|\||[-+*/%<>=!&|^]?=|[-+*/%<>!~&|^?:(),]))"
)
_BINARY: Mapping[str, tuple[int, Callable[[int, int], int]]] = {
    "||": (1, lambda a, b: int(bool(a or b))),
    "&&": (2, lambda a, b: int(bool(a and b))),
    "|": (3, operator.or_),
    "^": (4, operator.xor),
    "&": (5, operator.and_),
    "==": (6, lambda a, b: int(a == b)),
    "!=": (6, lambda a, b: int(a != b)),
    "<": (7, lambda a, b: int(a < b)),
    ">": (7, lambda a, b: int(a > b)),
    "<=": (7, lambda a, b: int(a <= b)),
    ">=": (7, lambda a, b: int(a >= b)),
    "<<": (8, lambda a, b: a << min(b, 63)),
    ">>": (8, lambda a, b: a >> min(b, 63)),
    "+": (9, operator.add),
    "-": (9, operator.sub),
    "*": (10, operator.mul),
    "/": (10, lambda a, b: abs(a) // abs(b) * (1 if (a < 0) == (b < 0) else -1)),
    "%": (10, lambda a, b: a - abs(a) // abs(b) * (1 if (a < 0) == (b < 0) else -1) * b),
    "**": (11, lambda a, b: a ** min(b, 64)),
}  # fmt: skip


def computed(
    text: str, value_of: Callable[[str], str | None], put: Callable[[str, int], None]
) -> int | None:
    """The value of the expression; None if it cannot be known. `value_of`: a variable, None if unknown."""
    if len(text) > MOST_CHARACTERS:
        return None
    found, at = [], 0
    text = text.strip()
    while at < len(text):
        match = _TOKEN.match(text, at)
        if match is None:
            return None
        found.append((match[1] or "", match[2] or "", match[3] or ""))
        at = match.end()
    try:
        sums = _Sum(found, value_of, put)
        result = sums.several()
        return result if sums.at == len(found) else None
    except (ValueError, ArithmeticError, LookupError, RecursionError):
        return None


@dataclass(slots=True)
class _Sum:
    """A parser by precedence that computes while it reads. Raises ValueError."""

    tokens: list[tuple[str, str, str]]
    value_of: Callable[[str], str | None]
    put: Callable[[str, int], None]
    at: int = 0

    def sign(self, ahead: int = 0) -> str:
        at = self.at + ahead
        return self.tokens[at][2] if at < len(self.tokens) else ""

    def took(self, sign: str) -> bool:
        found = self.sign() == sign
        self.at += found
        return found

    def several(self) -> int:
        result = self.choice()
        while self.took(","):
            result = self.choice()
        return result

    def choice(self) -> int:
        """`a ? b : c`, or an assignment."""
        name = self.tokens[self.at][1] if self.at < len(self.tokens) else ""
        sign = self.sign(1)
        if name and sign.endswith("=") and sign not in ("==", "!=", "<=", ">="):
            self.at += 2
            value = self.choice()
            if sign != "=":
                value = self.applied(sign[:-1], self.variable(name), value)
            self.put(name, value)
            return value
        value = self.binary(0)
        if not self.took("?"):
            return value
        first = self.choice()
        if not self.took(":"):
            raise ValueError
        second = self.choice()
        return first if value else second

    def binary(self, least: int) -> int:
        left = self.unary()
        while (sign := self.sign()) in _BINARY and _BINARY[sign][0] > least:
            self.at += 1
            rank = _BINARY[sign][0]
            left = self.applied(sign, left, self.binary(rank - (sign == "**")))
        return left

    def applied(self, sign: str, left: int, right: int) -> int:
        result = _BINARY[sign][1](left, right)
        if abs(result) >= 2**63:
            raise ValueError
        return result

    def unary(self) -> int:
        number, name, sign = self.tokens[self.at] if self.at < len(self.tokens) else ("", "", "")
        self.at += 1
        if number:
            return _number(number)
        if name:
            value = self.variable(name)
            if self.sign() in ("++", "--"):
                self.put(name, value + (1 if self.sign() == "++" else -1))
                self.at += 1
            return value
        if sign in ("++", "--") and (name := self.tokens[self.at][1]):
            self.at += 1
            value = self.variable(name) + (1 if sign == "++" else -1)
            self.put(name, value)
            return value
        if sign == "(":
            value = self.several()
            if not self.took(")"):
                raise ValueError
            return value
        if sign in ("-", "+", "!", "~"):
            value = self.unary()
            return {"-": -value, "+": value, "!": int(not value), "~": ~value}[sign]
        raise ValueError

    def variable(self, name: str) -> int:
        text = self.value_of(name)
        if text is None or len(text) > 20:
            raise ValueError
        return int(text or 0)


def _number(text: str) -> int:
    """`16`, `0x10`, `020`, `2#10000`."""
    base, sign, digits = text.partition("#")
    if sign:
        return int(digits, int(base))
    if text[:2] in ("0x", "0X"):
        return int(text, 16)
    return int(text, 8 if text.startswith("0") and len(text) > 1 else 10)
