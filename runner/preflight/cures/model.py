"""A fix: what it will do, as text, and the action; one that only sets values is data, a `Fix`."""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

#: gets each line of a fix's report or its command's output
OnOutput = Callable[[str], None]
#: does the work; raises CureFailed
Act = Callable[[OnOutput, threading.Event], None]
#: a removed value
REMOVED = False


class CureFailed(Exception):
    """Why a fix failed or stopped early; one sentence with what to do."""


@dataclass(frozen=True, slots=True)
class Fix:
    """Values to set, `False` removes one. `where`: a section of plasma.toml (`train`, `trainer.env`), or
    `dataset`: the dataset config, wherever it is."""

    title: str
    changes: Mapping[str, Any]
    where: str = "train"

    @property
    def words(self) -> str:
        """As advice: `remove xformers, sdpa = true`."""
        place = "" if self.where in ("train", "dataset") else f"[{self.where}]"
        out = REMOVED if self.where != "dataset" else None
        words = [
            f"take {n} out" if v is out else f"{n} = {toml_text(v)}"
            for n, v in self.changes.items()
        ]
        link = " of " if out in self.changes.values() else " in "
        return ", ".join(words) + (link + place if place else "")


@dataclass(frozen=True, slots=True)
class Cure:
    """`name` is for `check --fix NAME`; `check` is the check to run again afterwards; `will_do`: the exact
    commands and changes, a line each, for the user to confirm; `changes`: of settings, spelled as in
    `runner.analysis.diagnosis.cures`: a platform may rule them out."""

    name: str
    check: str
    title: str
    will_do: tuple[str, ...]
    act: Act
    changes: tuple[str, ...] = ()

    def apply(self, on_output: OnOutput, cancelled: threading.Event | None = None) -> None:
        """Do it. Raises CureFailed; setting `cancelled` stops what it started and raises too."""
        cancelled = cancelled or threading.Event()
        if cancelled.is_set():
            raise CureFailed("cancelled before anything was changed")
        try:
            self.act(on_output, cancelled)
        except OSError as error:
            place = f" ({error.filename})" if error.filename else ""
            raise CureFailed(f"{error.strerror or error}{place}") from error


def change_text(change: tuple[str, Any]) -> str:
    """`seed = 1`, `xformers is removed`."""
    name, value = change
    return f"{name} is removed" if value is REMOVED else f"{name} = {toml_text(value)}"


def toml_text(value: Any) -> str:
    """A value as written in the file."""
    if isinstance(value, tuple):
        return f"[{', '.join(map(toml_text, value))}]"
    if isinstance(value, bool):
        return str(value).lower()
    return f'"{value}"' if isinstance(value, str) else str(value)


def listed(lines: Sequence[str], shown: int, more: str) -> tuple[str, ...]:
    """The first of many changes; `more`: the line for the rest, with {} for how many."""
    rest = [more.format(len(lines) - shown)] if len(lines) > shown else []
    return (*lines[:shown], *rest)
