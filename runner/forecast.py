"""What a training will do, before it starts: steps, epochs, files. sd-scripts' own arithmetic.

Pure but for reading the dataset's folders. Facts: `train_network.py` and `train_util.py` v0.10,
checked against the real loop by `scripts/check_forecast.py`.
"""

from __future__ import annotations


def step_name(output_name: str | None, step: int) -> str:
    """Name, without its ending, of the checkpoint after a step."""
    return f"{output_name or 'at'}-step{step:08d}"


def epoch_name(output_name: str | None, epoch: int) -> str:
    """Name, without its ending, of the checkpoint after an epoch."""
    return f"{output_name or 'epoch'}-{epoch:06d}"


def last_name(output_name: str | None) -> str:
    """Name, without its ending, of the final checkpoint."""
    return output_name or "last"


def step_to_remove(step: int, every: int, keep_steps: int | None) -> int | None:
    """The step whose checkpoint goes when `step`'s is written; `keep_steps` (save_last_n_steps)
    counts steps, not files. None: none goes."""
    if keep_steps is None:
        return None
    old = step - keep_steps - 1
    old -= old % every
    return old if old >= 0 else None


def epoch_to_remove(epoch: int, every: int, keep_epochs: int | None) -> int | None:
    """The epoch whose checkpoint goes when `epoch`'s is written; `keep_epochs`
    (save_last_n_epochs) counts files. None: none goes."""
    if keep_epochs is None:
        return None
    old = epoch - every * keep_epochs
    return old if old >= 0 else None
