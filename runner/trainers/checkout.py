"""Which trainer a run was started with: the commit of sd-scripts and the packages that matter for its states.

Read from git's own files and from the names of installed packages, without starting anything.
"""

from __future__ import annotations

from pathlib import Path

#: packages that write and read a state
PACKAGES = ("torch", "accelerate", "transformers", "diffusers", "bitsandbytes")


def trainer_versions(python: str, checkout: Path | None) -> dict[str, str]:
    """By name: `sd_scripts` (a commit) and each of PACKAGES; unknown ones are left out."""
    commit = checkout_commit(checkout) if checkout is not None else None
    found = {"sd_scripts": commit} if commit else {}
    for folder in site_packages(Path(python)):
        for name in PACKAGES:
            for entry in _glob(folder, f"{name}-*.dist-info"):
                version = entry.name[len(name) + 1 :].removesuffix(".dist-info")
                if "-" not in version:
                    found.setdefault(name, version)
    return found


def site_packages(python: Path) -> list[Path]:
    """Of the environment whose `bin` (or `Scripts`) holds this interpreter."""
    if not python.is_absolute():
        return []
    root = python.parent.parent
    found = (*_glob(root, "lib/python3*/site-packages"), *_glob(root, "Lib/site-packages"))
    return sorted(found)


def _glob(folder: Path, pattern: str) -> list[Path]:
    try:
        return list(folder.glob(pattern))
    except OSError:
        return []


def changed_versions(
    before: dict[str, str], now: dict[str, str]
) -> tuple[tuple[str, str, str], ...]:
    """(name, then, now) of those known both times that differ."""
    return tuple(
        (name, then, now[name]) for name, then in before.items() if now.get(name, then) != then
    )


def checkout_commit(folder: Path) -> str | None:
    """The commit checked out in a git work tree or submodule, read from git's own files; None if there is
    none."""
    try:
        git = folder / ".git"
        if git.is_file():  # a submodule or a work tree
            git = folder / _line(git).partition("gitdir:")[2].strip()
        head = _line(git / "HEAD")
        if not head.startswith("ref:"):
            return head or None
        ref = head.partition("ref:")[2].strip()
        shared = git / "commondir"
        common = git / _line(shared) if shared.is_file() else git
        for place in (git, common):
            if (place / ref).is_file():
                return _line(place / ref) or None
        packed = (line.partition(" ") for line in _line(common / "packed-refs").splitlines())
        return next((commit for commit, _, name in packed if name == ref), None)
    except OSError:
        return None


def _line(file: Path) -> str:
    return file.read_text("utf-8", "replace").strip()
