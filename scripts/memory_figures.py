"""Peak memory of one training step besides weights, by sd-scripts' own models: the figures of
`runner/trainers/sd_scripts/memory.toml`.

    <python of sd-scripts> scripts/memory_figures.py <checkout of sd-scripts> [model ...]

No GPU and no weights: the models and their LoRA are on torch's meta device, forward and backward run as under
CUDA's autocast in bf16 with an attention that stores no matrix (flash, xformers), and every tensor is counted
while it lives. Prints model, image side, batch, gradient checkpointing, GB, and million numbers of a LoRA per
rank and of the model. Left out: what only a GPU has (kernels, context, fragmentation, libraries' work space).
"""

from __future__ import annotations

import contextlib
import logging
import sys
import weakref
from collections.abc import Iterator
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from scripts.network_layers import unets
from scripts.real_loop import define_missing_operators

#: model -> (image sides, batches): what people train with
CASES = {
    "sd1": ((512, 768), (1,)),
    "sd2": ((512, 768), (1,)),
    "sdxl": ((512, 1024), (1, 2)),
    "flux": ((512, 1024), (1, 2)),
    "sd3m": ((512, 1024), (1,)),
    "sd3.5-medium": ((512, 1024), (1,)),
    "sd3.5-large": ((512, 1024), (1,)),
    "lumina": ((512, 1024), (1,)),
}


def main(checkout: str, *wanted: str) -> None:
    keep_alive = define_missing_operators()
    sys.path.insert(0, checkout)
    import torch

    logging.disable(logging.CRITICAL)
    as_autocast()
    for model, (sides, batches) in CASES.items():
        if wanted and model not in wanted:
            continue
        for checkpointing in (True, False):
            for side in sides:
                for batch in batches:
                    with torch.device("meta"):
                        found = step(model, side, batch, checkpointing)
                    print(model, side, batch, checkpointing, *found, sep="\t", flush=True)
    del keep_alive


def step(
    model: str, side: int, batch: int, checkpointing: bool, rank: int = 1
) -> tuple[str, str, str]:
    """GB at the fullest moment that did not exist before the step. Rank 1: the LoRA's own part is nothing."""
    import torch

    dit, network, inputs = made(model, side, batch, rank)
    dit.requires_grad_(False).train()
    if checkpointing:
        dit.enable_gradient_checkpointing()
    parameters = [p for p in network.parameters() if p.requires_grad]
    trained = sum(p.numel() for p in parameters)
    COPIES.clear()
    with counted() as peak:
        latents = torch.randn(batch, *inputs["shape"], requires_grad=True)
        found = inputs["call"](dit, latents)
        loss = found.float().pow(2).mean()
        loss.backward()
    numbers = sum(p.numel() for p in dit.parameters())
    return f"{peak[1] / 1e9:.3f}", f"{trained / rank / 1e6:.4f}", f"{numbers / 1e6:.1f}"


