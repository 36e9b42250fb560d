"""State of a run: status.json and its records."""

from __future__ import annotations

from dataclasses import field, replace
from typing import Any

from runner.model.checkpoint import Checkpoint
from runner.model.checks import Cause
from runner.model.hardware import GpuUser, HardwareSample, HardwareUse
from runner.model.kinds import SCHEMA, AlarmKind, Outcome, Phase, RunState
from runner.model.lean import dataclass


@dataclass(frozen=True, slots=True)
class JournalEvent:
    """One line of events.jsonl. `offset`: console byte it was derived from, None if from elsewhere."""

    at: float
    kind: str
    attempt: int
    offset: int | None = None
    data: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class ExitRecord:
    """How the trainer's process ended. `code` is None when a signal ended it; both None: not observed (the
    keeper itself was killed)."""

    attempt: int
    code: int | None
    signal: int | None
    at: float
    #: exit of processes that outlived the launcher: (pid, code or -signal)
    orphans: tuple[tuple[int, int], ...] = ()


@dataclass(frozen=True, slots=True)
class KeeperRecord:
    """keeper.json: the process that runs the attempt. `console_offset`: where its bytes start in console.log;
    `launcher_exit`: set while processes of the group outlive a launcher that a signal ended."""

    attempt: int
    keeper_pid: int
    pid: int
    pgid: int
    started_at: float
    console_offset: int = 0
    launcher_exit: int | None = None


@dataclass(frozen=True, slots=True)
class AttemptStatus:
    """One launch of the trainer within a run; steps are true steps."""

    attempt: int
    started_at: float
    first_step: int | None = None
    last_step: int | None = None
    exit: ExitRecord | None = None


@dataclass(frozen=True, slots=True)
class Alarm:
    """Something the user should check. `text`: one sentence; `brief`: its first part,
    what is wrong, if there is more; `step`: the first true step it is about; `good_step`: of the newest
    checkpoint before that; `over_at`: when it ended."""

    kind: AlarmKind
    since_at: float
    text: str
    step: int | None = None
    good_step: int | None = None
    over_at: float | None = None
    brief: str = ""


@dataclass(frozen=True, slots=True)
class Waiting:
    """What a queued run waits for. `reason`: one sentence, "" while it only waits for its turn; `held`: it
    does not start before the user releases it; `expected_start_at`: Unix time, as far as known;
    `place`: in the queue of `places` runs, from 1."""

    reason: str = ""
    held: bool = False
    expected_start_at: float | None = None
    place: int | None = None
    places: int | None = None


@dataclass(frozen=True, slots=True)
class Status:
    """status.json: written by the supervisor at most once a second."""

    state: RunState
    attempt: int
    heartbeat_at: float
    phase: Phase = Phase.LAUNCHING
    phase_detail: str = ""
    phase_since: float = 0.0
    outcome: Outcome | None = None
    reasons: tuple[str, ...] = ()
    cause: Cause | None = None
    step: int = 0
    total_steps: int | None = None
    epoch: int | None = None
    epochs: int | None = None
    batches_per_epoch: int | None = None
    device: str | None = None
    loss: float | None = None
    average: float | None = None
    #: the smoothed loss at `step`, as the monitor and the summary show it
    smooth: float | None = None
    first_nonfinite_step: int | None = None
    seconds_per_step: float | None = None
    eta_s: float | None = None
    started_at: float | None = None
    ended_at: float | None = None
    trained_s: float = 0.0
    saving_since: float | None = None
    stop_after_save: bool = False
    safe_step: int = 0
    offset: int = 0
    supervisor_pid: int | None = None
    keeper_pid: int | None = None
    trainer_pid: int | None = None
    trainer_created_at: float | None = None
    pgid: int | None = None
    attempts: tuple[AttemptStatus, ...] = ()
    checkpoints: tuple[Checkpoint, ...] = ()
    warnings: int = 0
    last_warning: str | None = None
    unknown_lines: int = 0
    schema: int = SCHEMA
    alarms: tuple[Alarm, ...] = ()
    #: who requested the current or completed stop: a user's name, or "guard"
    stop_by: str | None = None
    hardware: HardwareUse = field(default_factory=HardwareUse)
    #: the newest complete reading; hardware.jsonl only has the numbers
    sample: HardwareSample | None = None
    #: what keeps the machine awake, or why nothing does
    awake: str | None = None
    #: other recent users of the GPU
    gpu_users: tuple[GpuUser, ...] = ()
    #: what the supervisor is doing, with progress: `verifying checkpoints: 12 of 100`
    evaluating: str = ""
    #: only of a queued run
    waiting: Waiting | None = None
    #: only in status.json: the folder of each checkpoint without a path
    checkpoint_folder: str = ""

    @property
    def took_s(self) -> float | None:
        """Duration of an ended run: all attempts, without the breaks between them."""
        if self.started_at is None or self.ended_at is None:
            return None
        return self.trained_s or max(0.0, self.ended_at - self.started_at)

    def __post_init__(self) -> None:
        """Called for values read from a file."""
        if not self.checkpoint_folder:
            return
        placed = (
            one if one.path else replace(one, path=f"{self.checkpoint_folder}/{one.name}")
            for one in self.checkpoints
        )
        object.__setattr__(self, "checkpoints", tuple(placed))
        object.__setattr__(self, "checkpoint_folder", "")
