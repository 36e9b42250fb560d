"""Sizes of a checkpoint and a state in bytes, if known from network and model.

A LoRA of rank r on a layer of i inputs and o outputs has r*i and o*r numbers and one alpha. Layers:
`runner/trainers/sd_scripts/network_layers.py`. A safetensors file starts with a JSON header of all names,
shapes and offsets; sd-scripts adds training metadata. Checked against recorded files of 6.9 and 75.6 MB.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from runner.config.flags import whole
from runner.trainers.sd_scripts.network_layers import NETWORK_LAYERS, Layers
from runner.trainers.sd_scripts.scripts import DEFAULT_RANK, SCRIPTS, TITLES

Flags = Mapping[str, Any]

#: --network_args that do not change the layers
HARMLESS = frozenset(
    {
        "conv_dim", "conv_alpha", "rank_dropout", "module_dropout", "dropout", "verbose",
        "loraplus_lr_ratio", "loraplus_unet_lr_ratio", "loraplus_text_encoder_lr_ratio",
    }
)  # fmt: skip
ITEM_BYTES = {"fp16": 2, "bf16": 2, "float": 4}
#: training metadata of sd-scripts: 3,384 to 4,228 bytes in recorded files, more with many tags
METADATA_BYTES = 4_000
#: torch.save (2.13, measured): bytes around each tensor of a checkpoint, names included
PICKLED_TENSOR_BYTES = 296
#: scheduler.bin, random_states_0.pkl and train_state.json of a state (measured on CPU)
STATE_REST_BYTES = 18_000
#: bytes of an optimizer per number, and around each tensor of parameters (torch.save, measured);
#: those of 8 bits keep tensors of fewer than 4,096 numbers in float32, and a scale for each 256 numbers
OPTIMIZERS = {
    **dict.fromkeys(("adamw", "pagedadamw", "pagedadamw32bit"), (2, 663)),
    **dict.fromkeys(("lion", "sgdnesterov"), (1, 216)),
    **dict.fromkeys(("adamw8bit", "pagedadamw8bit"), (2, 1300)),
    **dict.fromkeys(("lion8bit", "pagedlion8bit", "sgdnesterov8bit"), (1, 700)),
}
SMALL_TENSOR = 4096
SCALED_NUMBERS = 256


#: layers of one shape and the rank of their LoRA
Ranked = Sequence[tuple[Layers, int]]


@dataclass(frozen=True, slots=True)
class FileSizes:
    """Bytes of one checkpoint and of one state folder (None: unknown for this optimizer), and a short
    source."""

    checkpoint_bytes: int
    checkpoint_source: str
    state_bytes: int | None
    state_source: str


def model_of(script: str, flags: Flags) -> str | None:
    """Which model a script trains (its file name); None: unknown layers."""
    kinds = SCRIPTS[script].kinds if script in SCRIPTS else ()
    if "flux" in kinds:
        return "flux" if flags.get("model_type") in (None, "flux") else None
    known = [kind for kind in kinds if kind in NETWORK_LAYERS]
    return known[-1 if flags.get("v2") else 0] if known else None


def file_sizes(flags: Flags, model: str | None) -> FileSizes | None:
    """`model`: a key of NETWORK_LAYERS. None: unknown layers. Raises ValueError for a non-numeric rank."""
    ranked = ranked_layers(flags, model)
    if ranked is None or model is None or flags.get("dim_from_weights"):
        return None
    told = f"rank {rank_of(flags)} on {TITLES[model]}"
    if (conv := conv_rank(flags)) is not None:
        told += f", convolutions {conv}"
    half = "fp16" if flags.get("full_fp16") else "bf16"
    trained = half if flags.get("full_fp16") or flags.get("full_bf16") else "float"
    precision = str(flags.get("save_precision") or trained)
    optimizer = optimizer_name(flags)
    state = _state_bytes(ranked, flags, ITEM_BYTES[trained], optimizer.lower())
    return FileSizes(
        _checkpoint_bytes(ranked, flags, ITEM_BYTES.get(precision, ITEM_BYTES[trained])),
        f"{told}, {precision}",
        state,
        f"{told}, {optimizer}" if state else f"unknown for {optimizer}",
    )


def trained_layers(flags: Flags, model: str | None) -> tuple[Layers, ...] | None:
    """The layers that get a LoRA and are saved."""
    module = next((s.network_module for s in SCRIPTS.values() if model in s.kinds), None)
    if model not in NETWORK_LAYERS or flags.get("network_module") != module:
        return None
    if set(network_args(flags)) - HARMLESS:
        return None  # ranks by block, other layers
    conv = conv_rank(flags)
    only = {"text": "network_train_unet_only", "unet": "network_train_text_encoder_only"}
    return tuple(
        layers
        for layers in NETWORK_LAYERS[model]
        if not flags.get(only[layers.part])
        and (conv is not None or not layers.conv_only)
        and not (layers.kernel == 3 and conv == 0)
    )


def ranked_layers(flags: Flags, model: str | None) -> Ranked | None:
    """Those layers, each with its rank. Raises ValueError for a non-numeric rank."""
    layers, rank, conv = trained_layers(flags, model), rank_of(flags), conv_rank(flags)
    if layers is None:
        return None
    return [(one, rank if one.kernel != 3 or conv is None else conv) for one in layers]


def numbers_of(ranked: Ranked) -> int:
    """How many numbers are trained."""
    return sum(one.modules * sum(_tensors(one, rank)) for one, rank in ranked)


def rank_of(flags: Flags) -> int:
    rank = whole(flags, "network_dim")
    return DEFAULT_RANK if rank is None else rank


def network_args(flags: Flags) -> dict[str, str]:
    """`["conv_dim=4", ...]`."""
    value = flags.get("network_args")
    words = value if isinstance(value, list | tuple) else [value] if isinstance(value, str) else []
    pairs = (str(word).partition("=") for word in words)
    return {name: text for name, _, text in pairs}


def conv_rank(flags: Flags) -> int | None:
    """Of 3x3 convolutions; None: not trained."""
    return whole(network_args(flags), "conv_dim")


def optimizer_name(flags: Flags) -> str:
    """As sd-scripts derives it from its three flags (get_optimizer, train_util.py)."""
    if flags.get("use_8bit_adam"):
        return "AdamW8bit"
    if flags.get("use_lion_optimizer"):
        return "Lion"
    return str(flags.get("optimizer_type") or "AdamW")


def _checkpoint_bytes(ranked: Ranked, flags: Flags, item: int) -> int:
    """An alpha that is not set, or 0, is created from an integer and saved as such (8 bytes) unless
    save_precision converts it."""
    converted = flags.get("save_precision") in ITEM_BYTES or flags.get("network_alpha")
    data = _data_bytes(ranked, item, item if converted else 8)
    if (flags.get("save_model_as") or "safetensors") != "safetensors":
        return data + PICKLED_TENSOR_BYTES * 3 * sum(layers.modules for layers, _ in ranked)
    return (
        data + _header_bytes(ranked, item) + (600 if flags.get("no_metadata") else METADATA_BYTES)
    )


def _state_bytes(ranked: Ranked, flags: Flags, item: int, optimizer: str) -> int | None:
    """The weights as they are trained, the optimizer's moments, the rest. A learning rate of 0 removes a part
    from the optimizer."""
    if optimizer not in OPTIMIZERS or flags.get("deepspeed"):
        return None
    moments, around = OPTIMIZERS[optimizer]
    rates = {"text": flags.get("text_encoder_lr"), "unet": flags.get("unet_lr")}
    kept = 0
    for layers, rank in ranked:
        for numbers in _tensors(layers, rank) if rates[layers.part] not in (0, (0,), [0]) else ():
            each = numbers * item
            if optimizer.endswith("8bit"):
                scales = 4 * -(-numbers // SCALED_NUMBERS)
                each = 4 * numbers if numbers < SMALL_TENSOR else numbers + scales
            kept += layers.modules * (moments * each + around)
    return _data_bytes(ranked, item, item) + _header_bytes(ranked, item) + kept + STATE_REST_BYTES


def _tensors(layers: Layers, rank: int) -> tuple[int, int]:
    """Numbers of the two tensors of a layer."""
    return rank * layers.inputs * max(layers.kernel, 1) ** 2, layers.outputs * rank


def _data_bytes(ranked: Ranked, item: int, alpha_bytes: int) -> int:
    return sum(
        one.modules * (item * sum(_tensors(one, rank)) + alpha_bytes) for one, rank in ranked
    )


def _header_bytes(ranked: Ranked, item: int) -> int:
    """`"NAME.alpha":{"dtype":"F32","shape":[],"data_offsets":[0,4]},` and two similar ones for each layer;
    the offsets have about as many digits as the largest."""
    digits = 2 * len(str(_data_bytes(ranked, item, item))) + 1
    fixed = len('".alpha":{"dtype":"F32","shape":[],"data_offsets":[]},') * 3
    fixed += 2 * (len("lora_down.weight") - len("alpha")) - 2
    total = 16
    for layers, rank in ranked:
        shapes = len(f"{rank},{layers.inputs}") + len(f"{layers.outputs},{rank}")
        kernel = 4 + 2 * len(f",{layers.kernel}") if layers.kernel else 0
        total += 3 * layers.letters + layers.modules * (fixed + shapes + kernel + 3 * digits)
    return total
