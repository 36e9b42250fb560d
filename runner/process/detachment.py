"""How a supervisor leaves the login that started it."""

from __future__ import annotations

import contextlib
import functools
import shutil
import subprocess


@functools.cache
def detachment() -> tuple[str, tuple[str, ...]]:
    """How a supervisor leaves this login: (words for spec.json, command prefix).

    systemd-logind may kill a session's processes at logout (KillUserProcesses=yes); a user scope with
    lingering on outlives that. Elsewhere an own session is enough.
    """
    runner = shutil.which("systemd-run")
    if runner is None:
        return "own session", ()
    prefix = (runner, "--user", "--scope", "--quiet", "--collect")
    with contextlib.suppress(OSError, subprocess.SubprocessError):
        if subprocess.run([*prefix, "true"], capture_output=True, timeout=5).returncode == 0:
            return "systemd user scope", prefix
    return "own session", ()
