"""Count the layers of sd-scripts' own LoRA networks: the figures of `network_layers.py`.

    <python of sd-scripts> scripts/network_layers.py <checkout of sd-scripts>

Makes every network without memory (torch's meta device) and prints its layers as Python tuples: which
model, text encoder or U-Net, with convolutions only, kernel, inputs, outputs, how many, letters of all
their names.
"""

from __future__ import annotations

import logging
import sys
from collections import Counter
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from scripts.real_loop import define_missing_operators

#: `CLIP-L`, `OpenCLIP-H` without its last layer, `OpenCLIP-G`: width, inner width, layers, heads
CLIP_L, CLIP_H, CLIP_G = (768, 3072, 12, 12), (1024, 4096, 23, 16), (1280, 5120, 32, 20)
Group = tuple[str, int, int, int]


def main(checkout: str) -> None:
    keep_alive = define_missing_operators()
    sys.path.insert(0, checkout)
    import torch

    logging.disable(logging.CRITICAL)
    with torch.device("meta"):
        for model, (text_encoders, unet) in unets().items():
            plain = count(lora(text_encoders, unet))
            conv = count(lora(text_encoders, unet, conv_dim="4"))
            show(model, plain, False)
            show(model, subtract(conv, plain), True)
        show("flux", count(flux()), False)
        show("lumina", count(lumina()), False)
    del keep_alive


def unets() -> dict[str, tuple[list[Any], Any]]:
    from library.original_unet import UNet2DConditionModel
    from library.sdxl_original_unet import SdxlUNet2DConditionModel

    shared = {"sample_size": 64, "use_linear_projection": False, "upcast_attention": False}
    sd1 = UNet2DConditionModel(attention_head_dim=8, cross_attention_dim=768, **shared)
    heads = [5, 10, 20, 20]
    sd2 = UNet2DConditionModel(attention_head_dim=heads, cross_attention_dim=1024, **shared)
    return {
        "sd1": ([clip(*CLIP_L)], sd1),
        "sd2": ([clip(*CLIP_H)], sd2),
        "sdxl": ([clip(*CLIP_L), clip(*CLIP_G)], SdxlUNet2DConditionModel()),
    }


def clip(width: int, inner: int, layers: int, heads: int) -> Any:
    from transformers import CLIPTextConfig, CLIPTextModel

    return CLIPTextModel(
        CLIPTextConfig(
            hidden_size=width,
            intermediate_size=inner,
            num_hidden_layers=layers,
            num_attention_heads=heads,
        )
    )


def lora(text_encoders: list[Any], unet: Any, **arguments: str) -> Any:
    from networks import lora as module

    kinds = module.LoRANetwork.UNET_TARGET_REPLACE_MODULE
    before = list(kinds)
    encoders = text_encoders if len(text_encoders) > 1 else text_encoders[0]
    network = module.create_network(1.0, 8, 1.0, None, encoders, unet, **arguments)
    kinds[:] = before  # conv_dim adds to the class's own list
    return network


def flux() -> Any:
    from library import flux_models
    from networks import lora_flux

    model = flux_models.Flux(flux_models.configs["dev"].params)
    return lora_flux.create_network(1.0, 8, 1.0, None, [clip(*CLIP_L), None], model)


def lumina() -> Any:
    from library import lumina_models
    from networks import lora_lumina
    from transformers import Gemma2Config, Gemma2Model

    model = lumina_models.NextDiT_2B_GQA_patch2_Adaln_Refiner()
    encoder = Gemma2Model(Gemma2Config())  # its defaults are gemma-2-2b
    return lora_lumina.create_network(1.0, 8, 1.0, None, [encoder], model)


def count(network: Any) -> dict[Group, tuple[int, int]]:
    modules: Counter[Group] = Counter()
    letters: Counter[Group] = Counter()
    for part, layers in (("text", network.text_encoder_loras), ("unet", network.unet_loras)):
        for layer in layers:
            down, up = layer.lora_down.weight.shape, layer.lora_up.weight.shape
            kernel = down[2] if len(down) == 4 else 0
            group = (part, int(kernel), int(down[1]), int(up[0]))
            modules[group] += 1
            letters[group] += len(layer.lora_name)
    return {group: (number, letters[group]) for group, number in sorted(modules.items())}


def subtract(
    more: dict[Group, tuple[int, int]], less: dict[Group, tuple[int, int]]
) -> dict[Group, tuple[int, int]]:
    rest = {}
    for group, (number, letters) in more.items():
        before = less.get(group, (0, 0))
        if number > before[0]:
            rest[group] = (number - before[0], letters - before[1])
    return rest


def show(model: str, groups: dict[Group, tuple[int, int]], conv_only: bool) -> None:
    for (part, kernel, inputs, outputs), (number, letters) in groups.items():
        print((model, part, conv_only, kernel, inputs, outputs, number, letters), end=",\n")


if __name__ == "__main__":
    main(sys.argv[1])
