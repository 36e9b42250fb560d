"""Everything a front end may know of a run, read from its folder as one immutable snapshot.

A reader owns nothing and locks nothing. It keeps offsets, works within a time budget, and shows what
is readable of a torn or foreign folder, naming what is not.
"""

from __future__ import annotations

import os
import socket
import time
from collections import deque
from pathlib import Path

from runner.files.regular_file import open_regular
from runner.model import (
    AttemptPlan,
    CheckResult,
    ExitRecord,
    HardwareSample,
    JournalEvent,
    KeeperRecord,
    RunSnapshot,
    RunSpec,
    RunState,
    Status,
)
from runner.store.identity import without_replaced
from runner.store.journal import (
    LineTail,
    Unreadable,
    events_of,
    lines_of,
    read_json,
    step_rows,
)
from runner.store.liveness import is_keeper, lock_held
from runner.store.norms import NormsTable
from runner.store.rundir import RunDir
from runner.store.series import LossFold
from runner.store.unrecorded import folders_with_processes

#: silence after which a run on another host, whose lock cannot be seen, counts as lost
HEARTBEAT_LIMIT_S = 90.0
#: time that a starting supervisor has before it is missed
START_LIMIT_S = 20.0
#: a list of many lost runs looks at the processes of this machine once
PROCESSES_AGE_S = 1.0
CONSOLE_LINES = 2000
#: how often the files of an ended run are looked at
FILES_S = 5.0
EVENTS = 500
SAMPLES = 900


class _Cached:
    """A small file that is decoded again only when its stat has changed."""

    def __init__(self, path: Path, kind: type) -> None:
        self.path, self.kind = path, kind
        self.value: object | None = None
        self.problem: str | None = None
        self._seen: tuple[int, int, int] | None = None

    def changed(self) -> bool:
        return self._stat() != self._seen

    def _stat(self) -> tuple[int, int, int] | None:
        try:
            found = self.path.stat()
        except OSError:
            return None
        return found.st_mtime_ns, found.st_size, found.st_ino

    def read(self) -> None:
        seen = self._stat()
        if seen == self._seen and seen is not None:
            return
        self._seen = seen
        if seen is None:
            self.value, self.problem = None, None
            return
        try:
            self.value, self.problem = read_json(self.path, self.kind), None
        except Unreadable as error:
            # the last good value stays: a torn file is "not yet"
            self.problem = str(error)


