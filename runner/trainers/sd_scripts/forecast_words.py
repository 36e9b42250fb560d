"""The words of a forecast, a few or one sentence each: where its numbers come from, numbers that surprise,
flags that do not do what they seem to."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from pathlib import PurePath
from typing import Any

from runner.config.flags import whole
from runner.model.units import count
from runner.trainers.sd_scripts.dataset import DatasetPlan, DatasetSpec, SubsetSummary
from runner.trainers.sd_scripts.dataset.config import IGNORED_WITH_CONFIG
from runner.trainers.sd_scripts.sample_prompts import Samples
from runner.trainers.sd_scripts.saves import epochs_between_saves
from runner.trainers.sd_scripts.steps import DEFAULT_MAX_TRAIN_STEPS, Steps, count_steps

Flags = Mapping[str, Any]
#: more folders than this are not told one by one
SHOWN_FOLDERS = 4


def flag_source(name: str, origins: Mapping[str, str]) -> str:
    """`flag max_train_epochs`, or the file that it stands in."""
    return f"{origins[name]}: {name}" if name in origins else f"flag {name}"


def dataset_sources(
    flags: Flags, specs: Sequence[DatasetSpec], plan: DatasetPlan
) -> dict[str, str]:
    """Of `images` and `reg_images`."""
    where = PurePath(str(flags.get("dataset_config") or flags.get("train_data_dir") or "")).name
    subsets = [subset for dataset in plan.datasets for subset in dataset.subsets]
    train = [subset for subset in subsets if not subset.spec.is_reg]
    reg = [subset for subset in subsets if subset.spec.is_reg]
    held = f", {plan.validation_images} more for validation" if plan.validation_images else ""
    found = {"images": f"{where}: {_folders(train)}{held}"}
    if reg:
        used = sum(i.repeats for d in plan.datasets for i in d.images if i.is_reg)
        found["reg_images"] = f"{where}: {_folders(reg)}, used {used} times an epoch"
    else:
        empty = any(subset.is_reg for spec in specs for subset in spec.subsets)
        reason = "the regularisation folder is empty" if empty else "no regularisation subset"
        found["reg_images"] = f"{where}: {reason}"
    return found


def _folders(subsets: Sequence[SubsetSummary]) -> str:
    if not subsets:
        return "no image"
    if len(subsets) > SHOWN_FOLDERS:
        files = sum(subset.image_count for subset in subsets)
        return f"{count(files, 'file')} in {len(subsets)} folders"
    return " + ".join(
        f"{count(subset.image_count, 'file')} x {count(subset.spec.num_repeats, 'repeat')}"
        for subset in subsets
    )


def step_sources(
    flags: Flags, origins: Mapping[str, str], plan: DatasetPlan, steps: Steps, processes: int
) -> dict[str, str]:
    """Of `batches_per_epoch`, `epochs` and `steps`."""
    images = sum(bucket.count for bucket in plan.buckets)
    sizes = sorted({dataset.spec.batch_size for dataset in plan.datasets})
    batches = f"{count(images, 'image')} with repeats"
    if any(dataset.spec.enable_bucket for dataset in plan.datasets):
        batches += f" in {count(len(plan.buckets), 'bucket')}"
    batches += f", batch size {' and '.join(map(str, sizes))}"
    if processes > 1:
        batches += f", over {processes} processes"
    each = f"{count(steps.per_epoch, 'step')} an epoch"
    if steps.accumulation > 1:
        each += f" ({steps.batches} batches, {steps.accumulation} accumulated)"
    if "max_train_epochs" in flags:
        epochs = flag_source("max_train_epochs", origins)
        total = f"{count(steps.epochs, 'epoch')} x {each}"
    else:
        epochs = f"{count(steps.total, 'step')} / {each}"
        total = flag_source("max_train_steps", origins)
        if "max_train_steps" not in flags:
            total = f"sd-scripts' default, {DEFAULT_MAX_TRAIN_STEPS}"
    return {"batches_per_epoch": batches, "epochs": epochs, "steps": total}


def file_sources(flags: Flags, origins: Mapping[str, str], samples: Samples) -> dict[str, str]:
    """Of `checkpoints`, `final` and `samples`."""
    names = []
    if "save_every_n_steps" in flags:
        names.append("save_every_n_steps")
    if epochs_between_saves(flags, 1) is not None:
        ratio = (flags.get("save_n_epoch_ratio") or 0) != 0
        names.append("save_n_epoch_ratio" if ratio else "save_every_n_epochs")
    told = [f"{flag_source(name, origins)} {flags[name]}" for name in names]
    final = "output_name"
    found = {
        "checkpoints": ", ".join([*told, "the end"]),
        "final": flag_source(final, origins) if final in flags else "sd-scripts' default name",
    }
    if samples.times:
        prompts = "unknown" if samples.prompts is None else str(samples.prompts)
        found["samples"] = f"{prompts} prompts, drawn {count(samples.times, 'time')}"
    else:
        found["samples"] = "no sample_every_n_* flag"
    return found


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
