"""The settings of a training as its files of weights tell them: sd-scripts' metadata by the names of its flags.

Pure. The metadata also holds what was never set, so a value that is sd-scripts' own default is left out: as a
command leaves it out.
"""

from __future__ import annotations

from collections.abc import Mapping

#: longer values (tag frequencies, dataset) are not kept
LIMIT_CHARACTERS = 400
#: flag by its name behind `ss_`, with the default in force where it was not set (train_network.py, v0.10)
_DEFAULTS: dict[str, str | None] = {
    "network_module": None,
    "network_dim": None,
    "network_alpha": "1",
    "network_dropout": None,
    "learning_rate": None,
    "unet_lr": None,
    "text_encoder_lr": None,
    "lr_scheduler": "constant",
    "lr_warmup_steps": "0",
    "mixed_precision": "no",
    "seed": None,
    "clip_skip": None,
    "gradient_checkpointing": None,
    "gradient_accumulation_steps": "1",
    "cache_latents": None,
    "full_fp16": None,
    "fp8_base": None,
    "v2": None,
    "max_grad_norm": "1",
    "max_token_length": None,
    "min_snr_gamma": None,
    "noise_offset": "0",
    "multires_noise_iterations": None,
    "prior_loss_weight": "1",
    "scale_weight_norms": None,
    "loss_type": "l2",
    "zero_terminal_snr": None,
    "debiased_estimation": None,
}
_NOT_SET = ("None", "False", "")


def kept_metadata(metadata: Mapping[str, str]) -> dict[str, str]:
    """What is worth a place in the run folder."""
    return {k: v for k, v in metadata.items() if len(k) + len(v) <= LIMIT_CHARACTERS}


def metadata_settings(metadata: Mapping[str, str]) -> dict[str, str]:
    """Flags by their plain names; empty where nothing is told (`--no_metadata`)."""
    found: dict[str, str] = {}
    for name, default in _DEFAULTS.items():
        value = metadata.get(f"ss_{name}", "")
        if value in _NOT_SET or _same(value, default):
            continue
        found[name] = "true" if value == "True" else value
    optimizer = metadata.get("ss_optimizer", "").partition("(")[0].rpartition(".")[2]
    if optimizer:
        found["optimizer_type"] = optimizer
    return found


def _same(value: str, default: str | None) -> bool:
    if default is None:
        return False
    try:
        return float(value) == float(default)
    except ValueError:
        return value == default
