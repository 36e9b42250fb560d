"""The processes of this machine, by psutil: all of them for the table of GPU users, in a separate thread; and
who else uses the CPU right now, from two readings a moment apart."""

from __future__ import annotations

import contextlib
import os
import threading
import time
from collections.abc import Callable, Collection, Iterator, Sequence
from dataclasses import dataclass

import psutil

from runner.hardware.programs import BESIDE, BESIDE_SCRIPTS, Process
from runner.hardware.users import Listing, User, other_users
from runner.model import GpuSample

#: listing costs about 30 ms of CPU for 110 processes
EVERY_S = 15.0
#: with many processes it runs less often: a third of a percent of a core is enough
_COST_SHARE = 300.0
#: less is noise on any machine
LEAST_PERCENT = 5.0
MOST = 5
_NAME_LENGTH = 32


def running() -> Iterator[Process]:
    """Every readable process. A Mac hides other users' command lines: only the name remains."""
    for process in psutil.process_iter():
        with contextlib.suppress(psutil.Error, OSError), process.oneshot():
            name, cwd, memory = process.name(), "", 0
            argv: tuple[str, ...] = ()
            with contextlib.suppress(psutil.AccessDenied, psutil.ZombieProcess):
                argv = tuple(process.cmdline())
            if argv:
                with contextlib.suppress(psutil.AccessDenied):
                    memory = process.memory_info().rss
            if argv and "python" in os.path.basename(argv[0]).lower():  # noqa: PTH119
                with contextlib.suppress(psutil.AccessDenied, OSError):
                    cwd = process.cwd()
            yield Process(
                process.pid, name, argv, cwd, memory, process.ppid(), process.create_time(),
                _beside(argv, cwd),
            )  # fmt: skip


def _beside(argv: Sequence[str], cwd: str) -> tuple[str, ...]:
    """Only read for the few where it matters: the folder may be on a hanging disk."""
    if not cwd or not any(word.endswith(BESIDE_SCRIPTS) for word in argv[:12]):
        return ()
    return tuple(name for name in BESIDE if os.path.exists(os.path.join(cwd, name)))  # noqa: PTH110, PTH118


def myself() -> frozenset[int]:
    """This process and its parents: the calling shell is not another user."""
    found = {os.getpid()}
    with contextlib.suppress(psutil.Error):
        found |= {parent.pid for parent in psutil.Process().parents()}
    return frozenset(found)


class UserWatch:
    """Lists the processes periodically in its own thread; `users` never waits for it."""

    def __init__(
        self,
        processes: Callable[[], Iterator[Process]] = running,
        every_s: float = EVERY_S,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._processes, self._every_s, self._clock = processes, every_s, clock
        self._listing = Listing.of(())
        self._asked_at: float | None = None
        self._thread: threading.Thread | None = None
        self._cost_s = 0.0
        #: is the first listing done?
        self.ready = threading.Event()

    def users(
        self, gpus: Sequence[GpuSample], excluded: frozenset[int] = frozenset()
    ) -> tuple[User, ...]:
        """All users except `excluded` and their children, from the newest listing and these readings."""
        self._ask()
        return other_users(self._listing, gpus, excluded)

    def _ask(self) -> None:
        now = self._clock()
        pause_s = max(self._every_s, _COST_SHARE * self._cost_s)
        due = self._asked_at is None or now - self._asked_at >= pause_s
        if due and (self._thread is None or not self._thread.is_alive()):
            self._asked_at = now
            self._thread = threading.Thread(target=self._list, name="gpu users", daemon=True)
            self._thread.start()

    def _list(self) -> None:
        with contextlib.suppress(
            Exception
        ):  # an unexpected psutil error costs one listing, never the run
            began_s = time.thread_time()
            self._listing = Listing.of(self._processes())
            self._cost_s = time.thread_time() - began_s
        self.ready.set()


# ----------------------------------------------------------------------------- the CPU


@dataclass(frozen=True, slots=True)
class Busy:
    """`cpu_percent`: 100 is one core; `name`: printable characters only."""

    pid: int
    name: str
    cpu_percent: float


def busiest(exclude_pids: Collection[int] = (), seconds: float = 1.0) -> tuple[Busy, ...]:
    """The processes that use most CPU, without `exclude_pids` and this process, busiest first.

    Takes `seconds` and about 20 ms of CPU: call it in a thread, and only if needed."""
    first, began = _cpu_times(), time.monotonic()
    time.sleep(seconds)
    second, took = _cpu_times(), time.monotonic() - began
    left_out = {os.getpid(), *exclude_pids}
    found = [
        Busy(pid, name, 100.0 * (spent - first[pid, born][1]) / max(took, 0.01))
        for (pid, born), (name, spent) in second.items()
        if pid not in left_out and (pid, born) in first
    ]
    found = [one for one in found if one.cpu_percent >= LEAST_PERCENT and _shares_cores(one.pid)]
    return tuple(sorted(found, key=lambda one: -one.cpu_percent)[:MOST])


def _shares_cores(pid: int) -> bool:
    """May it run on one of our cores? True if the system does not report it."""
    try:
        return bool(os.sched_getaffinity(pid) & os.sched_getaffinity(0))
    except (AttributeError, OSError):
        return True


def _cpu_times() -> dict[tuple[int, float], tuple[str, float]]:
    """Name and CPU seconds by process, distinguished from a reused pid by its start time."""
    found: dict[tuple[int, float], tuple[str, float]] = {}
    for process in psutil.process_iter():
        with contextlib.suppress(psutil.Error, OSError), process.oneshot():
            times = process.cpu_times()
            key = (process.pid, process.create_time())
            found[key] = (plain(process.name()), times.user + times.system)
    return found


def plain(name: str) -> str:
    """A process may have any name: unprintable characters become `?`."""
    return "".join(c if c.isprintable() else "?" for c in name[:_NAME_LENGTH]) or "?"
