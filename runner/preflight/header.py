"""The header of a safetensors file: names and shapes (no tensor is read), and their architecture.

Keys as sd-scripts main 48d368fa loads them (original layout, ComfyUI's and diffusers' single
files).
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from runner.files.header import Broken, read_header
from runner.files.json_text import parse_json
from runner.files.regular_file import read_text
from runner.trainers.sd_scripts.scripts import TITLES

SAFETENSORS = (".safetensors", ".sft")
_PREFIX = "model.diffusion_model."
_ATTENTION = "input_blocks.{}.1.transformer_blocks.0.attn2.to_k.weight"
_FIRST_LAYER = "input_blocks.0.0.weight"
Shapes = dict[str, tuple[int, ...]]


def read_model(path: Path | None) -> Shapes | None:
    """Shapes by name of tensor; None if missing or not a complete safetensors file."""
    if path is None or path.suffix.lower() not in SAFETENSORS:
        return None
    try:
        tensors, _, size_bytes = read_header(path)
        if path.stat().st_size != size_bytes:
            return None
    except (OSError, Broken):
        return None
    return {name: _shape(one) for name, one in tensors.items() if name != "__metadata__"}


def stored_in_8_bits(path: Path | None) -> bool | None:
    """Are the weights of a safetensors file in fp8? None: not read."""
    if path is None or path.suffix.lower() not in SAFETENSORS:
        return None
    try:
        tensors, _, _ = read_header(path)
    except (OSError, Broken):
        return None
    return any(str(one.get("dtype")).startswith("F8") for one in tensors.values())


def _shape(tensor: Any) -> tuple[int, ...]:
    shape = tensor.get("shape") if isinstance(tensor, dict) else None
    sides = shape if isinstance(shape, list) else ()
    return tuple(side if isinstance(side, int) else 0 for side in sides)


def rank_in(shapes: Shapes | None) -> int | None:
    """Of a LoRA file: the rows of its first `lora_down`. None: not a LoRA."""
    ends = (".lora_down.weight", ".lora_A.weight")
    return next((s[0] for name, s in (shapes or {}).items() if name.endswith(ends) and s), None)


# ----------------------------------------------------------------- architectures


@dataclass(frozen=True, slots=True)
class Kind:
    """`name` is a key of TITLES; `in_channels` of the U-Net: 4, or 9 for inpainting; None: no U-Net.
    `whole`: the text encoder and the VAE are in the file, if they belong there."""

    name: str
    in_channels: int | None = None
    whole: bool = True

    @property
    def title(self) -> str:
        return TITLES[self.name] + (" inpainting" if self.in_channels == 9 else "")


def kind_of(shapes: Shapes) -> Kind | None:
    """None: unknown."""
    keys = {name.removeprefix(_PREFIX): shape for name, shape in shapes.items()}
    names = list(keys)
    marks = (".lora_down.weight", ".lora_up.weight", ".lora_A.weight", ".lokr_w1", ".hada_w1_a")
    if any(name.startswith("lora_") or name.endswith(marks) for name in names):
        return Kind("lora")
    if transformer := _transformer(names):
        return Kind(transformer)
    if _FIRST_LAYER in keys:
        return _unet(keys)
    if "down_blocks.0.resnets.0.conv1.weight" in keys or "conv_in.weight" in keys:
        return Kind("unet", whole=False)
    if any(n.startswith(("encoder.down", "decoder.up", "first_stage_model.")) for n in names):
        return Kind("vae")
    if any("text_model.encoder.layers" in n or "encoder.block.0.layer" in n for n in names):
        return Kind("text_encoder")
    return None


def _transformer(names: list[str]) -> str | None:
    """By prefixes of its tensor names; the first that has all of them."""
    starts = {name.removeprefix("net.").split(".")[0] for name in names}
    marks = (
        ("chroma", {"distilled_guidance_layer"}),
        ("hunyuan_image", {"double_blocks", "single_blocks", "byt5_in"}),
        ("flux", {"double_blocks", "single_blocks"}),
        ("flux", {"single_transformer_blocks"}),
        ("sd3", {"joint_blocks"}),
        ("lumina", {"noise_refiner", "cap_embedder"}),
        ("anima", {"blocks", "llm_adapter"}),
    )
    return next((kind for kind, wanted in marks if wanted <= starts), None)


def _unet(keys: Shapes) -> Kind | None:
    """The width of the U-Net's text context distinguishes the versions."""
    first = keys[_FIRST_LAYER]
    width = keys.get(_ATTENTION.format(1)) or keys.get(_ATTENTION.format(4)) or ()
    names = {768: "sd1", 1024: "sd2", 2048: "sdxl", 1280: "sdxl_refiner"}
    name = names.get(width[1] if len(width) == 2 else 0)
    texts = any(key.startswith(("cond_stage_model.", "conditioner.")) for key in keys)
    whole = texts and any(key.startswith("first_stage_model.") for key in keys)
    return Kind(name, first[1] if len(first) == 4 else None, whole) if name else None


_PIPELINES = {
    "StableDiffusionXLPipeline": "sdxl",
    "StableDiffusion3Pipeline": "sd3",
    "FluxPipeline": "flux",
    "Lumina2Pipeline": "lumina",
}


def kind_of_folder(folder: Path) -> Kind | None:
    """A model in diffusers' layout, by model_index.json and the U-Net's config.json."""
    pipeline = str(_json(folder / "model_index.json").get("_class_name"))
    unet = _json(folder / "unet" / "config.json")
    name = _PIPELINES.get(pipeline)
    if pipeline in ("StableDiffusionPipeline", "StableDiffusionInpaintPipeline"):
        name = {768: "sd1", 1024: "sd2"}.get(unet.get("cross_attention_dim", 0))
    channels = unet.get("in_channels")
    return Kind(name, channels if isinstance(channels, int) else None) if name else None


def _json(path: Path) -> dict[str, Any]:
    try:
        loaded = parse_json(read_text(path))
    except (OSError, ValueError):
        return {}
    return loaded if isinstance(loaded, dict) else {}
