"""The `ss_*` and `modelspec.*` metadata of a checkpoint, all values as text."""

from __future__ import annotations

import hashlib
import importlib.metadata
import io
import json
import time
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import save

from runner.embedded.base import BASE_VERSION
from runner.embedded.captions import tag_frequency
from runner.trainers.sd_scripts.dataset import DatasetPlan, DatasetSummary

#: Kept with --no_metadata.
MINIMUM_KEYS = (
    "ss_v2",
    "ss_base_model_version",
    "ss_network_module",
    "ss_network_dim",
    "ss_network_alpha",
    "ss_network_args",
)
#: Flags that are written as `ss_<name>` with their own value.
PLAIN_FLAGS = (
    "output_name",
    "learning_rate",
    "unet_lr",
    "text_encoder_lr",
    "gradient_checkpointing",
    "gradient_accumulation_steps",
    "max_train_steps",
    "lr_warmup_steps",
    "lr_scheduler",
    "network_module",
    "network_dim",
    "network_alpha",
    "network_dropout",
    "mixed_precision",
    "full_fp16",
    "clip_skip",
    "max_token_length",
    "cache_latents",
    "seed",
    "noise_offset",
    "training_comment",
    "max_grad_norm",
    "caption_dropout_rate",
    "caption_dropout_every_n_epochs",
    "caption_tag_dropout_rate",
    "prior_loss_weight",
    "min_snr_gamma",
    "scale_weight_norms",
    "loss_type",
    "validation_seed",
    "validation_split",
    "max_validation_steps",
    "validate_every_n_epochs",
    "validate_every_n_steps",
)


def training_metadata(
    args: Any, plan: DatasetPlan, captions: dict[str, str], known: dict[str, Any]
) -> dict[str, str]:
    """Everything that is known before the first step. `known`: what only the caller knows."""
    values: dict[str, Any] = {f"ss_{name}": getattr(args, name) for name in PLAIN_FLAGS}
    values |= known
    values |= {
        "ss_num_train_images": plan.train_images_with_repeats,
        "ss_num_validation_images": plan.validation_images,
        "ss_num_reg_images": plan.reg_images_with_repeats,
        "ss_v2": False,
        "ss_base_model_version": BASE_VERSION,
        "ss_sd_scripts_commit_hash": "(unknown)",
        "ss_sd_model_name": Path(args.pretrained_model_name_or_path).name,
    }
    if args.network_args:
        values["ss_network_args"] = json.dumps(dict(a.split("=", 1) for a in args.network_args))
    if Path(args.pretrained_model_name_or_path).is_file():
        content = Path(args.pretrained_model_name_or_path).read_bytes()
        values["ss_sd_model_hash"] = hashlib.sha256(content[0x100000:0x110000]).hexdigest()[:8]
        values["ss_new_sd_model_hash"] = hashlib.sha256(content).hexdigest()
    values |= _dataset_values(args, plan, captions)
    return {key: str(value) for key, value in values.items()}


def _dataset_values(args: Any, plan: DatasetPlan, captions: dict[str, str]) -> dict[str, Any]:
    train_dirs: dict[str, Any] = {}
    reg_dirs: dict[str, Any] = {}
    frequency: dict[str, Any] = {}
    for dataset in plan.datasets:
        for index, subset in enumerate(dataset.subsets):
            name = Path(subset.spec.image_dir).name
            dirs = reg_dirs if subset.spec.is_reg else train_dirs
            dirs[name] = {"n_repeats": subset.spec.num_repeats, "img_count": subset.image_count}
            tags = [captions[image.path] for image in dataset.images if image.subset == index]
            frequency.setdefault(name, tag_frequency(tags))
    values: dict[str, Any] = {
        "ss_dataset_dirs": json.dumps(train_dirs),
        "ss_tag_frequency": json.dumps(frequency),
    }
    if args.dataset_config is not None:
        values["ss_datasets"] = json.dumps([_dataset_entry(d, frequency) for d in plan.datasets])
        return values
    dataset = plan.datasets[0]
    return values | {
        "ss_reg_dataset_dirs": json.dumps(reg_dirs),
        "ss_batch_size_per_device": args.train_batch_size,
        "ss_resolution": dataset.spec.resolution,
        "ss_enable_bucket": dataset.spec.enable_bucket,
        "ss_bucket_no_upscale": dataset.spec.bucket_no_upscale,
        "ss_min_bucket_reso": dataset.limits.min_reso,
        "ss_max_bucket_reso": dataset.limits.max_reso,
        "ss_keep_tokens": args.keep_tokens,
        "ss_shuffle_caption": args.shuffle_caption,
        "ss_flip_aug": args.flip_aug,
        "ss_random_crop": args.random_crop,
        "ss_bucket_info": json.dumps(_bucket_info(dataset)),
    }


