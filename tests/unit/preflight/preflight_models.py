"""Files of weights with the names and shapes of real ones, and zeros (mostly holes) for numbers."""

from __future__ import annotations

import json
import struct
from collections.abc import Mapping
from math import prod
from pathlib import Path

Shapes = Mapping[str, tuple[int, ...]]

_UNET = "model.diffusion_model."
_TEXT = {
    "sd1": "cond_stage_model.transformer.text_model.encoder.layers.0.mlp.fc1.weight",
    "sd2": "cond_stage_model.model.transformer.resblocks.0.mlp.c_fc.weight",
    "sdxl": "conditioner.embedders.1.model.ln_final.weight",
}
_WIDTH = {"sd1": 768, "sd2": 1024, "sdxl": 2048}


def stable_diffusion(kind: str, channels: int = 4) -> Shapes:
    """A handful of the tensors of a whole checkpoint: sd1, sd2 or sdxl."""
    block = "4" if kind == "sdxl" else "1"
    return {
        f"{_UNET}input_blocks.0.0.weight": (320, channels, 3, 3),
        f"{_UNET}input_blocks.{block}.1.transformer_blocks.0.attn2.to_k.weight": (
            8,
            _WIDTH[kind],
        ),
        _TEXT[kind]: (8,),
        "first_stage_model.encoder.conv_in.weight": (8, 3, 3, 3),
    }


FLUX: Shapes = {
    "double_blocks.0.img_attn.qkv.weight": (8, 8),
    "single_blocks.0.linear1.weight": (8, 8),
    "guidance_in.in_layer.bias": (8,),
    "img_in.weight": (8, 8),
}
CHROMA: Shapes = {**FLUX, "distilled_guidance_layer.in_proj.weight": (8, 8)}
HUNYUAN: Shapes = {**FLUX, "byt5_in.layernorm.weight": (8,)}
SD3: Shapes = {
    f"{_UNET}joint_blocks.0.context_block.attn.qkv.weight": (8, 8),
    f"{_UNET}x_embedder.proj.weight": (8, 8),
}
LUMINA: Shapes = {"noise_refiner.0.attention.qkv.weight": (8, 8), "cap_embedder.0.weight": (8,)}
ANIMA: Shapes = {
    "net.blocks.0.self_attn.q_proj.weight": (8, 8),
    "net.llm_adapter.norm.weight": (8,),
}
VAE: Shapes = {"encoder.down_blocks.0.resnets.0.conv1.weight": (8,), "decoder.up.0.w": (8,)}
TEXT_ENCODER: Shapes = {"text_model.encoder.layers.0.mlp.fc1.weight": (8, 8)}


def lora(rank: int) -> Shapes:
    name = "lora_unet_mid_block_attentions_0_proj_in"
    return {
        f"{name}.lora_down.weight": (rank, 320),
        f"{name}.lora_up.weight": (320, rank),
        f"{name}.alpha": (),
    }


def write(path: Path, shapes: Shapes, cut: int = 0) -> Path:
    """A safetensors file of that content; `cut`: how many of its last bytes are missing."""
    header, at = {}, 0
    for name, shape in shapes.items():
        size = 4 * prod(shape)
        header[name] = {"dtype": "F32", "shape": list(shape), "data_offsets": [at, at + size]}
        at += size
    text = json.dumps(header).encode()
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("wb") as stream:
        stream.write(struct.pack("<Q", len(text)) + text)
        stream.truncate(8 + len(text) + at - cut)
    return path
