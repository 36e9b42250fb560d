"""Problems of a plasma.toml, each one sentence with file, line and fix."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class ConfigProblem:
    """`line` counts from 1; None without a line (the file itself is missing)."""

    file: str
    line: int | None
    text: str

    def __str__(self) -> str:
        place = self.file if self.line is None else f"{self.file}:{self.line}"
        return f"{place}: {self.text}"


class ConfigError(Exception):
    """All problems of one file, by line; `str()` gives one sentence each."""

    def __init__(self, problems: Iterable[ConfigProblem]) -> None:
        self.problems = tuple(sorted(problems, key=lambda p: (p.line or 0, p.text)))
        super().__init__("\n".join(map(str, self.problems)))


def nearest(name: str, known: Iterable[str]) -> str | None:
    """The known name that was probably meant; None rather than a misleading guess. Candidates: the same words
    in another spelling or order; else a name a few typos away, counted in the words that differ (none in two
    letters, one in up to five, two in up to nine, then three); else the only name that contains all its
    words.
    """
    names = sorted(set(known))
    words = _words(name)
    same = [one for one in names if _words(one) == words or _letters(one) == _letters(name)]
    if same:
        return same[0]
    near = [(found, one) for one in names if (found := _mistakes(name, one)) is not None]
    if near:
        return min(near)[1]
    longer = [one for one in names if len(words) > 1 and set(words) < set(_words(one))]
    return longer[0] if len(longer) == 1 else None


def cure_for(name: str, known: Iterable[str]) -> str:
    meant = nearest(name, known)
    return f"did you mean {meant}?" if meant else "remove it"


#: length of a name -> typos up to which the name is still clear
_MISTAKES = ((2, 0), (5, 1), (9, 2))


def _mistakes(name: str, known: str) -> int | None:
    """In the words that differ, ignoring shared ends; None: too many."""
    one, other = name.lower().split("_"), known.lower().split("_")
    for end in (0, -1):
        while one and other and one[end] == other[end]:
            del one[end], other[end]
    mine, theirs = "_".join(one), "_".join(other)
    allowed = next((limit for length, limit in _MISTAKES if len(mine) <= length), 3)
    found = distance(mine, theirs, allowed)
    return found if found <= allowed else None


def _words(name: str) -> list[str]:
    return sorted(re.split(r"[-_ .]+", name.lower()))


def _letters(name: str) -> str:
    return re.sub(r"[-_ .]+", "", name.lower())


def distance(one: str, other: str, limit: int) -> int:
    """Letters to add, drop, exchange or swap with their neighbour; anything above `limit` is limit + 1."""
    if abs(len(one) - len(other)) > limit:
        return limit + 1
    before: list[int] = []
    above = list(range(len(other) + 1))
    for i, a in enumerate(one, 1):
        row = [i]
        for j, b in enumerate(other, 1):
            cost = min(above[j] + 1, row[j - 1] + 1, above[j - 1] + (a != b))
            if i > 1 and j > 1 and a == other[j - 2] and b == one[i - 2]:
                cost = min(cost, before[j - 2] + 1)
            row.append(cost)
        if min(row) > limit:
            return limit + 1
        before, above = above, row
    return min(above[-1], limit + 1)


#: names of TOML types; a bool is also an int, so it is first
_KINDS: tuple[tuple[type, str], ...] = (
    (bool, "true or false"),
    (int, "an integer"),
    (float, "a number"),
    (str, "text"),
    (list, "a list"),
    (dict, "a table"),
)


def kind(value: object) -> str:
    """Name of the TOML type."""
    return next((words for cls, words in _KINDS if isinstance(value, cls)), "a date or time")
