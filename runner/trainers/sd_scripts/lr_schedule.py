"""The learning rate schedule, as far as known without the trainer, for a resume. Pure.

Facts: `get_scheduler_fix` (train_util.py, sd-scripts main 48d368fa) passes warm-up and total steps, both
times the number of processes, to transformers 4.54's schedules, which multiply the base rate by a factor.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

from runner.config.flags import number

DEFAULT_RATE = 2.0e-6  # --learning_rate of sd-scripts


def schedule_name(flags: Mapping[str, Any]) -> str:
    """The name set by the user; a class of another library wins."""
    return str(flags.get("lr_scheduler_type") or flags.get("lr_scheduler") or "constant")


def rate_factor(flags: Mapping[str, Any], step: int, total: int) -> float | None:
    """What the base rate is multiplied with after `step` of `total` steps; None: unknown."""
    if flags.get("lr_scheduler_type") or str(flags.get("optimizer_type", "")).lower().endswith(
        ("schedulefree", "adafactor")
    ):
        return None
    name = schedule_name(flags)
    warmup = _steps(flags, "lr_warmup_steps", total)
    if name == "constant":
        return 1.0
    if step < warmup:
        return step / max(1, warmup)
    if name == "constant_with_warmup":
        return 1.0
    left = max(1, total - warmup)
    share = (step - warmup) / left
    if name == "linear":
        return max(0.0, 1.0 - share)
    if name == "cosine":
        return max(0.0, 0.5 * (1.0 + math.cos(math.pi * share)))
    if name == "cosine_with_restarts":
        cycles = number(flags, "lr_scheduler_num_cycles") or 1
        if share >= 1.0:
            return 0.0
        return max(0.0, 0.5 * (1.0 + math.cos(math.pi * ((cycles * share) % 1.0))))
    return None


def _steps(flags: Mapping[str, Any], name: str, total: int) -> int:
    """A share of all steps, or steps: sd-scripts' `int_or_float`, `10%` included."""
    given = flags.get(name)
    if given is None:
        return 0
    text = str(given)
    value = float(text[:-1]) / 100 if text.endswith("%") else float(text)
    return int(value * total) if value < 1 else int(value)


def rate_words(flags: Mapping[str, Any], step: int, total: int) -> str | None:
    """`6.0e-05, 60 % of 1.0e-04 (cosine)`; None if the schedule is unknown."""
    try:
        factor = rate_factor(flags, step, total)
        base = number(flags, "unet_lr") or number(flags, "learning_rate") or DEFAULT_RATE
    except ValueError:
        return None
    if factor is None:
        return None
    return f"{base * factor:.2e}, {factor:.0%} of {base:.2e} ({schedule_name(flags)})"
