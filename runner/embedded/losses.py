"""The loss of one batch, for training and for validation."""

from __future__ import annotations

import os
import time
from typing import Any

import torch

from runner.embedded.base import BaseModel
from runner.embedded.noise import add_noise, noise_loss


class LossFunction:
    """Runs text encoder and denoiser on a batch. Test aids: see the package's docstring."""

    def __init__(self, accelerator: Any, model: BaseModel, alphas: torch.Tensor, args: Any) -> None:
        self.accelerator = accelerator
        self.model = model
        self.alphas = alphas
        self.args = args
        self._batches = 0
        self._nan_at = int(os.environ.get("PLASMA_EMBEDDED_NAN_AT", "0"))
        self._sleep_s = float(os.environ.get("PLASMA_EMBEDDED_SLEEP", "0"))

    def train(self, batch: dict[str, Any]) -> torch.Tensor:
        self._batches += 1
        if self._sleep_s:
            time.sleep(self._sleep_s)
        loss = self.of(batch)
        return loss * float("nan") if self._batches == self._nan_at else loss

    def of(self, batch: dict[str, Any]) -> torch.Tensor:
        device = self.accelerator.device
        noisy = add_noise(batch["latents"].to(device), self.alphas, self.args)
        with self.accelerator.autocast():
            context = self.model.text_encoder(batch["tokens"].to(device), self.args.clip_skip)
            guess = self.model.unet(noisy.noisy, noisy.timesteps, self.alphas, context)
        return noise_loss(guess, noisy, batch["loss_weights"], self.alphas, self.args)
