"""Where the numbers of a forecast come from, a few words each."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import PurePath
from typing import Any

from runner.model.units import count
from runner.trainers.sd_scripts.dataset import DatasetPlan, DatasetSpec, SubsetSummary
from runner.trainers.sd_scripts.sample_count import Samples
from runner.trainers.sd_scripts.saves import epochs_between_saves
from runner.trainers.sd_scripts.steps import DEFAULT_MAX_TRAIN_STEPS, Steps

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
