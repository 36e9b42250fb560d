"""A run held to its `[expect]`, point by point. Pure."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from runner.model import Checkpoint, CheckResult
from runner.model.units import count

if TYPE_CHECKING:
    from runner.analysis.outcome import RunFacts


def _point(name: str, status: str, text: str) -> CheckResult:
    """`warn`: a person should know and may have wanted it; `fail`: the result is worthless."""
    return CheckResult(f"expect_{name}", status, text)


def held_to_expect(facts: RunFacts) -> tuple[CheckResult, ...]:
    """What `[expect]` asks for and what came of it; nothing for what it does not name."""
    found = (_device(facts), _images(facts), _steps(facts), *_sizes(facts))
    return tuple(point for point in found if point is not None)


def _device(facts: RunFacts) -> CheckResult | None:
    asked, used = facts.expect.device, facts.device
    if asked is None:
        return None
    if used is None:
        return _point("device", "warn", "the trainer never said which device it used")
    if used.split(":")[0] != asked.split(":")[0]:
        return _point("device", "fail", f"trained on {used}, expected {asked}")
    return _point("device", "pass", f"trained on {used}, as expected")


def _images(facts: RunFacts) -> CheckResult | None:
    asked, used = facts.expect.images, facts.images
    if asked is None or used is None:
        return None
    if used != asked:
        return _point("images", "warn", f"{used} images used, {asked} were expected")
    return _point("images", "pass", f"{count(used, 'image')} used, as expected")


def _steps(facts: RunFacts) -> CheckResult | None:
    asked, total = facts.expect.steps, facts.total_steps
    steps = facts.last_step or 0
    if asked is None:
        return None
    # a plan shorter than expected was told before the start and carried out: that is a remark
    if steps < asked and (total is None or steps < total):
        return _point("steps", "fail", f"{steps} steps trained, expected {asked}")
    if steps != asked:
        return _point("steps", "warn", f"{steps} steps trained, {asked} were expected")
    return _point("steps", "pass", f"{count(steps, 'step')} trained, as expected")


def _sizes(facts: RunFacts) -> Iterator[CheckResult]:
    if facts.expect.checkpoint_mb is None:
        return
    low, high = facts.expect.checkpoint_mb
    kept = [c for c in facts.checkpoints if not c.removed and c.size_bytes is not None]
    outside = [c for c in kept if not low <= _megabytes(c) <= high]
    for c in outside:
        text = f"{c.name} has {_megabytes(c):.1f} MB, expected {low:g} to {high:g}"
        yield _point("sizes", "fail", text)
    if kept and not outside:
        text = f"{count(len(kept), 'checkpoint')} of {low:g} to {high:g} MB, as expected"
        yield _point("sizes", "pass", text)


def _megabytes(checkpoint: Checkpoint) -> float:
    return (checkpoint.size_bytes or 0) / 1e6
