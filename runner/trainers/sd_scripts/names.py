"""File names as sd-scripts makes them, and what they tell.

Facts: step files `NAME-step%08d.EXT` (with accumulation bugs also 7 digits), epoch files
`NAME-%06d.EXT`, the end `NAME.EXT`; without an output_name `at-step%08d`, `epoch-%06d`, `last`.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import PurePath

_STEP = re.compile(r"^(?P<base>.*)-step(?P<n>\d{7,})$")
_EPOCH = re.compile(r"^(?P<base>.*)-(?P<n>\d{6})$")


@dataclass(frozen=True, slots=True)
class CheckpointName:
    """Parts of a checkpoint's name; `step` is the trainer's own count, not the true step."""

    stem: str
    base: str
    step: int | None = None
    epoch: int | None = None
    final: bool = False


def parse_checkpoint_name(name: str) -> CheckpointName:
    """What a file name says; a name without a number is the final file's."""
    stem = PurePath(name).stem if PurePath(name).suffix in SUFFIXES else name
    if found := _STEP.match(stem):
        return CheckpointName(stem, found["base"], step=int(found["n"]))
    if found := _EPOCH.match(stem):
        return CheckpointName(stem, found["base"], epoch=int(found["n"]))
    return CheckpointName(stem, stem, final=True)


SUFFIXES = (".safetensors", ".ckpt", ".pt")
#: before the suffix: why a file does not have the name that it was written for
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


def step_name(output_name: str | None, step: int, suffix: str = "") -> str:
    """The name of the checkpoint after a step."""
    return f"{'at' if output_name is None else output_name}-step{step:08d}{suffix}"


def epoch_name(output_name: str | None, epoch: int, suffix: str = "") -> str:
    """The name of a checkpoint written at the end of an epoch."""
    return f"{'epoch' if output_name is None else output_name}-{epoch:06d}{suffix}"


def last_name(output_name: str | None) -> str:
    """The name, without its ending, of the final checkpoint."""
    return "last" if output_name is None else output_name


def placed_name(
    name: str, step: int | None, per_epoch: int | None = None, origin_step: int = 0
) -> str:
    """The name that a resumed attempt's file gets beside the others: by its true step or true epoch.

    `step`: its true step; `per_epoch`: steps of an epoch; `origin_step`: where the attempt's own count begins.
    """
    found = parse_checkpoint_name(name)
    suffix = PurePath(name).suffix
    if step is None or found.final:
        return name
    if found.step is not None:
        return step_name(found.base, step, suffix)
    if origin_step == 0:
        return name  # sd-scripts' own number of an epoch stays right over a resume
    if per_epoch and origin_step % per_epoch == 0 and found.epoch is not None:
        return epoch_name(found.base, found.epoch + origin_step // per_epoch, suffix)
    return step_name(found.base, step, suffix)
