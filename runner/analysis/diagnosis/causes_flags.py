"""Causes that lie in flags that exclude or need each other; the message says which ones."""

from __future__ import annotations

from runner.analysis.diagnosis.cures import Cure, cure
from runner.analysis.diagnosis.signs import Entry, said

_TOGETHER = "Two flags exclude each other, or one needs another. The message names them."
_PRECISION = (
    "A full-precision or fp8 flag needs the matching mixed precision. Set mixed_precision to what "
    "the message asks for, or drop the flag."
)
_CACHED_TEXT = (
    "Cached text encoder outputs exclude shuffled or dropped captions and training of the text "
    "encoder. Drop those, or the cache."
)


def _together(pattern: str, *cures: Cure) -> Entry:
    return Entry("flag_combination_invalid", _TOGETHER, (said(pattern),), cures)


def _precision(pattern: str, *cures: Cure) -> Entry:
    return Entry("precision_flags_conflict", _PRECISION, (said(pattern),), cures)


def _cached_text(pattern: str, *cures: Cure) -> Entry:
    return Entry("cache_text_encoder_conflict", _CACHED_TEXT, (said(pattern),), cures)


#: The particular before the general of each key.
FLAGS: tuple[Entry, ...] = (
    _precision(
        r"full_fp16 requires",
        cure("mixed_precision=fp16"),
        cure("full_fp16=false"),
    ),
    _precision(
        r"full_bf16 requires",
        cure("mixed_precision=bf16"),
        cure("full_bf16=false"),
    ),
    _precision(
        r"fp8_base requires|fp8_base_unet requires|Unsupported fp8 model dtype",
        cure("fp8_base=false", "fp8_base_unet=false"),
    ),
    _together(r"adaptive_noise_scale requires", cure("adaptive_noise_scale=false")),
    _together(
        r"scale_v_pred_loss_like_noise_pred can be enabled only",
        cure("scale_v_pred_loss_like_noise_pred=false"),
    ),
    _together(r"v_pred_like_loss cannot be enabled", cure("v_pred_like_loss=false")),
    _together(r"does not require `num_warmup_steps`", cure("lr_warmup_steps=0")),
    _together(r"adafactor scheduler must be used with", cure("lr_scheduler=constant")),
    _together(r"both option use_8bit_adam and optimizer_type", cure("use_8bit_adam=false")),
    _together(
        r"can be enabled only with|cannot be enabled with|cannot be enabled in SDXL"
        r"|requires `num_(?:warmup|training|decay)_steps`|both option use_|currently only works with"
        r"|does not work with gradient_accumulation|v2 cannot be|Cannot use both"
        r"|cannot be used together|must be True for Chroma|bucket_no_upscale cannot be used"
        r"|(?:block|conv_block)_(?:dims|alphas) must have|schedule 'snr' is not supported"
        r"|is not supported (?:with|when caching|currently)"
    ),
    _cached_text(
        r"network for Text Encoder cannot be trained|so cache_text_encoder_outputs cannot be used"
        r"|is not supported when training text encoder",
        cure("network_train_unet_only=true"),
    ),
    _cached_text(
        r"when caching [Tt]ext [Ee]ncoder output",
        cure("cache_text_encoder_outputs=false", "cache_text_encoder_outputs_to_disk=false"),
    ),
)
