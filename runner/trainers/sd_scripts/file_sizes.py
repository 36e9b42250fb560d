"""How many bytes a checkpoint and a state will take, where network and model tell it.

A LoRA of rank r on a layer of i inputs and o outputs holds r*i and o*r numbers and one alpha. Layers:
`runner/trainers/sd_scripts/network_layers.py`. A safetensors file begins with a JSON header of all names,
shapes and places; sd-scripts adds what it knows of the training. Checked against recorded files of 6.9 and
75.6 MB.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from runner.config.flags import whole
from runner.trainers.sd_scripts.network_layers import NETWORK_LAYERS, Layers

Flags = Mapping[str, Any]

TITLES = {"sd1": "SD 1.x", "sd2": "SD 2.x", "sdxl": "SDXL", "flux": "FLUX.1"}
#: the module that sits on a model's layers
MODULES = {
    "sd1": "networks.lora",
    "sd2": "networks.lora",
    "sdxl": "networks.lora",
    "flux": "networks.lora_flux",
}
#: of --network_args: what leaves the layers as they are
HARMLESS = frozenset(
    [
        "conv_dim",
        "conv_alpha",
        "rank_dropout",
        "module_dropout",
        "dropout",
        "verbose",
        "loraplus_lr_ratio",
        "loraplus_unet_lr_ratio",
        "loraplus_text_encoder_lr_ratio",
    ]
)
DEFAULT_RANK = 4
ITEM_BYTES = {"fp16": 2, "bf16": 2, "float": 4}
#: what sd-scripts writes about the training: 3,384 to 4,228 bytes in recorded files, more with many tags
METADATA_BYTES = 4_000
#: torch.save (2.13, measured): bytes around each tensor of a checkpoint, names included
PICKLED_TENSOR_BYTES = 296
#: scheduler.bin, random_states_0.pkl and train_state.json of a state (measured on CPU)
STATE_REST_BYTES = 18_000
#: bytes that an optimizer keeps for a number, and around each tensor of parameters (torch.save, measured);
#: those of 8 bits keep tensors of fewer than 4,096 numbers in float32, and a scale for each 256 numbers
OPTIMIZERS = {
    "adamw": (2, 663),
    "pagedadamw": (2, 663),
    "pagedadamw32bit": (2, 663),
    "lion": (1, 216),
    "sgdnesterov": (1, 216),
    "adamw8bit": (2, 1300),
    "pagedadamw8bit": (2, 1300),
    "lion8bit": (1, 700),
    "pagedlion8bit": (1, 700),
    "sgdnesterov8bit": (1, 700),
}
SMALL_TENSOR = 4096
SCALED_NUMBERS = 256


@dataclass(frozen=True, slots=True)
class FileSizes:
    """Bytes of one checkpoint and of one state folder (None: not known for this optimizer), and where
    that comes from, in a few words."""

    checkpoint_bytes: int
    checkpoint_source: str
    state_bytes: int | None
    state_source: str


def model_of(script: str, flags: Flags) -> str | None:
    """Which model a script trains (its file name); None: not one whose layers are known."""
    if script == "train_network.py":
        return "sd2" if flags.get("v2") else "sd1"
    if script == "flux_train_network.py" and flags.get("model_type") in (None, "flux"):
        return "flux"
    return "sdxl" if script == "sdxl_train_network.py" else None


def file_sizes(flags: Flags, model: str | None) -> FileSizes | None:
    """`model`: sd1, sd2, sdxl or flux. None: the network's layers are not known. Raises ValueError for a
    rank that is no number."""
    layers = trained_layers(flags, model)
    rank = whole(flags, "network_dim")
    if layers is None or model is None or flags.get("dim_from_weights"):
        return None
    network = _Network(layers, DEFAULT_RANK if rank is None else rank, conv_rank(flags), flags)
    told = f"rank {network.rank} on {TITLES[model]}"
    if network.conv_rank is not None:
        told += f", convolutions {network.conv_rank}"
    precision = str(flags.get("save_precision") or network.trained_precision)
    optimizer = optimizer_name(flags)
    state = network.state_bytes(optimizer)
    state_source = f"{told}, {optimizer}" if state else f"unknown for {optimizer}"
    return FileSizes(network.checkpoint_bytes(), f"{told}, {precision}", state, state_source)


def trained_layers(flags: Flags, model: str | None) -> tuple[Layers, ...] | None:
    """The layers that get a LoRA and are saved."""
    if model not in NETWORK_LAYERS or flags.get("network_module") != MODULES[model]:
        return None
    if set(network_args(flags)) - HARMLESS:
        return None  # ranks by block, other layers
    left_out = set()
    if flags.get("network_train_unet_only"):
        left_out.add("text")
    if flags.get("network_train_text_encoder_only"):
        left_out.add("unet")
    with_conv = conv_rank(flags)
    return tuple(
        layers
        for layers in NETWORK_LAYERS[model]
        if layers.part not in left_out
        and (with_conv is not None or not layers.conv_only)
        and not (layers.kernel == 3 and with_conv == 0)
    )


def network_args(flags: Flags) -> dict[str, str]:
    """`["conv_dim=4", ...]`."""
    value = flags.get("network_args")
    words = value if isinstance(value, list | tuple) else [value] if isinstance(value, str) else []
    pairs = (str(word).partition("=") for word in words)
    return {name: text for name, _, text in pairs}


def conv_rank(flags: Flags) -> int | None:
    """Of 3x3 convolutions; None: they are left alone."""
    return whole(network_args(flags), "conv_dim")


def optimizer_name(flags: Flags) -> str:
    """As sd-scripts spells it out of its three flags (get_optimizer, train_util.py)."""
    if flags.get("use_8bit_adam"):
        return "AdamW8bit"
    if flags.get("use_lion_optimizer"):
        return "Lion"
    return str(flags.get("optimizer_type") or "AdamW")


@dataclass(frozen=True, slots=True)
class _Network:
    layers: tuple[Layers, ...]
    rank: int
    conv_rank: int | None
    flags: Flags

    @property
    def trained_precision(self) -> str:
        half = "fp16" if self.flags.get("full_fp16") else "bf16"
        return half if self.flags.get("full_fp16") or self.flags.get("full_bf16") else "float"

    def checkpoint_bytes(self) -> int:
        chosen = self.flags.get("save_precision")
        item = ITEM_BYTES[str(chosen) if chosen in ITEM_BYTES else self.trained_precision]
        data = self._data(item, self._alpha_bytes(item))
        if (self.flags.get("save_model_as") or "safetensors") != "safetensors":
            return data + PICKLED_TENSOR_BYTES * 3 * self._modules()
        metadata = 600 if self.flags.get("no_metadata") else METADATA_BYTES
        return data + self._header(item) + metadata

    def state_bytes(self, optimizer: str) -> int | None:
        """The weights as they are trained, the optimizer's moments, the rest."""
        if optimizer.lower() not in OPTIMIZERS or self.flags.get("deepspeed"):
            return None
        moments, around = OPTIMIZERS[optimizer.lower()]
        item = ITEM_BYTES[self.trained_precision]
        weights = self._data(item, item) + self._header(item)
        eight_bits = optimizer.lower().endswith("8bit")
        kept = 0
        for layers in self._optimized():
            for numbers in self._tensors(layers):
                each = moments * (_eight_bit_bytes(numbers) if eight_bits else numbers * item)
                kept += layers.modules * (each + around)
        return weights + kept + STATE_REST_BYTES

    def _optimized(self) -> list[Layers]:
        """A learning rate of 0 leaves a part out of the optimizer."""
        rates = {"text": self.flags.get("text_encoder_lr"), "unet": self.flags.get("unet_lr")}
        return [layers for layers in self.layers if rates[layers.part] not in (0, (0,), [0])]

    def _rank(self, layers: Layers) -> int:
        return self.rank if layers.kernel != 3 or self.conv_rank is None else self.conv_rank

    def _tensors(self, layers: Layers) -> tuple[int, int]:
        """Numbers of the two tensors of a layer."""
        rank = self._rank(layers)
        return rank * layers.inputs * max(layers.kernel, 1) ** 2, layers.outputs * rank

    def _modules(self) -> int:
        return sum(layers.modules for layers in self.layers)

    def _data(self, item: int, alpha_bytes: int) -> int:
        numbers = sum(layers.modules * sum(self._tensors(layers)) for layers in self.layers)
        return item * numbers + alpha_bytes * self._modules()

    def _alpha_bytes(self, item: int) -> int:
        """An alpha that is not given, or 0, is made from a whole number and saved as such (8 bytes) unless
        save_precision converts it."""
        if self.flags.get("save_precision") in ITEM_BYTES or self.flags.get("network_alpha"):
            return item
        return 8

    def _header(self, item: int) -> int:
        """`"NAME.alpha":{"dtype":"F32","shape":[],"data_offsets":[0,4]},` and its two like for each layer; the
        offsets have about as many digits as the largest."""
        digits = 2 * len(str(self._data(item, item))) + 1
        total = 16
        for layers in self.layers:
            rank, square = self._rank(layers), 4 if layers.kernel else 0
            shapes = len(f"{rank},{layers.inputs}") + len(f"{layers.outputs},{rank}") + square
            kernel = 2 * len(f",{layers.kernel}") if layers.kernel else 0
            fixed = len('".alpha":{"dtype":"F32","shape":[],"data_offsets":[]},') * 3
            fixed += 2 * (len("lora_down.weight") - len("alpha")) - 2
            total += 3 * layers.letters
            total += layers.modules * (fixed + shapes + kernel + 3 * digits)
        return total


def _eight_bit_bytes(numbers: int) -> int:
    if numbers < SMALL_TENSOR:
        return 4 * numbers
    return numbers + 4 * -(-numbers // SCALED_NUMBERS)
