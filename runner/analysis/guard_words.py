"""The guard's sentences. Each is one sentence for the verdict line, the notification and the summary."""

from __future__ import annotations

from runner.model import Phase
from runner.model.units import duration, loss, pace


def _good(step: int | None) -> str:
    if step is None:
        return "no good checkpoint lies before it"
    return f"the newest checkpoint before it is step {step}, which is good, as are those before it"


def nonfinite(step: int | None, good_step: int | None) -> str:
    """Exact losses that stay bad."""
    return f"the loss is not a finite number from step {step} on; {_good(good_step)}"


def many_bad(first: int | None, last: int | None, number: int) -> str:
    """Bad losses again and again, with good ones between."""
    return f"{number} losses between step {first} and {last} were not finite numbers, others were"


def average_only(step: int | None, good_step: int | None) -> str:
    """Without event files the poisoned average is all that is known."""
    return (
        f"the average loss is not a finite number from step {step} on; only the average is known here, so "
        f"it may have been that one step alone; {_good(good_step)}"
    )


def one_bad_step(first: int | None, last: int | None, number: int, *, poisoned: bool) -> str:
    """A few bad losses, and good ones again."""
    if number == 1:
        text = f"the loss of step {first} was not a finite number; it is again"
    else:
        text = (
            f"{number} losses from step {first} to {last} were not finite numbers; they are again"
        )
    if poisoned:
        text += ", although the trainer's bar will show avr_loss=nan until it ends"
    return text


def diverging(
    since: int | None, now: float | None, low: float | None, good_step: int | None, *, exact: bool
) -> str:
    what = "the loss" if exact else "the average loss"
    before = "" if good_step is None else f"; the newest checkpoint before that is step {good_step}"
    return (
        f"{what} has been far too high since step {since}: {loss(now)}, it was {loss(low)}{before}"
    )


def frozen(value: float | None, since: int | None) -> str:
    return f"the loss is exactly {loss(value)} at every step since step {since}: nothing is being learnt"


def stalled(phase: Phase, silent_s: float, seconds_per_step: float | None) -> str:
    if phase is Phase.TRAINING:
        usual = f"; this run's own pace is {pace(seconds_per_step)}"
        return f"no step for {duration(silent_s)}{usual if seconds_per_step else ''}"
    return f"nothing from the trainer for {duration(silent_s)}, while {phase}"


def stopped_process(pid: int) -> str:
    """Added to `stalled` when the system says so."""
    return f"; process {pid} of the training is stopped (SIGSTOP), `kill -CONT {pid}` lets it go on"


def slow(recent_s: float | None, baseline_s: float | None, since: int | None) -> str:
    if recent_s is None or baseline_s is None:  # restored: not measured again yet
        return f"steps have been slower than this run's own pace since step {since}"
    return (
        f"steps have been slow since step {since}: {pace(recent_s)}, this run's own pace is "
        f"{pace(baseline_s)}"
    )


def nothing_to_wait_for(text: str) -> str:
    """Why `after_save` stops at once."""
    return f"{text}; a later checkpoint would hold what is broken, so none is waited for"


def no_save_will_come(text: str) -> str:
    """Why a stop that waited for a save of a stalled training does not wait any more."""
    return f"{text}; nothing has moved since, so no save will come"


def bad_steps(first: int | None, number: int) -> str:
    """A remark on a run that came well through it."""
    if number == 1:
        return f"the loss of step {first} was not a finite number; all after it were, and so are the files"
    return (
        f"{number} losses from step {first} on were not finite numbers; all later ones were, "
        "and so are the files"
    )
