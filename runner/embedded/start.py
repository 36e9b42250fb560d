"""Where a training starts: the numbers resulting from --resume, --initial_step and similar flags.

This is sd-scripts' arithmetic with its faults (train_network.py, v0.10): without
--skip_until_initial_step the step restarts at 0 at the beginning of the epoch; with it the step
continues from the remainder within the epoch; with gradient accumulation the units are mixed.
"""

from __future__ import annotations

import math
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Start:
    """`first_epoch` counts from 0. `skip_batches` of the first epoch are fetched and discarded;
    it is also the first step count. `asked_step`: for the log, None if not
    skipping. `multiplied_step`: the same in batches."""

    first_epoch: int = 0
    skip_batches: int = 0
    asked_step: int | None = None
    multiplied_step: int = 0


def find_start(
    *,
    initial_step: int | None,
    initial_epoch: int | None,
    state_step: int | None,
    skip: bool,
    batches: int,
    processes: int,
    accumulation: int,
    max_train_steps: int,
) -> Start:
    """`batches`: of one epoch and process. Raises AssertionError if nothing is left to train."""
    if initial_step is not None:
        step = initial_step
    elif initial_epoch is not None:
        # `batches` is already per process: divided once too often, as in sd-scripts
        step = (initial_epoch - 1) * math.ceil(batches / processes / accumulation)
    else:
        step = state_step or 0
    if step <= 0:
        return Start()
    if max_train_steps <= step:
        raise AssertionError(
            "max_train_steps should be greater than initial step / "
            "max_train_stepsは初期ステップより大きい必要があります: "
            f"{max_train_steps} vs {step}"
        )
    steps_per_epoch = math.ceil(batches / accumulation)
    if not skip:
        return Start(first_epoch=step // steps_per_epoch)
    multiplied = step * accumulation
    first_epoch = multiplied // steps_per_epoch
    return Start(first_epoch, multiplied - first_epoch * batches, step, multiplied)
