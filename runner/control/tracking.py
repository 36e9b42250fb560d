"""Does this trainer keep count of its steps over a resume?"""

from __future__ import annotations

from pathlib import Path

from runner.model import RunSpec
from runner.trainers.registry import program_of, trainer_of


def tracks_steps(spec: RunSpec, state_path: str) -> bool:
    trainer = trainer_of(spec)
    return program_of(trainer).tracks_steps(trainer, Path(state_path))
