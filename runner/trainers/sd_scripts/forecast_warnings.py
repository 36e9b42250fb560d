"""What a person should know about a forecast: numbers that surprise, flags that do not do what they seem
to. One sentence each."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from typing import Any

from runner.trainers.sd_scripts.dataset import DatasetPlan, DatasetSpec
from runner.trainers.sd_scripts.dataset.config import IGNORED_WITH_CONFIG
from runner.trainers.sd_scripts.flag_numbers import whole
from runner.trainers.sd_scripts.steps import Steps, count_steps


def without_regularisation(specs: Sequence[DatasetSpec]) -> tuple[DatasetSpec, ...]:
    """The same datasets, trained alone."""
    return tuple(
        dataclasses.replace(spec, subsets=tuple(s for s in spec.subsets if not s.is_reg))
        for spec in specs
    )


def doubling(
    flags: Mapping[str, Any], plan: DatasetPlan, steps: Steps, batches: int, processes: int
) -> list[str]:
    """Say what the regularisation images do to the number of steps. `batches`: of an epoch without."""
    if not batches or batches == plan.batches_per_epoch:
        return []
    alone = count_steps({**flags, "initial_step": 0}, batches, processes)
    if "max_train_epochs" in flags:
        return [
            f"{steps.total} steps, not {alone.total}: the regularisation subset doubles each epoch"
        ]
    return [
        f"{steps.epochs} epochs, not {alone.epochs}: the regularisation subset doubles each epoch, "
        f"{steps.batches} batches instead of {alone.batches}"
    ]


def flag_warnings(flags: Mapping[str, Any], specs: Sequence[DatasetSpec]) -> list[str]:
    """Flags that other flags or the dataset config make mean something else."""
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
        texts += _config_wins(flags, specs)
    split = [spec.validation_split for spec in specs if spec.validation_split]
    if any(share < 0 or share > 1 for share in split):
        texts.append("validation_split must lie between 0 and 1: nothing is validated")
    elif split and "seed" not in flags and any(spec.validation_seed is None for spec in specs):
        texts.append("without seed it is random which images are held out for validation")
    if flags.get("debug_dataset"):
        texts.append("debug_dataset shows the images and trains nothing")
    return texts


def _config_wins(flags: Mapping[str, Any], specs: Sequence[DatasetSpec]) -> list[str]:
    texts = []
    ignored = [name for name in IGNORED_WITH_CONFIG if flags.get(name)]
    if ignored:
        texts.append(f"dataset_config is set, so {', '.join(ignored)} is ignored")
    batch_size = whole(flags, "train_batch_size")
    used = sorted({spec.batch_size for spec in specs})
    if batch_size and used != [batch_size]:
        shown = ", ".join(map(str, used))
        texts.append(
            f"batch_size {shown} of the dataset config wins over train_batch_size {batch_size}"
        )
    return texts


def step_warnings(flags: Mapping[str, Any], plan: DatasetPlan, steps: Steps) -> list[str]:
    """Trainings of no step, and such as do not begin at the beginning."""
    if steps.total == 0:
        return ["0 steps: nothing is trained, only the final file is written"]
    texts = []
    if steps.skipped_epochs or steps.counted_from:
        first = steps.counted_from + steps.offset + 1
        texts.append(
            f"{steps.trained} of {steps.total} steps are trained, from step {first}; sd-scripts "
            f"counts them from {steps.counted_from + 1}, and names files by that"
        )
    if steps.accumulation > 1 and steps.first_batches is not None:
        texts.append(
            "skip_until_initial_step with gradient_accumulation_steps is broken in sd-scripts: it "
            "takes batches for steps"
        )
    texts += _broken_accumulation(flags, plan, steps)
    return texts


def _broken_accumulation(flags: Mapping[str, Any], plan: DatasetPlan, steps: Steps) -> list[str]:
    """accelerate tells the end of an epoch by the loader that was begun last: a validation that is left
    half-way in the middle of an epoch hides it, and the part of an accumulation makes no step."""
    most = whole(flags, "max_validation_steps")
    if most is None or not whole(flags, "validate_every_n_steps"):
        return []
    if steps.batches % steps.accumulation == 0 or most >= plan.validation_batches or most < 1:
        return []
    return [
        "validate_every_n_steps with max_validation_steps takes the last step from an epoch whose "
        f"{steps.batches} batches are no multiple of gradient_accumulation_steps: fewer than "
        f"{steps.total} steps are trained"
    ]
