"""Masks: of masked_loss, by conditioning_data_dir or by transparency."""

from __future__ import annotations

from pathlib import Path

from runner.model.units import count
from runner.preflight.cures.model import Fix
from runner.preflight.facts import Facts
from runner.preflight.model import Finding, check, failed, passed, skipped, some, warned
from runner.trainers.sd_scripts.dataset import DatasetError, SubsetSpec
from runner.trainers.sd_scripts.dataset.header import has_alpha
from runner.trainers.sd_scripts.scripts import CONTROL, TRAINED


@check("masks", "Masks", 215)
def masks(facts: Facts) -> Finding:
    """Does each image have its mask, and will the masks be used?

    sd-scripts main 48d368fa: conditioning_data_dir is a known key only with --masked_loss; names must match
    one to one (ControlNetDataset), sizes too when images are in buckets; alpha_mask uses an image's own
    transparency and needs no --masked_loss (apply_masked_loss).
    """
    subsets = facts.subsets()
    masked = [subset for subset in subsets if subset.conditioning_data_dir is not None]
    wanted = facts.on("masked_loss")
    if masked:
        if not wanted and TRAINED.get(facts.script_name) != CONTROL:
            detail = (
                "conditioning_data_dir needs masked_loss: without it sd-scripts stops at this key."
            )
            fix = Fix("use the masks", {"masked_loss": True})
            return failed("masked_loss not set", detail, "", fix)
        return _pairs(facts, masked)
    by_alpha = [subset for subset in subsets if subset.alpha_mask and not subset.is_reg]
    if by_alpha:
        return _transparent(facts, by_alpha)
    if wanted:
        detail = "masked_loss has no effect: no subset has conditioning_data_dir or alpha_mask."
        return warned("no masks", detail, "set conditioning_data_dir or alpha_mask = true")
    return passed("not used", "The loss is not masked.")


def _pairs(facts: Facts, masked: list[SubsetSpec]) -> Finding:
    folders = list(dict.fromkeys(subset.conditioning_data_dir or "" for subset in masked))
    if missing := [folder for folder in folders if facts.listing(folder) is None]:
        detail = f"Missing: {some(missing)}; the training stops at its first batch."
        advice = "create the folder, or correct conditioning_data_dir"
        return failed(f"{count(len(missing), 'folder')} missing", detail, advice)
    try:
        plan = facts.plan()
    except DatasetError as error:
        if error.trainer_error == "AssertionError" and "conditioning data" in error.trainer_text:
            return failed("masks do not match", str(error), "one mask for each image")
        return skipped("dataset unread", str(error))
    source, unlike, pairs = facts.images(), [], 0
    for dataset in plan.datasets:
        known = dataset.masks.masks if dataset.masks is not None else {}
        pairs += len(known)
        if dataset.spec.enable_bucket:  # else the mask is resized
            unlike += [m for image, m in known.items() if source.size(m) != source.size(image)]
    if unlike:
        names = some([Path(mask).name for mask in unlike])
        detail = (
            f"Not of the same size as their images: {names}; the training stops at the first one."
        )
        return failed(
            f"{len(unlike)} of another size", detail, "save the masks in their images' sizes"
        )
    return passed(f"{count(pairs, 'mask')}", f"Each of {count(pairs, 'image')} has its mask.")


def _transparent(facts: Facts, subsets: list[SubsetSpec]) -> Finding:
    """Without an alpha channel an image is trained without a mask."""
    paths = dict.fromkeys(path for subset in subsets for path in facts.image_paths_of(subset))
    if not paths:
        return skipped("no images")
    opaque = [path.name for path in paths if not has_alpha(path)]
    if not opaque:
        return passed(
            "alpha channels", "Every image of a subset with alpha_mask has an alpha channel."
        )
    detail = f"alpha_mask is set, but without an alpha channel, so without a mask: {some(opaque)}."
    return warned(f"{len(opaque)} without alpha", detail, "save them with transparency")
