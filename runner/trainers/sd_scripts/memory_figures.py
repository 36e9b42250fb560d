"""The figures behind the estimate of memory, from `memory.toml`."""

from __future__ import annotations

import tomllib
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import msgspec

_FILE = Path(__file__).with_name("memory.toml")


@dataclass(frozen=True, slots=True)
class Figures:
    """Of one kind of model. Millions of numbers: `numbers` of the trained model, `block` of a swapped one
    on average, `biggest` of its blocks, `encoders` of each text encoder, `vae`, and of a LoRA per rank:
    `lora`, with text encoders `lora_encoders`. GB of a step besides weights, as (fixed, per image, per image
    and megapixel): `checkpointed`, and `plain` without gradient checkpointing. `heads`: of the attention with
    the most rows, which has 1/`area` of an image's pixels."""

    numbers: float
    encoders: tuple[float, ...]
    vae: float
    lora: float
    lora_encoders: float
    checkpointed: tuple[float, float, float]
    plain: tuple[float, float, float]
    block: float = 0.0
    biggest: float = 0.0
    heads: int = 8
    area: int = 64
    fp8: bool = True


@cache
def _document() -> dict[str, Any]:
    return tomllib.loads(_FILE.read_text(encoding="utf-8"))


def figures_of(kind: str, numbers: int | None = None) -> Figures | None:
    """None: no figures for this kind, or its size is unknown. Of several sizes of a model the one
    with about as many `numbers`."""
    found = {
        name: msgspec.convert(row, Figures)
        for name, row in _document()["model"].items()
        if name.split("-")[0] == kind
    }
    if numbers is None:
        return next(iter(found.values())) if len(found) == 1 else None
    return min(found.values(), key=lambda one: abs(one.numbers - numbers / 1e6), default=None)


def published() -> tuple[dict[str, Any], ...]:
    """Measurements by others, each with its source."""
    return tuple(_document()["published"])


def states_of(optimizer: str) -> tuple[float, float]:
    """Bytes per number of the LoRA, from least to most."""
    least, most = _document()["optimizer"].get(optimizer.lower(), (0, 16))
    return least, most
