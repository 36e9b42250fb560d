"""Which trainer a run was started with: the commit of sd-scripts and the packages that matter for its states.

Read from git's own files and from the names of installed packages, without starting anything.
"""

from __future__ import annotations

import re
from pathlib import Path

#: those that write and read a state
PACKAGES = ("torch", "accelerate", "transformers", "diffusers", "bitsandbytes")


def trainer_versions(python: str, checkout: Path | None) -> dict[str, str]:
    """By name: `sd_scripts` (a commit) and each of PACKAGES; what cannot be told is left out."""
    found: dict[str, str] = {}
    commit = checkout_commit(checkout) if checkout is not None else None
    if commit:
        found["sd_scripts"] = commit
    for folder in site_packages(Path(python)):
        for name in PACKAGES:
            version = _version(folder, name)
            if version is not None:
                found.setdefault(name, version)
    return found


def site_packages(python: Path) -> list[Path]:
    """Of the environment whose `bin` (or `Scripts`) holds this interpreter."""
    if not python.is_absolute():
        return []
    root = python.parent.parent
    try:
        return sorted([*root.glob("lib/python3*/site-packages"), *root.glob("Lib/site-packages")])
    except OSError:
        return []


def _version(folder: Path, name: str) -> str | None:
    pattern = re.compile(rf"{re.escape(name)}-([^-]+)\.dist-info$", re.IGNORECASE)
    try:
        names = [entry.name for entry in folder.glob(f"{name}-*.dist-info")]
    except OSError:
        return None
    return next((m[1] for one in names if (m := pattern.match(one))), None)


def changed_versions(
    before: dict[str, str], now: dict[str, str]
) -> tuple[tuple[str, str, str], ...]:
    """(name, then, now) of those known both times and not the same."""
    return tuple(
        (name, before[name], now[name])
        for name in before
        if name in now and now[name] != before[name]
    )


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
