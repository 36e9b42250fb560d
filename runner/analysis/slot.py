"""A training in a time slot: when does it have to stop, so that the next job can continue it? Pure.

What was trained since the newest safe point is lost at a stop. So it trains on to the next save if that fits
into the time left, and else stops at once: the rest would be trained twice.
"""

from __future__ import annotations

from dataclasses import dataclass

#: to stop the trainer, verify the last file, write the verdict and ask for the next job
RESERVE_S = 15.0
#: a save that was never seen takes this long
SAVE_S = 5.0
#: Slurm may send its signal this much too early
EARLY_S = 60.0
#: in the order of strength
MODES = ("", "after_save", "default", "now")


@dataclass(frozen=True, slots=True)
class Slot:
    """`left_s`: until the job ends; `due`: its signal has come, or would have; `save_in`: steps to the next
    save, `end_in`: to the end of the training, None: unknown."""

    left_s: float
    due: bool
    seconds_per_step: float | None = None
    save_in: int | None = None
    end_in: int | None = None
    save_s: float = SAVE_S


def left_s(
    ends_at: float | None, now: float, signal_s: float, since_signal_s: float | None
) -> float | None:
    """Until the end of the job; None: unknown. `since_signal_s`: since Slurm's signal, None: not yet. The
    signal bounds an end by the clock of another machine."""
    by_clock = None if ends_at is None else ends_at - now
    if since_signal_s is None:
        return by_clock
    by_signal = signal_s - since_signal_s
    if by_clock is None:
        return by_signal
    return min(by_clock, by_signal + EARLY_S)


def order_for(slot: Slot) -> str:
    """The stop to order now, one of MODES."""
    if not slot.due:
        return ""
    if slot.left_s <= RESERVE_S / 2:
        return "now"
    if slot.left_s <= RESERVE_S:
        return "default"
    pace = slot.seconds_per_step
    if pace is None:
        return "after_save"
    if slot.save_in is not None:
        return "after_save" if _fits(slot, slot.save_in * pace) else "default"
    if slot.end_in is not None:
        return "" if _fits(slot, slot.end_in * pace) else "default"
    return "after_save"


def _fits(slot: Slot, training_s: float) -> bool:
    return training_s + slot.save_s + RESERVE_S <= slot.left_s