def as_autocast() -> None:
    """CUDA's autocast for what these models use: multiplications in bf16, norms in float32 (its list in
    torch/amp); and an attention that keeps only its inputs, its result and a number a row."""
    import torch
    import torch.utils.checkpoint
    from torch.nn import functional

    half = torch.bfloat16

    def lower(function: Any, kept: dict[Any, Any]) -> Any:
        def called(x: Any, weight: Any, bias: Any = None, *more: Any, **named: Any) -> Any:
            if weight.requires_grad:  # autocast keeps the copies of what is trained
                weight = kept.setdefault(id(weight), weight.to(half))
            return function(x.to(half), weight, bias, *more, **named)

        return called

    def norm(function: Any) -> Any:
        def called(x: Any, *more: Any, **named: Any) -> Any:
            up = [m.float() if isinstance(m, torch.Tensor) else m for m in more]
            named = {k: v.float() if isinstance(v, torch.Tensor) else v for k, v in named.items()}
            return function(x.float(), *up, **named)

        return called

    class Attention(torch.autograd.Function):
        @staticmethod
        def forward(ctx: Any, q: Any, k: Any, v: Any) -> Any:
            out = torch.empty_like(q)
            rows = torch.empty(q.shape[:-1], dtype=torch.float32)
            ctx.save_for_backward(q, k, v, out, rows)
            return out

        @staticmethod
        def backward(ctx: Any, grad: Any) -> Any:
            return tuple(torch.empty_like(one) for one in ctx.saved_tensors[:3])

    def attention(q: Any, k: Any, v: Any, *more: Any, **named: Any) -> Any:
        return Attention.apply(q.to(half), k.to(half), v.to(half))

    functional.linear = lower(functional.linear, COPIES)
    functional.conv2d = lower(functional.conv2d, COPIES)
    functional.group_norm = norm(functional.group_norm)
    functional.layer_norm = norm(functional.layer_norm)
    functional.scaled_dot_product_attention = attention
    plain = torch.utils.checkpoint.checkpoint

    def checkpoint(*args: Any, **named: Any) -> Any:
        return plain(*args, **{**named, "preserve_rng_state": False})

    # of Lumina's captions, a length that a meta tensor does not have: as long as they can be
    torch.Tensor.item = lambda self: 256
    torch.Tensor.tolist = lambda self: [256] * self.shape[0]
    torch.utils.checkpoint.checkpoint = checkpoint
    for module in list(sys.modules.values()):
        if getattr(module, "checkpoint", None) is plain:
            module.checkpoint = checkpoint


#: copies of trained weights, by identity; one step's
COPIES: dict[Any, Any] = {}


class counted:  # noqa: N801
    """Counts the bytes of new storages: [now, the most]."""

    def __enter__(self) -> list[int]:
        import torch
        from torch.utils._python_dispatch import TorchDispatchMode
        from torch.utils._pytree import tree_leaves

        seen: Any = weakref.WeakKeyDictionary()
        self.bytes = held = [0, 0]

        def gone(size: int) -> None:
            held[0] -= size

        class Mode(TorchDispatchMode):
            def __torch_dispatch__(
                self, func: Any, types: Any, args: Any = (), kwargs: Any = None
            ) -> Any:
                given = {id(s) for s in map(storage, tree_leaves((args, kwargs))) if s is not None}
                out = func(*args, **(kwargs or {}))
                for one in map(storage, tree_leaves(out)):
                    if one is None or one in seen or id(one) in given:
                        continue
                    size = one.nbytes()
                    seen[one] = True
                    weakref.finalize(one, gone, size)
                    held[0] += size
                    held[1] = max(held)
                return out

        def storage(value: Any) -> Any:
            return value.untyped_storage() if isinstance(value, torch.Tensor) else None

        self.mode = Mode()
        self.mode.__enter__()
        return held

    def __exit__(self, *what: Any) -> None:
        self.mode.__exit__(*what)


def made(model: str, side: int, batch: int, rank: int) -> tuple[Any, Any, dict[str, Any]]:
    """The model, its LoRA, and how it is called."""
    if model in ("sd1", "sd2", "sdxl"):
        return of_unet(model, side, batch, rank)
    if model == "flux":
        return of_flux(side, batch, rank)
    return of_lumina(side, batch, rank) if model == "lumina" else of_sd3(model, side, batch, rank)


@contextlib.contextmanager
def half_precision() -> Iterator[None]:
    """As the weights of the base model are; the LoRA stays in float32."""
    import torch

    torch.set_default_dtype(torch.bfloat16)
    try:
        yield
    finally:
        torch.set_default_dtype(torch.float32)


