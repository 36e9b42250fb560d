"""Images to latents and back.

A latent pixel is the mean of 8x8 image pixels in three colour axes (lightness, red against green, blue
against yellow), scaled to about unit variance. Decoding repeats each mean 8x8 times, so pixel art drawn in
8x8 blocks survives the round trip exactly.
"""

from __future__ import annotations

import numpy as np
import torch
from PIL import Image

SCALE = 8
#: Rows: lightness, red - green, blue - yellow, of unit length.
_AXES = torch.tensor([[1.0, 1.0, 1.0], [1.0, -1.0, 0.0], [-0.5, -0.5, 1.0]])
AXES = _AXES / _AXES.norm(dim=1, keepdim=True)
GAIN = torch.tensor([1.0, 2.5, 2.5])[:, None, None]


def load_image(path: str) -> Image.Image:
    """The image as RGB; transparency becomes black, as in sd-scripts."""
    with Image.open(path) as image:
        return image.convert("RGB")


def fit(
    image: Image.Image,
    resized: tuple[int, int],
    bucket: tuple[int, int],
    corner: tuple[int, int] | None = None,
) -> Image.Image:
    """Resize to `resized`, then crop to `bucket`: centered, or at `corner` (left, top)."""
    if image.size != resized:
        shrinks = resized[0] <= image.width and resized[1] <= image.height
        image = image.resize(resized, Image.Resampling.BOX if shrinks else Image.Resampling.LANCZOS)
    left, top = corner or ((resized[0] - bucket[0]) // 2, (resized[1] - bucket[1]) // 2)
    return image.crop((left, top, left + bucket[0], top + bucket[1]))


def to_latents(image: Image.Image) -> torch.Tensor:
    """(3, height // 8, width // 8)"""
    width, height = (side - side % SCALE for side in image.size)
    pixels = np.asarray(image.crop((0, 0, width, height)), dtype=np.float32) / 127.5 - 1.0
    blocks = pixels.reshape(height // SCALE, SCALE, width // SCALE, SCALE, 3).mean(axis=(1, 3))
    return torch.einsum("ac,hwc->ahw", AXES, torch.from_numpy(blocks)) * GAIN


def to_image(latents: torch.Tensor) -> Image.Image:
    """(3, height, width) -> an image eight times as large."""
    colours = torch.einsum("ac,ahw->hwc", AXES, latents.float().cpu() / GAIN)
    values = ((colours + 1.0) * 127.5).round().clamp(0, 255).to(torch.uint8)
    image = Image.fromarray(values.numpy())
    return image.resize((image.width * SCALE, image.height * SCALE), Image.Resampling.NEAREST)
