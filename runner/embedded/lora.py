"""LoRA: low-rank weights for every linear layer of the attention blocks and the text encoder.

Names, initial values, scaling and file layout follow sd-scripts' `networks.lora`.
"""

from __future__ import annotations

import logging
import math
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

import torch
from safetensors.torch import load_file
from torch import nn

from runner.embedded.base import BaseModel
from runner.embedded.denoiser import Transformer2DModel
from runner.embedded.text import Mlp, SelfAttention

logger = logging.getLogger(__name__)

DEFAULT_DIM = 4


@dataclass(frozen=True, slots=True)
class LoraShape:
    """`dims` and `alphas` by LoRA name replace `dim` and `alpha` (dim_from_weights)."""

    dim: int = DEFAULT_DIM
    alpha: float = 1
    dropout: float | None = None
    rank_dropout: float | None = None
    module_dropout: float | None = None
    dims: dict[str, int] | None = None
    alphas: dict[str, float] | None = None


class LoraModule(nn.Module):  # type: ignore[misc]
    """Adds `up(down(x)) * alpha / dim` to the output of one linear layer."""

    def __init__(self, name: str, target: Any, shape: LoraShape) -> None:
        super().__init__()
        dim = shape.dims[name] if shape.dims else shape.dim
        alpha = shape.alphas[name] if shape.alphas else shape.alpha
        self.name, self.dim, self.shape = name, dim, shape
        self.lora_down = nn.Linear(target.in_features, dim, bias=False)
        self.lora_up = nn.Linear(dim, target.out_features, bias=False)
        self.scale = (alpha or dim) / dim
        self.register_buffer("alpha", torch.tensor(alpha or dim))
        nn.init.kaiming_uniform_(self.lora_down.weight, a=math.sqrt(5))
        nn.init.zeros_(self.lora_up.weight)

    def attach(self, target: Any) -> None:
        target.register_forward_hook(lambda _, inputs, output: output + self(inputs[0]))

    def forward(self, x: torch.Tensor) -> Any:
        shape = self.shape
        if self.training and shape.module_dropout and torch.rand(1) < shape.module_dropout:
            return 0.0
        x = self.lora_down(x)
        scale = self.scale
        if self.training and shape.dropout is not None:
            x = nn.functional.dropout(x, p=shape.dropout)
        if self.training and shape.rank_dropout:
            kept = torch.rand((len(x), 1, self.dim), device=x.device) > shape.rank_dropout
            x = x * kept
            scale /= 1.0 - shape.rank_dropout
        return self.lora_up(x) * scale


