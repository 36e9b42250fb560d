"""What a run, its outcome, its phase and an alarm can be."""

from __future__ import annotations

from enum import StrEnum

#: of every file of the run folder
SCHEMA = 1


class RunState(StrEnum):
    """State of a run. `LOST` is only ever set by a reader."""

    STARTING = "starting"
    RUNNING = "running"
    STOPPING = "stopping"
    ENDED = "ended"
    LOST = "lost"


class Outcome(StrEnum):
    """How a run ended; never from the exit code alone."""

    SUCCEEDED = "succeeded"
    DIVERGED = "diverged"
    NOTHING_TRAINED = "nothing_trained"
    FAILED = "failed"
    STOPPED = "stopped"
    KILLED = "killed"


class Phase(StrEnum):
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


class AlarmKind(StrEnum):
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
