"""What a training will do, before it starts: steps, epochs, files. sd-scripts' own arithmetic.

Pure but for reading the dataset's folders. Facts: `train_network.py` and `train_util.py` v0.10,
checked against the real loop by `scripts/check_forecast.py`.
"""

from __future__ import annotations

import dataclasses
import math
import random
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from runner.dataset import (
    DatasetPlan,
    DatasetSpec,
    FolderImages,
    plan_datasets,
    specs_from_flags,
)
from runner.dataset.config import IGNORED_WITH_CONFIG
from runner.dataset.files import ImageSource
from runner.model import ExpectedCheckpoint, Forecast

DEFAULT_MAX_TRAIN_STEPS = 1600


@dataclass(frozen=True, slots=True)
class Steps:
    """`batches` of one process and epoch; `per_epoch` are steps of the optimizer."""

    batches: int
    per_epoch: int
    epochs: int
    total: int


def forecast(
    flags: Mapping[str, object],
    base_dir: Path,
    processes: int = 1,
    *,
    images: ImageSource | None = None,
) -> Forecast:
    """Steps, epochs and files of a training from its beginning.

    `flags`: of the trainer, by their own names without dashes; False and None mean not given.
    `base_dir`: the trainer's working directory. What cannot be told is None, with the reason as a
    warning; nothing is raised for a wrong dataset.
    """
    given = {key: value for key, value in flags.items() if value is not None and value is not False}
    source = images or FolderImages(base_dir)
    try:
        specs = specs_from_flags(given, base_dir)
        plan = plan_datasets(specs, source, random.Random(_number(given, "seed", 0)))
    except ValueError as error:  # DatasetError, or a flag that is no number
        return Forecast(warnings=(str(error),))
    known = Forecast(images=plan.images, reg_images=plan.reg_images)
    if not plan.batches_per_epoch:
        return dataclasses.replace(
            known, batches_per_epoch=0, steps=0, warnings=(*plan.warnings, NO_DATA)
        )
    try:
        steps = count_steps(given, plan.batches_per_epoch, processes)
        checkpoints = expected_checkpoints(given, steps)
    except ValueError as error:
        return dataclasses.replace(
            known, batches_per_epoch=plan.batches_per_epoch, warnings=(str(error),)
        )
    return dataclasses.replace(
        known,
        batches_per_epoch=steps.batches,
        epochs=steps.epochs,
        steps=steps.total,
        checkpoints=checkpoints,
        final=checkpoints[-1].name,
        warnings=(
            *_doubling(given, specs, plan, steps, source, processes),
            *plan.warnings,
            *_flag_warnings(given, specs),
        ),
    )


NO_DATA = (
    "No images to train on: the trainer would say `No data found` and leave with exit code 0; look "
    "at image_dir, or at the N_name folders below train_data_dir"
)


def count_steps(flags: Mapping[str, Any], batches: int, processes: int = 1) -> Steps:
    """Steps of a training whose epoch has `batches` batches over all processes.

    max_train_epochs wins over max_train_steps (default 1600). A part of an accumulation left at the
    end of an epoch still makes a step. Raises ValueError for numbers below 1.
    """
    accumulation = _at_least_1(flags, "gradient_accumulation_steps", 1)
    own_batches = math.ceil(batches / processes)
    per_epoch = math.ceil(own_batches / accumulation)
    total = _at_least_1(flags, "max_train_steps", DEFAULT_MAX_TRAIN_STEPS)
    if "max_train_epochs" in flags:
        total = _at_least_1(flags, "max_train_epochs", 1) * per_epoch
    return Steps(own_batches, per_epoch, math.ceil(total / per_epoch), total)


def expected_checkpoints(flags: Mapping[str, Any], steps: Steps) -> tuple[ExpectedCheckpoint, ...]:
    """Every file that will be written, in order, the final one last. Raises ValueError for
    save_every_n_* below 1, which sd-scripts divides by."""
    name = flags.get("output_name")
    ending = "." + str(flags.get("save_model_as") or "safetensors")
    with_state = bool(flags.get("save_state"))
    stepwise = _stepwise(flags, steps, name, ending, with_state)
    epochwise = _epochwise(flags, steps, name, ending, with_state)
    last = ExpectedCheckpoint(
        last_name(name) + ending,
        steps.total,
        steps.epochs,
        _state(last_name(name), with_state or bool(flags.get("save_state_on_train_end"))),
    )
    # at the end of an epoch the step's file comes first
    return (*sorted([*stepwise, *epochwise], key=lambda c: c.step), last)


def _stepwise(
    flags: Mapping[str, Any], steps: Steps, name: Any, ending: str, with_state: bool
) -> list[ExpectedCheckpoint]:
    every = _optional(flags, "save_every_n_steps")
    if every is None:
        return []
    saved = range(every, steps.total + 1, every)
    keep = _optional(flags, "save_last_n_steps", lowest=0)
    keep_state = _optional(flags, "save_last_n_steps_state", lowest=0) or keep
    gone = {step_to_remove(step, every, keep): step for step in saved}
    gone_state = {step_to_remove(step, every, keep_state): step for step in saved}
    return [
        ExpectedCheckpoint(
            step_name(name, step) + ending,
            step,
            math.ceil(step / steps.per_epoch),
            _state(step_name(name, step), with_state),
            gone.get(step),
            gone_state.get(step) if with_state else None,
        )
        for step in saved
    ]


