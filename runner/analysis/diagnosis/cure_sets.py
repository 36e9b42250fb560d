"""Cures that several causes share, in the order of the catalogue of failures."""

from __future__ import annotations

from runner.analysis.diagnosis.cures import Cure, cure
from runner.analysis.diagnosis.needs import MAIN_MEMORY

_HALF_FLAGS = ("full_fp16=false", "full_bf16=false", "fp8_base=false")
#: Data loading that excludes cached latents (sd-scripts asserts it).
_RANDOM_IMAGES = ("color_aug", "random_crop")
_CACHE_LATENTS = cure(
    "cache_latents=true", without=(*_RANDOM_IMAGES, "cache_latents", "cache_latents_to_disk")
)
_GRADIENT_CHECKPOINTING = cure("gradient_checkpointing=true")
_BATCH_OF_ONE = cure("train_batch_size=1")
_NO_WORKERS = cure("max_data_loader_n_workers=0", "persistent_data_loader_workers=false")

FULL_PRECISION = cure("mixed_precision=no", *_HALF_FLAGS)
#: In full precision the VAE is not in half precision already.
FULL_VAE = cure("no_half_vae=true", without=("mixed_precision=no",))
ADAMW = cure("optimizer_type=AdamW", "use_8bit_adam=false")
SDPA = cure("sdpa=true", "xformers=false")
#: The LoRA of each script; which is whose is in `runner.analysis.diagnosis.needs`.
PLAIN_LORA = tuple(
    cure(f"network_module=networks.lora{which}")
    for which in ("", "_flux", "_sd3", "_lumina", "_anima", "_hunyuan_image")
)
ONE_PROCESS = cure("accelerate.num_processes=1", "accelerate.multi_gpu=false")
NO_SAMPLES = cure(
    "sample_every_n_epochs=false", "sample_every_n_steps=false", "sample_at_first=false"
)
#: Persistent workers without a worker are an error of their own.
NO_WORKERS = (_NO_WORKERS,)

CUDA_MEMORY = (
    _GRADIENT_CHECKPOINTING,
    _BATCH_OF_ONE,
    _CACHE_LATENTS,
    cure("sdpa=true", without=("xformers", "mem_eff_attn")),
    cure(
        "optimizer_type=AdamW8bit",
        only_with=("optimizer_type=AdamW",),
        without=("use_8bit_adam",),
    ),
    cure("env.PYTORCH_CUDA_ALLOC_CONF=expandable_segments:True"),
    cure("network_train_unet_only=true"),
    cure("resolution=LOWER"),
)
MPS_MEMORY = (
    _GRADIENT_CHECKPOINTING,
    _BATCH_OF_ONE,
    _CACHE_LATENTS,
    _NO_WORKERS,
    # the last resort: beyond the limit the Mac swaps and may hang
    cure("env.PYTORCH_MPS_HIGH_WATERMARK_RATIO=0.0"),
)
HOST_MEMORY = (
    _CACHE_LATENTS,
    _NO_WORKERS,
    cure("lowram=true"),
    cure("gradient_checkpointing=true", needs=(MAIN_MEMORY,)),
)
BF16_OR_FULL = (
    cure(
        "mixed_precision=bf16",
        "full_fp16=false",
        only_with=("mixed_precision=fp16",),
    ),
    cure(
        "mixed_precision=no",
        *_HALF_FLAGS,
        only_with=("mixed_precision=fp16", "mixed_precision=bf16"),
    ),
)
NAN_FROM_FIRST_STEP: tuple[Cure, ...] = (FULL_VAE, _CACHE_LATENTS, *BF16_OR_FULL)
#: The learning rate is halved again at every try.
NAN_ON_THE_WAY: tuple[Cure, ...] = (
    cure("max_grad_norm=1.0", halved=("learning_rate", "unet_lr", "text_encoder_lr")),
)
