"""Fixes that run a command with visible output that can be cancelled: filling a checkout of sd-scripts, its
submodule, or restoring files from git."""

from __future__ import annotations

import contextlib
import os
import re
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
    """(advice, and a fix if there is one) for a checkout in `folder` with missing files."""
    own = (folder / ".git").exists()
    if own and (names := _lost_names(folder, files)):
        command = ["git", "checkout", "HEAD", "--", *names]
        cure = _command_cure(check, "restore the missing files", command, folder)
        return cure.will_do[0], cure
    around = _submodule_of(folder)
    if around is not None:
        if not (around / ".git").exists():
            return (
                f"{around} is not a git repository (a ZIP has no submodules): clone it with git",
                None,
            )
        command = [*SUBMODULE, "--progress"]
        cure = _command_cure(check, "fetch the submodule", command, around)
        return shell_words(SUBMODULE, around), cure
    return f"git -C {shlex.quote(str(folder))} checkout -- ." if own else CLONE, None


def _submodule_of(folder: Path) -> Path | None:
    """The parent repository with the folder in .gitmodules, or one that contains the folder."""
    for parent in folder.parents:
        try:
            text = (parent / ".gitmodules").read_text(encoding="utf-8", errors="replace")
        except OSError:
            continue
        inside = folder.relative_to(parent)
        paths = re.findall(r"^\s*path\s*=\s*(\S.*?)\s*$", text, re.M)
        if any(inside.is_relative_to(path) for path in paths):
            return parent
    return None


def _lost_names(folder: Path, files: Sequence[Path]) -> list[str]:
    """Tracked files that are missing or empty; only those are safe to restore."""
    known = [str(path.relative_to(folder)) for path in files if path.is_relative_to(folder)]
    empty = [
        n for n in known if (folder / n).is_file() and _git(folder, "--error-unmatch", "--", n)
    ]
    return list(dict.fromkeys([*_git(folder, "--deleted"), *empty]))


def _git(folder: Path, *options: str) -> list[str]:
    """The names that `git ls-files` prints; none when it fails."""
    command = ["git", "-C", str(folder), "ls-files", "-z", *options]
    answer = run_small(command, env=os.environ, timeout_s=5.0)
    return [name for name in answer.output.split("\0") if name] if answer.code == 0 else []


def _command_cure(check: str, title: str, command: list[str], cwd: Path) -> Cure:
    def act(on_output: OnOutput, cancelled: threading.Event) -> None:
        stream(command, cwd, on_output, cancelled)

    return Cure(check, check, title, (shell_words(command, cwd),), act)


# ----------------------------------------------------------------- running


def shell_words(command: Sequence[str], cwd: Path) -> str:
    """As typed in a shell."""
    return f"cd {shlex.quote(str(cwd))} && {shlex.join(command)}"


def stream(
    command: Sequence[str], cwd: Path, on_output: OnOutput, cancelled: threading.Event
) -> None:
    """Report every line at once (also progress bars, which end in \\r). Raises CureFailed if it cannot be
    started, fails or is cancelled; then no process of it is left."""
    env = {**os.environ, "GIT_TERMINAL_PROMPT": "0", "GIT_ASKPASS": "true", "LC_ALL": "C.UTF-8"}
    try:
        child = subprocess.Popen(
            list(command), cwd=cwd, env=env, stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE, stderr=subprocess.STDOUT, start_new_session=True,
        )  # fmt: skip
    except OSError as error:
        raise CureFailed(f"{command[0]} cannot be started: {error.strerror or error}") from None
    watcher = threading.Thread(target=_end_when, args=(cancelled, child), daemon=True)
    watcher.start()
    try:
        last = _hand_on(child, on_output)
    except BaseException:
        cancelled.set()
        raise
    finally:
        watcher.join()
        if child.stdout is not None:
            child.stdout.close()
    if cancelled.is_set():
        raise CureFailed(f"{shlex.join(command)} was cancelled")
    if child.returncode:
        said = f": {last}" if last else ""
        raise CureFailed(f"{shlex.join(command)} failed with code {child.returncode}{said}")


def _hand_on(child: subprocess.Popen[bytes], on_output: OnOutput) -> str:
    """Until its output ends; the last line."""
    assert child.stdout is not None
    rest, last, data = b"", "", b"..."
    while data:
        data = os.read(child.stdout.fileno(), 65536)
        *lines, rest = (rest + (data or b"\n")).replace(b"\r", b"\n").split(b"\n")
        for text in filter(None, (x.decode("utf-8", errors="replace").strip() for x in lines)):
            last = text
            on_output(text)
    return last


def _end_when(cancelled: threading.Event, child: subprocess.Popen[bytes]) -> None:
    """Wait for the child; on cancel kill its process group: git starts helpers."""
    while not cancelled.wait(_LOOK_S):
        if child.poll() is not None:
            return
    for number in (signal.SIGTERM, signal.SIGKILL):
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(child.pid, number)
        with contextlib.suppress(subprocess.TimeoutExpired):
            child.wait(timeout=_GRACE_S)
