"""Cures that run a command whose output is watched and which can be broken off: filling a checkout of
sd-scripts, the submodule from the repository around it, lost files from git."""

from __future__ import annotations

import contextlib
import os
import re
import selectors
import shlex
import signal
import subprocess
import threading
from collections.abc import Sequence
from pathlib import Path

from runner.config.interpreter import run_small
from runner.preflight.cures.model import Cure, CureFailed, OnOutput

SUBMODULE = ("git", "submodule", "update", "--init", "--recursive")
CLONE = "clone kohya-ss/sd-scripts there, or correct [trainer] sd_scripts"
_LOOK_S = 0.1
_GRACE_S = 3.0


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


# ----------------------------------------------------------------- running


def shell_words(command: Sequence[str], cwd: Path) -> str:
    """As a person would type it."""
    return f"cd {shlex.quote(str(cwd))} && {shlex.join(command)}"


def stream(
    command: Sequence[str], cwd: Path, on_output: OnOutput, cancelled: threading.Event
) -> None:
    """Hand on every line as it comes (progress bars as well, which end in \\r). Raises CureFailed when it
    cannot be started, fails or is cancelled; no process of it is left then."""
    env = {**os.environ, "GIT_TERMINAL_PROMPT": "0", "GIT_ASKPASS": "true", "LC_ALL": "C.UTF-8"}
    try:
        child = subprocess.Popen(
            list(command), cwd=cwd, env=env, stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE, stderr=subprocess.STDOUT, start_new_session=True,
        )  # fmt: skip
    except OSError as error:
        raise CureFailed(f"{command[0]} cannot be started: {error.strerror or error}") from None
    lines = _Lines(on_output)
    try:
        _pump(child, lines, cancelled)
    except BaseException:
        cancelled.set()
        raise
    finally:
        _end(child, cancelled)
    if cancelled.is_set():
        raise CureFailed(f"{shlex.join(command)} was broken off")
    if child.returncode:
        said = f": {lines.last}" if lines.last else ""
        raise CureFailed(f"{shlex.join(command)} ended with code {child.returncode}{said}")


class _Lines:
    """Bytes to lines; \\r ends one as \\n does."""

    def __init__(self, on_output: OnOutput) -> None:
        self._on_output = on_output
        self._rest = b""
        self.last = ""

    def feed(self, data: bytes) -> None:
        *whole, self._rest = (self._rest + data).replace(b"\r", b"\n").split(b"\n")
        for line in whole:
            self._tell(line)

    def finish(self) -> None:
        self._tell(self._rest)
        self._rest = b""

    def _tell(self, line: bytes) -> None:
        text = line.decode("utf-8", errors="replace").strip()
        if text:
            self.last = text
            self._on_output(text)


def _pump(child: subprocess.Popen[bytes], lines: _Lines, cancelled: threading.Event) -> None:
    assert child.stdout is not None
    with selectors.DefaultSelector() as selector:
        selector.register(child.stdout, selectors.EVENT_READ)
        while not cancelled.is_set():
            if not selector.select(_LOOK_S):
                continue
            data = os.read(child.stdout.fileno(), 65536)
            if not data:
                break
            lines.feed(data)
    lines.finish()


def _end(child: subprocess.Popen[bytes], cancelled: threading.Event) -> None:
    """Wait for it, or end it with its group: git starts helpers of its own."""
    if child.stdout is not None:
        child.stdout.close()
    while not cancelled.is_set():
        try:
            child.wait(timeout=_LOOK_S)
            return
        except subprocess.TimeoutExpired:
            continue
    for number in (signal.SIGTERM, signal.SIGKILL):
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(child.pid, number)
        with contextlib.suppress(subprocess.TimeoutExpired):
            child.wait(timeout=_GRACE_S)
