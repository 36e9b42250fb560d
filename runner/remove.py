"""Removing a run: what would go, and doing it so that no moment leaves half a run in the list."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path


class RemoveRefused(Exception):
    """Why a run is not removed now; one sentence with what to do."""


@dataclass(frozen=True, slots=True)
class Removal:
    """What removing a run would take away. `goes`, `stays`: a sentence each, for a person.

    `lost`: the checkpoints that lie inside the run folder although they are no smoke test's: they need a
    word of their own (`with_checkpoints`). `refusal`: why it cannot be removed now, None if it can."""

    id: str
    name: str
    path: str
    size_bytes: int
    files: int
    goes: tuple[str, ...] = ()
    stays: tuple[str, ...] = ()
    lost: tuple[str, ...] = ()
    refusal: str | None = None


def removal_of(path: Path) -> Removal:
    """Looks only; walks the run folder, which may take a moment."""
    raise NotImplementedError


def remove_run(path: Path, *, with_checkpoints: bool = False) -> Removal:
    """Remove the run folder; says what went. Raises RemoveRefused."""
    raise NotImplementedError
