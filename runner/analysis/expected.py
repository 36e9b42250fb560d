"""Files that a run is expected to write, from its forecast and its attempts' plans. Pure."""

from __future__ import annotations

from collections.abc import Sequence

from runner.model import AttemptPlan, Checkpoint, ExpectedCheckpoint, Forecast


def expected_files(
    forecast: Forecast | None, plans: Sequence[AttemptPlan], total_steps: int | None
) -> tuple[str, ...]:
    """Names of the files that must exist when the last of `plans` has finished, ordered by step. Each attempt
    was to write some before the next one took over: a resume shifts the trainer's save steps. A forecast that
    the trainer's own `total_steps` contradict requires nothing."""
    names: dict[str, None] = {}
    demanded = forecast is not None and forecast.steps is not None and forecast.steps == total_steps
    for at, plan in enumerate(plans):
        end = plans[at + 1].base_step if at + 1 < len(plans) else None
        first = forecast.checkpoints if demanded and forecast is not None else ()
        files = first if at == 0 else plan.expected
        names.update((one.name, None) for one in files if end is None or one.step <= end)
    if len(plans) > 1 and not plans[-1].expected and forecast is not None and forecast.final:
        names[forecast.final] = None
    return tuple(names)


def expected_saves(
    plan: AttemptPlan, forecast: Forecast | None, total_steps: int | None
) -> tuple[ExpectedCheckpoint, ...]:
    """What this attempt will write, as far as known. A forecast is ignored if the trainer's own banner
    contradicts it, and after a resume."""
    if plan.expected or forecast is None or plan.attempt != 1:
        return plan.expected
    return forecast.checkpoints if total_steps in (None, forecast.steps) else ()


def states_are_saved(
    plan: AttemptPlan, expected: Sequence[ExpectedCheckpoint], seen: Sequence[Checkpoint]
) -> bool:
    """Are states saved with checkpoints during training? `--save_state_on_train_end` alone does not save one,
    and the flag may be in a configuration file that the command only names."""
    middle = [file for file in expected[:-1] if file.state_name is not None]
    return bool(middle) or "--save_state" in plan.command or any(c.state_path for c in seen)
