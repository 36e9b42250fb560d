"""What the console parser reports, and what the journal records. Offsets are bytes of console.log."""

from __future__ import annotations

from dataclasses import field

from runner.model.kinds import Phase
from runner.model.lean import dataclass


@dataclass(frozen=True, slots=True)
class ConsoleEvent:
    """Anything the console parser reports. `offset` is the byte just after the text it came from,
    counted from the first byte fed to the parser."""

    offset: int


@dataclass(frozen=True, slots=True)
class DeviceSeen(ConsoleEvent):
    """`accelerator device: X`, the line with the training's device."""

    device: str


@dataclass(frozen=True, slots=True)
class BannerSeen(ConsoleEvent):
    """One line of the banner after `running training`. `name` is one of train_images, reg_images,
    validation_images, batches_per_epoch, epochs, batch_size, accumulation, total_steps."""

    name: str
    value: int


@dataclass(frozen=True, slots=True)
class AttemptSeen(ConsoleEvent):
    """Our own marker line: the output of a new attempt starts here."""

    attempt: int


@dataclass(frozen=True, slots=True)
class SubsetSeen(ConsoleEvent):
    """A subset of the dataset as the trainer read it; `images` counts files, without repeats.
    `is_reg` None: from `found directory D contains N image files`, which does not report it."""

    image_dir: str
    images: int
    repeats: int | None = None
    is_reg: bool | None = None


@dataclass(frozen=True, slots=True)
class PhaseChanged(ConsoleEvent):
    """The trainer entered a new phase, or the same one with a new `detail` (`latents 12/23`)."""

    phase: Phase
    detail: str = ""


@dataclass(frozen=True, slots=True)
class EpochStarted(ConsoleEvent):
    epoch: int
    epochs: int


@dataclass(frozen=True, slots=True)
class StepShown(ConsoleEvent):
    """One state of the bar `steps:`. `total` is None in tqdm's overflow form. `average` is `avr_loss` (or the
    older `loss`), None if the bar has none, and may be NaN or infinite. `values` has all numbers of the
    postfix by name."""

    shown_step: int
    total: int | None
    average: float | None
    values: dict[str, float] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class CheckpointSaving(ConsoleEvent):
    """`saving checkpoint: PATH`: printed before the write; nothing is printed after it."""

    path: str


@dataclass(frozen=True, slots=True)
class StateSaving(ConsoleEvent):
    path: str


@dataclass(frozen=True, slots=True)
class StateSaved(ConsoleEvent):
    """`Random states saved in ...`: the last file of a state folder is written."""

    path: str


@dataclass(frozen=True, slots=True)
class CheckpointRemoved(ConsoleEvent):
    path: str


@dataclass(frozen=True, slots=True)
class StateRemoved(ConsoleEvent):
    path: str


@dataclass(frozen=True, slots=True)
class SampleStarted(ConsoleEvent):
    shown_step: int | None


@dataclass(frozen=True, slots=True)
class ValidationSeen(ConsoleEvent):
    loss: float
    whole_epoch: bool


@dataclass(frozen=True, slots=True)
class ResumeSeen(ConsoleEvent):
    """What a resumed trainer reports. `state_path`: the folder; `state_step`: train_state's
    current_step; `skip_steps`: N of `skipping N steps`. Each event fills the fields from its line."""

    state_path: str | None = None
    state_step: int | None = None
    state_epoch: int | None = None
    skip_steps: int | None = None


@dataclass(frozen=True, slots=True)
class WarningSeen(ConsoleEvent):
    """A log record of level WARNING or above that may not be harmless."""

    level: str
    text: str


@dataclass(frozen=True, slots=True)
class ExceptionSeen(ConsoleEvent):
    """The last line of a traceback: `Name: message`. CalledProcessError of the launcher included.
    `frames`: the functions the traceback went through, the raising one last, as `path/file.py:function`
    with forward slashes, or `function` where the file is unknown."""

    name: str
    message: str
    frames: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class FatalSeen(ConsoleEvent):
    """A line that ends a process without a traceback: argparse errors, `can't open file`, `Killed`,
    a crash of native code, a missing configuration file."""

    text: str


@dataclass(frozen=True, slots=True)
class LinesUnread(ConsoleEvent):
    """The last lines that the parser did not know, just before an exception or the end of the log."""

    lines: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class NothingToTrain(ConsoleEvent):
    """`No data found...`: sd-scripts prints it and exits with 0."""

    text: str


@dataclass(frozen=True, slots=True)
class ModelSaved(ConsoleEvent):
    """`model saved.`: the loop ran to its end and the final file was written."""
