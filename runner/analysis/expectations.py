"""A run held to its `[expect]`, point by point. Pure."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from enum import Enum
from typing import TYPE_CHECKING

from runner.model import Checkpoint
from runner.model.units import count

if TYPE_CHECKING:
    from runner.analysis.outcome import RunFacts


class Answer(Enum):
    """`DIFFERS`: a person should know and may have wanted it; `BROKEN`: the result is worthless."""

    MET = "met"
    DIFFERS = "differs"
    BROKEN = "broken"


@dataclass(frozen=True, slots=True)
class Point:
    """One line of the comparison. `cause`: the catalogue's key of a broken one."""

    answer: Answer
    text: str
    cause: str = "unknown"


def held_to_expect(facts: RunFacts) -> tuple[Point, ...]:
    """What `[expect]` asks for and what came of it; nothing for what it does not name."""
    found = (_device(facts), _images(facts), _steps(facts), *_sizes(facts))
    return tuple(point for point in found if point is not None)


def _device(facts: RunFacts) -> Point | None:
    asked, used = facts.expect.device, facts.device
    if asked is None:
        return None
    if used is None:
        return Point(Answer.DIFFERS, "the trainer never said which device it used")
    if used.split(":")[0] != asked.split(":")[0]:
        return Point(Answer.BROKEN, f"trained on {used}, expected {asked}", "wrong_device")
    return Point(Answer.MET, f"trained on {used}, as expected")


def _images(facts: RunFacts) -> Point | None:
    asked, used = facts.expect.images, facts.images
    if asked is None or used is None:
        return None
    if used != asked:
        return Point(Answer.DIFFERS, f"{used} images used, {asked} were expected")
    return Point(Answer.MET, f"{count(used, 'image')} used, as expected")


def _steps(facts: RunFacts) -> Point | None:
    asked, total = facts.expect.steps, facts.total_steps
    steps = facts.last_step or 0
    if asked is None:
        return None
    # a plan shorter than expected was told before the start and carried out: that is a remark
    if steps < asked and (total is None or steps < total):
        return Point(Answer.BROKEN, f"{steps} steps trained, expected {asked}")
    if steps != asked:
        return Point(Answer.DIFFERS, f"{steps} steps trained, {asked} were expected")
    return Point(Answer.MET, f"{count(steps, 'step')} trained, as expected")


def _sizes(facts: RunFacts) -> Iterator[Point]:
    if facts.expect.checkpoint_mb is None:
        return
    low, high = facts.expect.checkpoint_mb
    kept = [c for c in facts.checkpoints if not c.removed and c.size_bytes is not None]
    outside = [c for c in kept if not low <= _megabytes(c) <= high]
    for c in outside:
        text = f"{c.name} has {_megabytes(c):.1f} MB, expected {low:g} to {high:g}"
        yield Point(Answer.BROKEN, text)
    if kept and not outside:
        text = f"{count(len(kept), 'checkpoint')} of {low:g} to {high:g} MB, as expected"
        yield Point(Answer.MET, text)


def _megabytes(checkpoint: Checkpoint) -> float:
    return (checkpoint.size_bytes or 0) / 1e6
