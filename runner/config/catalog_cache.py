"""Flags of checkouts on disk, so that plasma.toml is checked without starting the trainer's python.

One file a script and state of the checkout. Everything here may be deleted at any time.
"""

from __future__ import annotations

import hashlib
import os
import tempfile
from collections.abc import Iterable
from functools import lru_cache
from pathlib import Path
from typing import Any

import msgspec

from runner.config.catalog import Flag
from runner.config.model import Trainer

#: a new number makes every remembered file unknown
FORMAT = 1
#: files kept; each is some 100 KB
KEPT = 40


class _File(msgspec.Struct):
    format: int
    script: str
    flags: tuple[Flag, ...]


def cache_folder() -> Path:
    """Under $PLASMA_HOME, else in the user's cache folder."""
    chosen = os.environ.get("PLASMA_HOME")
    if chosen:
        return Path(chosen) / "cache" / "flags"
    import platformdirs

    return Path(platformdirs.user_cache_dir("plasma-tui", appauthor=False)) / "flags"


def key_of(trainer: Trainer) -> str | None:
    """Changes with the script, the interpreter, the commit and every file that flags may come
    from (an edited checkout has the same commit); None without a script."""
    script = Path(trainer.script)
    folders = {script.parent}
    if trainer.sd_scripts is not None:
        folders |= {trainer.sd_scripts, trainer.sd_scripts / "library"}
    sources = {str(script): _stamp(script)}
    if sources[str(script)] is None:
        return None
    for folder in folders:
        sources |= _stamps(folder)
    commit = checkout_commit(trainer.sd_scripts) if trainer.sd_scripts is not None else None
    told = [FORMAT, trainer.script, trainer.python, commit, sorted(sources.items())]
    digest = hashlib.sha256(repr(told).encode()).hexdigest()[:24]
    return f"{script.stem}-{digest}"


def _stamp(file: Path) -> tuple[int, int] | None:
    try:
        found = file.stat()
    except OSError:
        return None
    return (found.st_mtime_ns, found.st_size) if found.st_size else None


def _stamps(folder: Path) -> dict[str, tuple[int, int] | None]:
    try:
        with os.scandir(folder) as entries:
            return {
                entry.path: (entry.stat().st_mtime_ns, entry.stat().st_size)
                for entry in entries
                if entry.name.endswith(".py") and entry.is_file()
            }
    except OSError:
        return {}


def checkout_commit(folder: Path) -> str | None:
    """The commit checked out in a git work tree or submodule, read from git's own files; None when
    there is none to be read."""
    try:
        git = folder / ".git"
        if git.is_file():  # a submodule or a work tree
            named = git.read_text("utf-8", "replace").partition("gitdir:")[2].strip()
            git = folder / named
        head = (git / "HEAD").read_text("utf-8", "replace").strip()
        if not head.startswith("ref:"):
            return head or None
        return _ref(git, head.partition("ref:")[2].strip())
    except OSError:
        return None


def _ref(git: Path, name: str) -> str | None:
    common = git
    if (git / "commondir").is_file():
        common = git / (git / "commondir").read_text("utf-8", "replace").strip()
    for folder in (git, common):
        if (folder / name).is_file():
            return (folder / name).read_text("utf-8", "replace").strip() or None
    packed = (common / "packed-refs").read_text("utf-8", "replace")
    for line in packed.splitlines():
        commit, _, ref = line.partition(" ")
        if ref == name:
            return commit
    return None


@lru_cache(maxsize=32)
def _read(path: str, stamp: tuple[int, int] | None) -> tuple[Flag, ...] | None:
    try:
        found = msgspec.json.decode(Path(path).read_bytes(), type=_File)
    except (OSError, msgspec.MsgspecError, UnicodeDecodeError):
        return None
    return found.flags if found.format == FORMAT and found.flags else None


def remembered(key: str) -> tuple[Flag, ...] | None:
    """The flags under this key; None when there is no whole file of them."""
    path = cache_folder() / f"{key}.json"
    stamp = _stamp(path)
    return None if stamp is None else _read(str(path), stamp)


def remember(key: str, flags: tuple[Flag, ...]) -> None:
    """Keep them, whole or not at all; a folder that cannot be written is no error."""
    folder = cache_folder()
    data = msgspec.json.encode(_File(FORMAT, key, flags))
    try:
        folder.mkdir(parents=True, exist_ok=True)
        handle, partial = tempfile.mkstemp(dir=folder, prefix=".new-")
        with os.fdopen(handle, "wb") as stream:
            stream.write(data)
        Path(partial).replace(folder / f"{key}.json")
        _prune(folder)
    except OSError:
        pass


def _prune(folder: Path) -> None:
    files = sorted(folder.glob("*.json"), key=lambda file: file.stat().st_mtime, reverse=True)
    for old in files[KEPT:]:
        old.unlink(missing_ok=True)


def read_flags(described: Iterable[dict[str, Any]]) -> tuple[Flag, ...]:
    """What `help_probe.describe` tells. Raises msgspec.ValidationError on anything else."""
    return msgspec.convert(list(described), tuple[Flag, ...])
