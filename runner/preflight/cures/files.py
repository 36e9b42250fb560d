"""Changes, moves and renames the user's files: always reversible, nothing is ever deleted."""

from __future__ import annotations

import contextlib
import itertools
import os
import shutil
import stat
import threading
import time
from collections.abc import Mapping, Sequence
from pathlib import Path

from runner.files.atomic import first_free, replace_file
from runner.preflight.cures.model import Cure, CureFailed, OnOutput, listed

FOLDER = "plasma-removed"
_STAMP = "%Y%m%d-%H%M%S"
_MOVES_SHOWN, _CAPTIONS_SHOWN = 8, 5


def backup_name(path: Path, now: float | None = None) -> Path:
    """`plasma.toml` -> `plasma.toml.20261121-210501.bak`, or the next free name."""
    stamp = time.strftime(_STAMP, time.localtime(now))
    more = itertools.chain([""], (f"-{number}" for number in itertools.count(2)))
    return first_free(path.with_name(f"{path.name}.{stamp}{one}.bak") for one in more)


def write_file(path: Path, text: str, on_output: OnOutput, done: str = "wrote") -> None:
    """Replace the file; a copy of the old one is kept next to it. Raises OSError."""
    if path.exists():
        copy = backup_name(path)
        shutil.copy2(path, copy)
        on_output(f"the old file is kept as {copy}")
    replace_text(path, text)
    on_output(f"{done} {path}")


def replace_text(path: Path, text: str) -> None:
    """Write by rename, so that no partial file is visible; permissions and links stay. Raises OSError."""
    target = Path(os.path.realpath(path))
    mode = stat.S_IMODE(target.stat().st_mode) if target.exists() else None
    replace_file(target, text.encode(), mode=mode)


def move_cure(check: str, title: str, files: Sequence[Path]) -> Cure | None:
    """Move exactly these files to a folder next to their own, which no trainer reads."""
    moves = [(path, place_beside(path)) for path in dict.fromkeys(files)]
    lines = [f"move {old} to {new}" for old, new in moves]
    more = f"and {{}} more, each to the folder {FOLDER} next to its own"
    return _moves_cure(check, title, moves, listed(lines, _MOVES_SHOWN, more))


def rename_cure(check: str, title: str, moves: Sequence[tuple[Path, Path]]) -> Cure | None:
    """Rename files within their folder."""
    lines = [f"rename {old} to {new.name}" for old, new in moves]
    return _moves_cure(check, title, moves, listed(lines, _MOVES_SHOWN, "and {} more likewise"))


def place_beside(path: Path) -> Path:
    """The destination of removed files: next to their folder, named after it."""
    folder = f"{path.parent.name}-{time.strftime(_STAMP)}"
    return path.parent.parent / FOLDER / folder / path.name


def _moves_cure(
    check: str, title: str, moves: Sequence[tuple[Path, Path]], will_do: tuple[str, ...]
) -> Cure | None:
    """Each move separately: files moved before a failure or a cancel stay moved, and are reported."""

    def act(on_output: OnOutput, cancelled: threading.Event) -> None:
        done = 0
        for old, new in moves:
            if cancelled.is_set():
                raise CureFailed(f"cancelled after {done} of {len(moves)} files")
            if old.exists():  # else it was removed meanwhile, which is fine
                _move(old, new)
                done += 1
                on_output(f"{old} -> {new}")

    return Cure(check, check, title, will_do, act) if moves else None


def _move(old: Path, new: Path) -> None:
    """Never over another file; on a Mac a change of case only is the same file."""
    same = False
    with contextlib.suppress(OSError):
        same = new.samefile(old)
    if new.exists() and not same:
        raise CureFailed(f"{new} already exists; compare both and remove one")
    try:
        new.parent.mkdir(parents=True, exist_ok=True)
        if same:
            old = old.rename(old.with_name(f".{old.name}.plasma"))
        shutil.move(old, new)
    except OSError as error:
        raise CureFailed(f"{old} could not be moved: {error.strerror or error}") from error


def front_cure(files: Mapping[Path, str], trigger: str) -> Cure | None:
    """`files`: caption files whose first line should start with the trigger, with their separator."""
    if not files:
        return None
    lines = [f"in {path}: {trigger} first" for path in files]
    kept = f"copies of the old captions go to {place_beside(next(iter(files))).parent}"

    def act(on_output: OnOutput, cancelled: threading.Event) -> None:
        for path, separator in files.items():
            if cancelled.is_set():
                raise CureFailed("cancelled; captions changed so far stay changed")
            copy = place_beside(path)
            copy.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(path, copy)
            replace_text(path, in_front(path.read_text(encoding="utf-8"), trigger, separator))
            on_output(f"changed {path}")

    will_do = (*listed(lines, _CAPTIONS_SHOWN, "and in {} more"), kept)
    return Cure("trigger", "trigger", f"put {trigger} first", will_do, act)


def in_front(caption: str, trigger: str, separator: str = ",") -> str:
    """The trigger as the first tag of the first line, once; other lines stay."""
    first, newline, rest = caption.partition("\n")
    tags = [tag.strip() for tag in first.split(separator)]
    kept = [tag for tag in tags if tag and tag != trigger]
    return f"{separator} ".join([trigger, *kept]) + newline + rest
