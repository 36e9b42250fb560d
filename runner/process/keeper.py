"""The trainer's parent. It must not die, so it does as little as possible: run one command with its output
appended to console.log, wait, and record how it ended. Standard library only; run as a file.

    python -I keeper.py RUN_DIR ATTEMPT

Why it exists: only a parent can learn an exit code, and the supervisor must be free to crash.
On Linux it is a child subreaper, so that a trainer orphaned by the death of `accelerate launch`
(which forwards no signal) becomes its child and its true exit is known too.
"""

import contextlib
import json
import math
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Mapping

PR_SET_CHILD_SUBREAPER = 36
IGNORED = ("SIGHUP", "SIGINT", "SIGTERM", "SIGQUIT", "SIGPIPE", "SIGTSTP", "SIGUSR1", "SIGUSR2")


def write_json(path: str, value: dict[str, object]) -> None:
    """Replace by rename: a reader sees the old text or the new, never a partial one."""
    temporary = f"{path}.{os.getpid()}.tmp"
    with contextlib.suppress(FileNotFoundError):
        os.unlink(temporary)  # noqa: PTH108 - a leftover; never written through if it is a link
    descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "w", encoding="utf-8") as stream:
        json.dump(value, stream)
        stream.flush()
        os.fsync(stream.fileno())
    os.replace(temporary, path)  # noqa: PTH105


def record(path: str, value: dict[str, object]) -> None:
    """The same in a run folder. Raises FileNotFoundError if the run was deleted, also if the trainer's event
    writer created its folder again."""
    names = os.listdir(os.path.dirname(path))  # noqa: PTH120
    if not any(name == "spec.json" or name.startswith("attempt-") for name in names):
        raise FileNotFoundError(path)
    write_json(path, value)


def insist(path: str, value: dict[str, object]) -> None:
    """The exit record is important: retry a full disk for a day, but not a deleted run folder."""
    for _ in range(17_280):
        try:
            record(path, value)
            return
        except FileNotFoundError:
            return
        except OSError:
            time.sleep(5)


def shell_environment() -> dict[str, str]:
    """The environment set by the starter's shell. Under the C locale Python adds LC_CTYPE at start (PEP 538);
    if the kernel shows the original environment, it is removed again."""
    environment = dict(os.environ)
    if environment.get("LC_CTYPE") in ("C.UTF-8", "C.utf8", "UTF-8"):
        with contextlib.suppress(OSError), open("/proc/self/environ", "rb") as stream:  # noqa: PTH123
            if b"\0LC_CTYPE=" not in b"\0" + stream.read():
                del environment["LC_CTYPE"]
    return environment


def trainer_environment(
    changes: "Mapping[str, str | None]", base: "Mapping[str, str] | None" = None
) -> dict[str, str]:
    """The full environment of a trainer: `base`, else that of the starter's shell, with the plan's changes;
    None removes a variable."""
    whole = {**(shell_environment() if base is None else base), **changes}
    return {name: value for name, value in whole.items() if value is not None}


def become_subreaper() -> None:
    if sys.platform == "linux":
        import ctypes

        with contextlib.suppress(OSError, AttributeError):
            ctypes.CDLL(None).prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)


def reset_signals() -> None:
    """A background shell passes on an ignored SIGINT; the trainer must react to every signal."""
    for name in (*IGNORED, "SIGCHLD"):
        signal.signal(getattr(signal, name), signal.SIG_DFL)


def stand_back(nice: int) -> None:
    """Lower the CPU priority. Never prevents a trainer from starting, and never raises the priority above the
    starter's: only root may."""
    with contextlib.suppress(OSError):
        if nice > os.getpriority(os.PRIO_PROCESS, 0):
            os.setpriority(os.PRIO_PROCESS, 0, nice)


class CannotStart(Exception):
    """One sentence for console.log."""


