"""Buckets, and what may be cached."""

from __future__ import annotations

from typing import Any

from runner.model.units import count
from runner.preflight.cures.model import Fix
from runner.preflight.facts import Facts
from runner.preflight.model import Finding, check, failed, passed, skipped, some, warned
from runner.trainers.sd_scripts.dataset import DatasetError
from runner.trainers.sd_scripts.dataset.cropping import crop_words, file_name, lost, unfit

#: a share of an image that is seldom cut off on purpose; neighbouring buckets differ by less
MUCH = 0.4


@check(
    "buckets", "Buckets", 220,
    foresees=("bucket_reso_steps", "bucket_resolution", "image_size_without_buckets",
              "image_too_small_for_bucket", "resolution_missing"),
)  # fmt: skip
def buckets(facts: Facts) -> Finding:
    """Does every image fit a bucket? An unfit image stops sd-scripts, at once or during training.

    sd-scripts main 48d368fa: limits and steps are asserted when the dataset is made; without
    enable_bucket an image of another size than the resolution stops its first batch,
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
    cached = facts.on("cache_latents", "cache_latents_to_disk")
    bucketed = Fix("sort images into buckets", {"enable_bucket": True, **_limits(facts)}, "dataset")
    stops = () if cached else plan.datasets
    if bad := [(one, image) for one in stops for image in unfit(one.spec, one.subsets, one.images)]:
        dataset, first = bad[0]
        width, height = dataset.spec.resolution or (0, 0)
        more = f" and {len(bad) - 1} more are" if len(bad) > 1 else " is"
        detail = (
            f"{file_name(first)}{more} not {width}x{height} ({first.size[0]}x{first.size[1]}), and without "
            "enable_bucket the training stops at the first one."
        )
        if cropped := crop_words(image for _, image in bad):
            detail += f" With cached latents {cropped}."
        return failed(f"{count(len(bad), 'image')} unfit", detail, "", bucketed)
    fixed = [image for one in plan.datasets if not one.spec.enable_bucket for image in one.images]
    if cached and (cropped := crop_words(fixed)):
        detail = f"Without enable_bucket {cropped}."
        lost_in = sum(lost(image) > 0 for image in fixed)
        return warned(f"{count(lost_in, 'image')} cropped", detail, "", bucketed)
    if not any(spec.enable_bucket for spec in specs):
        return passed("all of one size", "Every image has the training resolution.")
    sizes = [f"{b.resolution[0]}x{b.resolution[1]}" for b in plan.buckets]
    differ = max(dataset.mean_aspect_error for dataset in plan.datasets)
    detail = f"{some(sizes, 6)}; the shapes differ by {differ:.3f} on average."
    images = [image for one in plan.datasets for image in one.images]
    if cropped := crop_words(images, MUCH):
        advice = "raise max_bucket_reso, or crop them by hand"
        much = sum(lost(image) > MUCH for image in images)
        return warned(f"{count(much, 'image')} cropped", f"{cropped}. {detail}", advice)
    return passed(count(len(sizes), "bucket"), detail)


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
    """The trainer's message shows which setting it is; the sentence is ours."""
    said, detail = error.trainer_text, str(error)
    if error.trainer_error == "ZeroDivisionError" and "cannot be read" in detail:
        return failed("an image is unfit", detail, "remove or replace the image")
    if "resolution is required" in said:
        return failed("no resolution", detail, "resolution = 512 in [general]")
    divisor = facts.script.reso_divisor if facts.script else 64
    evidence, title, changes = "would not start", "", dict[str, Any]()
    if "too small for bucket_no_upscale" in detail:
        evidence, title = "image too small", "let small images grow"
        changes = {"bucket_no_upscale": False}
    elif "bucket_reso must be" in said:
        evidence, title, changes = "bucket limits", "matching limits", _limits(facts)
    elif "bucket_reso_steps" in said:
        evidence, title = "bucket_reso_steps", "a matching step"
        changes = {"bucket_reso_steps": divisor}
    fix = Fix(title, changes, "dataset") if changes else None
    return failed(evidence, detail, "" if fix else "correct the dataset config", fix)


@check(
    "caching", "Cache flags", 240,
    foresees=("cache_latents_augmentation", "cache_text_encoder_conflict"),
)  # fmt: skip
def caching(facts: Facts) -> Finding:
    """Are the caching flags compatible with data augmentation?

    sd-scripts main 48d368fa: is_latent_cacheable and is_text_encoder_output_cacheable (train_util.py
    1099-1113) and assert_extra_args of the scripts.
    """
    latents = facts.on("cache_latents", "cache_latents_to_disk")
    texts = facts.on("cache_text_encoder_outputs", "cache_text_encoder_outputs_to_disk")
    if not latents and not texts:
        return passed("nothing cached", "Neither latents nor text encoder outputs are cached.")
    # augmentations that make caching impossible
    moving = _varied(facts, {"color_aug": False, "random_crop": False})
    if latents and moving:
        names = " and ".join(moving)
        detail = f"{names} changes each image, so latents cannot be cached."
        return failed("latents and crops", detail, "", Fix(f"without {names}", moving, "dataset"))
    still = {
        "shuffle_caption": False, "token_warmup_step": 0, "caption_tag_dropout_rate": 0.0,
        "caption_dropout_rate": 0.0,
    }  # fmt: skip
    if "anima" in facts.kinds:  # its cache supports dropped captions
        del still["caption_dropout_rate"]
    if texts and (varied := _varied(facts, still)):
        names = ", ".join(varied)
        detail = f"{names} changes captions, so text encoder outputs cannot be cached."
        fix = Fix("unchanged captions", varied, "dataset")
        return failed("captions vary", detail, f"remove {names} from the dataset", fix)
    # SDXL and Anima assert it; FLUX, SD 3 and Lumina do not train the cached encoder
    asserted = {"sdxl", "anima"} & set(facts.kinds) and not facts.on("network_train_unet_only")
    if texts and asserted:
        detail = "Cached text encoder outputs cannot be used while a text encoder is trained."
        fix = Fix("train the U-Net only", {"network_train_unet_only": True})
        return failed("text encoder trains", detail, "", fix)
    cached = " and ".join(["latents"] * latents + ["text outputs"] * texts)
    return passed(f"{cached} cached", f"Cached: {cached}.")


def _varied(facts: Facts, still: dict[str, Any]) -> dict[str, Any]:
    """Those settings of the dataset that differ from these values."""
    return {n: v for n, v in still.items() if any(getattr(s, n) > v for s in facts.subsets())}
