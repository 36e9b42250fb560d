"""The order in which a plasma.toml names flags that came in no order of their own."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping

from runner.config.flags import Flags, FlagValue

#: heading of a group, then its flags; a name with `*` stands for all that begin so
GROUPS: tuple[tuple[str, tuple[str, ...]], ...] = (
    (
        "model",
        (
            "pretrained_model_name_or_path", "v2", "v_parameterization", "vae", "ae", "clip_l",
            "clip_g", "t5xxl", "gemma2", "qwen3", "text_encoder", "byt5", "model_type",
            "tokenizer_cache_dir",
        ),
    ),
    (
        "images",
        (
            "dataset_config", "train_data_dir", "reg_data_dir", "in_json", "resolution",
            "train_batch_size", "enable_bucket", "min_bucket_reso", "max_bucket_reso", "bucket_*",
            "caption_*", "shuffle_caption", "keep_tokens*", "flip_aug", "color_aug", "random_crop",
            "prior_loss_weight", "cache_*", "vae_batch_size", "skip_cache_check",
        ),
    ),
    (
        "output",
        ("output_dir", "output_name", "save_*", "metadata_*", "training_comment", "resume"),
    ),
    (
        "length",
        ("max_train_epochs", "max_train_steps", "gradient_accumulation_steps", "seed"),
    ),
    ("network", ("network_*", "dim_from_weights", "scale_weight_norms")),
    (
        "learning",
        (
            "learning_rate", "unet_lr", "text_encoder_lr", "lr_*", "optimizer_*", "max_grad_norm",
            "loss_type", "huber_*", "min_snr_gamma", "noise_*", "multires_*", "adaptive_noise_scale",
            "ip_noise_*", "clip_skip", "max_token_length", "weighted_captions",
        ),
    ),
    (
        "precision and memory",
        (
            "mixed_precision", "full_fp16", "full_bf16", "fp8_*", "no_half_vae", "xformers", "sdpa",
            "mem_eff_attn", "gradient_checkpointing", "lowram", "highvram", "blocks_to_swap",
            "max_data_loader_n_workers", "persistent_data_loader_workers",
        ),
    ),
    ("samples and logs", ("sample_*", "logging_dir", "log_*", "wandb_*")),
)  # fmt: skip
REST = "more"


def _matcher(names: Iterable[str]) -> re.Pattern[str]:
    return re.compile("|".join(re.escape(name).replace(r"\*", ".*") for name in names))


_RANKS: Mapping[str, int] = {
    name: rank for rank, name in enumerate(name for _, names in GROUPS for name in names)
}
_MATCHERS = tuple((heading, _matcher(names)) for heading, names in GROUPS)


def grouped(flags: Flags) -> list[tuple[str, dict[str, FlagValue]]]:
    """Heading and flags of each group that is not empty."""
    groups: dict[str, dict[str, FlagValue]] = {heading: {} for heading, _ in GROUPS}
    groups[REST] = {}
    for name, value in sorted(flags.items(), key=lambda item: _rank(item[0])):
        groups[_heading(name)][name] = value
    return [(heading, values) for heading, values in groups.items() if values]


def _heading(name: str) -> str:
    return next((heading for heading, names in _MATCHERS if names.fullmatch(name)), REST)


def _rank(name: str) -> int:
    return _RANKS.get(name, len(_RANKS))
