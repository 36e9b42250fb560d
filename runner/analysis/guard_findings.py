"""What is wrong with a running training now, as alarms. Pure.

Each has one sentence for the verdict line, the notification and the summary.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from runner.analysis.guard_loss import ROW_OF_BAD, LossWatch
from runner.analysis.guard_pace import FAR_TOO_SLOW, SPILLED_S, PaceWatch, StallWatch
from runner.analysis.usual_pace import UsualPace
from runner.model import Alarm, AlarmKind, Checkpoint, Phase
from runner.model.units import duration, loss, pace
from runner.state.lineage import weights_step


def bad_losses(
    losses: LossWatch, checkpoints: Sequence[Checkpoint], now: float, *, average_proves: bool
) -> Iterator[Alarm]:
    """Non-finite losses. `average_proves`: exact ones would have arrived by now."""
    bad = losses.bad

    def alarm(kind: AlarmKind, step: int | None, brief: str, more: str = "") -> Alarm:
        good = _newest_good(checkpoints, step)
        known = "no good checkpoint before it"
        if good is not None:
            known = f"the newest checkpoint before it is step {good}, which is good, as are earlier ones"
        return Alarm(kind, now, brief + more.format(good=known), step, good, brief=brief)

    if not losses.exact and average_proves and losses.average_bad_steps >= ROW_OF_BAD:
        first = losses.average_bad_first
        yield alarm(
            AlarmKind.NONFINITE,
            first,
            f"the average loss is NaN from step {first} on",
            "; only the average is known, so it may have been that single step; {good}",
        )
    elif losses.exact and bad.lasting and bad.without_end:
        text = f"the loss is NaN from step {bad.lasting_first} on"
        yield alarm(AlarmKind.NONFINITE, bad.lasting_first, text, "; {good}")
    elif losses.exact and bad.lasting:
        span = f"{bad.recent} losses between step {bad.lasting_first} and {bad.last}"
        text = f"{span} were NaN, others were finite"
        yield alarm(AlarmKind.NONFINITE, bad.lasting_first, text)
    elif losses.recovered and (losses.poisoned or bad.good_after < ROW_OF_BAD):
        text, more = f"the loss of step {bad.first} was NaN", "; later ones are finite"
        if bad.count > 1:
            text = f"{bad.count} losses from step {bad.first} to {bad.last} were NaN"
        if losses.poisoned:
            more += ", although the trainer's bar shows avr_loss=nan until the end"
        yield alarm(AlarmKind.ONE_BAD_STEP, bad.first, text, more)


def other_losses(
    losses: LossWatch, checkpoints: Sequence[Checkpoint], now: float
) -> Iterator[Alarm]:
    """Losses that diverged or no longer change."""
    levels, same, flat = losses.diverged, losses.same, losses.flat.found
    if levels is not None:
        good = _newest_good(checkpoints, levels.since)
        what = "the loss" if losses.exact else "the average loss"
        text = f"{what} has been far too high since step {levels.since}"
        text += f": {loss(levels.now)}, it was {loss(levels.low)}"
        more = f"; the newest checkpoint before that is step {good}" if good is not None else ""
        yield Alarm(AlarmKind.DIVERGING, now, text + more, levels.since, good, brief=text)
    if same.frozen:
        every = f"the loss is exactly {loss(same.value)} at every step since step {same.since}"
        yield Alarm(AlarmKind.FROZEN, now, f"{every}: nothing is being learned", same.since)
    elif flat is not None:
        what = "the loss" if flat.exact else "the average loss"
        every = f"{what} has been exactly {loss(flat.value)} since step {flat.first}"
        yield Alarm(AlarmKind.FROZEN, now, f"{every}: nothing is being learned", flat.first)


def stalled(
    stall: StallWatch, usual_s: float | None, at: float, now: float, step: int
) -> Iterator[Alarm]:
    """`at`: seconds awake; `usual_s`: seconds per step."""
    if not stall.look(at, usual_s):
        return
    silent = stall.still_s(at)
    text, usual = f"nothing from the trainer for {duration(silent)}, while {stall.phase}", ""
    if stall.phase is Phase.TRAINING:
        text = f"no step for {duration(silent)}"
        usual = f"; this run's own pace is {pace(usual_s)}" if usual_s else ""
    yield Alarm(AlarmKind.STALLED, now - silent, text + usual, step or None, brief=text)


def slow(watch: PaceWatch, now: float) -> Iterator[Alarm]:
    if not watch.slow:
        return
    text = f"steps have been slower than this run's own pace since step {watch.since}"
    if (
        watch.recent_s is not None and watch.baseline_s is not None
    ):  # else restored, not measured yet
        own = f"this run's own pace is {pace(watch.baseline_s)}"
        text = f"steps have been slow since step {watch.since}: {pace(watch.recent_s)}, {own}"
    yield Alarm(AlarmKind.SLOW, now, text, watch.since)


def slow_start(
    watch: PaceWatch, usual: UsualPace | None, now: float, *, spills: bool
) -> Iterator[Alarm]:
    """Far too slow from the first step, by what this machine did before. `spills`: GPU memory is full, on a
    system that then moves a part of it into main memory instead of failing."""
    fastest = watch.fastest_s
    if fastest is None or not watch.known:
        return
    full = ""
    if spills:
        full = (
            "; GPU memory is full, and on Windows and WSL the rest spills into main memory, which is "
            "far slower: use a smaller batch or resolution, gradient_checkpointing or blocks_to_swap"
        )
    if usual is not None and fastest > usual.seconds_per_step * FAR_TOO_SLOW:
        text = f"steps take {pace(fastest)} since the first: far too slow"
        took = pace(usual.seconds_per_step)
        like = f"; run {usual.run_id} on this machine with comparable settings took {took}"
        yield Alarm(AlarmKind.SLOW_START, now, text + like + full, 1, brief=text)
    elif usual is None and spills and fastest > SPILLED_S:
        text = f"steps take {pace(fastest)} since the first"
        yield Alarm(AlarmKind.SLOW_START, now, text + full, 1, brief=text)


def not_loaded(parts: Sequence[str], now: float) -> Iterator[Alarm]:
    if parts:
        more = f"; {', '.join(parts[1:3])}" if len(parts) > 1 else ""
        yield Alarm(AlarmKind.NOT_LOADED, now, parts[0] + more, brief=parts[0])


def _newest_good(checkpoints: Sequence[Checkpoint], before: int | None) -> int | None:
    """True step of the newest complete, finite checkpoint with weights from before step `before`."""
    return weights_step(checkpoints, before) or None
