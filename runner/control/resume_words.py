"""A resume told before it is done: from where to where, what is trained again, saved, lost. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from runner.control.resume_source import Source
from runner.model import AttemptPlan, ExpectedCheckpoint, RunSpec, Status
from runner.model.units import count, duration
from runner.trainers.sd_scripts.lr_schedule import rate_factor, rate_words, schedule_name
from runner.trainers.sd_scripts.steps import Steps

#: steps of saves that are named one by one
_NAMED = 6


@dataclass(frozen=True, slots=True)
class Told:
    """All that the words are made of. Steps are true steps. `first_expected`: of the unbroken run."""

    spec: RunSpec
    status: Status
    plan: AttemptPlan
    source: Source
    tracked: bool
    flags: Mapping[str, Any]
    steps: Steps | None
    to_step: int | None
    trained_steps: int | None
    first_expected: Sequence[ExpectedCheckpoint] = ()

    @property
    def per_epoch(self) -> int | None:
        return self.steps.per_epoch if self.steps is not None else None

    @property
    def total(self) -> int | None:
        return self.status.total_steps


def facts(told: Told) -> tuple[str, ...]:
    """What will happen, a sentence each."""
    return tuple(
        text
        for text in (
            _from_to(told),
            _length(told),
            _rate(told),
            _again(told),
            _saves(told),
            _folder(told),
        )
        if text
    )


def warnings(told: Told) -> tuple[str, ...]:
    """What is lost, repeated, or cannot be as in an unbroken run."""
    return tuple(
        text
        for text in (
            _weights_only(told), _untracked(told), _no_skip(told), _other_draws(told),
            _rate_ahead(told), _overrun(told),
            _cannot_come(told),
        )
        if text
    )  # fmt: skip


# ----------------------------------------------------------------- facts


def _from_to(told: Told) -> str:
    source = told.source
    what = "state" if source.state_path else "weights"
    end = f"step {told.to_step}" if told.to_step is not None else "the end"
    return (
        f"From the {what} of step {source.step} ({source.name}) to {end}, "
        f"as attempt {told.plan.attempt}."
    )


def _length(told: Told) -> str:
    if told.trained_steps is None:
        return ""
    parts = [f"{count(told.trained_steps, 'step')} to train"]
    if told.status.seconds_per_step:
        parts.append(f"about {duration(told.trained_steps * told.status.seconds_per_step)}")
    text = ", ".join(parts)
    if told.per_epoch and told.total:
        epoch = told.plan.base_step // told.per_epoch + 1
        epochs = -(-told.total // told.per_epoch)
        inside = "goes on" if told.plan.base_step % told.per_epoch else "begins"
        text += f"; epoch {epoch} of {epochs} {inside}"
    return f"{text}."


def _rate(told: Told) -> str:
    """A state carries the schedule's position; without one it begins anew over what is left."""
    if told.total is None:
        return ""
    if told.source.state_path is None:
        words = rate_words(told.flags, 0, told.total - told.source.step)
        return f"The learning rate begins at {words}." if words else ""
    local = told.source.step - told.plan.origin_step if told.tracked else told.source.step
    words = rate_words(
        told.flags, local, told.total - (told.plan.origin_step if told.tracked else 0)
    )
    return f"The learning rate goes on at {words}." if words else ""


def _again(told: Told) -> str:
    """Steps whose result is lost with the attempt that ended."""
    first, last = told.source.step + 1, told.status.step
    if last < first:
        return ""
    which = f"Step {first} is" if first == last else f"The steps {first} to {last} are"
    return f"{which} trained again: nothing after step {told.source.step} was saved with it."


def _saves(told: Told) -> str:
    steps = sorted({one.step for one in told.plan.expected})
    if not steps:
        return ""
    named = [str(step) for step in steps]
    if len(named) > _NAMED:
        named = [*named[:3], "...", *named[-2:]]
    return f"It saves at the true steps {', '.join(named)}."


def _folder(told: Told) -> str:
    if told.plan.output_dir is None:
        return ""
    name = Path(told.plan.output_dir).name
    return (
        f"It writes into a folder of its own, {name}; each finished file is placed beside the others "
        "under its true step, and nothing is overwritten."
    )


# ----------------------------------------------------------------- warnings


def _weights_only(told: Told) -> str:
    if told.source.state_path is not None:
        return ""
    return (
        "Only the weights go on: the optimizer's memory is lost, and the schedule of the learning rate "
        "begins anew over the steps that are left. The first steps may be rough."
    )


def _untracked(told: Told) -> str:
    if told.tracked or told.source.state_path is None:
        return ""
    moved = ""
    if schedule_name(told.flags) not in ("constant", "constant_with_warmup"):
        moved = ", and its learning rate cannot go on exactly where it was"
    return (
        "This script keeps no count of its steps: it begins at epoch 1 with the images in their first "
        f"order{moved}. The steps are counted on here."
    )


def _no_skip(told: Told) -> str:
    if not told.tracked or told.plan.skip:
        return ""
    why = "sd-scripts cannot skip within an epoch with gradient accumulation"
    if told.flags.get("seed") is None:
        why = (
            "no seed was set, so skipping would leave out other images than those that were trained"
        )
    again = told.source.replayed_steps
    if not again:
        return f"It continues at the start of an epoch, because {why}."
    begin = told.source.step - again
    return (
        f"{count(again, 'step')} of the epoch, from {begin + 1} on, {'is' if again == 1 else 'are'} "
        f"trained once more on top of the state, because {why}."
    )


def _other_draws(told: Told) -> str:
    """Measured with the real loop: from a state at the end of an epoch, the first image of the next one is
    another; within an epoch, images, noise and timesteps differ, although as many batches are skipped.
    Weights without a state, and scripts that keep no count, have a warning of their own."""
    if not told.tracked or told.source.state_path is None:
        return ""
    return (
        "The result will not equal that of an unbroken run: step count, learning rate and optimizer continue "
        "exactly, but not all images, noise and timesteps come in the same order."
    )


def _rate_ahead(told: Told) -> str:
    """Replayed steps push the schedule past its end."""
    again = told.source.replayed_steps
    if not again or not told.tracked or told.total is None:
        return ""
    try:
        differs = rate_factor(told.flags, told.total, told.total) != rate_factor(
            told.flags, 0, told.total
        )
    except ValueError:
        return ""
    if not differs:
        return ""
    return f"The learning rate's schedule runs {count(again, 'step')} ahead and past its end."


def _overrun(told: Told) -> str:
    plan = told.plan
    if plan.stop_step is None or told.steps is None:
        return ""
    return (
        f"After a resume sd-scripts by itself would train past step {plan.stop_step}, to step "
        f"{plan.base_step + told.steps.trained}. plasma-tui stops it once the file of step "
        f"{plan.stop_step} is saved and verified; for that, it saves every "
        f"{told.flags.get('save_every_n_steps')} of its own steps."
    )


def _cannot_come(told: Told) -> str:
    """Files of the unbroken run whose steps the moved grid does not hit."""
    coming = {one.name for one in told.plan.expected}
    gone = [
        one
        for one in told.first_expected
        if one.step > told.source.step
        and one.name not in coming
        and one.step <= (told.total or 0)
        and one.step != told.plan.stop_step
    ]
    if not gone or not coming:
        return ""
    steps = ", ".join(str(one.step) for one in gone[:_NAMED]) + (
        ", ..." if len(gone) > _NAMED else ""
    )
    return f"No file of step {steps} can come any more: past the first epoch the trainer's save grid moves."
