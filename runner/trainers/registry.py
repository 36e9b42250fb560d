"""The one place where a trainer program is chosen."""

from __future__ import annotations

import threading
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from runner.config.catalog import Effort, FlagCatalog, FlagReport
from runner.config.flags import flags_begin
from runner.config.load import load_config as read_config
from runner.config.model import Config, Trainer
from runner.config.recorded import restored_config
from runner.model import RunSpec
from runner.trainers.builtin.program import BuiltIn
from runner.trainers.protocol import TrainerProgram
from runner.trainers.sd_scripts.program import SdScripts

#: the first that recognises a trainer wins; sd-scripts accepts every checkout, so it is last
PROGRAMS: tuple[TrainerProgram, ...] = (BuiltIn(), SdScripts())


def program_of(trainer: Trainer) -> TrainerProgram:
    return next(program for program in PROGRAMS if program.recognises(trainer))


def recorded_trainer(command: Sequence[str], cwd: str, launcher: str = "python") -> Trainer:
    """`[trainer]` from a recorded command. Raises ValueError if the command has no script."""
    script = command[flags_begin(command) - 1]
    checkout = Path(cwd) if script.endswith(".py") else None
    return Trainer(checkout, command[0], script, launcher)


def trainer_of(spec: RunSpec) -> Trainer:
    return recorded_trainer(spec.command, spec.cwd, spec.launcher)


def program_of_run(spec: RunSpec) -> TrainerProgram:
    """From its command; one without a script counts as sd-scripts."""
    try:
        return program_of(trainer_of(spec))
    except ValueError:
        return PROGRAMS[-1]


def flag_report(
    trainer: Trainer,
    effort: Effort = Effort.QUICK,
    *,
    cancelled: threading.Event | None = None,
) -> FlagReport:
    """The flags that this trainer knows. Never raises; starts at most short processes of the
    trainer's python, without a GPU and without the network."""
    return program_of(trainer).flag_report(trainer, effort, cancelled)


def known_flags(trainer: Trainer, effort: Effort = Effort.QUICK) -> FlagCatalog | None:
    """What a configuration is checked against; None if the trainer's flags are unknown."""
    return flag_report(trainer, effort).catalog


def load_config(path: Path) -> Config:
    """plasma.toml, checked with the flags of its own trainer. Raises ConfigError."""
    return read_config(path, known_flags=known_flags)


def restore_config(found: Mapping[str, Any]) -> Config:
    """What `recorded_config` made of one. Raises ConfigError."""
    return restored_config(found, known_flags)
