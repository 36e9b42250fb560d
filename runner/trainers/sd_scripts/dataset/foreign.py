"""Files of another kind given as a dataset config, recognised by their keys: one sentence instead of one for
each key.

Keys of musubi-tuner: its `src/musubi_tuner/dataset/config_utils.py`; of diffusion-pipe:
`examples/dataset.toml`; of SimpleTuner: `multidatabackend.json`; of LoRA_Easy_Training_Scripts: its saved
TOML; of sd-scripts' metadata: `FineTuningDataset` in `train_util.py`, v0.10.1.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from runner.config.positions import KeyPath
from runner.model.units import some

#: flags of the trainer, by which a training config is recognised
TRAINER_FLAGS = frozenset(
    {
        "pretrained_model_name_or_path", "output_dir", "output_name", "network_module", "network_dim",
        "network_alpha", "network_args", "network_weights", "network_train_unet_only",
        "network_train_text_encoder_only", "learning_rate", "unet_lr", "text_encoder_lr",
        "lr_scheduler", "lr_scheduler_args", "lr_scheduler_num_cycles", "lr_warmup_steps",
        "optimizer_type", "optimizer_args", "max_train_steps", "max_train_epochs", "train_batch_size",
        "train_data_dir", "reg_data_dir", "in_json", "dataset_config", "dataset_repeats",
        "mixed_precision", "save_precision", "save_every_n_epochs", "save_every_n_steps",
        "save_last_n_epochs", "save_last_n_steps", "save_model_as", "save_state", "seed", "clip_skip",
        "max_token_length", "xformers", "sdpa", "mem_eff_attn", "cache_latents",
        "cache_latents_to_disk", "cache_text_encoder_outputs", "cache_text_encoder_outputs_to_disk",
        "gradient_checkpointing", "gradient_accumulation_steps", "logging_dir", "log_with",
        "log_prefix", "max_data_loader_n_workers", "persistent_data_loader_workers", "min_snr_gamma",
        "noise_offset", "multires_noise_iterations", "multires_noise_discount", "prior_loss_weight",
        "vae", "vae_batch_size", "no_half_vae", "lowram", "sample_prompts", "sample_sampler",
        "sample_every_n_epochs", "sample_every_n_steps", "max_grad_norm", "masked_loss",
        "weighted_captions", "v2", "v_parameterization", "full_bf16", "full_fp16", "fp8_base",
        "loss_type", "timestep_sampling", "guidance_scale", "clip_l", "t5xxl", "ae", "highvram",
        "blocks_to_swap", "scale_weight_norms", "network_dropout",
    }
)  # fmt: skip
#: of a dataset of musubi-tuner, none of which sd-scripts has
MUSUBI_KEYS = frozenset(
    {
        "image_directory", "video_directory", "image_jsonl_file", "video_jsonl_file", "cache_directory",
        "control_directory", "target_frames", "frame_extraction", "frame_stride", "frame_sample",
        "max_frames", "source_fps", "multiple_target", "fp_latent_window_size", "fp_1f_clean_indices",
        "fp_1f_target_index", "fp_1f_no_post", "no_resize_control", "control_resolution",
        "qwen_image_edit_no_resize_control", "qwen_image_edit_control_resolution",
        "flux_kontext_no_resize_control",
    }
)  # fmt: skip
#: as many flags in [general] are no slip
SEVERAL = 3
_EXTRA = "extra keys not allowed"


@dataclass(frozen=True, slots=True)
class Foreign:
    """`kind`: two or three words; `text`: what the file is and what to do; `path`: of the key that shows it."""

    kind: str
    text: str
    path: KeyPath
    said: str = _EXTRA


def foreign(values: object) -> Foreign | None:
    """None: a dataset config, or nothing known."""
    if not isinstance(values, Mapping):
        return _a_list(values)
    for path in _below_datasets(values):
        if path[-1] in MUSUBI_KEYS:
            instead = "write [[datasets.subsets]] with image_dir and num_repeats"
            text = (
                f"{path[-1]} is a key of musubi-tuner: this is a dataset config for musubi-tuner, not for "
                f"sd-scripts; {instead}, or train with musubi-tuner"
            )
            return Foreign("for musubi-tuner", text, path)
    return _other_program(values) or _flags(values)


def _a_list(values: object) -> Foreign:
    first = values[0] if isinstance(values, list) and values else None
    if isinstance(first, Mapping) and first.keys() & {"instance_data_dir", "dataset_type"}:
        what = "instance_data_dir is a key of SimpleTuner: this is its multidatabackend.json"
        text = f"{what}; write [[datasets]] and [[datasets.subsets]] for sd-scripts"
        return Foreign("for SimpleTuner", text, (), "expected a dictionary")
    text = "the file is a list; a dataset config is a table with general and datasets"
    return Foreign("no dataset config", text, (), "expected a dictionary")


def _other_program(values: Mapping[str, Any]) -> Foreign | None:
    write = "write [[datasets]] and [[datasets.subsets]] with image_dir for sd-scripts"
    own = values.get("dataset")
    if {"trainer", "train"} <= values.keys():
        text = "this is a plasma.toml; dataset_config must be the dataset config that it trains on"
        return Foreign("a plasma.toml", text, ("trainer",))
    if isinstance(own, Mapping) and own.keys() & {"general", "datasets"}:
        text = "write [general] and [[datasets]] without `dataset.` in front; only plasma.toml has a [dataset]"
        return Foreign("inside [dataset]", text, ("dataset",))
    if "datasets" in values:
        return None
    if isinstance(values.get("directory"), list):
        text = f"[[directory]] is a dataset of diffusion-pipe, not of sd-scripts; {write}"
        return Foreign("for diffusion-pipe", text, ("directory",))
    if "subsets" in values and any(name.endswith("_args") for name in values):
        text = (
            "this is a config of LoRA_Easy_Training_Scripts; `plasma-tui init --from` writes a plasma.toml and "
            "a dataset config from it"
        )
        return Foreign("of Easy Scripts", text, ("subsets",))
    if values and all(
        isinstance(one, Mapping) and one.keys() & {"caption", "tags"} for one in values.values()
    ):
        text = "this is a metadata file (captions by image): set it as metadata_file of a subset"
        return Foreign("a metadata file", text, ())
    return None


def _flags(values: Mapping[str, Any]) -> Foreign | None:
    """Of the trainer, at the top or in sections, as `--config_file` reads them."""
    found = [path for path in _top(values) if path[-1] in TRAINER_FLAGS]
    if len(found) < SEVERAL and all(path[0] == "general" for path in found):
        return None  # each is named with its line
    if not found:
        return None
    names = some([str(path[-1]) for path in found], 2)
    are = "are flags" if len(found) > 1 else "is a flag"
    if "datasets" in values:
        text = f"{names} {are} of the trainer, not of a dataset; move them to the training config"
        return Foreign("flags of the trainer", text, found[0])
    text = (
        f"this is a training config, not a dataset config ({names} {are} of the trainer): give it as "
        "config_file or to `plasma-tui init --from`, and as dataset_config a file with [[datasets]]"
    )
    return Foreign("a training config", text, found[0])


def _top(values: Mapping[str, Any]) -> Iterator[KeyPath]:
    for key, value in values.items():
        yield (key,)
        if isinstance(value, Mapping):
            yield from ((key, inner) for inner in value)


def _below_datasets(values: Mapping[str, Any]) -> Iterator[KeyPath]:
    general, datasets = values.get("general"), values.get("datasets")
    if isinstance(general, Mapping):
        yield from (("general", key) for key in general)
    for number, dataset in enumerate(datasets if isinstance(datasets, list) else ()):
        if isinstance(dataset, Mapping):
            yield from (("datasets", number, key) for key in dataset)
