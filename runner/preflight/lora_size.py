"""How large a checkpoint will be, where rank and architecture tell it.

A LoRA of rank r on a layer of i inputs and o outputs holds r*(i+o) numbers and one alpha. The sums
over all layers are those of sd-scripts main 48d368fa (networks.lora, lora_flux, lora_lumina),
counted on its own networks made without memory; SD 1 at rank 32 gives the 75,614,920 bytes of a
recorded checkpoint but for its metadata.
"""

from __future__ import annotations

from dataclasses import dataclass

from runner.preflight.facts import Facts
from runner.preflight.header import kind_of, kind_of_folder

#: names, shapes and offsets of a tensor in the header, and what sd-scripts writes about itself
_HEADER_BYTES_PER_TENSOR = 130
_METADATA_BYTES = 13_000
_ITEM_BYTES = {"fp16": 2, "bf16": 2, "float": 4}


@dataclass(frozen=True, slots=True)
class Layers:
    """`text`, `unet`: sums of inputs and outputs, so numbers for rank 1; `*_modules`: how many. `conv`: the
    same of 3x3 convolutions, which take part with conv_dim only, when the U-Net has more 1x1 ones too."""

    text: int
    text_modules: int
    unet: int
    unet_modules: int
    unet_with_conv: int = 0
    unet_modules_with_conv: int = 0
    conv: int = 0
    conv_modules: int = 0


LAYERS = {
    ("networks.lora", "sd1"): Layers(165_888, 72, 423_936, 192, 506_816, 228, 544_000, 50),
    ("networks.lora", "sd2"): Layers(423_936, 138, 432_128, 192, 515_008, 228, 544_000, 50),
    ("networks.lora", "sdxl"): Layers(903_168, 264, 2_659_840, 722, 2_718_400, 750, 355_840, 38),
    ("networks.lora_flux", "flux"): Layers(165_888, 72, 4_786_176, 304),
    ("networks.lora_lumina", "lumina"): Layers(0, 0, 1_651_776, 180),
}


def lora_bytes(facts: Facts) -> int | None:
    """Of one checkpoint; None where it cannot be told (other networks, unknown models)."""
    kind = _kind(facts)
    layers = LAYERS.get((facts.text("network_module") or "", kind or ""))
    if layers is None:
        return None
    return _bytes(layers, facts, item_bytes(facts.text("save_precision"), full=_half(facts)))


def _kind(facts: Facts) -> str | None:
    header = facts.base_model()
    path = facts.path("pretrained_model_name_or_path")
    if header is not None:
        found = kind_of(header)
    else:
        found = kind_of_folder(path) if path is not None and path.is_dir() else None
    return found.name if found else None


def item_bytes(save_precision: str | None, *, full: bool) -> int:
    """Unset: as trained, which is float32 but for full_fp16 and full_bf16."""
    return _ITEM_BYTES.get(save_precision or "", 2 if full else 4)


def _half(facts: Facts) -> bool:
    return facts.on("full_fp16") or facts.on("full_bf16")


def _bytes(layers: Layers, facts: Facts, item: int) -> int | None:
    arguments = network_arguments(facts.flags.get("network_args"))
    if set(arguments) - {"conv_dim", "conv_alpha", "rank_dropout", "module_dropout", "dropout"}:
        return None  # block ranks, DyLoRA units, other algorithms
    rank, conv_rank = facts.rank, _number(arguments.get("conv_dim"))
    numbers = modules = 0
    if not facts.on("network_train_unet_only"):
        numbers, modules = rank * layers.text, layers.text_modules
    if not facts.on("network_train_text_encoder_only"):
        with_conv = conv_rank and layers.conv
        numbers += rank * (layers.unet_with_conv if with_conv else layers.unet)
        modules += layers.unet_modules_with_conv if with_conv else layers.unet_modules
        if with_conv:
            numbers += conv_rank * layers.conv
            modules += layers.conv_modules
    tensors = 3 * modules  # down, up, alpha
    return item * (numbers + modules) + _HEADER_BYTES_PER_TENSOR * tensors + _METADATA_BYTES


def network_arguments(value: object) -> dict[str, str]:
    """`["conv_dim=4", ...]` of --network_args."""
    words = value if isinstance(value, tuple) else (value,) if isinstance(value, str) else ()
    pairs = (str(word).partition("=") for word in words)
    return {name: text for name, _, text in pairs}


def _number(text: str | None) -> int:
    return int(text) if text and text.isdigit() else 0
