"""The loop over epochs and batches: bar, losses, files, samples, validation, log."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from tqdm import tqdm

from runner.embedded.losses import LossFunction
from runner.embedded.pausing import paused
from runner.embedded.recorder import LossRecorder
from runner.embedded.sampling import Sampler
from runner.embedded.saving import Saver
from runner.embedded.setup import Parts
from runner.embedded.start import Start
from runner.embedded.validation import Validator

logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Helpers:
    """Callbacks of the loop."""

    loss: LossFunction
    saver: Saver
    sampler: Sampler
    validator: Validator


class Loop:
    """`epoch` and `step` are shared with the data loader's workers: the epoch from 1, and the step
    before the one being trained."""

    def __init__(
        self,
        accelerator: Any,
        args: Any,
        parts: Parts,
        helpers: Helpers,
        start: Start,
        epochs: int,
        counters: tuple[Any, Any],
    ) -> None:
        self.accelerator = accelerator
        self.args = args
        self.parts = parts
        self.helpers = helpers
        self.start = start
        self.epochs = epochs
        self.epoch, self.step = counters
        self.network = accelerator.unwrap_model(parts.network)
        self.recorder = LossRecorder()
        self.global_step = start.skip_batches
        self.bar: Any = None

    def run(self) -> None:
        self.bar = tqdm(
            range(self.args.max_train_steps - self.start.skip_batches),
            smoothing=0,
            disable=not self.accelerator.is_local_main_process,
            desc="steps",
        )
        skip = self.start.skip_batches
        for epoch in range(self.start.first_epoch, self.epochs):
            self.accelerator.print(f"\nepoch {epoch + 1}/{self.epochs}\n")
            self.epoch.value = epoch + 1
            self.network.train()
            self._train_epoch(epoch, skip)
            skip = 0
            self._end_epoch(epoch)
        self.accelerator.end_training()
        self.helpers.saver.at_end(self.global_step, self.epochs)

    def _train_epoch(self, epoch: int, skip: int) -> None:
        for number, batch in self._batches(skip):
            loss = self._train_batch(batch)
            extra = self._limit_norms()
            if self.accelerator.sync_gradients:
                self.bar.update(1)
                self.global_step += 1
                with paused(self.bar):
                    self.helpers.sampler.sample(None, self.global_step)
                self.helpers.saver.after_step(self.global_step, epoch)
            self._record(epoch, number, loss.detach().item(), extra)
            if self.accelerator.sync_gradients:
                self._validate_step(epoch)
            if self.global_step >= self.args.max_train_steps:
                break

    def _batches(self, skip: int) -> Iterator[tuple[int, Any]]:
        """The epoch's batches with their number from 0. After a skip the last skipped batch is still fetched
        and dropped; numbers then start at 1, which lowers avr_loss at first."""
        loader = self.parts.batches
        if skip > 0:
            loader = self.accelerator.skip_first_batches(loader, skip - 1)
        for number, batch in enumerate(loader):
            self.step.value = self.global_step
            if number == 0 and skip > 0:
                continue
            yield number, batch

    def _train_batch(self, batch: Any) -> Any:
        accelerator, optimizer = self.accelerator, self.parts.optimizer
        with accelerator.accumulate(self.parts.network):
            loss = self.helpers.loss.train(batch)
            accelerator.backward(loss)
            if accelerator.sync_gradients:
                self._share_gradients()
                if self.args.max_grad_norm != 0.0:
                    accelerator.clip_grad_norm_(self.network.parameters(), self.args.max_grad_norm)
            optimizer.step()
            self.parts.scheduler.step()
            optimizer.zero_grad(set_to_none=True)
        return loss

    def _share_gradients(self) -> None:
        if self.accelerator.num_processes == 1:
            return
        for parameter in self.network.parameters():
            if parameter.grad is not None:
                parameter.grad = self.accelerator.reduce(parameter.grad, reduction="mean")

    def _limit_norms(self) -> dict[str, float]:
        if not self.args.scale_weight_norms:
            return {}
        scaled, mean, largest = self.network.limit_norms(self.args.scale_weight_norms)
        return {"Keys Scaled": scaled, "Average key norm": mean, "largest": largest}

    def _record(self, epoch: int, number: int, loss: float, extra: dict[str, float]) -> None:
        self.recorder.add(epoch, number, loss)
        average = self.recorder.average
        shown = {key: value for key, value in extra.items() if key != "largest"}
        self.bar.set_postfix(**shown, avr_loss=average)
        if not self.accelerator.trackers:
            return
        logs: dict[str, float] = {"loss/current": loss, "loss/average": average}
        if extra:
            logs["max_norm/keys_scaled"] = extra["Keys Scaled"]
            logs["max_norm/max_key_norm"] = extra["largest"]
            logs["norm/avg_key_norm"] = extra["Average key norm"]
        rates = self.parts.scheduler.get_last_lr()
        for name, rate in zip(self.parts.lr_names, rates, strict=True):
            logs[f"lr/{name}"] = rate
        # sd-scripts v0.10 logs all rates except the text encoder's again under a number
        first = 0 if self.args.network_train_unet_only else 1
        for number in range(first, len(rates)):
            logs[f"lr/group{number}"] = rates[number]
        self._log(logs, self.global_step)

    def _validate_step(self, epoch: int) -> None:
        validator = self.helpers.validator
        if not validator.due_after_step(self.global_step):
            return
        with paused(self.bar):
            average = validator.run(self.network, "step", epoch)
        self._log(
            {
                "loss/validation/step_average": average,
                "loss/validation/step_divergence": average - self.recorder.average,
            },
            self.global_step,
        )

    def _end_epoch(self, epoch: int) -> None:
        number = epoch + 1
        validator = self.helpers.validator
        if validator.due_after_epoch(number):
            with paused(self.bar):
                average = validator.run(self.network, "epoch", epoch)
            self._log(
                {
                    "loss/validation/epoch_average": average,
                    "loss/validation/epoch_divergence": average - self.recorder.average,
                },
                number,
            )
        self._log({"loss/epoch_average": self.recorder.average}, number)
        self.accelerator.wait_for_everyone()
        with paused(self.bar):
            self.helpers.saver.after_epoch(number, self.epochs, self.global_step)
            self.helpers.sampler.sample(number, self.global_step)

    def _log(self, values: dict[str, float], at: int) -> None:
        for tracker in self.accelerator.trackers:
            tracker.log(values, step=at)
