"""Reads everything a front end may know of a run from its folder, as one immutable snapshot.

A reader owns and locks nothing. It keeps offsets, works within a time budget, and shows the readable part of
a damaged folder, naming the rest.
"""

from __future__ import annotations

import math
import os
import socket
import time
from collections import deque
from dataclasses import dataclass, replace
from pathlib import Path

from runner.model import (
    SCHEMA,
    AttemptPlan,
    CheckResult,
    ExitRecord,
    HardwareSample,
    JobPhase,
    JobRecord,
    JournalEvent,
    KeeperRecord,
    Label,
    RunSnapshot,
    RunSpec,
    RunState,
    Status,
    Waiting,
)
from runner.store.jobs import (
    HEARTBEAT_LIMIT_S,
    continues,
    end_words,
    has_further,
    is_heard,
    state_by_job,
    waiting_of,
)
from runner.store.journal import ROW, readable
from runner.store.liveness import is_keeper, lock_held
from runner.store.norms import NormsTable
from runner.store.own_files import OwnFiles, as_recorded
from runner.store.queue import queued_mark
from runner.store.rundir import RunDir
from runner.store.schema import Lasting
from runner.store.series import LossFold
from runner.store.tails import Cached, ConsoleTail, JournalTail
from runner.store.unrecorded import folders_with_processes

#: status.json may still hold the verdict on an earlier attempt
LIVE = (RunState.QUEUED, RunState.STARTING, RunState.RUNNING, RunState.STOPPING)
#: grace period of a starting supervisor
START_LIMIT_S = 20.0
#: a list of many lost runs scans the processes of this machine once
PROCESSES_AGE_S = 1.0
#: the lock is not checked again for this long
LOCK_AGE_S = 0.4
#: how often a queued run's place is read
PLACE_S = 3.0
EVENTS = 500
SAMPLES = 900
SAMPLE_BYTES = 400


@dataclass(frozen=True, slots=True)
class _Preflight:
    checks: tuple[CheckResult, ...] = ()
    schema: int = SCHEMA


