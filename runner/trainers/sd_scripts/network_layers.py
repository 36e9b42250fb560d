"""The layers of sd-scripts' LoRA networks, counted by `scripts/network_layers.py` on its own code.

Figures of sd-scripts main 48d368fa: networks.lora on SD 1.x, SD 2.x and SDXL, networks.lora_flux on
FLUX.1 (dev and schnell have the same layers), networks.lora_lumina on Lumina Image 2 and gemma-2-2b.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Layers:
    """`modules` layers of one shape. `kernel`: side of a convolution, 0 for a linear layer. `letters`: of all
    their names. `conv_only`: only used with conv_dim, which for a kernel of 3 is their rank."""

    part: str  # text or unet
    conv_only: bool
    kernel: int
    inputs: int
    outputs: int
    modules: int
    letters: int


#: kernel, inputs, outputs, modules, letters
Row = tuple[int, int, int, int, int]

#: shared by the U-Nets of SD 1.x and 2.x
_SD_UNET: tuple[Row, ...] = (
    (0, 320, 320, 30, 2044), (0, 320, 2560, 5, 349), (0, 640, 640, 30, 2044),
    (0, 640, 5120, 5, 349), (0, 1280, 320, 5, 324), (0, 1280, 1280, 36, 2436),
    (0, 1280, 10240, 6, 416), (0, 2560, 640, 5, 324), (0, 5120, 1280, 6, 386),
    (1, 320, 320, 10, 433), (1, 640, 640, 10, 433), (1, 1280, 1280, 12, 514),
)  # fmt: skip
_SD_CONVOLUTIONS: tuple[Row, ...] = (
    (0, 1280, 320, 5, 229), (0, 1280, 640, 5, 229), (0, 1280, 1280, 12, 544),
    (1, 320, 640, 1, 47), (1, 640, 320, 2, 90), (1, 640, 1280, 1, 47), (1, 960, 320, 1, 45),
    (1, 960, 640, 1, 45), (1, 1280, 640, 1, 45), (1, 1920, 640, 1, 45), (1, 1920, 1280, 1, 45),
    (1, 2560, 1280, 5, 225), (3, 320, 320, 8, 310), (3, 320, 640, 1, 39), (3, 640, 320, 2, 74),
    (3, 640, 640, 8, 310), (3, 640, 1280, 1, 39), (3, 960, 320, 1, 37), (3, 960, 640, 1, 37),
    (3, 1280, 640, 1, 37), (3, 1280, 1280, 20, 756), (3, 1920, 640, 1, 37),
    (3, 1920, 1280, 1, 37), (3, 2560, 1280, 5, 185),
)  # fmt: skip
#: by model, part and whether only with convolutions
_FIGURES: dict[tuple[str, str, bool], tuple[Row, ...]] = {
    ("sd1", "text", False): (
        (0, 768, 768, 48, 2528), (0, 768, 3072, 12, 518), (0, 3072, 768, 12, 518),
    ),
    ("sd1", "unet", False): (
        *_SD_UNET,
        (0, 768, 320, 10, 668), (0, 768, 640, 10, 668), (0, 768, 1280, 12, 796),
    ),
    ("sd1", "unet", True): _SD_CONVOLUTIONS,
    ("sd2", "text", False): (
        (0, 1024, 1024, 92, 4882), (0, 1024, 4096, 23, 1002), (0, 4096, 1024, 23, 1002),
    ),
    ("sd2", "unet", False): (
        *_SD_UNET,
        (0, 1024, 320, 10, 668), (0, 1024, 640, 10, 668), (0, 1024, 1280, 12, 796),
    ),
    ("sd2", "unet", True): _SD_CONVOLUTIONS,
    ("sdxl", "text", False): (
        (0, 768, 768, 48, 2576), (0, 768, 3072, 12, 530), (0, 1280, 1280, 128, 6936),
        (0, 1280, 5120, 32, 1430), (0, 3072, 768, 12, 530), (0, 5120, 1280, 32, 1430),
    ),
    ("sdxl", "unet", False): (
        (0, 640, 640, 70, 3947), (0, 640, 5120, 10, 616), (0, 1280, 1280, 372, 21836),
        (0, 1280, 10240, 60, 3670), (0, 2048, 640, 20, 1172), (0, 2048, 1280, 120, 6980),
        (0, 2560, 640, 10, 566), (0, 5120, 1280, 60, 3370),
    ),
    ("sdxl", "unet", True): (
        (0, 1280, 320, 5, 198), (0, 1280, 640, 5, 198), (0, 1280, 1280, 7, 272),
        (1, 320, 640, 1, 42), (1, 640, 320, 2, 86), (1, 640, 1280, 1, 42), (1, 960, 320, 1, 43),
        (1, 960, 640, 1, 43), (1, 1280, 640, 1, 43), (1, 1920, 640, 1, 43), (1, 1920, 1280, 1, 43),
        (1, 2560, 1280, 2, 86), (3, 320, 320, 8, 303), (3, 320, 640, 1, 38), (3, 640, 320, 2, 78),
        (3, 640, 640, 8, 297), (3, 640, 1280, 1, 38), (3, 960, 320, 1, 39), (3, 960, 640, 1, 39),
        (3, 1280, 640, 1, 39), (3, 1280, 1280, 11, 414), (3, 1920, 640, 1, 39),
        (3, 1920, 1280, 1, 39), (3, 2560, 1280, 2, 78),
    ),
    ("flux", "text", False): (
        (0, 768, 768, 48, 2576), (0, 768, 3072, 12, 530), (0, 3072, 768, 12, 530),
    ),
    ("flux", "unet", False): (
        (0, 3072, 3072, 38, 1500), (0, 3072, 9216, 76, 3010), (0, 3072, 12288, 38, 1348),
        (0, 3072, 18432, 38, 1424), (0, 3072, 21504, 38, 1282), (0, 12288, 3072, 38, 1348),
        (0, 15360, 3072, 38, 1282),
    ),
    ("lumina", "text", False): (
        (0, 2048, 2304, 26, 874), (0, 2304, 1024, 52, 1748), (0, 2304, 2048, 26, 874),
        (0, 2304, 9216, 52, 1540), (0, 9216, 2304, 26, 796),
    ),
    ("lumina", "unet", False): (
        (0, 1024, 2304, 1, 40), (0, 1024, 9216, 28, 1066), (0, 2304, 64, 1, 28),
        (0, 2304, 2304, 30, 1008), (0, 2304, 3840, 30, 1008), (0, 2304, 9216, 60, 2136),
        (0, 9216, 2304, 30, 1068),
    ),
}  # fmt: skip

NETWORK_LAYERS: dict[str, tuple[Layers, ...]] = {
    model: tuple(
        Layers(part, conv_only, *row)
        for (of, part, conv_only), rows in _FIGURES.items()
        if of == model
        for row in rows
    )
    for model in ("sd1", "sd2", "sdxl", "flux", "lumina")
}
