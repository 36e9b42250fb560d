"""A step of the loss chart that is pointed at: where the next one is, and what is said of it. Pure."""

from __future__ import annotations

from bisect import bisect_left

from runner.model.units import loss
from tui.viewmodel.chart import ChartModel, loss_at


def next_step(model: ChartModel, step: int | None, by: int, room: int) -> int:
    """`by` columns of `room` further, among the steps that were trained; from nowhere: the newest."""
    newest = max(1, model.last_step)
    if step is None:
        return newest
    per_column = max(1.0, model.end_step / max(1, room))
    return max(1, min(newest, round(step + by * per_column)))


def pointed_words(model: ChartModel, step: int) -> tuple[str, ...]:
    """From the most words to the fewest."""
    said = f"step {step}"
    epoch = _epoch_of(model, step)
    if epoch is not None:
        said += f", epoch {epoch}"
    value = loss_at(model.buckets, step)
    if value is not None:
        said += f", loss {loss(value)}"
    nearest = min(model.written, key=lambda written: abs(written - step), default=None)
    short = f"{step}: {loss(value)}" if value is not None else f"step {step}"
    if nearest is None:
        return said, short
    return f"{said}, nearest checkpoint {nearest}", said, short


def _epoch_of(model: ChartModel, step: int) -> int | None:
    """Only where every epoch has its tick: in a long run the ticks are thinned."""
    if len(model.epoch_steps) < 2:
        return None
    per_epoch = model.epoch_steps[1] - model.epoch_steps[0]
    if abs(model.epoch_steps[0] - per_epoch) > 1:
        return None
    return bisect_left(model.epoch_steps, step) + 1
