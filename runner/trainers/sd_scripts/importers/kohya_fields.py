"""The fields of a kohya_ss configuration, as data: which are flags, which are something else.

From the LoRA tab of kohya_ss v26 and the names that older versions used.
"""

from __future__ import annotations

from collections.abc import Mapping

#: (checkbox, script, prefix of the fields that count only with it)
MODELS: tuple[tuple[str, str, str], ...] = (
    ("sdxl", "sdxl_train_network.py", "sdxl_"),
    ("flux1_checkbox", "flux_train_network.py", "flux1_"),
    ("sd3_checkbox", "sd3_train_network.py", "sd3_"),
    ("hunyuan_image_checkbox", "hunyuan_image_train_network.py", "hunyuan_"),
    ("anima_checkbox", "anima_train_network.py", "anima_"),
    ("lumina_checkbox", "lumina_train_network.py", "lumina_"),
)

#: fields without a prefix that only these models get
ONLY_FOR: Mapping[str, tuple[str, ...]] = {
    **dict.fromkeys(
        (
            "ae", "split_mode", "t5xxl_max_token_length", "guidance_scale", "mem_eff_save",
            "apply_t5_attn_mask", "cpu_offload_checkpointing", "single_blocks_to_swap",
            "double_blocks_to_swap", "fp8_base_unet", "discrete_flow_shift", "t5xxl", "clip_l",
            "model_prediction_type", "timestep_sampling", "model_type",
        ),
        ("flux1_checkbox",),
    ),
    **dict.fromkeys(
        (
            "clip_g", "clip_g_dropout_rate", "logit_mean", "logit_std", "mode_scale",
            "pos_emb_random_crop_rate", "save_clip", "save_t5xxl", "t5xxl_device", "t5xxl_dtype",
            "weighting_scheme",
        ),
        ("sd3_checkbox",),
    ),
    "blocks_to_swap": tuple(box for box, _, _ in MODELS if box != "sdxl"),
    **dict.fromkeys(
        ("show_timesteps", "show_timesteps_resolution"),
        ("flux1_checkbox", "sd3_checkbox", "anima_checkbox", "lumina_checkbox"),
    ),
}  # fmt: skip
#: never for these models
NOT_FOR: Mapping[str, tuple[str, ...]] = {
    "clip_skip": ("hunyuan_image_checkbox", "anima_checkbox", "lumina_checkbox"),
    "max_token_length": (
        "flux1_checkbox", "hunyuan_image_checkbox", "anima_checkbox", "lumina_checkbox",
    ),
    "v2": ("hunyuan_image_checkbox",),
    "vae": ("hunyuan_image_checkbox", "anima_checkbox"),
    "train_inpainting": tuple(box for box, _, _ in MODELS if box != "sdxl"),
}  # fmt: skip

#: field of one model -> flag, when it is not the field's name without the prefix
RENAMED_FOR_MODEL: Mapping[str, str] = {
    "hunyuan_image_cache_text_encoder_outputs": "cache_text_encoder_outputs",
    "hunyuan_image_cache_text_encoder_outputs_to_disk": "cache_text_encoder_outputs_to_disk",
    "flux1_clip_l": "clip_l",
    "flux1_t5xxl": "t5xxl",
    "sd3_t5_dropout_rate": "t5_dropout_rate",
}

#: old field -> field, or field -> flag of another name
RENAMED: Mapping[str, str] = {
    "lora_network_weights": "network_weights",
    "caption_extention": "caption_extension",
    "max_resolution": "resolution",
    "optimizer": "optimizer_type",
    "conv_dims": "conv_block_dims",
    "conv_alphas": "conv_block_alphas",
}

#: 0 means "not set" for everything but these: kohya_ss leaves out what equals false
ZERO_COUNTS = frozenset({"max_data_loader_n_workers"})

#: words separated by blanks
LISTS = frozenset({"optimizer_args", "lr_scheduler_args", "network_args"})

#: flags of `accelerate launch`
ACCELERATE = frozenset(
    {
        "num_processes", "num_machines", "multi_gpu", "gpu_ids", "main_process_port",
        "num_cpu_threads_per_process", "dynamo_backend", "dynamo_mode", "dynamo_use_fullgraph",
        "dynamo_use_dynamic",
    }
)  # fmt: skip

#: belong to the window, or are read together with another field
OWN = frozenset(
    {
        "LoRA_type", "LyCORIS_preset", "additional_parameters", "epoch",
        "extra_accelerate_launch_args", "factor", "file_path", "headless", "learning_rate_te",
        "learning_rate_te1", "learning_rate_te2", "logging_dir_prefix", "lowvram", "lr_warmup",
        "lr_warmup_steps", "max_train_epochs", "max_train_steps", "mixed_precision", "model_list",
        "noise_offset_type", "no_token_padding", "print_only", "sample_prompts", "save_as",
        "save_as_bool", "stop_text_encoder_training", "t5xxl_lr", "text_encoder_lr", "unet_lr",
        "use_8bit_adam", "use_wandb", "xformers", "sdxl_no_half_vae", "gradient_checkpointing_bool",
        "num_vectors_per_token", "weights", "template", "init_word", "token_string",
        "fused_optimizer_groups", "blockwise_fused_optimizers", "flux_fused_backward_pass",
        "train_blocks_bool", "log_tracker_config_bool",
        *(box for box, _, _ in MODELS),
    }
)  # fmt: skip

