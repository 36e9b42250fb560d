"""Which files a run owes after any number of attempts. Pure."""

from __future__ import annotations

from collections.abc import Sequence

from runner.model import AttemptPlan, ExpectedCheckpoint, Forecast


def due_names(
    forecast: Forecast | None, plans: Sequence[AttemptPlan], total_steps: int | None
) -> tuple[str, ...]:
    """Names of files that must have been written once the last of `plans` is through, in the order of their
    steps. Each attempt owes what it was to write before the next one took over: past a resume the trainer's
    save grid moves. A forecast that the trainer's own `total_steps` contradict demands nothing."""
    names: dict[str, None] = {}
    for at, plan in enumerate(plans):
        end = plans[at + 1].base_step if at + 1 < len(plans) else None
        files = _of_first(forecast, total_steps) if at == 0 else plan.expected
        names.update((one.name, None) for one in files if end is None or one.step <= end)
    last = plans[-1] if plans else None
    if last is not None and len(plans) > 1 and not last.expected:
        final = forecast.final if forecast is not None else None
        names.update({final: None} if final is not None else {})
    return tuple(names)


def _of_first(forecast: Forecast | None, total_steps: int | None) -> Sequence[ExpectedCheckpoint]:
    if forecast is None or forecast.steps is None or forecast.steps != total_steps:
        return ()
    return forecast.checkpoints
