"""The flags that the trainer will see: those of its command line and of sd-scripts' own --config_file.

The command line wins over the file (`read_config_from_file` in train_util.py, v0.10).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from runner.config.flags import read_flags
from runner.model import AttemptPlan
from runner.trainers.sd_scripts.train_config import read_train_config


@dataclass(frozen=True, slots=True)
class TrainerFlags:
    """`values`: all flags by name; `origins`: the name of the file, for flags that stand only there;
    `problem`: why the file could not be read, one sentence."""

    values: Mapping[str, Any]
    origins: Mapping[str, str] = field(default_factory=dict)
    problem: str | None = None


def trainer_flags(command: Mapping[str, Any], base_dir: Path) -> TrainerFlags:
    """`command`: the flags of the command line, without those that are not given; `base_dir`: the
    trainer's working directory."""
    name = command.get("config_file")
    if not isinstance(name, str) or not name:
        return TrainerFlags(command)
    read = read_train_config(name, base_dir)
    if read.problem is not None:
        return TrainerFlags(command, problem=f"{read.path}: {read.problem}: correct config_file")
    beside = {key: value for key, value in read.values.items() if key not in command}
    return TrainerFlags({**beside, **command}, dict.fromkeys(beside, read.path.name))


def effective_flags(plan: AttemptPlan) -> dict[str, Any]:
    """All flags that the trainer sees, those of its --config_file included; False ones left out."""
    read = trainer_flags(read_flags(plan.command), Path(plan.cwd))
    return {name: value for name, value in read.values.items() if value not in (False, None)}
