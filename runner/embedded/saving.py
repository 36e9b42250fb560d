"""Checkpoints and states: when, under which names, and which old ones are removed. Facts: train_network.py
and train_util.py v0.10. Nothing is written atomically, `saving checkpoint:` is logged before the write,
nothing after it.
"""

from __future__ import annotations

import json
import logging
import shutil
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import save_file

from runner.embedded.metadata import MINIMUM_KEYS, model_spec, weight_hashes
from runner.trainers.names import KOHYA_NAMES
from runner.trainers.sd_scripts.saves import epoch_to_remove, step_to_remove

logger = logging.getLogger(__name__)

SAVE_DTYPES = {"float": torch.float32, "fp16": torch.float16, "bf16": torch.bfloat16}


class Saver:
    """Writes to output_dir according to the flags. Only the main process saves."""

    def __init__(
        self,
        accelerator: Any,
        network: Any,
        args: Any,
        metadata: dict[str, str],
        resolution: tuple[int, int],
    ) -> None:
        self.accelerator = accelerator
        self.network = network
        self.args = args
        self.metadata = metadata
        self.resolution = resolution

    def after_step(self, step: int, epoch: int) -> None:
        """Called with the step just finished; `epoch` counts from 0, as in the metadata."""
        args = self.args
        if args.save_every_n_steps is None or step % args.save_every_n_steps:
            return
        self.accelerator.wait_for_everyone()
        if not self.accelerator.is_main_process:
            return
        self._checkpoint(KOHYA_NAMES.step(args.output_name, step), step, epoch)
        if args.save_state:
            logger.info("")
            logger.info("saving state at step %d", step)
            self._state(KOHYA_NAMES.step(args.output_name, step))
            keep = args.save_last_n_steps_state or args.save_last_n_steps
            old = step_to_remove(step, args.save_every_n_steps, keep)
            if old:
                self._remove_state(KOHYA_NAMES.step(args.output_name, old))
        old = step_to_remove(step, args.save_every_n_steps, args.save_last_n_steps)
        if old is not None:
            self._remove_checkpoint(KOHYA_NAMES.step(args.output_name, old))

    def after_epoch(self, epoch: int, epochs: int, step: int) -> None:
        """`epoch` counts from 1. The last epoch has no separate file: the final one follows."""
        args = self.args
        if args.save_every_n_epochs is None or not self.accelerator.is_main_process:
            return
        if epoch % args.save_every_n_epochs or epoch >= epochs:
            return
        self._checkpoint(KOHYA_NAMES.epoch(args.output_name, epoch), step, epoch)
        old = epoch_to_remove(epoch, args.save_every_n_epochs, args.save_last_n_epochs)
        if old is not None:
            self._remove_checkpoint(KOHYA_NAMES.epoch(args.output_name, old))
        if args.save_state:
            logger.info("")
            logger.info("saving state at epoch %d", epoch)
            self._state(KOHYA_NAMES.epoch(args.output_name, epoch))
            keep = args.save_last_n_epochs_state or args.save_last_n_epochs
            old = epoch_to_remove(epoch, args.save_every_n_epochs, keep)
            if old is not None:
                self._remove_state(KOHYA_NAMES.epoch(args.output_name, old))

    def at_end(self, step: int, epochs: int) -> None:
        if not self.accelerator.is_main_process:
            return
        if self.args.save_state or self.args.save_state_on_train_end:
            logger.info("")
            logger.info("saving last state.")
            self._state(KOHYA_NAMES.last(self.args.output_name))
        self._checkpoint(KOHYA_NAMES.last(self.args.output_name), step, epochs)
        logger.info("model saved.")

    def _checkpoint(self, name: str, step: int, epoch: int) -> None:
        folder = Path(self.args.output_dir)
        folder.mkdir(parents=True, exist_ok=True)
        path = folder / f"{name}.{self.args.save_model_as}"
        self.accelerator.print(f"\nsaving checkpoint: {path}")
        self.metadata["ss_training_finished_at"] = str(time.time())
        self.metadata["ss_steps"] = str(step)
        self.metadata["ss_epoch"] = str(epoch)
        keep = MINIMUM_KEYS if self.args.no_metadata else tuple(self.metadata)
        metadata = {key: self.metadata[key] for key in keep if key in self.metadata}
        metadata |= model_spec(self.args, self.resolution)
        write_weights(self.network.state_dict(), path, self.args.save_precision, metadata)

    def _state(self, name: str) -> None:
        folder = Path(self.args.output_dir)
        folder.mkdir(parents=True, exist_ok=True)
        self.accelerator.save_state(str(folder / f"{name}-state"))

    def _remove_checkpoint(self, name: str) -> None:
        path = Path(self.args.output_dir) / f"{name}.{self.args.save_model_as}"
        if path.exists():
            self.accelerator.print(f"removing old checkpoint: {path}")
            path.unlink()

    def _remove_state(self, name: str) -> None:
        path = Path(self.args.output_dir) / f"{name}-state"
        if path.exists():
            logger.info("removing old state: %s", path)
            shutil.rmtree(path)


def write_weights(
    tensors: dict[str, Any], path: Path, precision: str | None, metadata: dict[str, str]
) -> None:
    """One checkpoint file; without a precision the weights keep their own."""
    dtype = SAVE_DTYPES.get(precision or "")
    if dtype is not None:
        tensors = {key: value.detach().cpu().to(dtype) for key, value in tensors.items()}
    if path.suffix == ".safetensors":
        save_file(tensors, path, metadata | weight_hashes(tensors, metadata))
    else:
        torch.save(tensors, path)


def keep_train_state(accelerator: Any, epoch: Any, step: Any) -> Callable[[], int | None]:
    """Let states carry `train_state.json`, written before all other files. Returns a function that gives the
    step of a loaded state, None if none was loaded or it had no number. `epoch` and `step` are the loop's
    shared numbers: the epoch from 1, the step before the current one."""
    loaded: dict[str, int] = {}

    def before_save(models: Any, weights: Any, folder: str) -> None:
        file = Path(folder) / "train_state.json"
        state = {"current_epoch": epoch.value, "current_step": step.value + 1}
        logger.info("save train state to %s at epoch %d step %d", file, epoch.value, step.value + 1)
        file.write_text(json.dumps(state), encoding="utf-8")

    def before_load(models: Any, folder: str) -> None:
        file = Path(folder) / "train_state.json"
        if file.exists():
            loaded.update(json.loads(file.read_text(encoding="utf-8")))
            logger.info("load train state from %s: %s", file, loaded)

    accelerator.register_save_state_pre_hook(before_save)
    accelerator.register_load_state_pre_hook(before_load)
    return lambda: loaded.get("current_step")
