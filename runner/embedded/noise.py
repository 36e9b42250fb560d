"""The noise added to latents, and the loss of predicting it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch
from torch import nn

#: Stable Diffusion's schedule: scaled linear, 1000 steps.
TIMESTEPS = 1000
BETA_FIRST, BETA_LAST = 0.00085, 0.012


def alphas_cumprod() -> torch.Tensor:
    """(TIMESTEPS,): how much of the image is left at each timestep."""
    betas = torch.linspace(BETA_FIRST**0.5, BETA_LAST**0.5, TIMESTEPS) ** 2
    return torch.cumprod(1.0 - betas, dim=0)


@dataclass(frozen=True, slots=True)
class NoisyBatch:
    """`noisy` = image and `noise` mixed by `timesteps` (batch,)."""

    noisy: torch.Tensor
    noise: torch.Tensor
    timesteps: torch.Tensor


def add_noise(latents: torch.Tensor, alphas: torch.Tensor, args: Any) -> NoisyBatch:
    """Add fresh noise to each latent at a random timestep in [min_timestep, max_timestep)."""
    noise = torch.randn_like(latents)
    if args.noise_offset:
        shape = (latents.shape[0], latents.shape[1], 1, 1)
        noise = noise + args.noise_offset * torch.randn(shape, device=latents.device)
    low = args.min_timestep or 0
    high = TIMESTEPS if args.max_timestep is None else args.max_timestep
    count = len(latents)
    # validation asks for one timestep: low == high
    chosen = torch.randint(low, high, (count,)) if low < high else torch.full((count,), high)
    timesteps = chosen.to(latents.device)
    left = alphas.to(latents.device)[timesteps][:, None, None, None]
    return NoisyBatch(left.sqrt() * latents + (1 - left).sqrt() * noise, noise, timesteps)


def noise_loss(
    guess: torch.Tensor, batch: NoisyBatch, weights: torch.Tensor, alphas: torch.Tensor, args: Any
) -> torch.Tensor:
    """The mean loss of a batch; `weights` (batch,) holds prior_loss_weight for regularisation
    images."""
    compare = nn.functional.l1_loss if args.loss_type == "l1" else nn.functional.mse_loss
    loss = compare(guess.float(), batch.noise.float(), reduction="none").mean(dim=(1, 2, 3))
    loss = loss * weights.to(loss.device)
    if args.min_snr_gamma:
        left = alphas.to(loss.device)[batch.timesteps]
        ratio = left / (1 - left)
        loss = loss * torch.clamp(args.min_snr_gamma / ratio, max=1.0)
    return loss.mean()
