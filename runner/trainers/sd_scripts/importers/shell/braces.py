"""Brace expansion: `a{b,c}` and `{1..3}`. Pure."""

from __future__ import annotations

import re
from itertools import pairwise

from runner.trainers.sd_scripts.importers.shell.words import MOST_NESTED, piece

#: words of one brace expansion
MOST_ALTERNATIVES = 5_000
_RANGE = re.compile(
    r"(?:(?P<from>-?\d{1,9})\.\.(?P<to>-?\d{1,9})|(?P<a>[A-Za-z])\.\.(?P<z>[A-Za-z]))(?:\.\.(?P<step>-?\d{1,9}))?"
)


def braced(text: str) -> list[str]:
    """Brace expansion: `a{b,c}` is `ab` and `ac`, `{1..3}` is `1`, `2`, `3`. Quoted braces are not."""
    if "{" not in text or not ("," in text or ".." in text) or text.count("{") > MOST_NESTED:
        return [text]
    units: list[str] = []
    at = 0
    while at < len(text):
        kind, _, end = piece(text, at, quoted=False)
        units += text[at:end] if kind == "plain" else [text[at:end]]
        at = end
    return _alternatives(units)


def _alternatives(units: list[str]) -> list[str]:
    """Raises ValueError for too many."""
    for start, unit in enumerate(units):
        if unit != "{":
            continue
        depth, cuts = 0, [start]
        for at, one in enumerate(units[start:], start):
            depth += (one == "{") - (one == "}")
            if depth == 0 or (depth == 1 and one == ","):
                cuts.append(at)
            if depth == 0:
                break
        if depth:
            continue
        parts = [units[begin + 1 : end] for begin, end in pairwise(cuts)]
        inner = [one for part in parts for one in _alternatives(part)]
        if len(parts) == 1 and (found := _range("".join(parts[0]))):
            inner = found
        elif len(parts) == 1:
            inner = ["{" + one + "}" for one in inner]
        before, rest = "".join(units[:start]), _alternatives(units[cuts[-1] + 1 :])
        if len(inner) * len(rest) > MOST_ALTERNATIVES:
            raise ValueError(f"braces expand to more than {MOST_ALTERNATIVES} words")
        return [f"{before}{one}{end}" for one in inner for end in rest]
    return ["".join(units)]


def _range(text: str) -> list[str]:
    """`1..9..2`, `a..e`; empty for any other text."""
    match = _RANGE.fullmatch(text)
    if match is None:
        return []
    if match["a"]:
        ends, width = (ord(match["a"]), ord(match["z"])), 0
    else:
        ends = int(match["from"]), int(match["to"])
        padded = any(
            one.lstrip("-").startswith("0") and len(one) > 1 for one in match.group("from", "to")
        )
        width = max(map(len, match.group("from", "to"))) if padded else 0
    step = max(1, abs(int(match["step"] or 1))) * (1 if ends[0] <= ends[1] else -1)
    numbers = range(ends[0], ends[1] + (1 if step > 0 else -1), step)[: MOST_ALTERNATIVES + 1]
    return [chr(one) if match["a"] else f"{one:0{width}d}" for one in numbers]
