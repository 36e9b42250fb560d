"""The command line: sd-scripts' own flag names for what the built-in trainer does.

A flag that would have no effect is not taken: argparse refuses it with exit code 2, as it does in
sd-scripts for an unknown one. Names, types, defaults and choices are those of
`train_network.py --help`, v0.10.
"""

from __future__ import annotations

import argparse
import tomllib
from collections.abc import Sequence
from pathlib import Path
from typing import Any

LEVELS = ["DEBUG", "INFO", "WARNING", "ERROR", "CRITICAL"]


def parse_arguments(argv: Sequence[str]) -> argparse.Namespace:
    """Parse and complete the flags. Exits with code 2 on an unknown flag or a bad value, with
    code 1 when `--config_file` does not exist."""
    parser = build_parser()
    args = parser.parse_args(argv)
    if args.config_file:
        args = _with_config_file(parser, args.config_file, argv)
    if args.caption_extention is not None:
        args.caption_extension = args.caption_extention
    return args


def build_parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="runner.embedded", description="Train a LoRA for the small built-in denoiser."
    )
    for add in (
        _add_console,
        _add_model,
        _add_dataset,
        _add_captions,
        _add_steps,
        _add_saving,
        _add_logging,
        _add_loss,
        _add_samples,
        _add_optimizer,
        _add_network,
        _add_validation,
    ):
        add(parser)
    return parser


def _with_config_file(
    parser: argparse.ArgumentParser, name: str, argv: Sequence[str]
) -> argparse.Namespace:
    """Flags from a TOML file, sections flattened; the command line wins. Unlike sd-scripts, which
    checks nothing here, an unknown key is an error."""
    path = Path(name if name.endswith(".toml") else name + ".toml")
    if not path.exists():
        parser.exit(1, f"{path} not found.\n")
    flat: dict[str, Any] = {}
    for key, value in tomllib.loads(path.read_text(encoding="utf-8")).items():
        flat.update(value if isinstance(value, dict) else {key: value})
    known = {action.dest for action in parser._actions}
    unknown = sorted(set(flat) - known)
    if unknown:
        parser.error(f"{path}: unrecognized arguments: {' '.join(unknown)}")
    return parser.parse_args(argv, namespace=argparse.Namespace(**flat))


def _flag(parser: argparse.ArgumentParser, *names: str, help: str = "") -> None:
    for name in names:
        parser.add_argument(f"--{name}", action="store_true", help=help or None)


def _value(
    parser: argparse.ArgumentParser,
    kind: Any,
    default: Any,
    *names: str,
    choices: Sequence[Any] | None = None,
    many: bool = False,
    help: str = "",
) -> None:
    more: dict[str, Any] = {"nargs": "*"} if many else {}
    if choices is not None:
        more["choices"] = choices
    for name in names:
        parser.add_argument(f"--{name}", type=kind, default=default, help=help or None, **more)


def steps_or_share(text: str) -> int | float:
    """A number of steps, or a share of all steps: `100`, `0.1`, `10%`."""
    try:
        if text.endswith("%"):
            return float(text[:-1]) / 100.0
        number = float(text)
        return int(text) if number >= 1 else number
    except ValueError as error:
        raise argparse.ArgumentTypeError(f"'{text}' is not an int or float") from error


def _add_console(parser: argparse.ArgumentParser) -> None:
    _value(parser, str, None, "console_log_level", choices=LEVELS)
    _value(parser, str, None, "console_log_file")
    _flag(parser, "console_log_simple")
    _value(parser, str, None, "config_file", help="TOML file of flags")


def _add_model(parser: argparse.ArgumentParser) -> None:
    _value(
        parser,
        str,
        "builtin",
        "pretrained_model_name_or_path",
        help="'builtin', or a file that --write-base wrote",
    )
    parser.add_argument(
        "--write-base",
        metavar="FILE",
        default=None,
        help="write the built-in base model to a safetensors file and leave",
    )
    _flag(parser, "mem_eff_attn", "sdpa", help="attention is always torch's scaled dot product")
    _flag(parser, "no_half_vae", help="images are always encoded in float32")


def _add_dataset(parser: argparse.ArgumentParser) -> None:
    _value(parser, str, None, "dataset_config", "train_data_dir", "reg_data_dir", "resolution")
    _value(parser, int, 1, "dataset_repeats", "train_batch_size", "vae_batch_size")
    _flag(parser, "cache_latents", "flip_aug", "random_crop", "enable_bucket", "bucket_no_upscale")
    _value(parser, int, 256, "min_bucket_reso")
    _value(parser, int, 1024, "max_bucket_reso")
    _value(parser, int, 64, "bucket_reso_steps")
    _value(parser, int, 8, "max_data_loader_n_workers")
    _flag(parser, "persistent_data_loader_workers")


