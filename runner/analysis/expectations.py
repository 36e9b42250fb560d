"""Checks a run against its `[expect]`, point by point. Pure."""

from __future__ import annotations

from collections.abc import Iterator

from runner.analysis.facts import RunFacts
from runner.model import Checkpoint, CheckResult
from runner.model.units import count


def held_to_expect(facts: RunFacts) -> list[CheckResult]:
    """What `[expect]` requires against what happened; nothing for keys it does not have. `warn`: worth
    knowing, and may be intended; `fail`: the result is worthless."""
    points = (*_training(facts), *(("sizes", *size) for size in _sizes(facts)))
    return [CheckResult(f"expect_{name}", status, text) for name, status, text in points]


def _training(facts: RunFacts) -> Iterator[tuple[str, str, str]]:
    expect, device, images = facts.expect, facts.device, facts.images
    steps, total = facts.last_step or 0, facts.total_steps
    if expect.device is not None and device is None:
        yield "device", "warn", "the trainer did not report its device"
    elif expect.device is not None and device is not None:
        if device.split(":")[0] == expect.device.split(":")[0]:
            yield "device", "pass", f"trained on {device}, as expected"
        else:
            yield "device", "fail", f"trained on {device}, expected {expect.device}"
    if images is not None and images == expect.images:
        yield "images", "pass", f"{count(images, 'image')} used, as expected"
    elif images is not None and expect.images is not None:
        yield "images", "warn", f"{images} images used, {expect.images} were expected"
    if steps == expect.steps:
        yield "steps", "pass", f"{count(steps, 'step')} trained, as expected"
    # a plan shorter than expected was reported before the start and completed: only a note
    elif expect.steps is not None and steps < expect.steps and (total is None or steps < total):
        yield "steps", "fail", f"{steps} steps trained, expected {expect.steps}"
    elif expect.steps is not None:
        yield "steps", "warn", f"{steps} steps trained, {expect.steps} were expected"


def _sizes(facts: RunFacts) -> Iterator[tuple[str, str]]:
    if facts.expect.checkpoint_mb is None:
        return
    low, high = facts.expect.checkpoint_mb
    kept = [one for one in facts.written if one.size_bytes is not None]
    outside = [one for one in kept if not low <= _megabytes(one) <= high]
    for one in outside:
        yield "fail", f"{one.name} has {_megabytes(one):.1f} MB, expected {low:g} to {high:g}"
    if kept and not outside:
        files = count(len(kept), "checkpoint")
        yield "pass", f"{files} of {low:g} to {high:g} MB, as expected"


def _megabytes(checkpoint: Checkpoint) -> float:
    return (checkpoint.size_bytes or 0) / 1e6
