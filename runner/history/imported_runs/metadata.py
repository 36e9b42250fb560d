"""The settings of a training from its checkpoints: sd-scripts' metadata by flag name. Pure.

The metadata also contains unset flags, so values equal to sd-scripts' default are left out, as in a command.
"""

from __future__ import annotations

from collections.abc import Mapping

#: longer values (tag frequencies, dataset) are not kept
LIMIT_CHARACTERS = 400
#: flags by their names after `ss_`
_FLAGS = """network_module network_dim network_alpha network_dropout learning_rate unet_lr
    text_encoder_lr lr_scheduler lr_warmup_steps mixed_precision seed clip_skip
    gradient_checkpointing gradient_accumulation_steps cache_latents full_fp16 fp8_base v2
    max_grad_norm max_token_length min_snr_gamma noise_offset multires_noise_iterations
    prior_loss_weight scale_weight_norms loss_type zero_terminal_snr debiased_estimation""".split()  # noqa: SIM905 (the names are read as words)
#: default if the flag is not set (train_network.py, v0.10)
_DEFAULTS = {
    "network_alpha": "1",
    "lr_scheduler": "constant",
    "lr_warmup_steps": "0",
    "mixed_precision": "no",
    "gradient_accumulation_steps": "1",
    "max_grad_norm": "1",
    "noise_offset": "0",
    "prior_loss_weight": "1",
    "loss_type": "l2",
}


def kept_metadata(metadata: Mapping[str, str]) -> dict[str, str]:
    """What is worth storing in the run folder."""
    return {k: v for k, v in metadata.items() if len(k) + len(v) <= LIMIT_CHARACTERS}


def metadata_settings(metadata: Mapping[str, str]) -> dict[str, str]:
    """Flags by their plain names; empty without metadata (`--no_metadata`)."""
    told = {name: metadata.get(f"ss_{name}", "") for name in _FLAGS}
    found = {
        name: "true" if value == "True" else value
        for name, value in told.items()
        if value not in ("None", "False", "") and not _same(value, _DEFAULTS.get(name, ""))
    }
    optimizer = metadata.get("ss_optimizer", "").partition("(")[0].rpartition(".")[2]
    return found | ({"optimizer_type": optimizer} if optimizer else {})


def _same(value: str, default: str) -> bool:
    try:
        return float(value) == float(default)
    except ValueError:
        return value == default
