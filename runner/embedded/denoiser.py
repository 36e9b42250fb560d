"""The small frozen denoiser: three transformer blocks over patches, conditioned on text and noise.

The blocks predict the image under the noise; the noise is the rest. The frozen weights contain no images, so
the untrained model predicts badly and the LoRA learns everything about the images. Module names follow Stable
Diffusion's U-Net (`down_blocks_0_attentions_0_...`).
"""

from __future__ import annotations

import math

import torch
from torch import nn
from torch.utils.checkpoint import checkpoint

from runner.embedded.text import WIDTH as TEXT_WIDTH

CHANNELS = 3
PATCH = 8
WIDTH = 192
HEADS = 4
PATCH_VALUES = CHANNELS * PATCH * PATCH
#: Weight of the blocks' output in the image. The larger, the faster a LoRA learns at the
#: usual learning rates.
READOUT_GAIN = 6.0
#: Expected error (standard deviation) of the predicted image. Below that noise level the noisy latents count
#: more, above it the prediction.
EXPECTED_ERROR = 0.25
#: Weight of a patch's position relative to its content.
PLACE_GAIN = 2.0


class Attention(nn.Module):  # type: ignore[misc]
    def __init__(self, context_width: int) -> None:
        super().__init__()
        self.to_q = nn.Linear(WIDTH, WIDTH, bias=False)
        self.to_k = nn.Linear(context_width, WIDTH, bias=False)
        self.to_v = nn.Linear(context_width, WIDTH, bias=False)
        self.to_out = nn.ModuleList([nn.Linear(WIDTH, WIDTH)])

    def forward(self, x: torch.Tensor, context: torch.Tensor) -> torch.Tensor:
        q, k, v = (_heads(part) for part in (self.to_q(x), self.to_k(context), self.to_v(context)))
        y = nn.functional.scaled_dot_product_attention(q, k, v)
        return self.to_out[0](y.transpose(1, 2).flatten(2))


class GatedGelu(nn.Module):  # type: ignore[misc]
    def __init__(self) -> None:
        super().__init__()
        self.proj = nn.Linear(WIDTH, 4 * WIDTH)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        value, gate = self.proj(x).chunk(2, dim=-1)
        return value * nn.functional.gelu(gate)


class FeedForward(nn.Module):  # type: ignore[misc]
    def __init__(self) -> None:
        super().__init__()
        self.net = nn.ModuleList([GatedGelu(), nn.Identity(), nn.Linear(2 * WIDTH, WIDTH)])

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        for part in self.net:
            x = part(x)
        return x


class BasicTransformerBlock(nn.Module):  # type: ignore[misc]
    def __init__(self) -> None:
        super().__init__()
        self.attn1 = Attention(WIDTH)
        self.attn2 = Attention(TEXT_WIDTH)
        self.ff = FeedForward()
        self.norm1, self.norm2, self.norm3 = (nn.LayerNorm(WIDTH) for _ in range(3))

    def forward(self, x: torch.Tensor, context: torch.Tensor) -> torch.Tensor:
        normed = self.norm1(x)
        x = x + self.attn1(normed, normed)
        x = x + self.attn2(self.norm2(x), context)
        return x + self.ff(self.norm3(x))


class Transformer2DModel(nn.Module):  # type: ignore[misc]
    """What a LoRA attaches to: every linear layer inside."""

    def __init__(self) -> None:
        super().__init__()
        self.norm = nn.LayerNorm(WIDTH)
        self.proj_in = nn.Linear(WIDTH, WIDTH)
        self.transformer_blocks = nn.ModuleList([BasicTransformerBlock()])
        self.proj_out = nn.Linear(WIDTH, WIDTH)

    def forward(self, x: torch.Tensor, context: torch.Tensor) -> torch.Tensor:
        y = self.proj_in(self.norm(x))
        for block in self.transformer_blocks:
            y = block(y, context)
        return x + self.proj_out(y)


