"""File names of a training: as written by the trainer, and with our additions.

Facts: step files `NAME-step%08d.EXT` (with accumulation bugs also 7 digits), epoch files
`NAME-%06d.EXT`, the end `NAME.EXT`; without an output_name `at-step%08d`, `epoch-%06d`, `last`.
"""

from __future__ import annotations

import re
import unicodedata
from dataclasses import dataclass, replace
from pathlib import PurePath


@dataclass(frozen=True, slots=True)
class CheckpointName:
    """Parts of a checkpoint's name; `step` is the trainer's own count, not the true step."""

    stem: str
    base: str
    step: int | None = None
    epoch: int | None = None
    final: bool = False


@dataclass(frozen=True, slots=True)
class FileNames:
    """How one trainer program names its files. `step_form`, `epoch_form`: of base and number; `step_stem`,
    `epoch_stem`: patterns that read them back; `nameless`: bases of step, epoch and final file without an
    output_name. `own`: the output_name of the training, if known: one that ends in a date, `mine-251130`, makes
    the final file look like that of an epoch."""

    step_form: str = "{}-step{:08d}"
    epoch_form: str = "{}-{:06d}"
    step_stem: str = r"(?P<base>.*)-step(?P<n>\d{7,})"
    epoch_stem: str = r"(?P<base>.*)-(?P<n>\d{6})"
    nameless: tuple[str, str, str] = ("at", "epoch", "last")
    own: str | None = None

    def of(self, output_name: str | None) -> FileNames:
        """The names of one training."""
        return replace(self, own=PurePath(output_name).name if output_name else None)

    def parse(self, name: str) -> CheckpointName:
        """Parse a file name; a name without a number is the final file's."""
        stem = PurePath(name).stem if PurePath(name).suffix in SUFFIXES else name
        if stem == self.own:
            return CheckpointName(stem, stem, final=True)
        if found := re.fullmatch(self.step_stem, stem):
            return CheckpointName(stem, found["base"], step=int(found["n"]))
        if found := re.fullmatch(self.epoch_stem, stem):
            return CheckpointName(stem, found["base"], epoch=int(found["n"]))
        return CheckpointName(stem, stem, final=True)

    def step(self, output_name: str | None, step: int, suffix: str = "") -> str:
        """Of the checkpoint after a step."""
        base = self.nameless[0] if output_name is None else output_name
        return self.step_form.format(base, step) + suffix

    def epoch(self, output_name: str | None, epoch: int, suffix: str = "") -> str:
        """Of a checkpoint written at the end of an epoch."""
        base = self.nameless[1] if output_name is None else output_name
        return self.epoch_form.format(base, epoch) + suffix

    def last(self, output_name: str | None) -> str:
        """Without extension, of the final checkpoint."""
        return self.nameless[2] if output_name is None else output_name

    def placed(
        self, name: str, step: int | None, per_epoch: int | None = None, origin_step: int = 0
    ) -> str:
        """The final name of a resumed attempt's file: by its true step or true epoch.

        `step`: its true step; `per_epoch`: steps of an epoch; `origin_step`: where the attempt's own count
        starts."""
        found = self.parse(name)
        suffix = PurePath(name).suffix
        if step is None or found.final:
            return name
        if found.epoch is not None and origin_step == 0:
            return name  # the trainer's epoch number stays correct after a resume
        if found.epoch is not None and per_epoch and origin_step % per_epoch == 0:
            return self.epoch(found.base, found.epoch + origin_step // per_epoch, suffix)
        return self.step(found.base, step, suffix)


def has_control_characters(text: str) -> bool:
    """The trainer prints the path of each file that it saves: with a line break or an escape in it, it is
    unreadable."""
    return any(unicodedata.category(one) == "Cc" for one in text)


#: of sd-scripts, and of everything kohya built on it
KOHYA_NAMES = FileNames()
SUFFIXES = (".safetensors", ".ckpt", ".pt")
#: before the suffix: why a file does not have its original name
NAN, INCOMPLETE, OF_ATTEMPT = "nan", "incomplete", "attempt"
_MARK = re.compile(rf"\.({NAN}|{INCOMPLETE}|{OF_ATTEMPT}\d+)(-\d+)?$")


def marked_name(name: str, mark: str, number: int = 1) -> str:
    """`x.safetensors` as `x.nan.safetensors`, the second of them as `x.nan-2.safetensors`."""
    path = PurePath(name)
    more = f"-{number}" if number > 1 else ""
    return f"{path.stem}.{mark}{more}{path.suffix}"


def unmarked_name(name: str) -> str:
    """The name that a marked file was written for."""
    path = PurePath(name)
    return _MARK.sub("", path.stem) + path.suffix


def without_ending(name: str) -> str:
    """A file's name as a person calls it; the export adds the ending again."""
    ending = next((s for s in SUFFIXES if name.lower().endswith(s)), "")
    return name[: len(name) - len(ending)] or name
