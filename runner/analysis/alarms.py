"""What a run's alarms mean for its weights. Pure."""

from __future__ import annotations

from runner.model import AlarmKind, Status


def lasting_bad_step(status: Status) -> int | None:
    """The first true step from which on the weights are not to be trusted; None: there is none.

    A bad loss counts unless the guard has seen exact losses go on well after it (ONE_BAD_STEP): then the
    checkpoints after it are as good as their own numbers say."""
    first = status.first_nonfinite_step
    if first is None:
        return None
    lasting = [
        a.step for a in status.alarms if a.kind is AlarmKind.NONFINITE and a.step is not None
    ]
    passed = any(a.kind is AlarmKind.ONE_BAD_STEP and a.step == first for a in status.alarms)
    if not passed:
        return first
    return min((step for step in lasting if step >= first), default=None)
