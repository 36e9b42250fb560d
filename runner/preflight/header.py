"""The header of a safetensors file: names and shapes (no tensor is read), and which architecture they are.

Keys as sd-scripts main 48d368fa loads them (original layout, ComfyUI's and diffusers' single
files).
"""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from runner.checkpoints.verify import Broken, read_header

SAFETENSORS = (".safetensors", ".sft")
#: --network_dim when it is not set (networks.lora)
DEFAULT_RANK = 4
_PREFIX = "model.diffusion_model."
_ATTENTION_1 = "input_blocks.1.1.transformer_blocks.0.attn2.to_k.weight"
_ATTENTION_4 = "input_blocks.4.1.transformer_blocks.0.attn2.to_k.weight"
_FIRST_LAYER = "input_blocks.0.0.weight"

#: what a person calls it
TITLES = {
    "sd1": "SD 1.x", "sd2": "SD 2.x", "sdxl": "SDXL", "sdxl_refiner": "SDXL refiner",
    "sd3": "SD 3", "flux": "FLUX.1", "chroma": "Chroma", "lumina": "Lumina Image 2",
    "hunyuan_image": "HunyuanImage-2.1", "anima": "Anima",
    "lora": "LoRA", "vae": "VAE", "text_encoder": "text encoder", "unet": "U-Net alone",
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Header:
    """`shapes`: by tensor name; `metadata`: text by name."""

    path: Path
    shapes: dict[str, tuple[int, ...]]
    metadata: dict[str, str] = field(default_factory=dict)

    def shape(self, name: str) -> tuple[int, ...] | None:
        return self.shapes.get(name)


def read_model(path: Path | None) -> Header | None:
    """None when there is no such file or it is no whole safetensors file."""
    if path is None or path.suffix.lower() not in SAFETENSORS:
        return None
    try:
        tensors, _, whole = read_header(path)
        if path.stat().st_size != whole:
            return None
    except (OSError, Broken):
        return None
    metadata = tensors.pop("__metadata__", None) or {}
    return Header(
        path,
        {name: _shape(tensor) for name, tensor in tensors.items() if name != "__metadata__"},
        {str(key): str(value) for key, value in metadata.items()},
    )


def _shape(tensor: Any) -> tuple[int, ...]:
    shape = tensor.get("shape") if isinstance(tensor, dict) else None
    if not isinstance(shape, list):
        return ()
    return tuple(side if isinstance(side, int) else 0 for side in shape)


def rank_in(header: Header | None) -> int | None:
    """Of a LoRA file: the rows of its first `lora_down`. None: it is none."""
    for name, shape in header.shapes.items() if header else ():
        if name.endswith((".lora_down.weight", ".lora_A.weight")) and shape:
            return shape[0]
    return None


# ----------------------------------------------------------------- architectures


@dataclass(frozen=True, slots=True)
class Kind:
    """`name` is a key of TITLES; `in_channels` of the U-Net: 4, or 9 for inpainting; None: no U-Net.
    `whole`: the text encoder and the VAE are in the file as well, where they belong there."""

    name: str
    in_channels: int | None = None
    whole: bool = True

    @property
    def title(self) -> str:
        inpainting = " inpainting" if self.in_channels == 9 else ""
        return f"{TITLES[self.name]}{inpainting}"


def kind_of(header: Header) -> Kind | None:
    """None: nothing that is known here."""
    names = [name.removeprefix(_PREFIX) for name in header.shapes]
    keys = dict(zip(names, header.shapes.values(), strict=True))
    if _is_lora(names):
        return Kind("lora")
    if transformer := _transformer(names):
        return Kind(transformer)
    if _FIRST_LAYER in keys:
        return _unet(keys, header.shapes)
    if "down_blocks.0.resnets.0.conv1.weight" in keys or "conv_in.weight" in keys:
        return Kind("unet", whole=False)
    if any(n.startswith(("encoder.down", "decoder.up", "first_stage_model.")) for n in names):
        return Kind("vae")
    if any("text_model.encoder.layers" in n or "encoder.block.0.layer" in n for n in names):
        return Kind("text_encoder")
    return None


def _is_lora(names: list[str]) -> bool:
    marks = (".lora_down.weight", ".lora_up.weight", ".lora_A.weight", ".lokr_w1", ".hada_w1_a")
    return any(name.startswith("lora_") or name.endswith(marks) for name in names)


def _transformer(names: list[str]) -> str | None:
    starts = {name.split(".")[0] for name in names}
    if "distilled_guidance_layer" in starts:
        return "chroma"
    if {"double_blocks", "single_blocks"} <= starts:
        return "hunyuan_image" if "byt5_in" in starts else "flux"
    if "single_transformer_blocks" in starts:
        return "flux"
    if "joint_blocks" in starts:
        return "sd3"
    if {"noise_refiner", "cap_embedder"} <= starts:
        return "lumina"
    inner = {name.removeprefix("net.").split(".")[0] for name in names}
    return "anima" if {"blocks", "llm_adapter"} <= inner else None


def _unet(keys: dict[str, tuple[int, ...]], shapes: dict[str, tuple[int, ...]]) -> Kind | None:
    """The width of the text that the U-Net attends to tells the versions apart."""
    channels = keys[_FIRST_LAYER][1] if len(keys[_FIRST_LAYER]) == 4 else None
    width = keys.get(_ATTENTION_1) or keys.get(_ATTENTION_4) or ()
    names = {768: "sd1", 1024: "sd2", 2048: "sdxl", 1280: "sdxl_refiner"}
    name = names.get(width[1] if len(width) == 2 else 0)
    if name is None:
        return None
    texts = ("cond_stage_model.", "conditioner.")
    whole = any(key.startswith(texts) for key in shapes)
    whole = whole and any(key.startswith("first_stage_model.") for key in shapes)
    return Kind(name, channels, whole)


_PIPELINES = {
    "StableDiffusionXLPipeline": "sdxl",
    "StableDiffusion3Pipeline": "sd3",
    "FluxPipeline": "flux",
    "Lumina2Pipeline": "lumina",
}


def kind_of_folder(folder: Path) -> Kind | None:
    """A model in diffusers' layout, by model_index.json and the U-Net's config.json."""
    pipeline = _json(folder / "model_index.json").get("_class_name")
    unet = _json(folder / "unet" / "config.json")
    channels = unet.get("in_channels")
    channels = channels if isinstance(channels, int) else None
    if pipeline == "StableDiffusionPipeline" or pipeline == "StableDiffusionInpaintPipeline":
        name = {768: "sd1", 1024: "sd2"}.get(unet.get("cross_attention_dim", 0))
        return Kind(name, channels) if name else None
    name = _PIPELINES.get(pipeline) if isinstance(pipeline, str) else None
    return Kind(name, channels) if name else None


def _json(path: Path) -> dict[str, Any]:
    try:
        loaded = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return loaded if isinstance(loaded, dict) else {}
