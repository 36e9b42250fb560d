"""Do the flags that cache latents and text encoder outputs go with how the data is varied?

sd-scripts main 48d368fa: is_latent_cacheable and is_text_encoder_output_cacheable (train_util.py
1099-1113) and assert_extra_args of the scripts.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from runner.preflight.cures.dataset_edit import dataset_cure
from runner.preflight.cures.model import Cure
from runner.preflight.cures.plasma_toml import flag_cure
from runner.preflight.facts import Facts
from runner.preflight.model import Check, Finding, failed, passed, skipped
from runner.trainers.sd_scripts.dataset import DatasetError, SubsetSpec

_TEXT = ("cache_text_encoder_outputs", "cache_text_encoder_outputs_to_disk")


def look(facts: Facts) -> Finding:
    latents = facts.on("cache_latents") or facts.on("cache_latents_to_disk")
    texts = any(facts.on(flag) for flag in _TEXT)
    if not latents and not texts:
        return passed("nothing cached", "Neither latents nor text encoder outputs are cached.")
    try:
        subsets = facts.subsets()
    except DatasetError as error:
        return skipped("dataset unread", str(error))
    if latents and (moving := _moving(subsets)):
        return _latents(facts, moving)
    if texts and (varied := _varied(facts, subsets)):
        return _texts(facts, varied)
    if texts and _trains_text(facts):
        detail = "Cached text encoder outputs cannot be used while a text encoder is trained."
        changes = {"network_train_unet_only": True}
        cure = flag_cure(facts.config, "caching", "train the U-Net only", changes)
        advice = "network_train_unet_only = true"
        return failed("text encoder trains", detail, advice).curable(cure)
    told = " and ".join(["latents"] * latents + ["text outputs"] * texts)
    return passed(f"{told} cached"[:20], f"Cached: {told}.")


def _moving(subsets: list[SubsetSpec]) -> list[str]:
    """What makes an image differ each time, so that there is nothing to cache."""
    found = []
    if any(subset.color_aug for subset in subsets):
        found.append("color_aug")
    if any(subset.random_crop for subset in subsets):
        found.append("random_crop")
    return found


def _latents(facts: Facts, moving: list[str]) -> Finding:
    names = " and ".join(moving)
    detail = f"{names} makes each image new, so latents cannot be cached."
    cure = _change(facts, f"without {names}", dict.fromkeys(moving, False))
    return failed("latents and crops", detail, f"{moving[0]} = false").curable(cure)


def _varied(facts: Facts, subsets: list[SubsetSpec]) -> dict[str, Any]:
    """What varies captions, with the value that does not. Anima's cache allows for dropped captions."""
    found: dict[str, Any] = {}
    anima = facts.script is not None and "anima" in facts.script.kinds
    for subset in subsets:
        if subset.shuffle_caption:
            found["shuffle_caption"] = False
        if subset.token_warmup_step > 0:
            found["token_warmup_step"] = 0
        if subset.caption_tag_dropout_rate > 0:
            found["caption_tag_dropout_rate"] = 0.0
        if subset.caption_dropout_rate > 0 and not anima:
            found["caption_dropout_rate"] = 0.0
    return found


def _texts(facts: Facts, varied: dict[str, Any]) -> Finding:
    names = ", ".join(varied)
    detail = f"{names} changes captions, so text encoder outputs cannot be cached."
    cure = _change(facts, "captions as they stand", varied)
    return failed("captions vary", detail, f"take {names} out of the dataset").curable(cure)


def _trains_text(facts: Facts) -> bool:
    """SDXL and Anima assert it; FLUX, SD 3 and Lumina leave the cached encoder alone."""
    if facts.script is None or facts.on("network_train_unet_only"):
        return False
    return any(kind in ("sdxl", "anima") for kind in facts.script.kinds)


def _change(facts: Facts, title: str, values: Mapping[str, Any]) -> Cure | None:
    if facts.dataset_file() is not None or facts.config.dataset is not None:
        return dataset_cure(facts, "caching", title, values)
    return flag_cure(facts.config, "caching", title, dict.fromkeys(values, False))


CHECK = Check("caching", "Cache flags", look)