def _epochwise(
    flags: Mapping[str, Any], steps: Steps, name: Any, ending: str, with_state: bool
) -> list[ExpectedCheckpoint]:
    """The last epoch has no file of its own."""
    every = _optional(flags, "save_every_n_epochs")
    ratio = _number(flags, "save_n_epoch_ratio", 0)
    if ratio > 0:
        every = steps.epochs // ratio or 1
    if every is None:
        return []
    saved = range(every, steps.epochs, every)
    keep = _optional(flags, "save_last_n_epochs", lowest=0)
    keep_state = _optional(flags, "save_last_n_epochs_state", lowest=0) or keep
    gone = {epoch_to_remove(epoch, every, keep): epoch for epoch in saved}
    gone_state = {epoch_to_remove(epoch, every, keep_state): epoch for epoch in saved}

    def step_of(epoch: int | None) -> int | None:
        return None if epoch is None else epoch * steps.per_epoch

    return [
        ExpectedCheckpoint(
            epoch_name(name, epoch) + ending,
            epoch * steps.per_epoch,
            epoch,
            _state(epoch_name(name, epoch), with_state),
            step_of(gone.get(epoch)),
            step_of(gone_state.get(epoch)) if with_state else None,
        )
        for epoch in saved
    ]


def _state(name: str, written: bool) -> str | None:
    return f"{name}-state" if written else None


def step_name(output_name: str | None, step: int) -> str:
    """Name, without its ending, of the checkpoint after a step."""
    return f"{output_name or 'at'}-step{step:08d}"


def epoch_name(output_name: str | None, epoch: int) -> str:
    """Name, without its ending, of the checkpoint after an epoch."""
    return f"{output_name or 'epoch'}-{epoch:06d}"


def last_name(output_name: str | None) -> str:
    """Name, without its ending, of the final checkpoint."""
    return output_name or "last"


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


def _doubling(
    flags: Mapping[str, Any],
    specs: Sequence[DatasetSpec],
    plan: DatasetPlan,
    steps: Steps,
    source: ImageSource,
    processes: int,
) -> list[str]:
    """Say what the regularisation images do to the number of steps."""
    if not plan.reg_images:
        return []
    without = [
        dataclasses.replace(spec, subsets=tuple(s for s in spec.subsets if not s.is_reg))
        for spec in specs
    ]
    batches = plan_datasets(without, source).batches_per_epoch
    if not batches or batches == plan.batches_per_epoch:
        return []
    alone = count_steps(flags, batches, processes)
    if "max_train_epochs" in flags:
        return [
            f"{steps.total} steps, not {alone.total}: the regularisation images double each epoch"
        ]
    return [
        f"{steps.epochs} epochs, not {alone.epochs}: the regularisation images double each epoch, "
        f"{steps.batches} batches instead of {alone.batches}"
    ]


def _flag_warnings(flags: Mapping[str, Any], specs: Sequence[DatasetSpec]) -> list[str]:
    texts = []
    saves = {"save_every_n_steps", "save_every_n_epochs", "save_n_epoch_ratio"} & set(flags)
    if flags.get("save_state") and not saves:
        texts.append(
            "save_state writes a state only together with a checkpoint: without save_every_n_steps "
            "or save_every_n_epochs there is one at the end only"
        )
    if "max_train_epochs" in flags and "max_train_steps" in flags:
        texts.append("max_train_epochs overrides max_train_steps")
    if flags.get("dataset_config"):
        ignored = [name for name in IGNORED_WITH_CONFIG if flags.get(name)]
        if ignored:
            texts.append(f"dataset_config is set, so {', '.join(ignored)} is ignored")
        batch_size = _number(flags, "train_batch_size", 0)
        used = sorted({spec.batch_size for spec in specs})
        if batch_size and used != [batch_size]:
            shown = ", ".join(map(str, used))
            texts.append(
                f"batch_size {shown} of the dataset config wins over train_batch_size {batch_size}"
            )
    if any(spec.validation_split > 0 for spec in specs) and "seed" not in flags:
        texts.append("without seed it is random which images are held out for validation")
    return texts


def _number(flags: Mapping[str, Any], name: str, default: int) -> int:
    value = flags.get(name, default)
    try:
        return int(value)
    except (TypeError, ValueError) as error:
        raise ValueError(f"{name} is {value!r}: it must be a whole number") from error


def _at_least_1(flags: Mapping[str, Any], name: str, default: int) -> int:
    value = _number(flags, name, default)
    if value < 1:
        raise ValueError(f"{name} is {value}: it must be at least 1")
    return value


def _optional(flags: Mapping[str, Any], name: str, lowest: int = 1) -> int | None:
    if name not in flags:
        return None
    value = _number(flags, name, 0)
    if value < lowest:
        raise ValueError(f"{name} is {value}: give {lowest} or more, or leave it out")
    return value
