"""Texts of a forecast, a few words or one sentence each: sources of its numbers, surprising numbers, flags
that do not do what they seem to."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import PurePath
from typing import Any

from runner.config.flags import whole
from runner.model.units import count
from runner.trainers.sd_scripts.dataset import DatasetPlan, DatasetSpec, SubsetSummary
from runner.trainers.sd_scripts.dataset.config import IGNORED_WITH_CONFIG
from runner.trainers.sd_scripts.sample_prompts import Samples
from runner.trainers.sd_scripts.saves import epochs_between_saves
from runner.trainers.sd_scripts.scripts import CONTROL, TRAINED
from runner.trainers.sd_scripts.steps import DEFAULT_MAX_TRAIN_STEPS, Steps

Flags = Mapping[str, Any]
#: more folders than this are not listed one by one
SHOWN_FOLDERS = 4


def flag_source(name: str, origins: Mapping[str, str]) -> str:
    """`flag max_train_epochs`, or its file."""
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
        found["reg_images"] = f"{where}: {_folders(reg)}, used {used} times per epoch"
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
    each = f"{count(steps.per_epoch, 'step')} per epoch"
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
    names = ["save_every_n_steps"] if "save_every_n_steps" in flags else []
    if epochs_between_saves(flags, 1) is not None:
        names.append(
            "save_n_epoch_ratio" if flags.get("save_n_epoch_ratio") else "save_every_n_epochs"
        )
    told = [f"{flag_source(name, origins)} {flags[name]}" for name in names]
    final, drawn = "sd-scripts' default name", "no sample_every_n_* flag"
    if "output_name" in flags:
        final = flag_source("output_name", origins)
    if samples.times:
        prompts = "unknown" if samples.prompts is None else samples.prompts
        drawn = f"{prompts} prompts, drawn {count(samples.times, 'time')}"
    return {"checkpoints": ", ".join([*told, "the end"]), "final": final, "samples": drawn}


def flag_warnings(flags: Flags, specs: Sequence[DatasetSpec]) -> list[str]:
    """Flags whose meaning other flags or the dataset config change."""
    texts = []
    if "max_train_epochs" in flags and "max_train_steps" in flags:
        texts.append("max_train_epochs overrides max_train_steps")
    if flags.get("dataset_config"):
        if ignored := [name for name in IGNORED_WITH_CONFIG if flags.get(name)]:
            texts.append(f"dataset_config is set, so {', '.join(ignored)} is ignored")
        batch_size = whole(flags, "train_batch_size")
        used = sorted({spec.batch_size for spec in specs})
        if batch_size and used != [batch_size]:
            texts.append(
                f"batch_size {', '.join(map(str, used))} of the dataset config wins over "
                f"train_batch_size {batch_size}"
            )
    split = [spec.validation_split for spec in specs if spec.validation_split]
    if any(share < 0 or share > 1 for share in split):
        texts.append("validation_split must be between 0 and 1: nothing is validated")
    elif split and "seed" not in flags and any(spec.validation_seed is None for spec in specs):
        texts.append("without a seed the validation images are random")
    if flags.get("debug_dataset"):
        texts.append("debug_dataset shows the images and trains nothing")
    return texts


def mask_warning(flags: Flags, specs: Sequence[DatasetSpec], script: str) -> str | None:
    """Masks that the trainer does not expect, or expects in vain."""
    masks = any(spec.masked and spec.subsets for spec in specs)
    alpha = any(subset.alpha_mask for spec in specs for subset in spec.subsets)
    if masks and not flags.get("masked_loss") and TRAINED.get(PurePath(script).name) != CONTROL:
        return "conditioning_data_dir needs masked_loss: without it sd-scripts stops at this key"
    if flags.get("masked_loss") and not masks and not alpha:
        return "masked_loss has no effect: no subset has conditioning_data_dir or alpha_mask"
    return None


def step_warnings(flags: Flags, plan: DatasetPlan, steps: Steps) -> list[str]:
    """Trainings without steps, and those that do not start at step 0."""
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
            "confuses batches and steps"
        )
    # accelerate detects the end of an epoch by the last started loader: a validation left unfinished during
    # an epoch hides it, and the partial accumulation makes no step
    most = whole(flags, "max_validation_steps")
    left_half_way = most is not None and 1 <= most < plan.validation_batches
    in_the_middle = whole(flags, "validate_every_n_steps") and steps.batches % steps.accumulation
    if left_half_way and in_the_middle:
        texts.append(
            "validate_every_n_steps with max_validation_steps drops the last step of an epoch, "
            f"because {steps.batches} batches are not a multiple of gradient_accumulation_steps: fewer than "
            f"{steps.total} steps are trained"
        )
    return texts
