"""Validation: the loss on held-out images at four fixed timesteps, with its own random numbers."""

from __future__ import annotations

from typing import Any

import torch
from tqdm import tqdm

from runner.embedded.chance import own_chance
from runner.embedded.losses import LossFunction
from runner.embedded.noise import TIMESTEPS
from runner.embedded.recorder import LossRecorder

COUNT = 4


def validation_timesteps(low: int | None, high: int | None) -> list[int]:
    """Four numbers evenly within the range, its ends left out: 200, 400, 600, 800."""
    first, last = low or 0, TIMESTEPS if high is None else high
    return [int(first + (last - first) * i / (COUNT + 1)) for i in range(1, COUNT + 1)]


class Validator:
    """Runs all validation batches. One recorder for steps, one for epochs, as in sd-scripts."""

    def __init__(self, accelerator: Any, batches: Any, loss: LossFunction, args: Any) -> None:
        self.accelerator = accelerator
        self.batches = batches
        self.loss = loss
        self.args = args
        most = args.max_validation_steps
        self.count = len(batches) if most is None else min(most, len(batches))
        self._bar: Any = None
        self._recorders = {"step": LossRecorder(), "epoch": LossRecorder()}

    def due_after_step(self, step: int) -> bool:
        every = self.args.validate_every_n_steps
        return every is not None and step % every == 0 and self.count > 0

    def due_after_epoch(self, epoch: int) -> bool:
        """`epoch` counts from 1."""
        return self.count > 0 and epoch % (self.args.validate_every_n_epochs or 1) == 0

    def run(self, network: Any, kind: str, epoch: int) -> float:
        """The average loss. `kind` is step or epoch; `epoch` counts from 0."""
        args = self.args
        timesteps = validation_timesteps(args.min_timestep, args.max_timestep)
        recorder = self._recorders[kind]
        names = {
            "step": ("validation steps", "val_avg_loss"),
            "epoch": ("epoch validation steps", "val_epoch_avg_loss"),
        }
        title, key = names[kind]
        # held until the next one is made, as in sd-scripts: its last line is drawn only then
        bar = self._bar = tqdm(
            range(self.count * len(timesteps)),
            smoothing=0,
            disable=not self.accelerator.is_local_main_process,
            desc=title,
        )
        number = 0
        network.eval()
        given = args.min_timestep, args.max_timestep
        seed = args.seed if args.validation_seed is None else args.validation_seed
        with own_chance(seed), torch.no_grad():
            for index, batch in enumerate(self.batches):
                if index >= self.count:
                    break
                for timestep in timesteps:
                    args.min_timestep = args.max_timestep = timestep
                    recorder.add(epoch, number, self.loss.of(batch).item())
                    bar.update(1)
                    bar.set_postfix({key: recorder.average, "timestep": timestep})
                    number += 1
        args.min_timestep, args.max_timestep = given
        network.train()
        return recorder.average
