"""Causes of a failure: their titles, what helps, and the one recommended key. Pure."""

from __future__ import annotations

from runner.model import Cause, Outcome, RunSnapshot, RunState
from tui.text import clean
from tui.words.questions import GUARD

# ---------------------------------------------------------------------------
# Titles of the causes in the catalogue.

_TITLES = {
    "cuda_out_of_memory": "The graphics memory ran out",
    "mps_out_of_memory": "The Mac's GPU memory ran out",
    "mps_watermark_ratio": "A PyTorch memory limit is wrong",
    "host_out_of_memory": "The machine's memory ran out",
    "nan_latents": "The VAE produced NaN or infinite values",
    "nan_from_first_step": "The loss was NaN from the first step",
    "nan_during_training": "The loss became NaN during training",
    "fp16_unsupported": "This device cannot train in fp16",
    "bf16_unsupported": "This device cannot train in bf16",
    "wrong_device": "Trained on the wrong device",
    "cuda_not_compiled": "This PyTorch was built without CUDA",
    "mps_operator_missing": "The Mac's GPU lacks an operation",
    "mps_float64": "The Mac's GPU has no 64-bit numbers",
    "dtype_mismatch": "Mixed precisions in one operation",
    "fp16_unscale": "fp16 gradients cannot be scaled",
    "precision_flags_conflict": "Precision flags contradict each other",
    "submodule_missing": "sd-scripts is missing: empty submodule",
    "sd_scripts_not_importable": "sd-scripts' own modules can't be imported",
    "python_module_missing": "A Python package is missing",
    "numpy_abi": "numpy doesn't match the other packages",
    "dependency_version_drift": "A package has the wrong version",
    "unknown_flag": "The script got an unknown flag",
    "bad_flag_value": "Invalid value for a flag",
    "config_file_missing": "A configuration file is missing",
    "output_config_exists": "The configuration to write already exists",
    "no_data": "No images found",
    "caption_missing": "Captions are missing",
    "caption_empty": "Captions are empty",
    "caption_encoding": "A caption is not UTF-8",
    "image_unreadable": "An image cannot be read",
    "image_size_without_buckets": "Images differ in size, and buckets are off",
    "image_too_small_for_bucket": "An image is too small for its bucket",
    "dataset_toml_invalid": "The dataset file is invalid",
    "dataset_toml_syntax": "The dataset file is not valid TOML",
    "dataset_toml_missing": "The dataset file is missing",
    "resolution_missing": "No resolution is set",
    "bucket_resolution": "The bucket limits don't match the resolution",
    "bucket_reso_steps": "The bucket step doesn't match the model",
    "cache_latents_augmentation": "Cached latents rule out this augmentation",
    "cache_text_encoder_conflict": "Cached text outputs rule out another setting",
    "bitsandbytes_missing": "bitsandbytes is missing",
    "bitsandbytes_cuda_mismatch": "bitsandbytes doesn't match this CUDA",
    "xformers_missing": "xformers is missing",
    "xformers_mismatch": "xformers doesn't match this PyTorch",
    "gpu_architecture_unsupported": "This PyTorch doesn't support this GPU",
    "cuda_device_assert": "A check on the GPU failed",
    "cuda_hardware_error": "The GPU or its driver failed",
    "gpu_id_invalid": "No GPU with that number",
    "tokenizer_unavailable": "The tokenizer cannot be loaded",
    "output_dir_missing": "The output folder is missing",
    "model_not_found": "The base model is missing",
    "model_truncated": "The base model's file is truncated",
    "model_not_safetensors": "The base model is not a safetensors file",
    "base_model_v2_mismatch": "SD 1 and SD 2 are mixed up",
    "base_model_inpainting": "The base model is an inpainting model",
    "base_model_architecture_mismatch": "The base model has another architecture",
    "resume_shape_mismatch": "The state doesn't match the network",
    "resume_optimizer_mismatch": "The state is from another optimizer",
    "resume_state_missing": "The state to resume from is missing",
    "resume_already_finished": "The state is from a finished training",
    "resume_state_corrupt": "The state to resume from is damaged",
    "resume_accelerate_version": "The state is from another accelerate version",
    "disk_full": "The disk is full",
    "output_not_writable": "The output folder cannot be written to",
    "persistent_workers_without_workers": "Persistent workers need workers",
    "shared_memory_exhausted": "The shared memory ran out",
    "dataloader_worker_killed": "A data loader worker was killed",
    "stalled": "Training stalled",
    "port_in_use": "A port is in use",
    "ddp_unused_parameters": "Several GPUs: parameters without gradient",
    "accelerate_arguments": "accelerate rejected its arguments",
    "nccl_error": "The GPUs could not communicate",
    "no_trainable_parameters": "Nothing is left to train",
    "network_module_missing": "The network module is missing",
    "sample_prompts_missing": "The sample prompts are missing",
    "logging_dir_missing": "A logging folder is missing",
    "wandb_missing": "wandb is missing",
    "flag_combination_invalid": "Two flags exclude each other",
    "killed_by_signal": "Killed by a signal from outside",
    "unknown": "Unknown cause",
}


