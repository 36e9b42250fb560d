"""What a run, its outcome, its phase and an alarm can be."""

from __future__ import annotations

from enum import StrEnum
from typing import Self

#: of every file of the run folder; docs/run-folder.md says when it rises
SCHEMA = 1


class _Kind(StrEnum):
    """A value that a later version added is read as `unknown`."""

    @classmethod
    def _missing_(cls, value: object) -> Self | None:
        return cls("unknown") if isinstance(value, str) else None


class RunState(_Kind):
    """State of a run. `LOST` and `UNKNOWN` (written by a newer version) are only ever set by a reader."""

    QUEUED = "queued"  # waits for a GPU, or for a cluster to start it; no trainer has been started
    STARTING = "starting"
    RUNNING = "running"
    STOPPING = "stopping"
    ENDED = "ended"
    LOST = "lost"
    UNKNOWN = "unknown"


#: of these runs no process is known to be alive
OVER = (RunState.ENDED, RunState.LOST, RunState.UNKNOWN)


class Outcome(_Kind):
    """How a run ended; never from the exit code alone."""

    SUCCEEDED = "succeeded"
    DIVERGED = "diverged"
    NOTHING_TRAINED = "nothing_trained"
    FAILED = "failed"
    STOPPED = "stopped"
    KILLED = "killed"
    UNKNOWN = "unknown"


class Phase(_Kind):
    """What the trainer is doing, according to its console."""

    LAUNCHING = "launching"
    DATASET = "preparing data"
    LOADING = "loading model"
    CACHING = "caching"
    PREPARING = "preparing"
    TRAINING = "training"
    SAVING = "saving"
    SAMPLING = "sampling"
    VALIDATING = "validating"
    FINISHED = "finished"
    UNKNOWN = "unknown"


class JobPhase(_Kind):
    """Of a job of a cluster, whatever the cluster calls it."""

    PREPARED = "prepared"  # recorded, not submitted yet, or the answer was lost
    WAITING = "waiting"
    RUNNING = "running"
    OVER = "over"
    UNKNOWN = "unknown"


class AlarmKind(_Kind):
    """What the guard watches for while a training runs."""

    NONFINITE = "nonfinite"  # the exact loss is NaN and stays NaN
    ONE_BAD_STEP = "one_bad_step"  # NaN for a step or two, then finite
    DIVERGING = "diverging"  # far above its earlier level
    FROZEN = "frozen"  # the same number step after step
    STALLED = "stalled"  # no step, far longer than this phase takes
    NOT_LOADED = "not_loaded"  # a part of the model or network silently did not load
    SLOW_START = "slow_start"  # far slower from the first step than earlier runs like it
    SLOW = "slow"  # steps take longer than this run's own
    WRONG_DEVICE = "wrong_device"  # trains on the CPU of a machine with a GPU
    GPU_IDLE = "gpu_idle"  # should train on the GPU, but the GPU is idle
    MEMORY_LOW = "memory_low"  # near the edge: swap grows, pressure, the OOM killer
    GPU_MEMORY_LOW = "gpu_memory_low"  # near the card's limit, or spilling
    DISK_LOW = "disk_low"  # the next saves will not fit
    GPU_TROUBLE = "gpu_trouble"  # lost, restarted, wrong driver
    UNKNOWN = "unknown"