class Stage(nn.Module):  # type: ignore[misc]
    def __init__(self) -> None:
        super().__init__()
        self.attentions = nn.ModuleList([Transformer2DModel()])


class Denoiser(nn.Module):  # type: ignore[misc]
    """Predicts the noise in latents. See `forward`."""

    def __init__(self) -> None:
        super().__init__()
        self.embed = nn.Linear(PATCH_VALUES, WIDTH, bias=False)
        self.time = nn.Linear(WIDTH, WIDTH)
        self.down_blocks = nn.ModuleList([Stage()])
        self.mid_block = Stage()
        self.up_blocks = nn.ModuleList([Stage()])
        self.readout = nn.Linear(WIDTH, PATCH_VALUES, bias=False)
        self.gradient_checkpointing = False

    @property
    def dtype(self) -> torch.dtype:
        return self.embed.weight.dtype

    @property
    def device(self) -> torch.device:
        return self.embed.weight.device

    def forward(
        self,
        noisy: torch.Tensor,
        timesteps: torch.Tensor,
        alphas_cumprod: torch.Tensor,
        context: torch.Tensor,
    ) -> torch.Tensor:
        """noisy (batch, CHANNELS, height, width), timesteps (batch,), context (batch, tokens,
        TEXT_WIDTH) -> the predicted noise, of the shape of `noisy`."""
        height, width = noisy.shape[2:]
        left = alphas_cumprod.to(noisy.device)[timesteps][:, None, None, None]
        padded = nn.functional.pad(
            left.sqrt() * noisy, (0, -width % PATCH, 0, -height % PATCH), mode="replicate"
        )
        rows, columns = padded.shape[2] // PATCH, padded.shape[3] // PATCH
        x = self.embed(_to_patches(padded).to(self.dtype))
        x = (
            x
            + PLACE_GAIN * _positions(rows, columns, x)
            + self.time(_waves(timesteps, WIDTH, x))[:, None]
        )
        entered = x
        for stage in (self.down_blocks[0], self.mid_block, self.up_blocks[0]):
            attend = stage.attentions[0]
            if self.gradient_checkpointing and torch.is_grad_enabled():
                x = checkpoint(attend, x, context, use_reentrant=False)
            else:
                x = attend(x, context)
        picture = _to_image(self.readout(x - entered), rows, columns)[:, :, :height, :width]
        variance = (1 - left) / left
        doubt = variance / (variance + EXPECTED_ERROR**2)
        return doubt * (noisy - left.sqrt() * picture) / (1 - left).sqrt()


def _heads(x: torch.Tensor) -> torch.Tensor:
    return x.unflatten(-1, (HEADS, -1)).transpose(1, 2)


def _to_patches(x: torch.Tensor) -> torch.Tensor:
    return nn.functional.pixel_unshuffle(x, PATCH).flatten(2).transpose(1, 2)


def _to_image(x: torch.Tensor, rows: int, columns: int) -> torch.Tensor:
    return nn.functional.pixel_shuffle(x.transpose(1, 2).unflatten(2, (rows, columns)), PATCH)


def _waves(values: torch.Tensor, width: int, like: torch.Tensor) -> torch.Tensor:
    """Sines and cosines of numbers in 0..1000: (n,) -> (n, width)."""
    half = width // 2
    rates = torch.exp(-math.log(1000.0) * torch.arange(half, device=like.device) / half)
    angles = values.to(like.device).float()[:, None] * rates
    return torch.cat([angles.sin(), angles.cos()], dim=-1).to(like.dtype)


def _positions(rows: int, columns: int, like: torch.Tensor) -> torch.Tensor:
    """One code per patch, by its position in an image with sides from 0 to 100:
    (rows * columns, WIDTH)."""
    down = _waves(torch.linspace(0, 100, rows), WIDTH // 2, like)
    right = _waves(torch.linspace(0, 100, columns), WIDTH // 2, like)
    grid = torch.cat(
        [down[:, None].expand(-1, columns, -1), right[None].expand(rows, -1, -1)], dim=-1
    )
    return grid.flatten(0, 1)
