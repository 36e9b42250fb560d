"""What a run, its outcome, its phase and an alarm can be."""

from __future__ import annotations

from enum import StrEnum

#: of every file of the run folder
SCHEMA = 1


class RunState(StrEnum):
    """Where a run stands. `LOST` is only ever a reader's verdict."""

    STARTING = "starting"
    RUNNING = "running"
    STOPPING = "stopping"
    ENDED = "ended"
    LOST = "lost"


class Outcome(StrEnum):
    """How an ended run ended; never taken from the exit code alone."""

    SUCCEEDED = "succeeded"
    DIVERGED = "diverged"
    NOTHING_TRAINED = "nothing_trained"
    FAILED = "failed"
    STOPPED = "stopped"
    KILLED = "killed"


class Phase(StrEnum):
    """What the trainer is doing, as far as its console tells."""

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


class AlarmKind(StrEnum):
    """What the guard looks for while a training runs."""

    NONFINITE = "nonfinite"  # the exact loss is not finite and stays so
    ONE_BAD_STEP = "one_bad_step"  # it was not, for a step or two, and is again
    DIVERGING = "diverging"  # far above what it was
    FROZEN = "frozen"  # the same number step after step
    STALLED = "stalled"  # no step, far longer than this phase takes
    SLOW = "slow"  # steps take longer than this run's own
    WRONG_DEVICE = "wrong_device"  # it trains on the CPU of a machine with a GPU
    GPU_IDLE = "gpu_idle"  # it should train on the GPU, and the GPU does nothing
    MEMORY_LOW = "memory_low"  # near the edge: swap grows, pressure, the OOM killer
    GPU_MEMORY_LOW = "gpu_memory_low"  # near the card's limit, or spilling over it
    DISK_LOW = "disk_low"  # the next saves will not fit
    GPU_TROUBLE = "gpu_trouble"  # lost, restarted, wrong driver
