"""Which checkpoints and states a training writes, their names, and which it deletes later.

sd-scripts' own rules (train_network.py and train_util.py, v0.10): `save_last_n_steps` counts steps,
`save_last_n_epochs` counts files, the last epoch has no separate file, a state is only written together with
a checkpoint.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from typing import Any

from runner.config.flags import at_least, number, whole
from runner.model import ExpectedCheckpoint
from runner.trainers.names import KOHYA_NAMES, FileNames
from runner.trainers.sd_scripts.steps import Steps


def step_to_remove(step: int, every: int, keep_steps: int | None) -> int | None:
    """The step whose checkpoint is deleted when `step`'s is written; `keep_steps` (save_last_n_steps)
    counts steps, not files. None: none."""
    if keep_steps is None:
        return None
    old = step - keep_steps - 1
    old -= old % every
    return old if old >= 0 else None


def epoch_to_remove(epoch: int, every: int, keep_epochs: int | None) -> int | None:
    """The epoch whose checkpoint is deleted when `epoch`'s is written; `keep_epochs`
    (save_last_n_epochs) counts files. None: none."""
    if keep_epochs is None:
        return None
    old = epoch - every * keep_epochs
    return old if old >= 0 else None


def epochs_between_saves(flags: Mapping[str, Any], epochs: int) -> int | None:
    """save_n_epoch_ratio overrides save_every_n_epochs. Raises ValueError below 1; sd-scripts divides by it."""
    ratio = number(flags, "save_n_epoch_ratio")
    if ratio is not None and ratio > 0:
        return math.floor(epochs / ratio) or 1
    return at_least(flags, "save_every_n_epochs", 1)


def _by_ratio(flags: Mapping[str, Any]) -> bool:
    return (number(flags, "save_n_epoch_ratio") or 0) > 0


#: flags that sd-scripts divides by (`% args.NAME` in the loop of train_network.py), and when
DIVISORS: Mapping[str, str] = {
    "save_every_n_steps": "at the first step",
    "save_every_n_epochs": "at the end of the first epoch",
    "validate_every_n_steps": "at the first step",
    "validate_every_n_epochs": "at the end of the first epoch",
}


def zero_divisors(flags: Mapping[str, Any]) -> list[str]:
    """Sentences about the flags whose 0 stops the training."""
    found = []
    for name, when in DIVISORS.items():
        replaced = name == "save_every_n_epochs" and _by_ratio(flags)
        if whole(flags, name) == 0 and not replaced:
            found.append(
                f"{name} is 0: use 1 or more, or remove it; sd-scripts divides by it and stops {when}"
            )
    return found


def save_warnings(flags: Mapping[str, Any]) -> list[str]:
    """Flags of saving that stop the training or have no effect, a sentence each."""
    try:
        return [*zero_divisors(flags), *_without_effect(flags)]
    except ValueError:  # a flag that is no number: reported where it is used
        return []


def _without_effect(flags: Mapping[str, Any]) -> Iterator[str]:
    every = {
        "steps": whole(flags, "save_every_n_steps"),
        "epochs": 1 if _by_ratio(flags) else whole(flags, "save_every_n_epochs"),
    }
    if flags.get("save_state") and not any(every.values()):
        yield (
            "save_state only saves together with a checkpoint: without save_every_n_steps or "
            "save_every_n_epochs only at the end"
        )
    for what, between in every.items():
        for name in (f"save_last_n_{what}", f"save_last_n_{what}_state"):
            if whole(flags, name) is None:
                continue
            if not between:
                yield f"{name} has no effect without save_every_n_{what}: {_stays(flags, name, every)}"
            elif name.endswith("_state") and not flags.get("save_state"):
                yield f"{name} has no effect without save_state"
    keep, between = whole(flags, "save_last_n_steps"), every["steps"]
    if keep and between and keep < between:
        yield (
            f"save_last_n_steps counts steps, not files: {keep} keeps only the newest of the files that are "
            f"saved every {between} steps; {keep} files need {max(1, (keep - 1) * between)}"
        )


def _stays(flags: Mapping[str, Any], name: str, every: Mapping[str, int | None]) -> str:
    kept = "every state stays" if name.endswith("_state") else "every checkpoint stays"
    what, other = ("steps", "epochs") if "_steps" in name else ("epochs", "steps")
    if not every[other]:
        return "only the final file is written"
    meant = name.replace(what, other)
    if flags.get(meant) is not None:
        return f"use {meant} alone"
    return f"{kept}; set {meant} to delete older ones"


def expected_checkpoints(
    flags: Mapping[str, Any],
    steps: Steps,
    ending: str | None = None,
    names: FileNames = KOHYA_NAMES,
) -> tuple[ExpectedCheckpoint, ...]:
    """Every file that will be written, in order, the final one last. `ending`: from `file_ending`; None: a
    LoRA's. Raises ValueError."""
    if ending is None:
        ending = "." + str(flags.get("save_model_as") or "safetensors")
    name = flags.get("output_name")
    if name == "":
        raise ValueError(
            "output_name is empty: sd-scripts cannot write the final file; set a name, or remove the flag"
        )
    with_state = bool(flags.get("save_state"))

    def file(stem: str, step: int, epoch: int, state: bool) -> ExpectedCheckpoint:
        at = step + steps.offset
        return ExpectedCheckpoint(stem + ending, at, epoch, f"{stem}-state" if state else None)

    if zero := zero_divisors(flags):
        raise ValueError(zero[0])
    by_step = _Saved(flags, "steps", at_least(flags, "save_every_n_steps", 1), step_to_remove)
    by_epoch = _Saved(flags, "epochs", epochs_between_saves(flags, steps.epochs), epoch_to_remove)
    last_step = steps.counted_from
    for epoch in steps.each_epoch():
        last_step = epoch.last_step
        for step in by_step.due(epoch.first_step, last_step):
            by_step.add(step, file(names.step(name, step), step, epoch.number, with_state))
        if epoch.number < steps.epochs:
            for number in by_epoch.due(epoch.number, epoch.number):
                by_epoch.add(number, file(names.epoch(name, number), last_step, number, with_state))
    in_the_end = with_state or bool(flags.get("save_state_on_train_end"))
    final = file(names.last(name), last_step, steps.epochs, in_the_end)
    # at the end of an epoch the step's file is written first
    rest = [*by_step.files.values(), *by_epoch.files.values()]
    return (*sorted(rest, key=lambda one: one.step), final)


