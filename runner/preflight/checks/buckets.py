"""Buckets, and what may be cached of the images in them."""

from __future__ import annotations

from typing import Any

from runner.model.units import count
from runner.preflight.cures.settings import dataset_cure, flag_cure, toml_text
from runner.preflight.facts import Facts
from runner.preflight.model import Finding, check, failed, passed, skipped, some
from runner.trainers.sd_scripts.dataset import (
    DatasetError,
    DatasetPlan,
    DatasetSummary,
    PlannedImage,
    SubsetSpec,
)

_TEXT = ("cache_text_encoder_outputs", "cache_text_encoder_outputs_to_disk")


@check(
    "buckets", "Buckets", order=220, dataset=True,
    foresees=("bucket_reso_steps", "bucket_resolution", "image_size_without_buckets",
              "image_too_small_for_bucket", "resolution_missing"),
)  # fmt: skip
def buckets(facts: Facts) -> Finding:
    """Will every image find its bucket? What does not fit stops sd-scripts, at once or in the middle.

    sd-scripts main 48d368fa: limits and steps are asserted when the dataset is made; without
    enable_bucket an image of another size than the resolution stops the first batch that holds it,
    unless latents are cached (then it is resized) or the subset crops; bucket_no_upscale divides by
    zero on an image smaller than one step.
    """
    specs = facts.specs()
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
    changes = {"enable_bucket": True, **_limits(facts)}
    cure = dataset_cure(facts, "buckets", "sort images into buckets", changes)
    return failed(f"{count(len(unfit), 'image')} unfit", detail, "enable_bucket = true", cure)


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
    if "resolution is required" in said:
        return failed("no resolution", detail, "resolution = 512 in [general]")
    changes: dict[str, Any]
    if "too small for bucket_no_upscale" in detail:
        evidence, title = "an image is too small", "let small images grow"
        changes = {"bucket_no_upscale": False}
    elif "bucket_reso must be" in said:
        evidence, title, changes = "bucket limits", "limits that fit", _limits(facts)
    elif "bucket_reso_steps" in said:
        evidence, title = "bucket_reso_steps", "a step that fits"
        changes = {"bucket_reso_steps": facts.script.reso_divisor if facts.script else 64}
    else:
        return failed("would not start", detail, "correct the dataset config")
    advice = ", ".join(f"{name} = {toml_text(value)}" for name, value in changes.items())
    cure = dataset_cure(facts, "buckets", title, changes) if changes else None
    return failed(evidence, detail, advice or "correct the limits", cure)


@check(
    "caching", "Cache flags", order=240, dataset=True,
    foresees=("cache_latents_augmentation", "cache_text_encoder_conflict"),
)  # fmt: skip
def caching(facts: Facts) -> Finding:
    """Do the flags that cache latents and text encoder outputs go with how the data is varied?

    sd-scripts main 48d368fa: is_latent_cacheable and is_text_encoder_output_cacheable (train_util.py
    1099-1113) and assert_extra_args of the scripts.
    """
    latents = facts.on("cache_latents") or facts.on("cache_latents_to_disk")
    texts = any(facts.on(flag) for flag in _TEXT)
    if not latents and not texts:
        return passed("nothing cached", "Neither latents nor text encoder outputs are cached.")
    subsets = facts.subsets()
    # what makes an image differ each time, so that there is nothing to cache
    moving = [
        flag for flag in ("color_aug", "random_crop") if any(getattr(s, flag) for s in subsets)
    ]
    if latents and moving:
        names = " and ".join(moving)
        detail = f"{names} makes each image new, so latents cannot be cached."
        cure = dataset_cure(facts, "caching", f"without {names}", dict.fromkeys(moving, False))
        return failed("latents and crops", detail, f"{moving[0]} = false", cure)
    if texts and (varied := _varied(facts, subsets)):
        names = ", ".join(varied)
        detail = f"{names} changes captions, so text encoder outputs cannot be cached."
        gone = dict.fromkeys(varied, False)
        cure = dataset_cure(facts, "caching", "captions as they stand", varied, flags=gone)
        return failed("captions vary", detail, f"take {names} out of the dataset", cure)
    if texts and _trains_text(facts):
        detail = "Cached text encoder outputs cannot be used while a text encoder is trained."
        changes = {"network_train_unet_only": True}
        cure = flag_cure(facts.config, "caching", "train the U-Net only", changes)
        return failed("text encoder trains", detail, "network_train_unet_only = true", cure)
    told = " and ".join(["latents"] * latents + ["text outputs"] * texts)
    return passed(f"{told} cached"[:20], f"Cached: {told}.")


def _varied(facts: Facts, subsets: list[SubsetSpec]) -> dict[str, Any]:
    """What varies captions, with the value that does not. Anima's cache allows for dropped captions."""
    still: dict[str, Any] = {
        "shuffle_caption": False, "token_warmup_step": 0, "caption_tag_dropout_rate": 0.0,
        "caption_dropout_rate": 0.0,
    }  # fmt: skip
    if facts.script is not None and "anima" in facts.script.kinds:
        del still["caption_dropout_rate"]
    return {n: value for n, value in still.items() if any(getattr(s, n) > 0 for s in subsets)}


def _trains_text(facts: Facts) -> bool:
    """SDXL and Anima assert it; FLUX, SD 3 and Lumina leave the cached encoder alone."""
    if facts.script is None or facts.on("network_train_unet_only"):
        return False
    return any(kind in ("sdxl", "anima") for kind in facts.script.kinds)
