"""Which causes of failed runs a check can foresee, by the keys of the diagnosis.

The diagnosis names what went wrong from a console; here stands the check that would have said so
before the start. `tests/unit/test_preflight_foreseen.py` brings about each recorded failure and
holds this table to it.
"""

from __future__ import annotations

from collections.abc import Mapping

#: cause of runner.analysis.diagnosis -> the check that fails (or warns, where the trainer may still get by)
FORESEEN: Mapping[str, str] = {
    "accelerate_arguments": "processes",
    "base_model_architecture_mismatch": "architecture",
    "base_model_inpainting": "architecture",
    "base_model_v2_mismatch": "architecture",
    "bad_flag_value": "flag_names",
    "bf16_unsupported": "precision",
    "bitsandbytes_missing": "packages",
    "bucket_reso_steps": "buckets",
    "bucket_resolution": "buckets",
    "cache_latents_augmentation": "caching",
    "cache_text_encoder_conflict": "caching",
    "caption_empty": "captions",
    "caption_encoding": "captions",
    "caption_missing": "captions",
    "config_file_missing": "flag_names",
    "cuda_not_compiled": "mps_traps",
    "dataset_toml_invalid": "dataset",
    "dataset_toml_missing": "dataset",
    "dataset_toml_syntax": "dataset",
    "dependency_version_drift": "versions",
    "disk_full": "disk",
    "dtype_mismatch": "precision",
    "flag_combination_invalid": "combinations",
    "fp16_unsupported": "precision",
    "image_size_without_buckets": "buckets",
    "image_too_small_for_bucket": "buckets",
    "image_unreadable": "image_files",
    "logging_dir_missing": "logging",
    "model_not_found": "base_model",
    "model_not_safetensors": "base_model",
    "model_truncated": "base_model",
    "mps_operator_missing": "mps_fallback",
    "mps_watermark_ratio": "mps_fallback",
    "nan_from_first_step": "latents",
    "network_module_missing": "network",
    "no_data": "images",
    "no_trainable_parameters": "learning_rate",
    "numpy_abi": "versions",
    "output_config_exists": "combinations",
    "output_dir_missing": "output",
    "output_not_writable": "output",
    "persistent_workers_without_workers": "workers",
    "port_in_use": "processes",
    "precision_flags_conflict": "combinations",
    "python_module_missing": "packages",
    "resolution_missing": "buckets",
    "resume_already_finished": "resume",
    "resume_shape_mismatch": "resume",
    "resume_state_corrupt": "resume",
    "resume_state_missing": "resume",
    "sample_prompts_missing": "samples",
    "sd_scripts_not_importable": "trainer",
    "shared_memory_exhausted": "workers",
    "submodule_missing": "trainer",
    "tokenizer_unavailable": "tokenizer",
    "unknown_flag": "flag_names",
    "wandb_missing": "logging",
    "wrong_device": "device",
    "xformers_missing": "packages",
}

#: what only shows while it happens, and why no look beforehand tells it
UNFORESEEABLE: Mapping[str, str] = {
    "killed_by_signal": "somebody ends it, or the kernel does when memory runs out",
    "dataloader_worker_killed": "somebody ends it, or the kernel does when memory runs out",
}