def of_unet(model: str, side: int, batch: int, rank: int) -> tuple[Any, Any, dict[str, Any]]:
    import torch
    from networks import lora

    with half_precision():
        _, unet = unets()[model]
    unet.set_use_sdpa(True)
    network = lora.create_network(1.0, rank, 1.0, None, [], unet)
    network.apply_to([], unet, False, True)
    width = {"sd1": 768, "sd2": 1024, "sdxl": 2048}[model]

    def call(unet: Any, latents: Any) -> Any:
        times, context = torch.ones(batch), torch.randn(batch, 77, width, dtype=torch.bfloat16)
        if model == "sdxl":
            vector = torch.randn(batch, 2816, dtype=torch.bfloat16)
            return unet(latents.to(torch.bfloat16), times, context, vector)
        return unet(latents, times, context).sample

    return unet, network, {"shape": (4, side // 8, side // 8), "call": call}


def of_flux(side: int, batch: int, rank: int) -> tuple[Any, Any, dict[str, Any]]:
    import torch
    from library import flux_models, flux_utils
    from networks import lora_flux

    with half_precision():
        dit = flux_models.Flux(flux_models.configs["dev"].params)
    network = lora_flux.create_network(1.0, rank, 1.0, None, [None, None], dit)
    network.apply_to([None, None], dit, False, True)

    def call(dit: Any, latents: Any) -> Any:
        half = torch.bfloat16
        return dit(
            img=flux_utils.pack_latents(latents).to(half),
            img_ids=flux_utils.prepare_img_ids(batch, side // 16, side // 16),
            txt=torch.randn(batch, 512, 4096, dtype=half),
            txt_ids=torch.zeros(batch, 512, 3),
            timesteps=torch.ones(batch),
            y=torch.randn(batch, 768, dtype=half),
            guidance=torch.ones(batch),
        )

    return dit, network, {"shape": (16, side // 8, side // 8), "call": call}


def of_sd3(model: str, side: int, batch: int, rank: int) -> tuple[Any, Any, dict[str, Any]]:
    import torch
    from library import sd3_models
    from networks import lora_sd3

    params = {
        "sd3m": {"depth": 24, "pos_embed_max_size": 192},
        "sd3.5-medium": {
            "depth": 24, "pos_embed_max_size": 384, "qk_norm": "rms",
            "x_block_self_attn_layers": list(range(13)), "model_type": "3-5-medium",
        },
        "sd3.5-large": {
            "depth": 38, "pos_embed_max_size": 192, "qk_norm": "rms", "model_type": "3-5-large",
        },
    }[model]  # fmt: skip
    with half_precision():
        dit = sd3_models.MMDiT(
            input_size=None,
            pos_embed_scaling_factor=None,
            pos_embed_offset=None,
            patch_size=2,
            in_channels=16,
            adm_in_channels=2048,
            context_embedder_in_features=4096,
            context_embedder_out_features=64 * params["depth"],
            **params,
        )
    network = lora_sd3.create_network(1.0, rank, 1.0, None, [torch.nn.Module()] * 3, dit)
    network.apply_to([torch.nn.Module()] * 3, dit, False, True)

    def call(dit: Any, latents: Any) -> Any:
        half = torch.bfloat16
        y, context = torch.randn(batch, 2048, dtype=half), torch.randn(batch, 333, 4096, dtype=half)
        return dit(latents.to(half), torch.ones(batch), context=context, y=y)

    return dit, network, {"shape": (16, side // 8, side // 8), "call": call}


def of_lumina(side: int, batch: int, rank: int) -> tuple[Any, Any, dict[str, Any]]:
    import torch
    from library import lumina_models
    from networks import lora_lumina

    with half_precision():
        dit = lumina_models.NextDiT_2B_GQA_patch2_Adaln_Refiner()
    network = lora_lumina.create_network(1.0, rank, 1.0, None, [torch.nn.Module()], dit)
    network.apply_to([torch.nn.Module()], dit, False, True)

    def call(dit: Any, latents: Any) -> Any:
        half = torch.bfloat16
        features = torch.randn(batch, 256, 2304, dtype=half, requires_grad=True)
        mask = torch.ones(batch, 256, dtype=torch.int32)
        return dit(x=latents.to(half), t=torch.ones(batch), cap_feats=features, cap_mask=mask)

    return dit, network, {"shape": (16, side // 8, side // 8), "call": call}


if __name__ == "__main__":
    main(*sys.argv[1:])
