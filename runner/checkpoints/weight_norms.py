"""Norms of weights per block, compared with the previous checkpoint. Pure.

Why these thresholds: the norm of up @ down of a fresh LoRA starts at 0 and grows with the optimizer's path:
with Adam and similar at most proportionally to the steps at a constant learning rate, and at most with their
square during warm-up. So between step a and step b a healthy training grows at most by (b / a)^2, and three
times that is a blow-up. Optimizers that find their own rate (Prodigy, DAdapt) start with a millionth of it
and may grow by any factor first: for them a norm only counts from ADAPTIVE_FLOOR on.
"""

from __future__ import annotations

import math
import statistics
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from runner.checkpoints.weight_modules import block_of
from runner.model import BlockNorm, Checkpoint
from runner.model.units import some

if TYPE_CHECKING:
    from runner.checkpoints.verify import Verification

#: this many times a healthy training's maximum
BLOW_UP = 3.0
#: below this a norm is negligible: base weights have norms of 10 and more
FLOOR = 1e-6
#: a trained LoRA usually has norms of 0.1 to about 1 (scale_weight_norms of sd-scripts is set to 1)
ADAPTIVE_FLOOR = 0.25
ADAPTIVE = ("prodigy", "dadapt")
#: base weights of SD 1.5 have Frobenius norms of 10 to 60, of SDXL and FLUX up to a few hundred: a LoRA
#: module that adds more than this has replaced them
OVERWHELMING = 1000.0
EMPTY = "no tensor in the file: its weights add nothing, the network had no modules"
NOTHING_LEARNT = "all weights add nothing (every norm is 0): the network has learned nothing"


def summarize(modules: Mapping[str, float | None]) -> dict[str, Any]:
    """Fields of a Verification by the norms of its modules (None: not finite): by block, in the order of the
    file. With `bad_blocks` there is no overall norm."""
    blocks: dict[str, list[float]] = {}
    bad: dict[str, None] = {}
    for name, norm in modules.items():
        block = block_of(name)
        if norm is None:
            bad[block] = None
        else:
            blocks.setdefault(block, []).append(norm)
    norms = tuple(
        BlockNorm(name, _mean(found), max(found), len(found))
        for name, found in blocks.items()
        if name not in bad
    )
    every = [norm for found in blocks.values() for norm in found] if not bad else []
    return {
        "norms": norms,
        "norm": _mean(every) if every else None,
        "norm_largest": max(every, default=None),
        "bad_blocks": tuple(bad),
    }


def _mean(values: Sequence[float]) -> float:
    """Divide first: the sum of huge values overflows."""
    return math.fsum(value / len(values) for value in values)


# --------------------------------------------------------------------------- against the one before


def change_of(now: float | None, before: float | None) -> float | None:
    """As a share: 0.05 is five percent more. None: nothing to compare with."""
    if now is None or not before:
        return None
    share = now / before - 1
    return share if math.isfinite(share) else None


def remark_on(now: Checkpoint, found: Verification, before: Checkpoint | None) -> str | None:
    """One warning sentence about these weights; None: fine. `found`: the verification of `now`."""
    if found.complete and found.finite and not found.tensors and found.kind == "weights":
        return EMPTY
    if found.flaw is not None:
        return f"cannot be loaded: {found.flaw}"
    if found.bad_blocks:
        return f"NaN or Inf in {some(found.bad_blocks)}"
    if now.norm is None:
        return None
    if now.norm_largest == 0.0:
        return NOTHING_LEARNT if found.lora else "every weight is 0: they add nothing"
    dead = [block.block for block in now.norms if block.largest == 0.0]
    if found.lora and dead:
        return f"adds nothing in {some(dead)}: never trained"
    if before is not None and before.norm is not None:
        if now.norms == before.norms:
            return f"same weights as {_named(before)}: nothing learned since"
        optimizer = found.metadata.get("ss_optimizer", "").lower()
        adaptive = any(word in optimizer for word in ADAPTIVE)
        grown = _blow_up(now, before, ADAPTIVE_FLOOR if adaptive else FLOOR)
        if grown is not None:
            return grown
    if found.lora and (now.norm_largest or 0.0) > OVERWHELMING:
        block = max(now.norms, key=lambda b: b.largest)
        return (
            f"far too large: a module of {block.block} has norm {_number(block.largest)}, "
            "more than any base weight"
        )
    return None


def _blow_up(now: Checkpoint, before: Checkpoint, floor: float) -> str | None:
    """`floor`: the minimum that a norm counts as."""
    limit = growth_limit(now.step, before.step)
    old = {block.block: block for block in before.norms}
    grown = {
        block.block: factor
        for block in now.norms
        if block.block in old and (factor := _growth(block, old[block.block], floor)) > limit
    }
    if not grown:
        return None
    if len(grown) == len(now.norms) and len(grown) > 1:
        times = _number(statistics.median(grown.values()))
        return f"blow-up: the norms of all blocks grew {times} times since {_named(before)}"
    worst = max(grown, key=grown.__getitem__)
    rest = f" ({some([n for n in grown if n != worst])} too)" if len(grown) > 1 else ""
    times = f"{_number(grown[worst])} times since {_named(before)}"
    return f"blow-up in {worst}: its norm grew {times}{rest}"


def _growth(now: BlockNorm, before: BlockNorm, floor: float) -> float:
    """Of the mean or the largest module, whichever grew more; 1 if it was zero before."""
    pairs = ((now.mean, before.mean), (now.largest, before.largest))
    return max(min(new / max(old, floor), 1e12) if old > 0 else 1.0 for new, old in pairs)


def growth_limit(step: int | None, before: int | None) -> float:
    """From this factor on, growth between these steps is a blow-up. With unknown steps, assume twice the
    steps."""
    ratio = step / before if step and before and step > before else 2.0
    return BLOW_UP * ratio * ratio


def _named(one: Checkpoint) -> str:
    return f"step {one.step}" if one.step is not None else one.name


def _number(value: float) -> str:
    return f"{value:.3g}" if value < 1e6 else f"{value:.0e}"
