"""The trainer's exact loss and learning rate, step by step, from its event files.

Tags by sd-scripts v0.6 to v0.10: `loss/current` (LoRA scripts) or `loss`; `lr/unet` where the U-Net is trained,
else `lr/textencoder`, `lr/group0` or `lr`. x is the trainer's global_step. accelerate writes the numbers of one
step together, the loss first.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from runner.ingest.tfevents import Scalar

LOSS_TAGS = ("loss/current", "loss")
_RATE_TAGS = ("lr/unet", "lr/textencoder", "lr/group0", "lr")


@dataclass(frozen=True, slots=True)
class ExactStep:
    """`shown_step`: the trainer's own; None for what was not written; `wall_at`: seconds since 1970."""

    shown_step: int
    wall_at: float
    loss: float | None = None
    rate: float | None = None


def exact_steps(scalars: Iterable[Scalar]) -> list[ExactStep]:
    """Neighbouring records of the same step as one, in the order of their writing. Other tags are left."""
    found: list[ExactStep] = []
    rank = len(_RATE_TAGS)
    for one in scalars:
        is_loss = one.tag in LOSS_TAGS
        if not is_loss and one.tag not in _RATE_TAGS:
            continue
        last = found[-1] if found else None
        same = last is not None and last.shown_step == one.step
        if is_loss:
            if not same or (last is not None and last.loss is not None):
                found.append(ExactStep(one.step, one.wall_at, one.value))
                rank = len(_RATE_TAGS)
            elif last is not None:
                found[-1] = ExactStep(one.step, one.wall_at, one.value, last.rate)
            continue
        place = _RATE_TAGS.index(one.tag)
        if not same:
            found.append(ExactStep(one.step, one.wall_at, None, one.value))
            rank = place
        elif last is not None and place < rank:
            found[-1] = ExactStep(one.step, last.wall_at, last.loss, one.value)
            rank = place
    return found
