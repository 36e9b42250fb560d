"""What a training loads into memory, from its flags, the header of its base model, and its image sizes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from math import prod
from typing import Any

from runner.config.model import Config
from runner.preflight.header import Shapes, kind_of, stored_in_8_bits
from runner.trainers.sd_scripts.memory import Load
from runner.trainers.sd_scripts.scripts import script_of

#: ((width, height), images of a batch)
Batches = Sequence[tuple[tuple[int, int], int]]


def load_of(
    config: Config, flags: Mapping[str, Any], shapes: Shapes | None, batches: Batches, on_gpu: bool
) -> Load | None:
    """`shapes`: of the base model, None if not read; `on_gpu`: not in main memory. None: the kind of model or
    the image sizes are unknown."""
    script = script_of(config.trainer)
    kind = _kind(script.kinds, flags, shapes) if script is not None else None
    if kind is None or not batches:
        return None
    size, batch = max(batches, key=lambda one: prod(one[0]) * one[1])
    numbers = trained_part(shapes) if shapes is not None else None
    encoder = next((flags[name] for name in ("t5xxl", "gemma2") if flags.get(name)), None)
    small = stored_in_8_bits(config.trainer_cwd / encoder) if isinstance(encoder, str) else None
    return Load(kind, flags, prod(size), batch, numbers, on_gpu, small)


def _kind(kinds: Sequence[str], flags: Mapping[str, Any], shapes: Shapes | None) -> str | None:
    """By the base model's header, else by the script and its flags."""
    found = kind_of(shapes) if shapes is not None else None
    if found is not None and found.name in kinds:
        return found.name
    if "flux" in kinds:
        return str(flags.get("model_type") or "flux")
    return kinds[-1 if flags.get("v2") else 0] if kinds else None


#: prefixes of what is not the U-Net or transformer, in files that hold everything
_OTHERS = (
    "cond_stage_model.", "conditioner.", "first_stage_model.", "text_encoders.", "vae.",
    "model_ema.", "alphas_", "betas", "sqrt_", "log_one", "posterior_", "embedding_manager.",
)  # fmt: skip


def trained_part(shapes: Shapes) -> int:
    """Numbers of the U-Net or transformer."""
    return sum(prod(shape) for name, shape in shapes.items() if not name.startswith(_OTHERS))


def between(low: float, high: float) -> str:
    """`9.1-12 GB`, `5 GB`."""
    first, last = gb(low), gb(high)
    return f"{last} GB" if first == last else f"{first}-{last} GB"


def gb(size_bytes: float) -> str:
    """In 1024^3 bytes, as cards are sold: `9.1`, `12`."""
    value = size_bytes / 1024**3
    return f"{value:.0f}" if value >= 9.95 else f"{value:.1f}".removesuffix(".0")