def _add_captions(parser: argparse.ArgumentParser) -> None:
    _flag(parser, "shuffle_caption", "enable_wildcard")
    _value(parser, str, ",", "caption_separator")
    _value(parser, str, ".caption", "caption_extension")
    _value(parser, str, None, "caption_extention", "secondary_separator")
    _value(parser, int, 0, "keep_tokens", "caption_dropout_every_n_epochs")
    _value(parser, str, "", "keep_tokens_separator")
    _value(parser, str, None, "caption_prefix", "caption_suffix")
    _value(parser, float, 0.0, "caption_dropout_rate", "caption_tag_dropout_rate")
    _value(parser, int, 1, "token_warmup_min")
    _value(parser, float, 0, "token_warmup_step")
    _value(parser, int, None, "max_token_length", choices=[None, 150, 225])


def _add_steps(parser: argparse.ArgumentParser) -> None:
    _value(parser, int, 1600, "max_train_steps")
    _value(parser, int, None, "max_train_epochs", "seed")
    _value(parser, int, 1, "gradient_accumulation_steps")
    _flag(parser, "gradient_checkpointing", "full_fp16", "full_bf16")
    _value(parser, str, "no", "mixed_precision", choices=["no", "fp16", "bf16"])
    _flag(parser, "skip_until_initial_step")
    _value(parser, int, None, "initial_epoch", "initial_step")
    _value(parser, str, None, "resume")


def _add_saving(parser: argparse.ArgumentParser) -> None:
    _value(parser, str, None, "output_dir", "output_name", "training_comment")
    _value(parser, str, None, "save_precision", choices=[None, "float", "fp16", "bf16"])
    _value(parser, str, "safetensors", "save_model_as", choices=[None, "ckpt", "pt", "safetensors"])
    _value(parser, int, None, "save_every_n_epochs", "save_every_n_steps", "save_n_epoch_ratio")
    _value(parser, int, None, "save_last_n_epochs", "save_last_n_epochs_state")
    _value(parser, int, None, "save_last_n_steps", "save_last_n_steps_state")
    _flag(parser, "save_state", "save_state_on_train_end", "no_metadata")


def _add_logging(parser: argparse.ArgumentParser) -> None:
    _value(parser, str, None, "logging_dir", "log_prefix", "log_tracker_name")
    _value(parser, str, None, "log_with", choices=["tensorboard"])
    _flag(parser, "log_config")


def _add_loss(parser: argparse.ArgumentParser) -> None:
    _value(parser, float, 1.0, "prior_loss_weight")
    _value(parser, float, None, "noise_offset", "min_snr_gamma")
    _value(parser, int, None, "min_timestep", "max_timestep")
    _value(parser, str, "l2", "loss_type", choices=["l1", "l2"])


def _add_samples(parser: argparse.ArgumentParser) -> None:
    _value(parser, int, None, "sample_every_n_steps", "sample_every_n_epochs")
    _flag(parser, "sample_at_first")
    _value(parser, str, None, "sample_prompts")
    _value(parser, str, "ddim", "sample_sampler", choices=["ddim"])


def _add_optimizer(parser: argparse.ArgumentParser) -> None:
    _value(parser, str, "", "optimizer_type", "lr_scheduler_type")
    _value(parser, float, 2.0e-6, "learning_rate")
    _value(parser, float, 1.0, "max_grad_norm")
    _value(parser, str, None, "optimizer_args", "lr_scheduler_args", many=True)
    _value(parser, str, "constant", "lr_scheduler")
    _value(parser, steps_or_share, 0, "lr_warmup_steps", "lr_decay_steps")
    _value(parser, int, 1, "lr_scheduler_num_cycles")
    _value(parser, float, 1, "lr_scheduler_power")
    _value(parser, int, None, "lr_scheduler_timescale")
    _value(parser, float, None, "lr_scheduler_min_lr_ratio")


def _add_network(parser: argparse.ArgumentParser) -> None:
    _value(parser, str, None, "network_module", "network_weights")
    _value(parser, int, None, "network_dim", "clip_skip")
    _value(parser, float, 1, "network_alpha")
    _value(parser, float, None, "network_dropout", "unet_lr", "scale_weight_norms")
    _value(parser, float, None, "text_encoder_lr", many=True)
    _value(parser, str, None, "network_args", many=True)
    _flag(
        parser,
        "network_train_unet_only",
        "network_train_text_encoder_only",
        "dim_from_weights",
    )


def _add_validation(parser: argparse.ArgumentParser) -> None:
    _value(parser, int, None, "validation_seed", "max_validation_steps")
    _value(parser, float, 0.0, "validation_split")
    _value(parser, int, None, "validate_every_n_steps", "validate_every_n_epochs")