#: go into --network_args, see kohya_network
NETWORK = frozenset(
    {
        "block_alphas", "block_dims", "block_lr_zero_threshold", "bypass_mode", "constrain",
        "conv_alpha", "conv_block_alphas", "conv_block_dims", "conv_dim", "decompose_both",
        "dora_wd", "down_lr_weight", "enable_all_linear", "ggpo_beta", "ggpo_sigma", "img_attn_dim",
        "img_mlp_dim", "img_mod_dim", "in_dims", "loraplus_lr_ratio",
        "loraplus_text_encoder_lr_ratio", "loraplus_unet_lr_ratio", "mid_lr_weight",
        "module_dropout", "rank_dropout", "rank_dropout_scale", "rescaled", "single_dim",
        "single_mod_dim", "split_qkv", "train_blocks", "train_double_block_indices",
        "train_lora_ggpo", "train_norm", "train_on_input", "train_single_block_indices",
        "train_t5xxl", "txt_attn_dim", "txt_mlp_dim", "txt_mod_dim", "unit", "up_lr_weight",
        "use_cp", "use_scalar", "use_tucker",
    }
)  # fmt: skip

#: set with one kind of noise offset only
NOISE: Mapping[str, str] = {
    "adaptive_noise_scale": "Original",
    "noise_offset": "Original",
    "noise_offset_random_strength": "Original",
    "multires_noise_discount": "Multires",
    "multires_noise_iterations": "Multires",
}

#: flags that have a field of the same name (or of one model with its prefix)
PLAIN = frozenset(
    {
        "adaptive_noise_scale", "ae", "apply_t5_attn_mask", "async_upload", "attn_mode",
        "blocks_to_swap", "bucket_no_upscale", "bucket_reso_steps", "byt5", "cache_latents",
        "cache_latents_to_disk", "cache_text_encoder_outputs", "cache_text_encoder_outputs_to_disk",
        "caption_dropout_every_n_epochs", "caption_dropout_rate", "caption_extension", "clip_g",
        "clip_g_dropout_rate", "clip_l", "clip_l_dropout_rate", "clip_skip", "color_aug", "compile",
        "compile_backend", "compile_cache_size_limit", "compile_dynamic", "compile_fullgraph",
        "compile_mode", "cpu_offload_checkpointing", "dataset_config", "debiased_estimation_loss",
        "dim_from_weights", "disable_mmap_load_safetensors", "discrete_flow_shift",
        "double_blocks_to_swap", "enable_bucket", "enable_scaled_pos_embed", "flip_aug", "fp8_base",
        "fp8_base_unet", "fp8_scaled", "fp8_vl", "full_bf16", "full_fp16", "fused_backward_pass",
        "gemma2", "gemma2_max_token_length", "gradient_accumulation_steps",
        "gradient_checkpointing", "guidance_scale", "highvram", "huber_c", "huber_scale",
        "huber_schedule", "huggingface_path_in_repo", "huggingface_repo_id",
        "huggingface_repo_type", "huggingface_repo_visibility", "huggingface_token",
        "ip_noise_gamma", "ip_noise_gamma_random_strength", "keep_tokens", "learning_rate",
        "llm_adapter_path", "log_config", "log_tracker_config", "log_tracker_name", "log_with",
        "logging_dir", "logit_mean", "logit_std", "loss_type", "lr_scheduler", "lr_scheduler_args",
        "lr_scheduler_num_cycles", "lr_scheduler_power", "lr_scheduler_type", "masked_loss",
        "max_bucket_reso", "max_data_loader_n_workers", "max_grad_norm", "max_timestep",
        "max_token_length", "mem_eff_attn", "mem_eff_save", "metadata_author",
        "metadata_description", "metadata_license", "metadata_tags", "metadata_title",
        "min_bucket_reso", "min_snr_gamma", "min_timestep", "mode_scale", "model_prediction_type",
        "model_type", "multires_noise_discount", "multires_noise_iterations", "network_alpha",
        "network_dim", "network_dropout", "network_weights", "noise_offset",
        "noise_offset_random_strength", "optimizer_args", "optimizer_type", "output_dir",
        "output_name", "persistent_data_loader_workers", "pos_emb_random_crop_rate",
        "pretrained_model_name_or_path", "prior_loss_weight", "qwen3", "qwen3_max_token_length",
        "qwen_image_vae_2d", "random_crop", "reg_data_dir", "resolution", "resume",
        "resume_from_huggingface", "sample_every_n_epochs", "sample_every_n_steps",
        "sample_sampler", "save_clip", "save_every_n_epochs", "save_every_n_steps",
        "save_last_n_epochs", "save_last_n_epochs_state", "save_last_n_steps",
        "save_last_n_steps_state", "save_model_as", "save_precision", "save_state",
        "save_state_on_train_end", "save_state_to_huggingface", "save_t5xxl",
        "scale_v_pred_loss_like_noise_pred", "scale_weight_norms", "seed", "show_timesteps",
        "show_timesteps_resolution", "shuffle_caption", "sigmoid_scale", "single_blocks_to_swap",
        "skip_cache_check", "split_attn", "split_mode", "system_prompt", "t5_dropout_rate",
        "t5_max_token_length", "t5_tokenizer_path", "t5xxl", "t5xxl_device", "t5xxl_dtype",
        "t5xxl_max_token_length", "text_encoder", "text_encoder_batch_size", "text_encoder_cpu",
        "timestep_sampling", "torch_compile", "train_batch_size", "train_data_dir",
        "train_inpainting", "training_comment", "unsloth_offload_checkpointing", "use_flash_attn",
        "use_sage_attn", "v2", "v_parameterization", "v_pred_like_loss", "vae", "vae_batch_size",
        "vae_chunk_size", "vae_disable_cache", "wandb_api_key", "wandb_run_name",
        "weighted_captions", "weighting_scheme",
    }
)  # fmt: skip
