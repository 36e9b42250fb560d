"""Filling a checkout of sd-scripts: the submodule from the repository around it, lost files from git."""

from __future__ import annotations

import os
import re
import shlex
import threading
from collections.abc import Sequence
from pathlib import Path

from runner.config.interpreter import run_small
from runner.preflight.cures.commands import shell_words, stream
from runner.preflight.cures.model import Cure, OnOutput

SUBMODULE = ("git", "submodule", "update", "--init", "--recursive")
CLONE = "clone kohya-ss/sd-scripts there, or correct [trainer] sd_scripts"


def checkout_cure(check: str, folder: Path, files: Sequence[Path] = ()) -> tuple[str, Cure | None]:
    """(advice in words, the cure if there is one) for a checkout in `folder` that lacks files."""
    own = (folder / ".git").exists()
    if own and (names := _lost_names(folder, files)):
        command = ["git", "checkout", "HEAD", "--", *names]
        cure = _command_cure(check, "bring the lost files back", command, folder)
        return shell_words(command, folder), cure
    around = _submodule_of(folder)
    if around is not None:
        if not (around / ".git").exists():
            told = f"{around} is no git repository (a ZIP holds no submodules): clone it with git"
            return told, None
        command = [*SUBMODULE, "--progress"]
        return shell_words(SUBMODULE, around), _command_cure(
            check, "fetch the submodule", command, around
        )
    if own:
        return f"git -C {shlex.quote(str(folder))} checkout -- .", None
    return CLONE, None


def _submodule_of(folder: Path) -> Path | None:
    """The repository around it whose .gitmodules names the folder, or one that the folder lies in."""
    for parent in folder.parents:
        try:
            text = (parent / ".gitmodules").read_text(encoding="utf-8", errors="replace")
        except OSError:
            continue
        inside = folder.relative_to(parent)
        paths = [Path(path) for path in re.findall(r"^\s*path\s*=\s*(\S.*?)\s*$", text, re.M)]
        if any(inside.is_relative_to(path) for path in paths):
            return parent
    return None


def _lost_names(folder: Path, files: Sequence[Path]) -> list[str]:
    """What git knows and is not there or is empty; only that is safe to bring back."""
    known = [str(path.relative_to(folder)) for path in files if path.is_relative_to(folder)]
    empty = [name for name in known if (folder / name).is_file() and _tracked(folder, name)]
    return list(dict.fromkeys([*_deleted(folder), *empty]))


def _tracked(folder: Path, name: str) -> bool:
    command = ["git", "-C", str(folder), "ls-files", "--error-unmatch", "--", name]
    return run_small(command, env=os.environ, timeout_s=5.0).code == 0


def _deleted(folder: Path) -> list[str]:
    command = ["git", "-C", str(folder), "ls-files", "--deleted", "-z"]
    answer = run_small(command, env=os.environ, timeout_s=5.0)
    if answer.code != 0:
        return []
    return [name for name in answer.output.split("\0") if name]


def _command_cure(check: str, title: str, command: list[str], cwd: Path) -> Cure:
    def act(on_output: OnOutput, cancelled: threading.Event) -> None:
        stream(command, cwd, on_output, cancelled)

    return Cure(check, check, title, (shell_words(command, cwd),), act)
