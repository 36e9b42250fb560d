"""Does this trainer keep count of its steps over a resume?

`--initial_step` and train_state.json came with v0.9.0 to train_network.py and the scripts built on it;
train_db, fine_tune, sdxl_train and the like have neither: they begin at epoch 1, step 0.
"""

from __future__ import annotations

from pathlib import Path

from runner.config.catalog import trainer_flags
from runner.config.flags import flags_begin
from runner.config.model import Trainer
from runner.model import RunSpec


def tracks_steps(spec: RunSpec, state_path: str) -> bool:
    """By the script's own flags where they are known, else by what it wrote into the state."""
    if spec.trainer == "embedded":
        return True
    catalog = trainer_flags(trainer_of(spec))
    if catalog is not None:
        return "initial_step" in catalog.names
    return (Path(state_path) / "train_state.json").is_file()


def trainer_of(spec: RunSpec) -> Trainer:
    """`[trainer]` as the recorded command shows it."""
    script = spec.command[flags_begin(spec.command) - 1]
    if spec.trainer == "embedded":
        return Trainer(None, spec.command[0], script, spec.launcher)
    return Trainer(Path(spec.cwd), spec.command[0], script, spec.launcher)