class _Saved:
    """The files of one save schedule, by number: of `steps` or of `epochs`."""

    def __init__(
        self,
        flags: Mapping[str, Any],
        what: str,
        every: int | None,
        to_remove: Callable[[int, int, int | None], int | None],
    ) -> None:
        self.files: dict[int | None, ExpectedCheckpoint] = {}
        self._every, self._to_remove = every, to_remove
        self._keep: dict[str, int | None] = {}
        if every is not None:
            keep = whole(flags, f"save_last_n_{what}")
            # sd-scripts treats 0 of the *_state variant as not set
            keep_state = whole(flags, f"save_last_n_{what}_state") or keep
            self._keep = {"removed_at_step": keep, "state_removed_at_step": keep_state}

    def due(self, first: int, last: int) -> range:
        """The numbers from `first` to `last` that are saved."""
        if self._every is None:
            return range(0)
        return range(-(-first // self._every) * self._every, last + 1, self._every)

    def add(self, number: int, file: ExpectedCheckpoint) -> None:
        """Mark deletions: only the one computed name is deleted, and only if it exists."""
        self.files[number] = file
        for field, keep in self._keep.items():
            key = self._to_remove(number, self._every or 1, keep)
            old = self.files.get(key)
            lies = old is not None and (field == "removed_at_step" or old.state_name is not None)
            if old is not None and lies and getattr(old, field) is None:
                gone: dict[str, Any] = {field: file.step}
                self.files[key] = replace(old, **gone)
