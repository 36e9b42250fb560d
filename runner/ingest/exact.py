"""The trainer's exact loss and learning rate, step by step, from its event files.

Tags by sd-scripts v0.6 to v0.10: `loss/current` (LoRA scripts) or `loss`; `lr/unet` if the U-Net is trained,
else `lr/textencoder`, `lr/group0` or `lr`. x is the trainer's global_step. accelerate writes the numbers of
one step together, the loss first.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace

from runner.ingest.tfevents import Scalar

LOSS_TAGS = ("loss/current", "loss")
_RATE_TAGS = ("lr/unet", "lr/textencoder", "lr/group0", "lr")


@dataclass(frozen=True, slots=True)
class ExactStep:
    """`shown_step`: the trainer's own; None for what was not written; `wall_at`: Unix seconds."""

    shown_step: int
    wall_at: float
    loss: float | None = None
    rate: float | None = None


def exact_steps(scalars: Iterable[Scalar]) -> list[ExactStep]:
    """Neighbouring records of the same step as one, in the order of writing. Other tags are skipped."""
    found: list[ExactStep] = []
    best = len(_RATE_TAGS)
    for one in scalars:
        last = found[-1] if found and found[-1].shown_step == one.step else None
        if one.tag in LOSS_TAGS:
            if last is not None and last.loss is None:
                found[-1] = replace(last, wall_at=one.wall_at, loss=one.value)
            else:
                found.append(ExactStep(one.step, one.wall_at, one.value))
                best = len(_RATE_TAGS)
        elif one.tag in _RATE_TAGS:
            place = _RATE_TAGS.index(one.tag)
            if last is None:
                found.append(ExactStep(one.step, one.wall_at, None, one.value))
                best = place
            elif place < best:
                found[-1], best = replace(last, rate=one.value), place
    return found
