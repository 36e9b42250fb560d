"""Which checkpoints and states a training writes, under which names, and which it deletes again.

sd-scripts' own rules (train_network.py and train_util.py, v0.10): `save_last_n_steps` counts steps,
`save_last_n_epochs` counts files, the last epoch has no file of its own, a state is written only
together with a checkpoint.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from runner.config.flags import at_least, number, whole
from runner.model import ExpectedCheckpoint
from runner.trainers.sd_scripts.names import epoch_name, last_name, step_name
from runner.trainers.sd_scripts.steps import Steps


def step_to_remove(step: int, every: int, keep_steps: int | None) -> int | None:
    """The step whose checkpoint goes when `step`'s is written; `keep_steps` (save_last_n_steps)
    counts steps, not files. None: none goes."""
    if keep_steps is None:
        return None
    old = step - keep_steps - 1
    old -= old % every
    return old if old >= 0 else None


def epoch_to_remove(epoch: int, every: int, keep_epochs: int | None) -> int | None:
    """The epoch whose checkpoint goes when `epoch`'s is written; `keep_epochs`
    (save_last_n_epochs) counts files. None: none goes."""
    if keep_epochs is None:
        return None
    old = epoch - every * keep_epochs
    return old if old >= 0 else None


@dataclass(frozen=True, slots=True)
class _Rule:
    """How often is saved, and how much is kept: of steps or of epochs."""

    every: int
    keep: int | None
    keep_state: int | None


def epochs_between_saves(flags: Mapping[str, Any], epochs: int) -> int | None:
    """save_n_epoch_ratio overrides save_every_n_epochs. Raises ValueError below 1, which sd-scripts
    divides by."""
    ratio = number(flags, "save_n_epoch_ratio")
    if ratio is not None and ratio > 0:
        return math.floor(epochs / ratio) or 1
    return at_least(flags, "save_every_n_epochs", 1)


def expected_checkpoints(
    flags: Mapping[str, Any], steps: Steps, ending: str | None = None
) -> tuple[ExpectedCheckpoint, ...]:
    """Every file that will be written, in order, the final one last. `ending`: as `file_ending` tells; None:
    a LoRA's. Raises ValueError."""
    if ending is None:
        ending = "." + str(flags.get("save_model_as") or "safetensors")
    name = flags.get("output_name")
    if name == "":
        raise ValueError(
            "output_name is empty: sd-scripts cannot write the final file; give a name, or none at all"
        )
    with_state = bool(flags.get("save_state"))
    by_step = _rule(flags, at_least(flags, "save_every_n_steps", 1), "steps")
    by_epoch = _rule(flags, epochs_between_saves(flags, steps.epochs), "epochs")
    step_files: dict[int, ExpectedCheckpoint] = {}
    epoch_files: dict[int, ExpectedCheckpoint] = {}
    last_step, last_epoch = steps.counted_from, steps.epochs
    for epoch in steps.each_epoch():
        last_step = epoch.last_step
        if by_step is not None:
            first = -(-epoch.first_step // by_step.every) * by_step.every
            for step in range(first, epoch.last_step + 1, by_step.every):
                stem, at = step_name(name, step), step + steps.offset
                step_files[step] = _file(stem, ending, at, epoch.number, with_state)
                _remove_step(step_files, by_step, step, at)
        if (
            by_epoch is not None
            and epoch.number % by_epoch.every == 0
            and epoch.number < last_epoch
        ):
            stem, at = epoch_name(name, epoch.number), epoch.last_step + steps.offset
            epoch_files[epoch.number] = _file(stem, ending, at, epoch.number, with_state)
            _remove_epoch(epoch_files, by_epoch, epoch.number, at)
    in_the_end = with_state or bool(flags.get("save_state_on_train_end"))
    final = _file(last_name(name), ending, last_step + steps.offset, last_epoch, in_the_end)
    # at the end of an epoch the step's file comes first
    rest = sorted([*step_files.values(), *epoch_files.values()], key=lambda file: file.step)
    return (*rest, final)


def _rule(flags: Mapping[str, Any], every: int | None, what: str) -> _Rule | None:
    """sd-scripts takes 0 of the *_state variant for not given."""
    if every is None:
        return None
    keep = whole(flags, f"save_last_n_{what}")
    return _Rule(every, keep, whole(flags, f"save_last_n_{what}_state") or keep)


def _file(stem: str, ending: str, step: int, epoch: int, state: bool) -> ExpectedCheckpoint:
    return ExpectedCheckpoint(stem + ending, step, epoch, f"{stem}-state" if state else None)


def _remove_step(files: dict[int, ExpectedCheckpoint], rule: _Rule, step: int, at: int) -> None:
    """A state of step 0 is never looked for, a file of it does not exist."""
    _remove_state(files, step_to_remove(step, rule.every, rule.keep_state), at)
    _remove_file(files, step_to_remove(step, rule.every, rule.keep), at)


def _remove_epoch(files: dict[int, ExpectedCheckpoint], rule: _Rule, epoch: int, at: int) -> None:
    _remove_file(files, epoch_to_remove(epoch, rule.every, rule.keep), at)
    _remove_state(files, epoch_to_remove(epoch, rule.every, rule.keep_state), at)


def _remove_file(files: dict[int, ExpectedCheckpoint], key: int | None, at: int) -> None:
    """Only the one computed name is deleted, and only if it lies there."""
    if key is not None and key in files and files[key].removed_at_step is None:
        files[key] = replace(files[key], removed_at_step=at)


def _remove_state(files: dict[int, ExpectedCheckpoint], key: int | None, at: int) -> None:
    if key is None or key not in files:
        return
    if files[key].state_name is not None and files[key].state_removed_at_step is None:
        files[key] = replace(files[key], state_removed_at_step=at)
