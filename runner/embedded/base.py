"""The built-in base model: fixed weights from a fixed seed, the same on every machine."""

from __future__ import annotations

import json
import logging
from dataclasses import dataclass
from pathlib import Path

import torch
from safetensors import safe_open
from safetensors.torch import load_file, save_file
from torch import nn

from runner.embedded import denoiser as d
from runner.embedded.denoiser import Denoiser
from runner.embedded.text import TextEncoder

logger = logging.getLogger(__name__)

BASE_VERSION = "plasma_builtin_v1"
SEED = 20260701
UNET, TEXT = "unet.", "text_encoder."


@dataclass(frozen=True, slots=True)
class BaseModel:
    unet: Denoiser
    text_encoder: TextEncoder


def build_base() -> BaseModel:
    """The model with its fixed weights; torch's global random state is left alone."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(SEED)
        unet, text_encoder = Denoiser(), TextEncoder()
        with torch.no_grad():
            _set_weights(unet, text_encoder)
    return BaseModel(unet, text_encoder)


def _set_weights(unet: Denoiser, text_encoder: TextEncoder) -> None:
    """Patches enter and images leave through random rotations, which are lossless; the untrained blocks add
    little in between."""
    width, values = d.WIDTH, d.PATCH_VALUES
    unet.embed.weight.copy_(torch.linalg.qr(torch.randn(width, width))[0][:, :values])
    readout = torch.linalg.qr(torch.randn(width, width))[0][:values]
    unet.readout.weight.copy_(readout * d.READOUT_GAIN)
    for module in unet.modules():
        if isinstance(module, d.Transformer2DModel):
            module.proj_out.weight.mul_(0.1)
            nn.init.zeros_(module.proj_out.bias)
    nn.init.normal_(text_encoder.text_model.token_embedding.weight, std=1.0)
    nn.init.normal_(text_encoder.text_model.position_embedding.weight, std=0.3)


def write_base(path: str) -> None:
    """Write the built-in base model as one safetensors file."""
    model = build_base()
    tensors = {UNET + key: value for key, value in model.unet.state_dict().items()}
    tensors |= {TEXT + key: value for key, value in model.text_encoder.state_dict().items()}
    save_file(
        {key: value.contiguous() for key, value in tensors.items()},
        path,
        {"plasma_base": BASE_VERSION, "seed": json.dumps(SEED)},
    )


def load_base(name: str) -> BaseModel:
    """`builtin`, or a file of `write_base`. A missing, broken or unsuitable file raises, much as in
    sd-scripts: OSError, SafetensorError, RuntimeError."""
    model = build_base()
    if name == "builtin":
        logger.info("load built-in base model: %s", BASE_VERSION)
    elif Path(name).is_file():
        logger.info("load built-in base model from file: %s", name)
        _load(model, name)
    else:
        logger.error(
            "model is not found as a file or in Hugging Face, perhaps file name is wrong?: %s", name
        )
        raise OSError(
            f"Cannot load model {name}: file not found. The built-in trainer accepts 'builtin' or "
            "a file written by --write-base."
        )
    logger.info("loading u-net: <All keys matched successfully>")
    logger.info("loading text encoder: <All keys matched successfully>")
    return model


def _load(model: BaseModel, name: str) -> None:
    with safe_open(name, framework="pt") as file:
        if not any(key.startswith(TEXT) for key in file.keys()):  # noqa: SIM118
            raise RuntimeError(
                f"{name} is not a base model of the built-in trainer: use 'builtin' or a file "
                "written by --write-base; for a Stable Diffusion model use sd-scripts."
            )
    tensors = load_file(name)
    for prefix, module in ((UNET, model.unet), (TEXT, model.text_encoder)):
        module.load_state_dict(
            {key[len(prefix) :]: value for key, value in tensors.items() if key.startswith(prefix)}
        )