def launched(plan_path: str, log: int) -> "subprocess.Popen[bytes]":
    """Start the plan's command in its own session, its output appended to `log`. Raises CannotStart."""
    try:
        with open(plan_path, encoding="utf-8") as stream:  # noqa: PTH123
            plan = json.load(stream)
        command, environment = plan["command"], trainer_environment(plan["env"])
    except (OSError, ValueError, LookupError, TypeError) as error:
        raise CannotStart(f"{plan_path} is unreadable: {error}") from None
    nice = int(plan.get("nice", 0))  # absent in a plan of an earlier version

    def prepare_child() -> None:
        reset_signals()
        stand_back(nice)

    try:
        return subprocess.Popen(
            command, cwd=plan["cwd"], stdin=subprocess.DEVNULL, stdout=log, stderr=log,
            env=environment, start_new_session=True, preexec_fn=prepare_child,
        )  # fmt: skip
    except (OSError, ValueError, subprocess.SubprocessError) as error:  # ValueError: a NUL byte
        raise CannotStart(f"cannot start {command[0]}: {error}") from None


def group_alive(pgid: int) -> bool:
    try:
        os.killpg(pgid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True


def result(status: int) -> int:
    """Exit code, or the negative number of the signal."""
    return os.waitstatus_to_exitcode(status)


def wait_for_all(
    pid: int, pgid: int, on_launcher_death: Callable[[int], None], recorded: Callable[[], bool]
) -> tuple[int, float, list[list[int]]]:
    """Wait for the command; if a signal ended it, also for the rest of its process group. `recorded` writes
    the keeper record until that has succeeded."""
    ended: int | None = None
    at = 0.0
    orphans: list[list[int]] = []
    while True:
        watching = ended is not None or not recorded()
        try:
            found, status = os.waitpid(-1, os.WNOHANG if watching else 0)
        except ChildProcessError:
            found, status = 0, 0
        if found == pid:
            ended, at = result(status), time.time()
            if ended < 0 and group_alive(pgid):
                on_launcher_death(ended)
        elif found:
            orphans.append([found, result(status)])
        if ended is not None and (ended >= 0 or not group_alive(pgid)):
            return ended, at, orphans
        if watching and not found:
            time.sleep(0.2)


def main() -> int:
    run_dir, attempt = sys.argv[1], int(sys.argv[2])
    for name in IGNORED:
        signal.signal(getattr(signal, name), signal.SIG_IGN)
    exit_path = f"{run_dir}/exit.json"
    # Two supervisors may start the same attempt; the trainer must run once.
    try:
        os.close(
            os.open(
                f"{run_dir}/attempt-{attempt}.started", os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600
            )
        )
    except FileExistsError:
        return 3
    become_subreaper()
    flags = os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_NOFOLLOW
    log = os.open(f"{run_dir}/console.log", flags, 0o600)
    offset, started = os.fstat(log).st_size, time.time()
    stamp = time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(started))
    os.write(log, f"--- plasma-tui attempt {attempt} {stamp} ---\n".encode())
    try:
        child = launched(f"{run_dir}/attempt-{attempt}.json", log)
    except CannotStart as error:
        os.write(log, f"plasma-tui: {error}\n".encode("utf-8", "replace"))
        insist(exit_path, {"attempt": attempt, "code": 127, "signal": None, "at": time.time()})
        return 0
    found: dict[str, object] = {
        "attempt": attempt, "keeper_pid": os.getpid(), "pid": child.pid, "pgid": child.pid,
        "started_at": started, "console_offset": offset,
    }  # fmt: skip
    due = 0.0

    def recorded() -> bool:
        """A failure must not prevent recording the trainer's end: retried later. Supervisors can find it
        without."""
        nonlocal due
        if time.monotonic() >= due:
            try:
                record(f"{run_dir}/keeper.json", found)
            except FileNotFoundError:
                due = math.inf  # the run folder was deleted
            except OSError:
                due = time.monotonic() + 5
            else:
                due = math.inf
        return due == math.inf

    def launcher_died(code: int) -> None:
        nonlocal due
        found["launcher_exit"], due = code, 0.0
        recorded()

    code, at, orphans = wait_for_all(child.pid, child.pid, launcher_died, recorded)
    child.returncode = code  # reaped by us: Popen must not warn
    insist(exit_path, {
        "attempt": attempt, "code": code if code >= 0 else None, "signal": -code if code < 0 else None,
        "at": at, "orphans": orphans,
    })  # fmt: skip
    return 0


if __name__ == "__main__":
    sys.exit(main())
