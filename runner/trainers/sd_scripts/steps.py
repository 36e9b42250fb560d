"""Batches to steps to epochs: the arithmetic of sd-scripts' training loop (train_network.py, v0.10)."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any

from runner.config.flags import at_least, whole

#: sd-scripts' default of max_train_steps
DEFAULT_MAX_TRAIN_STEPS = 1600


@dataclass(frozen=True, slots=True)
class Steps:
    """`batches` of one process and epoch; `per_epoch` are steps of the optimizer; `epochs` and `total` as in
    the banner. A training that does not start at step 0 skips `skipped_epochs`, counts its steps from
    `counted_from` and trains `first_batches` in its first epoch (None: all)."""

    batches: int
    per_epoch: int
    epochs: int
    total: int
    skipped_epochs: int = 0
    counted_from: int = 0
    first_batches: int | None = None
    accumulation: int = 1

    @property
    def offset(self) -> int:
        """Offset from a shown step to the step of the full training."""
        return self.skipped_epochs * self.per_epoch

    @property
    def trained(self) -> int:
        """Steps that this training makes itself."""
        last = max((end.last_step for end in self.each_epoch()), default=self.counted_from)
        return last - self.counted_from

    def each_epoch(self) -> Iterator[Epoch]:
        """The epochs that are trained, in order, with the steps that the trainer shows."""
        step = self.counted_from
        for number in range(self.skipped_epochs + 1, self.epochs + 1):
            batches = self.batches
            if number == self.skipped_epochs + 1 and self.first_batches is not None:
                batches = self.first_batches
            last = min(
                step + steps_per_epoch(batches, self.accumulation), max(self.total, step + 1)
            )
            yield Epoch(number, step + 1, last)
            step = last


@dataclass(frozen=True, slots=True)
class Epoch:
    """`number` counts from 1; its steps as shown, both ends included."""

    number: int
    first_step: int
    last_step: int


def steps_per_epoch(batches: int, accumulation: int | None = 1) -> int:
    """Steps of the optimizer in an epoch of one process: a partial accumulation at its end counts as one."""
    return math.ceil(batches / max(accumulation or 1, 1))


def count_steps(
    flags: Mapping[str, Any], batches: int, processes: int = 1, state_step: int | None = None
) -> Steps:
    """Steps of a training whose epoch has `batches` batches over all processes.

    max_train_epochs wins over max_train_steps (default 1600). A partial accumulation at the end of an epoch
    still makes a step. `state_step`: current_step of the state in --resume. Raises ValueError for numbers
    below 0 and for what sd-scripts asserts.
    """
    accumulation = at_least(flags, "gradient_accumulation_steps", 1) or 1
    own_batches = math.ceil(batches / processes)
    per_epoch = steps_per_epoch(own_batches, accumulation)
    total = at_least(flags, "max_train_steps", 0)
    if total is None:
        total = DEFAULT_MAX_TRAIN_STEPS
    epochs = at_least(flags, "max_train_epochs", 0)
    if epochs is not None:
        total = epochs * per_epoch
    whole_run = Steps(
        own_batches, per_epoch, math.ceil(total / per_epoch), total, accumulation=accumulation
    )
    begin = initial_step(flags, whole_run, processes, state_step)
    return (
        _begun(whole_run, begin, bool(flags.get("skip_until_initial_step"))) if begin else whole_run
    )


def initial_step(
    flags: Mapping[str, Any], steps: Steps, processes: int, state_step: int | None
) -> int:
    """The step where the trainer believes it is: initial_step, else from initial_epoch (divided by
    the processes one time too many), else from the state's train_state.json."""
    step, epoch = whole(flags, "initial_step"), whole(flags, "initial_epoch")
    if step is None and epoch is not None:
        step = (epoch - 1) * math.ceil(steps.batches / processes / steps.accumulation)
    if step is None:
        step = state_step or 0
    if step > 0 and steps.total <= step:
        raise ValueError(
            f"it would start at step {step} of {steps.total}, where sd-scripts stops; train more "
            "steps or epochs, or start earlier"
        )
    return max(step, 0)


def _begun(steps: Steps, begin: int, skip: bool) -> Steps:
    """Without skip_until_initial_step only complete epochs are skipped and steps count from 0. With it the
    count starts within the epoch, and accumulation mixes up batches and steps (a bug of sd-scripts)."""
    place = begin * steps.accumulation if skip else begin
    skipped = place // steps.per_epoch
    counted_from, first_batches = 0, None
    if skip:
        counted_from = place - skipped * steps.batches
        first_batches = steps.batches - max(counted_from, 0)
    return replace(
        steps, skipped_epochs=skipped, counted_from=counted_from, first_batches=first_batches
    )
