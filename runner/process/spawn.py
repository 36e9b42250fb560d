"""How our processes start each other, the trainer's environment, and the working folder. Nothing else builds
such commands.

The environment is passed on unchanged, because the trainer inherits it: see `shell_environment`.
"""

from __future__ import annotations

import contextlib
import functools
import os
import shutil
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import BinaryIO

from runner.process.keeper import shell_environment as shell_environment
from runner.process.keeper import trainer_environment as trainer_environment

_HERE = Path(__file__).parent


def _stamp() -> tuple[int, int] | None:
    try:
        found = (_HERE / "child.py").stat()
    except OSError:
        return None
    return found.st_ino, found.st_mtime_ns


_FOUND = _stamp()


def installation_changed() -> bool:
    """Was plasma-tui updated or removed since this process started? Then what it starts is another version, or
    nothing."""
    return _stamp() != _FOUND


def module_command(module: str, *arguments: str) -> list[str]:
    """argv that runs a module of this installation, whatever the working folder and PYTHONPATH contain."""
    # -E also ignores PYTHONUTF8: file names must be decoded the same way
    utf8 = ["-X", "utf8"] if sys.flags.utf8_mode else []
    return [sys.executable, "-E", "-P", *utf8, str(_HERE / "child.py"), module, *arguments]


def standalone_command(file: str, *arguments: str) -> list[str]:
    """argv of a file of this folder that imports nothing but the standard library."""
    return [sys.executable, "-I", str(_HERE / file), *arguments]


def keeper_command(run_path: Path, attempt: int) -> list[str]:
    """argv of the trainer's parent."""
    return standalone_command("keeper.py", str(run_path), str(attempt))


def source_command(source: str) -> list[str]:
    """argv for a few lines that import an installed package."""
    return [sys.executable, "-P", "-c", source]


def start_detached(
    command: Sequence[str],
    output: int | BinaryIO = subprocess.DEVNULL,
    pass_fds: Sequence[int] = (),
) -> subprocess.Popen[bytes]:
    """Start in its own session, out of reach of terminals and signals to our group, without input, in `/`,
    with the environment of the starter's shell. Raises OSError."""
    return subprocess.Popen(
        command,
        cwd="/",
        env=shell_environment(),
        stdin=subprocess.DEVNULL,
        stdout=output,
        stderr=subprocess.STDOUT,
        start_new_session=True,
        pass_fds=pass_fds,
    )


def in_wsl() -> bool:
    """Is this Linux inside Windows, which owns the GPU and decides when the machine sleeps?"""
    return hasattr(os, "uname") and "microsoft" in os.uname().release.lower()


@functools.cache
def detachment() -> tuple[str, tuple[str, ...]]:
    """How a supervisor detaches from this login: (text for spec.json, command prefix).

    systemd-logind may kill a session's processes at logout (KillUserProcesses=yes); a user scope with
    lingering on survives that. Elsewhere a separate session is enough.
    """
    runner = shutil.which("systemd-run")
    if runner is None:
        return "own session", ()
    prefix = (runner, "--user", "--scope", "--quiet", "--collect")
    with contextlib.suppress(OSError, subprocess.SubprocessError):
        if subprocess.run([*prefix, "true"], capture_output=True, timeout=5).returncode == 0:
            return "systemd user scope", prefix
    return "own session", ()
