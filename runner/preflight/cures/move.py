"""Moving and renaming files of the user: nothing is ever deleted."""

from __future__ import annotations

import contextlib
import shutil
import threading
import time
from collections.abc import Sequence
from pathlib import Path

from runner.preflight.cures.model import Cure, CureFailed, OnOutput

_SHOWN = 8
FOLDER = "plasma-removed"


def move_cure(check: str, title: str, files: Sequence[Path], *, name: str = "") -> Cure | None:
    """Move exactly these files into a folder beside the folder they lie in, where no trainer looks."""
    if not files:
        return None
    moves = [(path, place_beside(path)) for path in dict.fromkeys(files)]
    told = [f"move {old} to {new}" for old, new in moves[:_SHOWN]]
    if len(moves) > _SHOWN:
        told.append(f"and {len(moves) - _SHOWN} more, each to the folder {FOLDER} beside its own")
    return Cure(name or check, check, title, tuple(told), _mover(moves))


def rename_cure(check: str, title: str, moves: Sequence[tuple[Path, Path]]) -> Cure | None:
    """Give files another name in the same folder."""
    if not moves:
        return None
    told = [f"rename {old} to {new.name}" for old, new in moves[:_SHOWN]]
    if len(moves) > _SHOWN:
        told.append(f"and {len(moves) - _SHOWN} more in the same way")
    return Cure(check, check, title, tuple(told), _mover(moves))


def place_beside(path: Path) -> Path:
    """Where a file goes that is taken out of its folder: beside that folder, named after it."""
    stamp = time.strftime("%Y%m%d-%H%M%S")
    folder = path.parent.parent / FOLDER / f"{path.parent.name}-{stamp}"
    return folder / path.name


def _mover(moves: Sequence[tuple[Path, Path]]) -> _Mover:
    return _Mover(tuple(moves))


class _Mover:
    """Each move for itself: what was moved before a failure or a cancel stays moved, and is told."""

    def __init__(self, moves: tuple[tuple[Path, Path], ...]) -> None:
        self._moves = moves

    def __call__(self, on_output: OnOutput, cancelled: threading.Event) -> None:
        done = 0
        for old, new in self._moves:
            if cancelled.is_set():
                raise CureFailed(f"broken off after {done} of {len(self._moves)} files")
            if not old.exists():
                continue  # gone meanwhile, which is what was wanted
            _move(old, new)
            done += 1
            on_output(f"{old} -> {new}")


def _move(old: Path, new: Path) -> None:
    """Never over another file; a change of case alone is one file under two names on a Mac."""
    same = False
    with contextlib.suppress(OSError):
        same = new.exists() and new.samefile(old)
    if new.exists() and not same:
        raise CureFailed(f"{new} is there already; look at both and remove one")
    try:
        new.parent.mkdir(parents=True, exist_ok=True)
        if same:
            step = old.with_name(f".{old.name}.plasma")
            old.rename(step)
            step.rename(new)
        else:
            shutil.move(old, new)
    except OSError as error:
        raise CureFailed(f"{old} could not be moved: {error.strerror or error}") from error