class LoRANetwork(nn.Module):  # type: ignore[misc]
    """All LoRA modules of a training. Its state dict is the content of a checkpoint."""

    def __init__(self, model: BaseModel, shape: LoraShape) -> None:
        super().__init__()
        if shape.dims is not None:
            logger.info("create LoRA network from weights")
        else:
            logger.info(
                "create LoRA network. base dim (rank): %s, alpha: %s", shape.dim, shape.alpha
            )
            logger.info(
                "neuron dropout: p=%s, rank dropout: p=%s, module dropout: p=%s",
                shape.dropout,
                shape.rank_dropout,
                shape.module_dropout,
            )
        text = _linear_layers("lora_te", model.text_encoder, (SelfAttention, Mlp))
        unet = _linear_layers("lora_unet", model.unet, (Transformer2DModel,))
        logger.info("create LoRA for Text Encoder:")
        self.text_targets = _with_modules(text, shape)
        logger.info("create LoRA for Text Encoder: %d modules.", len(self.text_targets))
        self.unet_targets = _with_modules(unet, shape)
        logger.info("create LoRA for U-Net: %d modules.", len(self.unet_targets))

    def apply_to(self, text_encoder: bool, unet: bool) -> None:
        """Attach to the trained parts only."""
        if text_encoder:
            logger.info("enable LoRA for text encoder: %d modules", len(self.text_targets))
        else:
            self.text_targets = []
        if unet:
            logger.info("enable LoRA for U-Net: %d modules", len(self.unet_targets))
        else:
            self.unet_targets = []
        for module, target in self.text_targets + self.unet_targets:
            module.attach(target)
            self.add_module(module.name, module)

    def load_weights(self, file: str) -> Any:
        """Load `--network_weights`; other shapes raise RuntimeError (size mismatch)."""
        return self.load_state_dict(read_weights(file), strict=False)

    def groups(
        self, text_encoder_lr: float | None, unet_lr: float | None, learning_rate: float
    ) -> tuple[list[dict[str, Any]], list[str]]:
        """Optimizer groups and their names for the log; none for a part with learning rate 0."""
        groups, names = [], []
        parts = (
            ("textencoder", self.text_targets, text_encoder_lr),
            ("unet", self.unet_targets, unet_lr),
        )
        for name, targets, given in parts:
            lr = learning_rate if given is None else given
            parameters = [p for module, _ in targets for p in module.parameters()]
            if not parameters:
                continue
            if not lr:
                logger.info("NO LR skipping!")
                continue
            groups.append({"params": parameters, "lr": lr})
            names.append(name)
        return groups, names

    def limit_norms(self, most: float) -> tuple[int, float, float]:
        """Scale each pair down to a norm of at most `most` (--scale_weight_norms): how many were
        scaled, and the mean and largest norm afterwards."""
        scaled, norms = 0, []
        with torch.no_grad():
            for module, _ in self.text_targets + self.unet_targets:
                weights = module.lora_up.weight @ module.lora_down.weight * module.scale
                norm = weights.norm().clamp(min=most / 2)
                wanted = torch.clamp(norm, max=most)
                ratio = float(wanted / norm)
                if ratio != 1:
                    scaled += 1
                    module.lora_up.weight.mul_(ratio**0.5)
                    module.lora_down.weight.mul_(ratio**0.5)
                norms.append(float(weights.norm()) * ratio)
        return scaled, sum(norms) / len(norms), max(norms)


Targets = list[tuple[LoraModule, Any]]


def create_network(model: BaseModel, args: Any) -> LoRANetwork:
    """The network for the flags. Raises for another network_module or network_args."""
    if not args.network_module.startswith("networks.lora"):
        raise ModuleNotFoundError(
            f"No module named '{args.network_module}': the built-in trainer has networks.lora"
        )
    extra = _network_args(args.network_args or [])
    shape = LoraShape(
        dim=args.network_dim or DEFAULT_DIM,
        alpha=args.network_alpha,
        dropout=args.network_dropout,
        rank_dropout=extra.get("rank_dropout"),
        module_dropout=extra.get("module_dropout"),
    )
    if args.dim_from_weights:
        weights = read_weights(args.network_weights)
        shape = LoraShape(
            dims={_lora_name(k): len(v) for k, v in weights.items() if "lora_down" in k},
            alphas={_lora_name(k): v.item() for k, v in weights.items() if k.endswith(".alpha")},
        )
    return LoRANetwork(model, shape)


def read_weights(file: str) -> dict[str, torch.Tensor]:
    """Tensors of a LoRA file, safetensors or pickled; of a pickle the tensors only, nothing in it is called."""
    if Path(file).suffix == ".safetensors":
        tensors: dict[str, torch.Tensor] = load_file(file)
    else:
        tensors = torch.load(file, map_location="cpu", weights_only=True)
    return tensors


def _network_args(given: Iterable[str]) -> dict[str, float]:
    values = {}
    for text in given:
        key, _, value = text.partition("=")
        if key not in ("rank_dropout", "module_dropout"):
            raise ValueError(f"network_args: the built-in trainer does not know {key!r}")
        values[key] = float(value)
    return values


def _lora_name(key: str) -> str:
    return key.partition(".")[0]


def _linear_layers(prefix: str, root: Any, parents: tuple[type, ...]) -> Iterator[tuple[str, Any]]:
    for name, parent in root.named_modules():
        if not isinstance(parent, parents):
            continue
        for child_name, child in cast(Any, parent).named_modules():
            if isinstance(child, nn.Linear):
                yield f"{prefix}.{name}.{child_name}".replace(".", "_"), child


def _with_modules(layers: Iterable[tuple[str, Any]], shape: LoraShape) -> Targets:
    wanted = shape.dims
    return [
        (LoraModule(name, layer, shape), layer)
        for name, layer in layers
        if wanted is None or name in wanted
    ]