def cause_title(key: str) -> str:
    """A key that is not in the table (of a newer supervisor) in its own words."""
    if key in _TITLES:
        return _TITLES[key]
    words = clean(key, 80).replace("_", " ")
    return words[:1].upper() + words[1:]


# ---------------------------------------------------------------------------
# Why a run ended as it did, what helps, and which key is recommended.

#: causes that prove nothing
UNKNOWN, KILLED = "unknown", "killed_by_signal"


def outcome_of(snapshot: RunSnapshot) -> Outcome | None:
    return snapshot.outcome or (snapshot.status.outcome if snapshot.status is not None else None)


def cause_of(snapshot: RunSnapshot | None) -> Cause | None:
    """The cause that a person needs to see: not of what still runs, ended well, or was stopped by a
    person's own order."""
    if snapshot is None or snapshot.status is None or snapshot.state is not RunState.ENDED:
        return None
    outcome = outcome_of(snapshot)
    if outcome is Outcome.SUCCEEDED:
        return None
    if outcome is Outcome.STOPPED and snapshot.status.stop_by != GUARD:
        return None
    return snapshot.status.cause


def cure_of(cause: Cause) -> tuple[str, ...]:
    """What `retry` would apply."""
    return tuple(text for text in (clean(change, 120) for change in cause.changes) if text)


def recommended(snapshot: RunSnapshot) -> str:
    """The action that a person should take after this end: retry where the cause is proven and a setting cures
    it, else resume where a state is saved. Empty: none."""
    cause, status = cause_of(snapshot), snapshot.status
    outcome = outcome_of(snapshot)
    over = snapshot.state in (RunState.ENDED, RunState.LOST) and outcome is not Outcome.SUCCEEDED
    if status is None or not over or (outcome is None and snapshot.state is RunState.ENDED):
        return ""
    curable = cause is not None and bool(cure_of(cause))
    proven = cause is not None and cause.key not in (UNKNOWN, KILLED)
    if curable and (proven or not status.safe_step):
        return "retry"
    return "resume" if status.safe_step and outcome is not Outcome.DIVERGED else ""


def setting_words(change: str) -> str:
    """`cache_latents=true` as it is read; where it belongs to, if it is no flag of the script."""
    name, sign, value = change.partition("=")
    shown = named_place(name)
    if not sign:
        return shown
    if shown == name and value in ("true", "false"):
        return f"{name} {'on' if value == 'true' else 'off'}"
    return f"{shown} = {value}"


def named_place(name: str) -> str:
    """`env.X` and `accelerate.X` with their place as a word."""
    for prefix, place in (("env.", "environment: "), ("accelerate.", "accelerate: ")):
        if name.startswith(prefix):
            return place + name.removeprefix(prefix)
    return name
