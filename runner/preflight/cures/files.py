"""Changing files of the user: never without a way back."""

from __future__ import annotations

import os
import shutil
import time
from pathlib import Path


def backup_name(path: Path, now: float | None = None) -> Path:
    """`plasma.toml` -> `plasma.toml.20261121-210501.bak`, or the next free name."""
    stamp = time.strftime("%Y%m%d-%H%M%S", time.localtime(now))
    wanted = path.with_name(f"{path.name}.{stamp}.bak")
    number = 1
    while wanted.exists():
        number += 1
        wanted = path.with_name(f"{path.name}.{stamp}-{number}.bak")
    return wanted


def back_up(path: Path) -> Path:
    """A copy beside the file. Raises OSError."""
    copy = backup_name(path)
    shutil.copy2(path, copy)
    return copy


def replace_text(path: Path, text: str) -> None:
    """Write by rename, so that nobody reads half a file; rights and links stay. Raises OSError."""
    target = Path(os.path.realpath(path))
    temporary = target.with_name(f".{target.name}.{os.getpid()}.tmp")
    try:
        temporary.write_text(text, encoding="utf-8", newline="")
        if target.exists():
            shutil.copymode(target, temporary)
        temporary.replace(target)
    finally:
        temporary.unlink(missing_ok=True)
