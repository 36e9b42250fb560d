"""Is a process of ours alive? Never by pid alone: pids are reused, zombies linger."""

from __future__ import annotations

import contextlib
import fcntl
import os
import time
from pathlib import Path

from runner.files.private import open_lock
from runner.store.rundir import RunDir


def lock_held(path: Path) -> bool:
    """True while a supervisor is alive: the kernel frees its flock when it ends. Does not keep the lock."""
    try:
        fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW | os.O_NONBLOCK)
    except OSError:
        return False
    try:
        fcntl.flock(fd, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except OSError:
        return True
    finally:
        os.close(fd)
    return False


def take_lock(path: Path) -> int | None:
    """The file descriptor that holds the lock, or None if another process has it."""
    fd = open_lock(path)
    # a reader's check holds a shared lock for a few microseconds: try more than once
    for _ in range(20):
        try:
            fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            time.sleep(0.02)
        else:
            return fd
    os.close(fd)
    return None


def keep_lock(path: Path, fd: int) -> bool:
    """True if the inherited `fd` holds the lock `path`; no child of this process inherits it further."""
    try:
        if not os.path.samestat(os.fstat(fd), path.stat()):
            return False
        fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        os.set_inheritable(fd, False)
    except OSError:
        return False
    return True


class HeldLock:
    """The lock of a living supervisor. A lock file that another program deletes or replaces is taken again: a
    lock that cannot be found is no lock."""

    def __init__(self, path: Path, fd: int) -> None:
        self._path, self._fd = path, fd

    @property
    def fd(self) -> int:
        return self._fd

    @property
    def is_held(self) -> bool:
        """False: the lock file is another one, and another process has locked that."""
        with contextlib.suppress(OSError):
            if not os.path.samestat(os.fstat(self._fd), self._path.stat()):
                return not lock_held(self._path)
        return True

    def hold(self) -> None:
        """Nothing to do, unless the file is another one. Its folder is never created again."""
        with contextlib.suppress(OSError):
            if os.path.samestat(os.fstat(self._fd), self._path.stat()):
                return
        with contextlib.suppress(OSError):
            there = RunDir(self._path.parent).is_there
            if there and (fd := take_lock(self._path)) is not None:
                os.close(self._fd)
                self._fd = fd


def created_at(pid: int) -> float | None:
    """When the live process with this pid was created; None if there is none (or a zombie)."""
    import psutil  # a screen on a supervised run needs it never, or long after its first frame

    try:
        process = psutil.Process(pid)
        if process.status() == psutil.STATUS_ZOMBIE:
            return None
        return process.create_time()
    except (psutil.Error, ValueError):
        return None


def same_process(pid: int | None, created: float | None) -> bool:
    """True if exactly that process is still alive. Create times differ by less than a tick."""
    if pid is None or created is None:
        return False
    found = created_at(pid)
    return found is not None and abs(found - created) < 1.0


def is_supervisor(pid: int, run_path: Path) -> bool:
    """True if `pid` is a supervisor of this run folder."""
    import psutil

    with contextlib.suppress(psutil.Error, ValueError):
        words = psutil.Process(pid).cmdline()
        if "runner.supervisor.detach" not in words[:-1]:
            return False
        at = words.index("runner.supervisor.detach")
        return os.path.realpath(words[at + 1]) == os.path.realpath(run_path)
    return False


def is_keeper(pid: int, run_path: Path, attempt: int | None = None) -> bool:
    """True if `pid` is the keeper of this run folder (and of this attempt)."""
    import psutil

    with contextlib.suppress(psutil.Error, ValueError):
        words = psutil.Process(pid).cmdline()
        if len(words) < 4 or not words[-3].endswith("keeper.py"):
            return False
        # PLASMA_HOME may be written in several ways, for example through a link
        same = os.path.realpath(words[-2]) == os.path.realpath(run_path)
        return same and attempt in (None, int(words[-1]))
    return False
