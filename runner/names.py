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


def step_name(base: str, step: int, suffix: str) -> str:
    """The name of a step file."""
    return f"{base}-step{step:08d}{suffix}"