class RunReader:
    """Reads one run folder again and again."""

    def __init__(self, path: Path, *, console: bool = True, files: bool = True) -> None:
        """`files`: of a run that is over, see whether its checkpoints are still its own (a stat each)."""
        self.run = RunDir(Path(path))
        self._with_console = console
        self._with_files = files
        self._checked: tuple[Status, Status, float] | None = None
        self._spec = _Cached(self.run.spec, RunSpec)
        self._status = _Cached(self.run.status, Status)
        self._exit = _Cached(self.run.exit, ExitRecord)
        self._keeper = _Cached(self.run.keeper, KeeperRecord)
        self._preflight = _Cached(self.run.preflight, dict)
        self._plans: dict[int, AttemptPlan | None] = {}
        self._with_plan = False  # a list of many runs does without
        self._steps = LineTail(self.run.steps)
        self._events = LineTail(self.run.events)
        self._hardware = LineTail(self.run.hardware)
        self._norms = NormsTable(self.run.norms)
        self._attached: tuple[Status, Status] | None = None
        self._fold = LossFold()
        self._event_list: deque[JournalEvent] = deque(maxlen=EVENTS)
        self._samples: deque[HardwareSample] = deque(maxlen=SAMPLES)
        self._console: deque[str] = deque(maxlen=CONSOLE_LINES)
        self._console_offset = -1
        self._console_inode: int | None = None
        self._console_rest = b""
        self._console_version = 0
        self._bad = {"steps.jsonl": 0, "events.jsonl": 0, "hardware.jsonl": 0}
        self._alive = False
        self._alive_at = 0.0

    # ----------------------------------------------------------------- cheap look

    def changed(self) -> bool:
        """A few stats: is there anything to read? (Liveness is looked at by `read` alone.)"""
        return (
            self._steps.changed()
            or self._steps.pending_bytes > 0
            or self._status.changed()
            or self._events.changed()
            or self._hardware.changed()
            or self._preflight.changed()
            or self._spec.changed()
            or self._exit.changed()
            or self._console_grown()
        )

    def _console_grown(self) -> bool:
        if not self._with_console:
            return False
        try:
            return self.run.console.stat().st_size != self._console_offset
        except OSError:
            return False

    # ----------------------------------------------------------------- reading

    def read(self, budget_s: float = 0.05) -> RunSnapshot:
        """What is known now. Long journals are read over several calls: see `read_fraction`."""
        deadline = time.monotonic() + budget_s
        self._read_files(self._preflight)
        self._read_events()
        self._read_hardware()
        if self._with_console:
            self._read_console()
        self._read_steps(deadline)
        self._with_plan = True
        return self._snapshot()

    def read_small(self) -> RunSnapshot:
        """State and status alone, without the journals: for lists."""
        self._read_files()
        return self._snapshot()

    def _read_files(self, *more: _Cached) -> None:
        for cached in (self._spec, self._status, self._exit, self._keeper, *more):
            cached.read()
        if self._norms.read():
            self._attached = None

    def read_all(self) -> RunSnapshot:
        """Read to the present end, however long it takes."""
        snapshot = self.read(1.0)
        while self._steps.pending_bytes > 0:
            before = self._steps.pending_bytes
            snapshot = self.read(1.0)
            if self._steps.pending_bytes >= before:
                break
        return snapshot

    def _read_steps(self, deadline: float) -> None:
        for block in self._steps.read(max(0.005, deadline - time.monotonic())):
            if self._steps.restarted:
                self._fold, self._steps.restarted = LossFold(), False
            rows, bad = step_rows(block)
            self._bad["steps.jsonl"] += bad
            self._fold.extend(rows)

    def _read_events(self) -> None:
        for block in self._events.read(0.05):
            if self._events.restarted:
                self._event_list.clear()
                self._events.restarted = False
            events, bad = events_of(block)
            self._bad["events.jsonl"] += bad
            self._event_list.extend(events)

    def _read_hardware(self) -> None:
        if not self._samples and self._hardware.offset == 0:
            _skip_to_tail(self._hardware, SAMPLES * 400)
        for block in self._hardware.read(0.05):
            samples, bad = lines_of(block, HardwareSample)
            self._bad["hardware.jsonl"] += bad
            self._samples.extend(samples)

    def _read_console(self) -> None:
        """The newest lines, bar states included; a `\\r` ends a line as well as a `\\n`."""
        try:
            with open_regular(self.run.console) as stream:
                found = os.fstat(stream.fileno())
                if found.st_ino != self._console_inode or found.st_size < self._console_offset:
                    self._console_inode, self._console_rest = found.st_ino, b""
                    self._console_offset = max(0, found.st_size - (1 << 18))
                    self._console.clear()
                if found.st_size - self._console_offset > (1 << 20):
                    self._console_offset, self._console_rest = found.st_size - (1 << 18), b""
                stream.seek(self._console_offset)
                data = stream.read(1 << 20)
        except OSError:
            return
        if not data:
            return
        self._console_offset += len(data)
        self._console_version += 1
        text = (self._console_rest + data).replace(b"\r\n", b"\n")
        *lines, rest = text.split(b"\n")
        self._console_rest = rest[-65536:]
        self._console.extend(
            line[-4096:].rsplit(b"\r", 1)[-1].decode("utf-8", "replace") for line in lines
        )

    # ----------------------------------------------------------------- verdicts of the reader

    def _supervisor_alive(self, now: float) -> bool:
        if now - self._alive_at > 0.4:
            self._alive, self._alive_at = lock_held(self.run.lock), now
        return self._alive

    def _state(self, spec: RunSpec | None, status: Status | None, alive: bool) -> RunState:
        if status is not None and status.state is RunState.ENDED:
            if not self.run.started(status.attempt + 1).exists():
                # a resume holds the lock from the moment it writes its plan
                resumed = alive and self.run.attempt(status.attempt + 1).exists()
                return RunState.STARTING if resumed else RunState.ENDED
            status = None  # it is an earlier attempt's: the newest has none yet
        if alive:
            return status.state if status is not None else RunState.STARTING
        wall = time.time()
        heartbeat = status.heartbeat_at if status is not None else 0.0
        if spec is not None and spec.host != socket.gethostname():
            # another machine's lock cannot be seen on a shared disk: its heartbeat must do
            if status is not None and abs(wall - heartbeat) < HEARTBEAT_LIMIT_S:
                return status.state
            return RunState.LOST
        if self._exit_recorded(status):
            return RunState.ENDED  # over, but nobody has judged it yet
        if self._training_alive():
            return status.state if status is not None else RunState.RUNNING
        if status is None and spec is not None and wall - spec.created_at < START_LIMIT_S:
            return RunState.STARTING
        return RunState.LOST

    def _training_alive(self) -> bool:
        """Without a supervisor: does the keeper live, or anything that writes to console.log?"""
        keeper = self._keeper.value
        if isinstance(keeper, KeeperRecord) and is_keeper(keeper.keeper_pid, self.run.path):
            return True
        return os.path.realpath(self.run.path) in folders_with_processes(PROCESSES_AGE_S)

    def _exit_recorded(self, status: Status | None) -> bool:
        ended, keeper = self._exit.value, self._keeper.value
        attempt = status.attempt if status is not None else 1
        if isinstance(keeper, KeeperRecord):
            attempt = max(attempt, keeper.attempt)
        return isinstance(ended, ExitRecord) and ended.attempt >= attempt

    def _snapshot(self) -> RunSnapshot:
        now = time.time()
        spec = self._spec.value if isinstance(self._spec.value, RunSpec) else None
        status = self._with_norms(self._status.value)
        alive = self._supervisor_alive(now)
        state = self._state(spec, status, alive)
        over = state in (RunState.ENDED, RunState.LOST)
        if self._with_files and over and spec is not None and status is not None:
            status = self._with_own_files(spec, status)
        partial = (self._console_rest.rsplit(b"\r", 1)[-1]).decode("utf-8", "replace")
        total = self._steps.size or 1
        return RunSnapshot(
            id=self.run.id,
            path=str(self.run.path),
            read_at=now,
            state=state,
            spec=spec,
            status=status,
            outcome=status.outcome if status is not None else None,
            loss=self._fold.series(),
            hardware=self._hardware_of(status),
            preflight=self._checks(),
            events=tuple(self._event_list),
            console=(*self._console, partial) if partial else tuple(self._console),
            console_version=self._console_version,
            supervisor_alive=alive,
            read_fraction=min(1.0, self._steps.offset / total) if self._steps.size else 1.0,
            problems=self._problems(),
            plan=self._plan(status.attempt if status is not None else 1),
        )

    def _with_norms(self, status: object) -> Status | None:
        """The status with all that norms.jsonl adds; put together once, for screens read it often."""
        if not isinstance(status, Status):
            return None
        if self._attached is None or self._attached[0] is not status:
            self._attached = status, self._norms.attached(status)
        return self._attached[1]

    def _with_own_files(self, spec: RunSpec, status: Status) -> Status:
        now, known = time.monotonic(), self._checked
        if known is None or known[0] is not status or now - known[2] > FILES_S:
            found = without_replaced(status, Path(spec.cwd), self.run.path)
            self._checked = known = (status, found, now)
        return known[1]

    def _hardware_of(self, status: Status | None) -> tuple[HardwareSample, ...]:
        """The numbers of the journal, and last the newest reading with its words."""
        newest = status.sample if status is not None else None
        if newest is None:
            return tuple(self._samples)
        earlier = [one for one in self._samples if one.at < newest.at - 1.0]
        return (*earlier, newest)

    def _plan(self, attempt: int) -> AttemptPlan | None:
        """What this attempt was to do; written once, so read once."""
        if not self._with_plan:
            return None
        if self._plans.get(attempt) is None:
            try:
                self._plans[attempt] = read_json(self.run.attempt(attempt), AttemptPlan)
            except Unreadable:
                self._plans[attempt] = None
        return self._plans[attempt]

    def _checks(self) -> tuple[CheckResult, ...]:
        import msgspec

        if not isinstance(self._preflight.value, dict):
            return ()
        try:
            return msgspec.convert(self._preflight.value.get("checks", ()), tuple[CheckResult, ...])
        except msgspec.ValidationError:
            return ()

    def _problems(self) -> tuple[str, ...]:
        found = [
            cached.problem
            for cached in (self._spec, self._status, self._exit, self._keeper, self._preflight)
            if cached.problem is not None
        ]
        if self._spec.value is None and self._spec.problem is None:
            found.append("spec.json is missing: this folder is no whole run")
        found += [f"{name}: {bad} unreadable lines" for name, bad in self._bad.items() if bad]
        return tuple(found)


def _skip_to_tail(tail: LineTail, keep_bytes: int) -> None:
    """Gauges of a week are not needed to show the last half hour."""
    try:
        size = tail.path.stat().st_size
    except OSError:
        return
    if size > keep_bytes:
        with tail.path.open("rb") as stream:
            stream.seek(size - keep_bytes)
            tail.offset = size - keep_bytes + len(stream.readline())