def _dataset_entry(dataset: DatasetSummary, frequency: dict[str, Any]) -> dict[str, Any]:
    spec = dataset.spec
    names = {Path(subset.spec.image_dir).name for subset in dataset.subsets}
    return {
        "is_dreambooth": True,
        "batch_size_per_device": spec.batch_size,
        "num_train_images": dataset.train_images,
        "num_reg_images": dataset.reg_images,
        "resolution": spec.resolution,
        "enable_bucket": spec.enable_bucket,
        "min_bucket_reso": dataset.limits.min_reso,
        "max_bucket_reso": dataset.limits.max_reso,
        "tag_frequency": {name: tags for name, tags in frequency.items() if name in names},
        "bucket_info": _bucket_info(dataset) if spec.enable_bucket else None,
        "subsets": [
            {
                "img_count": subset.image_count,
                "num_repeats": subset.spec.num_repeats,
                "flip_aug": subset.spec.flip_aug,
                "random_crop": subset.spec.random_crop,
                "shuffle_caption": subset.spec.shuffle_caption,
                "keep_tokens": subset.spec.keep_tokens,
                "image_dir": Path(subset.spec.image_dir).name,
                "class_tokens": subset.spec.class_tokens,
                "is_reg": subset.spec.is_reg,
            }
            for subset in dataset.subsets
        ],
    }


def _bucket_info(dataset: DatasetSummary) -> dict[str, Any]:
    return {
        "buckets": {
            str(i): {"resolution": bucket.resolution, "count": bucket.count}
            for i, bucket in enumerate(dataset.buckets)
        },
        "mean_img_ar_error": dataset.mean_aspect_error,
    }


def model_spec(args: Any, resolution: tuple[int, int]) -> dict[str, str]:
    """`modelspec.*`, dated now."""
    return {
        "modelspec.sai_model_spec": "1.0.1",
        "modelspec.architecture": f"{BASE_VERSION}/lora",
        "modelspec.implementation": "plasma-tui built-in trainer",
        "modelspec.implementation_version": f"plasma-tui/{_version()}",
        "modelspec.title": args.output_name or "LoRA",
        "modelspec.resolution": f"{resolution[0]}x{resolution[1]}",
        "modelspec.date": time.strftime("%Y-%m-%dT%H:%M:%S"),
        "modelspec.prediction_type": "epsilon",
    }


def weight_hashes(tensors: dict[str, torch.Tensor], metadata: dict[str, str]) -> dict[str, str]:
    """The hashes that tools index LoRA files by: of the tensors alone, and of a fixed window of
    the file with the `ss_*` metadata."""
    kept = {key: value for key, value in metadata.items() if key.startswith("ss_")}
    content = io.BytesIO(save(tensors, kept))
    header_bytes = int.from_bytes(content.read(8), "little")
    content.seek(8 + header_bytes)
    whole = hashlib.sha256(content.read()).hexdigest()
    content.seek(0x100000)
    window = hashlib.sha256(content.read(0x10000)).hexdigest()[:8]
    return {"sshs_model_hash": whole, "sshs_legacy_hash": window}


def _version() -> str:
    try:
        return importlib.metadata.version("plasma-tui")
    except importlib.metadata.PackageNotFoundError:
        return "unknown"
