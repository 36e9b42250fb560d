"""Keeps the machine awake while a training runs: caffeinate on macOS, systemd-inhibit on Linux.

A helper in its own session, never related to the trainer; it ends with the trainer even if all our processes
are gone, and the next supervisor finds it. It may be refused (over SSH without rights, without logind): this
is reported, and nothing else changes.
"""

from __future__ import annotations

import contextlib
import os
import select
import shutil
import signal
import subprocess
import sys
import time
from dataclasses import dataclass, field
from pathlib import PurePath

import psutil

from runner.process.awake_child import HELD, started
from runner.process.spawn import in_wsl, standalone_command, start_detached

WHO = "plasma-tui"
WHY = "a training runs"
#: how long to wait for a refusal
PATIENCE_S = 2.0
_SAME_PROCESS_S = 1.0


@dataclass(slots=True)
class Awake:
    """`words`: what keeps the machine awake, or why nothing does; `held`: is it kept awake? `release` is for
    an ended training; a supervisor that exits earlier leaves the helper running."""

    words: str
    held: bool = False
    _helper: psutil.Process | None = None
    _child: subprocess.Popen[bytes] | None = field(default=None, repr=False)

    def release(self) -> None:
        """Let the machine sleep again. The helper ends by itself too; may be called twice."""
        helper, child = self._helper, self._child
        self._helper, self._child, self.held = None, None, False
        if helper is not None:
            # psutil checks that it is still the same process before signalling
            with contextlib.suppress(psutil.Error):
                if helper.is_running():
                    _end(helper.pid)
        if child is not None:
            if child.poll() is None:
                _end(child.pid)
            with contextlib.suppress(subprocess.TimeoutExpired):
                child.wait(PATIENCE_S)


def _end(leader: int) -> None:
    """SIGTERM to a helper and what it runs: to its group, if it leads one, as all our helpers do."""
    with contextlib.suppress(OSError):
        if os.getpgid(leader) == leader:
            os.killpg(leader, signal.SIGTERM)


def stay_awake(pid: int, created_at: float, system: str = sys.platform) -> Awake:
    """Keep the machine awake until the process ends. `created_at`: its create time (psutil), Unix seconds.
    Idempotent: an earlier helper is reused. Blocks for up to `PATIENCE_S` (usually a few hundredths of a
    second), so call it in a thread. Raises nothing."""
    hold = {"darwin": _caffeinate, "linux": _inhibit}.get(system)
    try:
        if abs(psutil.Process(pid).create_time() - created_at) > _SAME_PROCESS_S:
            return _not("the training has ended")
        return hold(pid) if hold is not None else _not("unsupported system")
    except psutil.Error:
        return _not("the training has ended")
    except (OSError, subprocess.SubprocessError) as error:
        return _not(str(error))


def _not(why: str) -> Awake:
    return Awake(f"not kept awake: {why}")


# ----------------------------------------------------------------- macOS


def _caffeinate(pid: int) -> Awake:
    program = shutil.which("caffeinate")
    if program is None:
        return _not("caffeinate is not in PATH")
    words = "kept awake by caffeinate; a closed lid still sleeps"
    order = ["-i", "-w", str(pid)]
    if (helper := _earlier("caffeinate", order)) is not None:
        return Awake(words, True, helper)
    child = start_detached([program, *order])
    with contextlib.suppress(subprocess.TimeoutExpired):
        return _not(f"caffeinate ended with exit code {child.wait(PATIENCE_S / 10)}")
    return Awake(words, True, _child=child)


# ----------------------------------------------------------------- Linux


def _inhibit(pid: int) -> Awake:
    if in_wsl():
        return _not("Windows decides when this machine sleeps")
    program = shutil.which("systemd-inhibit")
    if program is None:
        return _not("systemd-inhibit is not in PATH")
    words = "kept awake by systemd-inhibit"
    order, who = [str(pid), started(pid)], f"--who={WHO}"
    if (helper := _earlier("systemd-inhibit", order, who)) is not None:
        return Awake(words, True, helper)
    command = [
        program, "--what=sleep:idle", "--mode=block", who, f"--why={WHY}",
        *standalone_command("awake_child.py", *order),
    ]  # fmt: skip
    child = start_detached(command, subprocess.PIPE)
    said = _said(child)
    if said.startswith(HELD):
        return Awake(words, True, _child=child)
    if child.poll() is None:
        Awake(words, _child=child).release()
        return _not("systemd-inhibit does not answer")
    return _not(_reason(said) or f"systemd-inhibit ended with exit code {child.returncode}")


def _said(child: subprocess.Popen[bytes]) -> bytes:
    """Its output until it has the lock, ends or times out."""
    assert child.stdout is not None
    said, until = b"", time.monotonic() + PATIENCE_S
    descriptor = child.stdout.fileno()
    with child.stdout:
        while not said.startswith(HELD) and (left := until - time.monotonic()) > 0:
            if not select.select([descriptor], [], [], left)[0]:
                break
            more = os.read(descriptor, 4096)
            if not more:
                with contextlib.suppress(subprocess.TimeoutExpired):
                    child.wait(max(0.0, until - time.monotonic()))
                break
            said += more
    return said


def _reason(said: bytes) -> str:
    """`Failed to inhibit: Access denied` -> our own text, without colours and control characters."""
    text = "".join(c for c in said.decode("utf-8", "replace") if c.isprintable() or c == "\n")
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    last = lines[-1] if lines else ""
    if "denied" in last.lower() or "authentication" in last.lower():
        return "the system denies it to this session, as usual over SSH"
    if "bus" in last.lower() or "connect" in last.lower():
        return "systemd-logind does not respond"
    return last[:200]


# ----------------------------------------------------------------- helpers


def _earlier(name: str, order: list[str], sign: str = "") -> psutil.Process | None:
    """A live helper of the same program with the same last arguments, started by an earlier supervisor.
    `sign`: an argument that distinguishes ours from a user's. Scripts have their interpreter first."""
    for process in psutil.process_iter():
        with contextlib.suppress(psutil.Error):
            words = process.cmdline()
            if words[-len(order) :] != order or (sign and sign not in words):
                continue
            named = any(PurePath(word).name == name for word in words[:2])
            own = process.uids().real == os.getuid()
            if named and own and process.status() != psutil.STATUS_ZOMBIE:
                return process
    return None
