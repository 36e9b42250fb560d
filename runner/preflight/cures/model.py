"""What one cure is: what it will do, in words, and the doing."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass

#: gets each line of what a cure does or what its command prints
OnOutput = Callable[[str], None]
#: does the work; raises CureFailed
Act = Callable[[OnOutput, threading.Event], None]


class CureFailed(Exception):
    """Why a cure did not work, or not to its end; one sentence with what to do."""


@dataclass(frozen=True, slots=True)
class Cure:
    """`name` is for `check --fix NAME`; `check` is the check that is looked at again afterwards;
    `will_do` holds the exact commands and changes, a line each, for a person to agree to; `changes` are those
    of settings, spelled as in `runner.analysis.diagnosis.cures`: a platform may rule them out."""

    name: str
    check: str
    title: str
    will_do: tuple[str, ...]
    act: Act
    changes: tuple[str, ...] = ()

    def apply(self, on_output: OnOutput, cancelled: threading.Event | None = None) -> None:
        """Do it. Raises CureFailed; setting `cancelled` ends what it started and raises as well."""
        try:
            self.act(on_output, cancelled or threading.Event())
        except OSError as error:
            place = f" ({error.filename})" if error.filename else ""
            raise CureFailed(f"{error.strerror or error}{place}") from error


def file_cure(
    name: str,
    check: str,
    title: str,
    will_do: Sequence[str],
    change: Callable[[OnOutput], None],
    changes: tuple[str, ...] = (),
) -> Cure:
    """A change of a file, made at once or not at all."""

    def act(on_output: OnOutput, cancelled: threading.Event) -> None:
        if cancelled.is_set():
            raise CureFailed("cancelled before anything was changed")
        change(on_output)

    return Cure(name, check, title, tuple(will_do), act, changes)


def listed(lines: Sequence[str], shown: int, more: str) -> list[str]:
    """The first of many changes; `more`: the line for the rest, with {} for how many."""
    rest = [more.format(len(lines) - shown)] if len(lines) > shown else []
    return [*lines[:shown], *rest]
