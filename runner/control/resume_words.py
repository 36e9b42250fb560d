"""Preview of a resume: from where to where, what is trained again, saved, lost. Pure."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from runner.control.resume_attempt import ResumePlan
from runner.model.units import count, duration
from runner.trainers.sd_scripts.lr_schedule import rate_factor, rate_words, schedule_name

#: how many save steps are listed
_NAMED = 6


def facts(found: ResumePlan) -> Iterator[str]:
    """What will happen, a sentence each."""
    source, plan, status = found.source, found.plan, found.context.status
    what = "state" if source.state_path else "weights"
    end = f"step {found.to_step}" if found.to_step is not None else "the end"
    yield f"From the {what} of step {source.step} ({source.name}) to {end}, as attempt {plan.attempt}."
    if found.trained_steps is not None:
        yield _length(found, found.trained_steps)
    if rate := _rate(found):
        yield rate
    first, last = source.step + 1, status.step
    if first <= last:
        which = f"Step {first} is" if first == last else f"Steps {first} to {last} are"
        yield f"{which} trained again: nothing after step {source.step} was saved."
    saves = [str(step) for step in sorted({one.step for one in plan.expected})]
    if saves:
        named = saves if len(saves) <= _NAMED else [*saves[:3], "...", *saves[-2:]]
        yield f"Saves at true steps {', '.join(named)}."
    if plan.output_dir is not None:
        yield (
            f"Writes to its own folder, {Path(plan.output_dir).name}; each finished file is moved "
            "next to the others under its true step. Nothing is overwritten."
        )


def _length(found: ResumePlan, trained_steps: int) -> str:
    status, base, steps = found.context.status, found.plan.base_step, found.steps
    text = f"{count(trained_steps, 'step')} to train"
    if status.seconds_per_step:
        text += f", about {duration(trained_steps * status.seconds_per_step)}"
    if steps is not None and status.total_steps:
        epochs = -(-status.total_steps // steps.per_epoch)
        inside = "continues" if base % steps.per_epoch else "begins"
        text += f"; epoch {base // steps.per_epoch + 1} of {epochs} {inside}"
    return f"{text}."


def _rate(found: ResumePlan) -> str:
    """A state contains the schedule's position; without one the schedule restarts over the remaining
    steps."""
    total, step = found.context.status.total_steps, found.source.step
    if total is None:
        return ""
    if found.source.state_path is None:
        words = rate_words(found.flags, 0, total - step)
        return f"The learning rate starts at {words}." if words else ""
    origin = found.plan.origin_step if found.tracked else 0
    words = rate_words(found.flags, step - origin, total - origin)
    return f"The learning rate continues at {words}." if words else ""


def warnings(found: ResumePlan) -> Iterator[str]:
    """What is lost, repeated, or differs from an uninterrupted run."""
    plan, steps = found.plan, found.steps
    if found.source.state_path is None:
        yield (
            "Resumes from weights only: the optimizer state is lost, and the learning rate "
            "schedule restarts over the remaining steps. The first steps may be rough."
        )
    elif found.tracked:
        yield from _of_counted_on(found)
    else:
        constant = schedule_name(found.flags) in ("constant", "constant_with_warmup")
        moved = "" if constant else ", and its learning rate cannot continue exactly where it was"
        yield (
            "This script does not save its step count: it starts at epoch 1 with the images in "
            f"their initial order{moved}. plasma-tui continues counting from step {found.source.step}."
        )
    if plan.stop_step is not None and steps is not None:
        yield (
            f"After a resume sd-scripts would train past step {plan.stop_step}, to step "
            f"{plan.base_step + steps.trained}. plasma-tui stops it once the file of step "
            f"{plan.stop_step} is saved and verified; for that it saves every "
            f"{found.flags.get('save_every_n_steps')} of its own steps."
        )
    if gone := _skipped_saves(found):
        shown = ", ".join(map(str, gone[:_NAMED])) + (", ..." if len(gone) > _NAMED else "")
        yield f"No file of step {shown}: past the first epoch, save steps shift on resume."


def _of_counted_on(found: ResumePlan) -> Iterator[str]:
    """Measured with the real loop: from a state at the end of an epoch, the first image of the next one
    differs; within an epoch, images, noise and timesteps differ, although as many batches are skipped."""
    again = found.replayed_steps
    if not found.plan.skip:
        why = "sd-scripts cannot skip within an epoch with gradient accumulation"
        if found.flags.get("seed") is None:
            why = "no seed was set, so skipping would not skip the images already trained"
        if again:
            begin = found.source.step - again + 1
            yield (
                f"{count(again, 'step')} of the epoch, from {begin} on, {'is' if again == 1 else 'are'} "
                f"trained again on top of the state, because {why}."
            )
        else:
            yield f"It continues at the start of an epoch, because {why}."
    yield (
        "The result will differ from an uninterrupted run: step count, learning rate and "
        "optimizer continue exactly, but the order of some images, noise and timesteps differs."
    )
    if again and _rate_changes(found):
        yield f"The learning rate schedule runs {count(again, 'step')} ahead and past its end."


def _rate_changes(found: ResumePlan) -> bool:
    total = found.context.status.total_steps
    if total is None:
        return False
    try:
        return rate_factor(found.flags, total, total) != rate_factor(found.flags, 0, total)
    except ValueError:
        return False


def _skipped_saves(found: ResumePlan) -> list[int]:
    """Steps of files of the uninterrupted run that the shifted saves miss."""
    spec, total = found.context.spec, found.context.status.total_steps or 0
    coming = {one.name for one in found.plan.expected}
    planned = spec.forecast.checkpoints if spec.forecast is not None and coming else ()
    return [
        one.step
        for one in planned
        if found.source.step < one.step <= total
        and one.name not in coming
        and one.step != found.plan.stop_step
    ]
