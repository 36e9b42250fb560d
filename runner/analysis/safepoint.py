"""Where a training can be stopped without losing progress: past and future safe points. Pure.

A safe point is a checkpoint verified as complete and finite, with a complete state if states are saved. A
broken one does not count: the next one is awaited.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

from runner.analysis.expected import states_are_saved
from runner.model import AttemptPlan, Checkpoint, ExpectedCheckpoint
from runner.model.units import count, duration
from runner.state.lineage import stop_cost


@dataclass(frozen=True, slots=True)
class Place:
    """How far the training is, for texts about a stop. Steps are true steps."""

    step: int
    total_steps: int | None
    seconds_per_step: float | None
    #: the newest step that a resume could start at, with a state and from weights only; 0: none
    state_step: int
    weights_step: int


def is_safe(checkpoint: Checkpoint, with_state: bool) -> bool:
    """Can the training be stopped on it? (Formats that cannot be scanned have `finite` None.)"""
    whole = bool(checkpoint.complete) and checkpoint.finite is not False
    return whole and (not with_state or bool(checkpoint.state_complete))


def newest_safe(checkpoints: Sequence[Checkpoint], with_state: bool) -> int:
    """Place in `checkpoints` (in the order they were written) of the newest safe point; -1: none."""
    return max((at for at, c in enumerate(checkpoints) if is_safe(c, with_state)), default=-1)


def in_vain(checkpoints: Sequence[Checkpoint], after: int) -> Checkpoint | None:
    """A complete checkpoint after position `after` with broken weights: later ones will have them too, so
    there is nothing to wait for."""
    later = checkpoints[after + 1 :]
    return next((c for c in later if c.complete and c.finite is False), None)


def next_save(
    plan: AttemptPlan, expected: Sequence[ExpectedCheckpoint], place: Place
) -> tuple[int | None, bool]:
    """(true step of the next checkpoint before the final one, is this certain?). (None, True): none before
    the end. (None, False): unknown."""
    if expected:
        steps = [file.step for file in expected[:-1] if file.step > place.step]
        return min(steps, default=None), True
    every = _number(plan.command, "--save_every_n_steps")
    if not every or plan.attempt != 1:
        return None, False
    step = (place.step // every + 1) * every
    return (None, True) if place.total_steps and step > place.total_steps else (step, True)


def _number(command: Sequence[str], flag: str) -> int | None:
    for word, after in pairwise([*command, ""]):
        name, _, value = word.partition("=")
        if name == flag:
            value = value or after
            return int(value[:18]) if value.isdecimal() else None
    return None


def price(place: Place) -> str:
    """What stopping at once would cost."""
    cost = stop_cost(place.step, place.state_step, place.weights_step, place.seconds_per_step)
    if not place.step:
        return "stopping now loses nothing: no step trained yet"
    if not cost.steps:
        return "stopping now loses nothing"
    took = "" if cost.seconds is None else f", {duration(cost.seconds)}"
    since = f" since step {cost.kept_step}" if cost.kept_step else ": nothing is saved yet"
    return f"stopping now would lose {count(cost.steps, 'step')}{took}{since}"


def armed_answer(
    plan: AttemptPlan,
    expected: Sequence[ExpectedCheckpoint],
    seen: Sequence[Checkpoint],
    place: Place,
    *,
    saving: bool,
) -> str:
    """The answer to a request to stop after the next safe point."""
    with_state = states_are_saved(plan, expected, seen)
    what, found = ("checkpoint and state", "are") if with_state else ("checkpoint", "is")
    found += " verified"
    step, known = next_save(plan, expected, place)
    unseen = [c for c in seen if c.complete is None and not c.removed and not c.missing]
    if saving:
        text = f"will stop when the save in progress is done and its {what} verified"
    elif unseen:
        text = f"will stop when {what} of step {unseen[-1].step}, just written, {found}"
    elif step is not None:
        pace, left = place.seconds_per_step, step - place.step
        took = "" if pace is None else f", {duration(left * pace)}"
        text = f"will stop after step {step} ({count(left, 'step')}{took}), when its {what} {found}"
    elif known:
        end = "" if place.total_steps is None else f" at step {place.total_steps}"
        text = f"no more saves before the end{end}: the training will finish on its own"
    else:
        text = f"will stop after the next save, when its {what} {found}"
    if not with_state:
        text += "; no state is saved, so it can only be resumed from weights"
    return f"{text}; {price(place)}"
