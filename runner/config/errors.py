"""What can be wrong with a plasma.toml, each as one sentence that names file, line and cure."""

from __future__ import annotations

import difflib
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, slots=True)
class ConfigProblem:
    """`line` counts from 1; None when no line can be named (the file itself is missing)."""

    file: str
    line: int | None
    text: str

    def __str__(self) -> str:
        place = self.file if self.line is None else f"{self.file}:{self.line}"
        return f"{place}: {self.text}"


class ConfigError(Exception):
    """All that is wrong with one file, in the order of its lines; `str()` is a sentence each."""

    def __init__(self, problems: Iterable[ConfigProblem]) -> None:
        self.problems = tuple(sorted(problems, key=lambda p: (p.line or 0, p.text)))
        super().__init__("\n".join(map(str, self.problems)))


def one_problem(path: Path, text: str, line: int | None = None) -> ConfigError:
    return ConfigError([ConfigProblem(str(path), line, text)])


def nearest(name: str, known: Iterable[str]) -> str | None:
    """The known name that was probably meant."""
    found = difflib.get_close_matches(name, list(known), n=1, cutoff=0.6)
    return found[0] if found else None
