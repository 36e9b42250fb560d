"""The whole catalogue of causes, in the order in which they are tried: the particular first."""

from __future__ import annotations

from runner.analysis.diagnosis.causes_dataset import DATASET
from runner.analysis.diagnosis.causes_device import DEVICE
from runner.analysis.diagnosis.causes_environment import ENVIRONMENT, LAUNCHER
from runner.analysis.diagnosis.causes_flags import FLAGS
from runner.analysis.diagnosis.causes_model import MODEL
from runner.analysis.diagnosis.cure_sets import NAN_FROM_FIRST_STEP, NAN_ON_THE_WAY
from runner.analysis.diagnosis.needs import CUDA
from runner.analysis.diagnosis.signs import Entry

UNKNOWN = "unknown"

#: Causes that no line of a log gives away: the judge finds them from steps, device and exit.
JUDGED = (
    Entry(
        "nan_from_first_step",
        "The loss was not a number from the first step: the VAE or the model overflows in half "
        "precision. Keep the VAE in full precision and delete cached latents (*.npz).",
        cures=NAN_FROM_FIRST_STEP,
    ),
    Entry(
        "nan_during_training",
        "The loss became not-a-number on the way and every weight after it is suspect. Go back to "
        "the last checkpoint before it and resume with a lower learning rate.",
        cures=NAN_ON_THE_WAY,
        hints=((CUDA, "If it trained in fp16, bf16 overflows less easily."),),
    ),
    Entry(
        "wrong_device",
        "The training ran on another device than it should. Look at `use_cpu` in accelerate's "
        "configuration and whether the trainer's torch sees the device at all.",
    ),
    Entry(
        "killed_by_signal",
        "A signal from outside ended the process: another program, a shutdown, a job limit or the "
        "kernel when memory ran out. Resume from the last saved state.",
    ),
    Entry(
        "stalled",
        "Nothing moved for far longer than a step takes. Stop the run and look at data loader "
        "workers, the device and other processes that use it.",
    ),
    Entry(
        UNKNOWN,
        "The cause is not in the catalogue. Read the end of the console log, the last lines "
        "before the process ended.",
    ),
)

#: The same key, when the signal was SIGKILL. The kernel sends it when memory runs out: where readings prove
#: that, the cause is host_out_of_memory.
KILLED_OUTRIGHT = Entry(
    "killed_by_signal",
    "SIGKILL ended the process. Job limits and people send it, and the kernel does when main memory runs "
    "out, of which there is no proof here. Resume from the last saved state.",
)

#: Tried in this order.
ENTRIES: tuple[Entry, ...] = (*DEVICE, *LAUNCHER, *MODEL, *DATASET, *FLAGS, *ENVIRONMENT)
_BY_KEY = {entry.key: entry for entry in (*ENTRIES, *JUDGED)}  # the general one of several


def keys() -> frozenset[str]:
    """Every key of the catalogue."""
    return frozenset(_BY_KEY)


def entry_of(key: str) -> Entry:
    """The entry of a key. Raises KeyError."""
    return _BY_KEY[key]