class RunReader:
    """Reads one run folder repeatedly."""

    def __init__(self, path: Path, *, console: bool = True, files: bool = True) -> None:
        """`files`: for an ended run, check whether its checkpoints are still its own (a stat each)."""
        self.run = run = RunDir(Path(path))
        self._files = OwnFiles(run.path) if files else None
        self._spec = Cached(run.spec, RunSpec)
        self._status = Cached(run.status, Status)
        self._exit = Cached(run.exit, ExitRecord)
        self._keeper = Cached(run.keeper, KeeperRecord)
        self._job = Cached(run.job, JobRecord)
        self._preflight = Cached(run.preflight, _Preflight)
        self._label = Cached(run.label, Label)
        self._plan = Cached(run.attempt(1), AttemptPlan)
        self._norms = NormsTable(run.norms)
        self._console = ConsoleTail(run.console) if console else None
        self._fold = LossFold()
        self._seen_events: deque[JournalEvent] = deque(maxlen=EVENTS)
        self._samples: deque[HardwareSample] = deque(maxlen=SAMPLES)
        self._steps = JournalTail(
            run.steps, ROW, lambda rows: self._fold.extend(rows), self._refold
        )
        seen, samples = self._seen_events, self._samples
        self._events = JournalTail(run.events, JournalEvent, seen.extend, seen.clear)
        self._hardware = JournalTail(run.hardware, HardwareSample, samples.extend, samples.clear)
        #: the status as read, and with its norms
        self._attached: tuple[Status, Status] | None = None
        self._place: tuple[Waiting, Waiting, float] | None = None
        self._alive, self._alive_at = False, 0.0
        #: the last heartbeat of another machine, and when its change was seen
        self._beat: tuple[float, float] | None = None

    def _refold(self) -> None:
        self._fold = LossFold()

    # ----------------------------------------------------------------- reading

    def changed(self) -> bool:
        """A few stats: is there anything to read? (Liveness is only checked by `read`.)"""
        journals = (self._steps, self._events, self._hardware)
        files = (self._status, self._preflight, self._spec, self._exit, self._label, self._job)
        console = (self._console,) if self._console is not None else ()
        return any(part.changed() for part in (*journals, *files, *console))

    def read(self, budget_s: float = 0.05) -> RunSnapshot:
        """What is known now. Long journals are read over several calls: see `read_fraction`."""
        return self._with_own_files(self._read(budget_s), budget_s)

    def _read(self, budget_s: float) -> RunSnapshot:
        deadline = time.monotonic() + budget_s
        self._read_files()
        if self._newer:
            return self._snapshot()
        self._preflight.read()
        self._label.read()
        self._events.read_values(0.05)
        if not self._hardware.offset:
            self._hardware.begin_near_end(SAMPLES * SAMPLE_BYTES)
        self._hardware.read_values(0.05)
        if self._console is not None:
            self._console.read()
        self._steps.read_values(max(0.005, deadline - time.monotonic()))
        plan = self.run.attempt(self._status.value.attempt if self._status.value else 1)
        if plan != self._plan.path:
            self._plan = Cached(plan, AttemptPlan)
        self._plan.read()
        return self._with_place(self._snapshot())

    def _with_place(self, snapshot: RunSnapshot) -> RunSnapshot:
        """A queued run with its place and expected start, a few seconds old at most."""
        status = snapshot.status
        if snapshot.state is not RunState.QUEUED or status is None or status.waiting is None:
            return snapshot
        from runner.store.queue_times import with_place

        now, known = time.monotonic(), self._place
        if known is None or known[0] != status.waiting or now - known[2] > PLACE_S:
            found = with_place(self.run, status.waiting, snapshot.read_at)
            self._place = known = (status.waiting, found, now)
        return replace(snapshot, status=replace(status, waiting=known[1]))

    def read_small(self) -> RunSnapshot:
        """State and status only, without the journals: for lists."""
        self._read_files()
        return self._snapshot()

    def _read_files(self) -> None:
        for cached in (self._spec, self._status, self._exit, self._keeper, self._job):
            cached.read()
        if self._norms.read():
            self._attached = None

    @property
    def _newer(self) -> str:
        return self._spec.newer or self._status.newer

    def _lasting(self) -> RunSpec | None:
        found = readable(self.run.spec, Lasting)
        if found is None:
            return None
        return RunSpec(
            self.run.id, found.name or self.run.id, (), found.cwd, {}, found.created_at, found.host,
            found.output_dir, found.output_name,
        )  # fmt: skip

    def read_all(self) -> RunSnapshot:
        """Read to the current end, however long it takes."""
        snapshot, before = self._read(1.0), self._steps.size + 1
        while 0 < self._steps.pending_bytes < before:
            before = self._steps.pending_bytes
            snapshot = self._read(1.0)
        return self._with_own_files(snapshot, math.inf)

    # ----------------------------------------------------------------- verdicts of the reader

    def _supervisor_alive(self, now: float) -> bool:
        if now - self._alive_at > LOCK_AGE_S:
            self._alive, self._alive_at = lock_held(self.run.lock), now
        return self._alive

    def _state(self, spec: RunSpec | None, status: Status | None, alive: bool) -> RunState:
        if self._newer:
            return RunState.RUNNING if alive or self._training_alive() else RunState.UNKNOWN
        if status is not None and status.state is RunState.UNKNOWN:
            status = replace(status, state=RunState.RUNNING)
        # with its supervisor or without: the queue replaces it
        if queued_mark(self.run) is not None:
            return RunState.QUEUED
        if status is not None and status.state is RunState.QUEUED:  # its turn has come since
            status = replace(status, state=RunState.STARTING)
        job = self._job.value
        clustered = spec is not None and not spec.engine.is_local
        if clustered and has_further(job, status):
            return RunState.STARTING if alive else state_by_job(job, None, time.time())
        if status is not None and status.state is RunState.ENDED:
            if clustered and spec is not None:
                kept = self.run.job_env.exists()
                if continues(spec, job, status, time.time(), kept=kept):
                    return RunState.STOPPING
            if not self.run.started(status.attempt + 1).exists():
                # a resume holds the lock from the moment it writes its plan
                resumed = alive and self.run.attempt(status.attempt + 1).exists()
                return RunState.STARTING if resumed else RunState.ENDED
            status = None  # it belongs to an earlier attempt: the newest has none yet
        if alive and clustered and job is not None and job.phase is JobPhase.OVER:
            return RunState.STOPPING  # the end is being evaluated here
        if alive:
            return status.state if status is not None else RunState.STARTING
        if clustered:
            return state_by_job(job, status, time.time())
        if spec is not None and spec.host != socket.gethostname():
            # another machine's lock is not visible on a shared disk: use its heartbeat
            if status is not None and self._is_heard(status):
                return status.state
            return RunState.LOST
        if self._exit_recorded(status):
            return RunState.ENDED  # ended, but without a verdict yet
        if self._training_alive():
            return status.state if status is not None else RunState.RUNNING
        # a clock that was set back since then makes a run of the past one of the future
        if status is None and spec and abs(time.time() - spec.created_at) < START_LIMIT_S:
            return RunState.STARTING
        return RunState.LOST

    def _is_heard(self, status: Status) -> bool:
        """Lately by the clock here, or by a heartbeat that came while this reader watched: the other machine's
        clock may differ."""
        now, beat_at = time.monotonic(), status.heartbeat_at
        if self._beat is None:
            self._beat = beat_at, -math.inf
        elif self._beat[0] != beat_at:
            self._beat = beat_at, now
        near = abs(time.time() - beat_at) < HEARTBEAT_LIMIT_S
        return near or now - self._beat[1] < HEARTBEAT_LIMIT_S

    def _training_alive(self) -> bool:
        """Without a supervisor: is the keeper alive, or any process that writes to console.log?"""
        keeper = self._keeper.value
        if keeper is not None and is_keeper(keeper.keeper_pid, self.run.path):
            return True
        return os.path.realpath(self.run.path) in folders_with_processes(PROCESSES_AGE_S)

    def _exit_recorded(self, status: Status | None) -> bool:
        begun = (one.attempt for one in (status, self._keeper.value) if one is not None)
        ended = self._exit.value
        return ended is not None and ended.attempt >= max(begun, default=1)

    # ----------------------------------------------------------------- the snapshot

    def _snapshot(self) -> RunSnapshot:
        now = time.time()
        spec, status = self._spec.value, self._with_norms(self._status.value)
        if self._newer:  # the other file may be of this version, but its meaning depends on both
            spec, status = self._lasting() if self._spec.newer else spec, None
        alive = self._supervisor_alive(now)
        state = self._state(spec, status, alive)
        job = self._job.value
        if job is not None and state is RunState.QUEUED:
            status = _queued(status, spec, job, now)
        elif job is not None and state is RunState.ENDED and status is not None:
            status = replace(status, reasons=(*status.reasons, *end_words(job, status)))
        steps, console = self._steps, self._console
        return RunSnapshot(
            id=self.run.id,
            path=str(self.run.path),
            read_at=now,
            state=state,
            spec=spec,
            status=status,
            outcome=status.outcome if status is not None and state not in LIVE else None,
            loss=self._fold.series(),
            hardware=self._hardware_of(status),
            preflight=self._preflight.value.checks if self._preflight.value is not None else (),
            events=tuple(self._seen_events),
            console=console.lines if console is not None else (),
            console_version=console.version if console is not None else 0,
            supervisor_alive=alive or (job is not None and is_heard(job, status, now)),
            read_fraction=min(1.0, steps.offset / steps.size) if steps.size else 1.0,
            problems=self._problems(),
            plan=self._plan.value,
            label=(self._label.value.name or "") if self._label.value is not None else "",
            newer=self._newer,
            job=job,
        )

    def _with_norms(self, status: Status | None) -> Status | None:
        """The status with details from norms.jsonl; cached, because screens read it often."""
        if status is None:
            return None
        if self._attached is None or self._attached[0] is not status:
            found = self._norms.attached(status)
            self._attached = status, as_recorded(found) if self._files is not None else found
        return self._attached[1]

    def _with_own_files(self, snapshot: RunSnapshot, budget_s: float) -> RunSnapshot:
        status, over = snapshot.status, snapshot.state in (RunState.ENDED, RunState.LOST)
        if self._files is None or not over or status is None:
            return snapshot
        return replace(snapshot, status=self._files.checked(status, snapshot.spec, budget_s))

    def _hardware_of(self, status: Status | None) -> tuple[HardwareSample, ...]:
        """The numbers of the journal, and last the newest reading with its texts."""
        newest = status.sample if status is not None else None
        if newest is None:
            return tuple(self._samples)
        return (*(one for one in self._samples if one.at < newest.at - 1.0), newest)

    def _problems(self) -> tuple[str, ...]:
        if self._newer:
            return (self._newer,)
        files = (self._spec, self._status, self._exit, self._keeper, self._preflight)
        found = [one.problem for one in files if one.problem is not None]
        if self._spec.value is None and self._spec.problem is None:
            found.append("spec.json is missing: this folder is not a complete run")
        for tail in (self._steps, self._events, self._hardware):
            if tail.bad_lines:
                found.append(f"{tail.path.name}: {tail.bad_lines} unreadable lines")
        return tuple(found)


def _queued(status: Status | None, spec: RunSpec | None, job: JobRecord, now: float) -> Status:
    """While its job waits: the supervisor that writes a status only starts with it."""
    steps = spec.forecast.steps if spec is not None and spec.forecast is not None else None
    known = status or Status(RunState.QUEUED, job.attempt, job.asked_at, total_steps=steps)
    return replace(
        known,
        state=RunState.QUEUED,
        outcome=None,
        cause=None,
        reasons=(),
        waiting=waiting_of(job, now),
    )
