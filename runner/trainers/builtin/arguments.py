"""The command line: sd-scripts' own flag names for what the built-in trainer does.

A flag without effect is not accepted: argparse rejects it with exit code 2, as sd-scripts does for an unknown
one. Names, types, defaults and choices are those of `train_network.py --help`, v0.10.
"""

from __future__ import annotations

import argparse
from typing import Any

from runner.config.flags import int_or_float

SWITCH = object()
#: type, default, names separated by spaces, and other argparse arguments; in the order of --help
_FLAGS: tuple[tuple[Any, Any, str, dict[str, Any]], ...] = (
    (str, None, "console_log_level",
     {"choices": ["DEBUG", "INFO", "WARNING", "ERROR", "CRITICAL"]}),
    (str, None, "console_log_file", {}),
    (SWITCH, False, "console_log_simple", {}),
    (str, None, "config_file", {"help": "TOML file of flags"}),
    # model
    (str, "builtin", "pretrained_model_name_or_path",
     {"help": "'builtin', or a file written by --write-base"}),
    (str, None, "write-base",
     {"metavar": "FILE", "help": "write the built-in base model to a safetensors file and exit"}),
    (SWITCH, False, "mem_eff_attn sdpa", {"help": "attention is always torch's scaled dot product"}),
    (SWITCH, False, "no_half_vae", {"help": "images are always encoded in float32"}),
    # dataset
    (str, None, "dataset_config train_data_dir reg_data_dir resolution", {}),
    (int, 1, "dataset_repeats train_batch_size vae_batch_size", {}),
    (SWITCH, False, "cache_latents flip_aug random_crop enable_bucket bucket_no_upscale", {}),
    (int, 256, "min_bucket_reso", {}),
    (int, 1024, "max_bucket_reso", {}),
    (int, 64, "bucket_reso_steps", {}),
    (int, 8, "max_data_loader_n_workers", {}),
    (SWITCH, False, "persistent_data_loader_workers", {}),
    # captions
    (SWITCH, False, "shuffle_caption enable_wildcard", {}),
    (str, ",", "caption_separator", {}),
    (str, ".caption", "caption_extension", {}),
    (str, None, "caption_extention secondary_separator", {}),
    (int, 0, "keep_tokens caption_dropout_every_n_epochs", {}),
    (str, "", "keep_tokens_separator", {}),
    (str, None, "caption_prefix caption_suffix", {}),
    (float, 0.0, "caption_dropout_rate caption_tag_dropout_rate", {}),
    (int, 1, "token_warmup_min", {}),
    (float, 0, "token_warmup_step", {}),
    (int, None, "max_token_length", {"choices": [None, 150, 225]}),
    # steps
    (int, 1600, "max_train_steps", {}),
    (int, None, "max_train_epochs seed", {}),
    (int, 1, "gradient_accumulation_steps", {}),
    (SWITCH, False, "gradient_checkpointing full_fp16 full_bf16", {}),
    (str, "no", "mixed_precision", {"choices": ["no", "fp16", "bf16"]}),
    (SWITCH, False, "skip_until_initial_step", {}),
    (int, None, "initial_epoch initial_step", {}),
    (str, None, "resume", {}),
    # saving
    (str, None, "output_dir output_name training_comment", {}),
    (str, None, "save_precision", {"choices": [None, "float", "fp16", "bf16"]}),
    (str, "safetensors", "save_model_as", {"choices": [None, "ckpt", "pt", "safetensors"]}),
    (int, None, "save_every_n_epochs save_every_n_steps save_n_epoch_ratio", {}),
    (int, None, "save_last_n_epochs save_last_n_epochs_state", {}),
    (int, None, "save_last_n_steps save_last_n_steps_state", {}),
    (SWITCH, False, "save_state save_state_on_train_end no_metadata", {}),
    # logging
    (str, None, "logging_dir log_prefix log_tracker_name", {}),
    (str, None, "log_with", {"choices": ["tensorboard"]}),
    (SWITCH, False, "log_config", {}),
    # loss
    (float, 1.0, "prior_loss_weight", {}),
    (float, None, "noise_offset min_snr_gamma", {}),
    (int, None, "min_timestep max_timestep", {}),
    (str, "l2", "loss_type", {"choices": ["l1", "l2"]}),
    # samples
    (int, None, "sample_every_n_steps sample_every_n_epochs", {}),
    (SWITCH, False, "sample_at_first", {}),
    (str, None, "sample_prompts", {}),
    (str, "ddim", "sample_sampler", {"choices": ["ddim"]}),
    # optimizer
    (str, "", "optimizer_type lr_scheduler_type", {}),
    (float, 2.0e-6, "learning_rate", {}),
    (float, 1.0, "max_grad_norm", {}),
    (str, None, "optimizer_args lr_scheduler_args", {"nargs": "*"}),
    (str, "constant", "lr_scheduler", {}),
    (int_or_float, 0, "lr_warmup_steps lr_decay_steps", {}),
    (int, 1, "lr_scheduler_num_cycles", {}),
    (float, 1, "lr_scheduler_power", {}),
    (int, None, "lr_scheduler_timescale", {}),
    (float, None, "lr_scheduler_min_lr_ratio", {}),
    # network
    (str, None, "network_module network_weights", {}),
    (int, None, "network_dim clip_skip", {}),
    (float, 1, "network_alpha", {}),
    (float, None, "network_dropout unet_lr scale_weight_norms", {}),
    (float, None, "text_encoder_lr", {"nargs": "*"}),
    (str, None, "network_args", {"nargs": "*"}),
    (SWITCH, False, "network_train_unet_only network_train_text_encoder_only dim_from_weights", {}),
    # validation
    (int, None, "validation_seed max_validation_steps", {}),
    (float, 0.0, "validation_split", {}),
    (int, None, "validate_every_n_steps validate_every_n_epochs", {}),
)  # fmt: skip


def build_parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="runner.embedded", description="Train a LoRA for the small built-in denoiser."
    )
    for kind, default, names, more in _FLAGS:
        how = {"action": "store_true"} if kind is SWITCH else {"type": kind, "default": default}
        for name in names.split():
            parser.add_argument(f"--{name}", **how, **more)
    return parser
