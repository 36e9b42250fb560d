"""Norms of weights per block, and what they say against the checkpoint before. Pure.

Why these thresholds. The norm of up @ down of a fresh LoRA starts at 0 and grows with the way that the
optimizer has gone: with Adam and its kin no faster than in proportion to the steps at a steady learning
rate, no faster than their square while the rate is warmed up. So between step a and step b a growth
by (b / a)^2 is what a healthy training can show at most, and three times that is not. Optimizers that
find their own rate (Prodigy, DAdapt) start with a millionth of it and may grow by any factor until
they have: for them a norm counts only from ADAPTIVE_FLOOR on.
"""

from __future__ import annotations

import math
import statistics
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import PurePath
from typing import TYPE_CHECKING

from runner.checkpoints.weight_modules import block_of
from runner.checkpoints.weights_scan import ModuleNorm
from runner.model import BlockNorm
from runner.model.units import count
from runner.trainers.names import KOHYA_NAMES

if TYPE_CHECKING:
    from runner.checkpoints.verify import Verification

#: how many times the most that a healthy training shows
BLOW_UP = 3.0
#: below this a norm is next to nothing: base weights have norms of 10 and more
FLOOR = 1e-6
#: usual norms of a trained LoRA are 0.1 to some 1 (sd-scripts' own scale_weight_norms is set to 1)
ADAPTIVE_FLOOR = 0.25
ADAPTIVE = ("prodigy", "dadapt")
#: base weights of SD 1.5 have Frobenius norms of 10 to 60, of SDXL and FLUX up to some hundreds: a LoRA
#: module that adds more than this has replaced them
OVERWHELMING = 1000.0
NOTHING_LEARNT = "all weights add nothing (every norm is 0): the network has learnt nothing"


@dataclass(frozen=True, slots=True)
class Norms:
    """Of one file. `bad_blocks`: with numbers that are not finite; the means leave those out."""

    blocks: tuple[BlockNorm, ...] = ()
    mean: float | None = None
    largest: float | None = None
    bad_blocks: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Weights:
    """What a comparison needs of one file; `step`: its true step, None: not known. `lora`: the norms
    are of what is added to base weights."""

    name: str
    step: int | None
    blocks: tuple[BlockNorm, ...]
    mean: float | None
    largest: float | None
    bad_blocks: tuple[str, ...] = ()
    lora: bool = True
    optimizer: str = ""


def summarize(modules: Iterable[ModuleNorm]) -> Norms:
    """By block, in the order of the file; numbers are always finite."""
    blocks: dict[str, list[float]] = {}
    bad: dict[str, None] = {}
    for module in modules:
        block = block_of(module.name)
        if module.norm is None:
            bad[block] = None
        else:
            blocks.setdefault(block, []).append(module.norm)
    found = tuple(_block(name, norms) for name, norms in blocks.items() if name not in bad)
    if bad or not blocks:
        return Norms(found, bad_blocks=tuple(bad))
    every = [norm for norms in blocks.values() for norm in norms]
    return Norms(found, _mean(every), max(every))


def _block(name: str, norms: Sequence[float]) -> BlockNorm:
    return BlockNorm(name, _mean(norms), max(norms), len(norms))


def _mean(values: Sequence[float]) -> float:
    """Divided first: the sum of huge values is none."""
    return math.fsum(value / len(values) for value in values)


# --------------------------------------------------------------------------- against the one before


def change_of(now: float | None, before: float | None) -> float | None:
    """As a share: 0.05 is five percent more. None where there is nothing to compare with."""
    if now is None or not before:
        return None
    share = now / before - 1
    return share if math.isfinite(share) else None


def remark_on(now: Weights, before: Weights | None) -> str | None:
    """One sentence for what a person should know of these weights; None: nothing."""
    if now.bad_blocks:
        return f"NaN or infinity in {_some(now.bad_blocks)}"
    if now.mean is None:
        return None
    if now.largest == 0.0:
        return NOTHING_LEARNT if now.lora else "every weight is 0"
    if before is not None and before.mean is not None:
        if now.blocks == before.blocks:
            return f"the weights are those of {_named(before)}: nothing was learnt since"
        grown = _blow_up(now, before)
        if grown is not None:
            return grown
    if now.lora and now.largest is not None and now.largest > OVERWHELMING:
        block = max(now.blocks, key=lambda b: b.largest)
        return (
            f"far too large: a module of {block.block} has norm {_number(block.largest)}, "
            "more than any base weight"
        )
    return None


def _blow_up(now: Weights, before: Weights) -> str | None:
    limit = growth_limit(now.step, before.step)
    floor = ADAPTIVE_FLOOR if any(w in now.optimizer.lower() for w in ADAPTIVE) else FLOOR
    old = {block.block: block for block in before.blocks}
    growth = {
        block.block: _growth(block, old[block.block], floor)
        for block in now.blocks
        if block.block in old
    }
    grown = {name: factor for name, factor in growth.items() if factor > limit}
    if not grown:
        return None
    worst = max(grown, key=lambda name: grown[name])
    times = f"{_number(grown[worst])} times since {_named(before)}"
    if len(grown) == len(now.blocks) and len(grown) > 1:
        whole = _number(statistics.median(grown.values()))
        return f"blow-up: the norms of all blocks grew {whole} times since {_named(before)}"
    rest = f" ({_some(tuple(n for n in grown if n != worst))} too)" if len(grown) > 1 else ""
    return f"blow-up in {worst}: its norm grew {times}{rest}"


def _growth(now: BlockNorm, before: BlockNorm, floor: float) -> float:
    """Of the mean or of the largest module, whichever grew more; 1 for what was nothing before."""
    pairs = ((now.mean, before.mean), (now.largest, before.largest))
    return max(min(new / max(old, floor), 1e12) if old > 0 else 1.0 for new, old in pairs)


def growth_limit(step: int | None, before: int | None) -> float:
    """The factor from which on a growth between these steps is a blow-up. Files whose steps are not
    known are taken for neighbours of twice the steps."""
    ratio = step / before if step and before and step > before else 2.0
    return BLOW_UP * ratio * ratio


def weights_of(found: Verification) -> Weights:
    """Of a file that belongs to no run; its step is what its name tells, if it does."""
    name = PurePath(found.path).name
    return Weights(
        name=name,
        step=KOHYA_NAMES.parse(name).step,
        blocks=found.norms,
        mean=found.norm,
        largest=found.norm_largest,
        bad_blocks=found.bad_blocks,
        lora=found.lora,
        optimizer=optimizer_of(found.metadata),
    )


def optimizer_of(metadata: Mapping[str, str]) -> str:
    return metadata.get("ss_optimizer", "")


def _named(weights: Weights) -> str:
    return f"step {weights.step}" if weights.step is not None else weights.name


def _number(value: float) -> str:
    return f"{value:.3g}" if value < 1e6 else f"{value:.0e}"


def _some(names: Sequence[str]) -> str:
    """The first three of them."""
    more = len(names) - 3
    listed = ", ".join(names[:3])
    return listed if more <= 0 else f"{listed} and {count(more, 'other block')}"
