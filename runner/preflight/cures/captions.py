"""Writing the trigger word in front of captions; the old texts are kept."""

from __future__ import annotations

import shutil
import threading
from collections.abc import Mapping
from pathlib import Path

from runner.preflight.cures.files import replace_text
from runner.preflight.cures.model import Cure, CureFailed, OnOutput
from runner.preflight.cures.move import place_beside

_SHOWN = 5


def front_cure(files: Mapping[Path, str], trigger: str) -> Cure | None:
    """`files`: caption files whose first line is to begin with the trigger, with their separator."""
    if not files:
        return None
    told = [f"in {path}: {trigger} in front" for path in list(files)[:_SHOWN]]
    if len(files) > _SHOWN:
        told.append(f"and in {len(files) - _SHOWN} more")
    told.append(f"copies of the old captions go to {place_beside(next(iter(files))).parent}")

    def act(on_output: OnOutput, cancelled: threading.Event) -> None:
        for path, separator in files.items():
            if cancelled.is_set():
                raise CureFailed("broken off; the captions changed so far stay changed")
            old = path.read_text(encoding="utf-8")
            copy = place_beside(path)
            copy.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(path, copy)
            replace_text(path, in_front(old, trigger, separator))
            on_output(f"changed {path}")

    return Cure("trigger", "trigger", f"put {trigger} in front", tuple(told), act)


def in_front(caption: str, trigger: str, separator: str = ",") -> str:
    """The trigger as the first tag of the first line, there once; other lines stay."""
    first, newline, rest = caption.partition("\n")
    tags = [tag.strip() for tag in first.split(separator)]
    kept = [tag for tag in tags if tag and tag != trigger]
    return f"{separator} ".join([trigger, *kept]) + newline + rest
