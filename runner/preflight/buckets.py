"""Will every image find its bucket? What does not fit stops sd-scripts, at once or in the middle.

sd-scripts main 48d368fa: limits and steps are asserted when the dataset is made; without
enable_bucket an image of another size than the resolution stops the first batch that holds it,
unless latents are cached (then it is resized) or the subset crops; bucket_no_upscale divides by
zero on an image smaller than one step.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from runner.model.units import count
from runner.preflight.cures.dataset_edit import dataset_cure
from runner.preflight.cures.model import Cure
from runner.preflight.cures.plasma_toml import flag_cure
from runner.preflight.facts import Facts
from runner.preflight.model import Check, Finding, failed, passed, skipped, some
from runner.trainers.sd_scripts.dataset import (
    DatasetError,
    DatasetPlan,
    DatasetSummary,
    PlannedImage,
)


def look(facts: Facts) -> Finding:
    try:
        specs = facts.specs()
    except DatasetError as error:
        return skipped("dataset unread", str(error))
    try:
        plan = facts.plan()
    except DatasetError as error:
        return _refused(facts, error)
    if not plan.images:
        return skipped("no images")
    unfit = [(dataset, image) for dataset in plan.datasets for image in _unfit(facts, dataset)]
    if unfit:
        return _without_buckets(facts, unfit)
    if not any(spec.enable_bucket for spec in specs):
        return passed("all of one size", "Every image has the size that is trained.")
    return _filled(plan)


def _filled(plan: DatasetPlan) -> Finding:
    sizes = [f"{b.resolution[0]}x{b.resolution[1]}" for b in plan.buckets]
    error = max(dataset.mean_aspect_error for dataset in plan.datasets)
    detail = f"{some(sizes, 6)}; the shapes differ by {error:.3f} on average."
    return passed(count(len(sizes), "bucket"), detail)


def _unfit(facts: Facts, dataset: DatasetSummary) -> list[PlannedImage]:
    """Images that stop a batch; where latents are cached everything is resized beforehand."""
    spec = dataset.spec
    cached = facts.on("cache_latents") or facts.on("cache_latents_to_disk")
    if spec.enable_bucket or cached or spec.resolution is None:
        return []
    width, height = spec.resolution
    found = []
    for image in dataset.images:
        subset = dataset.subsets[image.subset].spec
        small = image.size[0] < width or image.size[1] < height
        large = image.size[0] > width or image.size[1] > height
        crops = subset.random_crop or subset.face_crop_aug_range is not None
        if small or (large and not crops):
            found.append(image)
    return found


def _without_buckets(facts: Facts, unfit: list[tuple[DatasetSummary, PlannedImage]]) -> Finding:
    dataset, first = unfit[0]
    width, height = dataset.spec.resolution or (0, 0)
    name = first.path.rpartition("/")[2]
    more = f" and {len(unfit) - 1} more are" if len(unfit) > 1 else " is"
    detail = (
        f"{name}{more} not {width}x{height} ({first.size[0]}x{first.size[1]}), and without "
        "enable_bucket the training stops at the first of them."
    )
    cure = _set(facts, "sort images into buckets", {"enable_bucket": True, **_limits(facts)})
    evidence = f"{count(len(unfit), 'image')} unfit"
    return failed(evidence, detail, "enable_bucket = true").curable(cure)


def _limits(facts: Facts) -> dict[str, Any]:
    """min_bucket_reso is 256 by default, which a small resolution contradicts."""
    changes: dict[str, Any] = {}
    for spec in facts.specs():
        if spec.resolution is None:
            continue
        steps = max(1, spec.bucket_reso_steps)
        if min(spec.resolution) < spec.min_bucket_reso:
            changes["min_bucket_reso"] = min(spec.resolution) // steps * steps
        if max(spec.resolution) > spec.max_bucket_reso:
            changes["max_bucket_reso"] = -(-max(spec.resolution) // steps) * steps
    return changes


def _refused(facts: Facts, error: DatasetError) -> Finding:
    """The trainer's own words tell which setting it is; the sentence is ours."""
    said, detail = error.trainer_text, str(error)
    if error.trainer_error == "ZeroDivisionError" and "cannot be read" in detail:
        return failed("an image is unfit", detail, "remove or replace the image")
    if "too small for bucket_no_upscale" in detail:
        cure = _set(facts, "let small images grow", {"bucket_no_upscale": False})
        return failed("an image is too small", detail, "bucket_no_upscale = false").curable(cure)
    if "bucket_reso must be" in said:
        limits = _limits(facts)
        advice = ", ".join(f"{name} = {value}" for name, value in limits.items())
        cure = _set(facts, "limits that fit", limits) if limits else None
        return failed("bucket limits", detail, advice or "correct the limits").curable(cure)
    if "bucket_reso_steps" in said:
        divisor = facts.script.reso_divisor if facts.script else 64
        cure = _set(facts, "a step that fits", {"bucket_reso_steps": divisor})
        return failed("bucket_reso_steps", detail, f"bucket_reso_steps = {divisor}").curable(cure)
    if "resolution is required" in said:
        return failed("no resolution", detail, "resolution = 512 in [general]")
    return failed("would not start", detail, "correct the dataset config")


def _set(facts: Facts, title: str, values: Mapping[str, Any]) -> Cure | None:
    if facts.dataset_file() is not None or facts.config.dataset is not None:
        return dataset_cure(facts, "buckets", title, values)
    return flag_cure(facts.config, "buckets", title, values)


CHECK = Check("buckets", "Buckets", look)
