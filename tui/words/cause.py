"""Causes of a failure: what helps, and the one recommended key. Pure."""

from __future__ import annotations

import re

from runner.model import OVER, Cause, Outcome, RunSnapshot, RunState
from runner.model.signals import CRASHES
from tui.text import clean
from tui.words.questions import GUARD

#: causes that prove nothing
UNKNOWN, KILLED = "unknown", "killed_by_signal"
_SIGNAL = re.compile(r"\bSIG[A-Z]+\b")


def outcome_of(snapshot: RunSnapshot) -> Outcome | None:
    return snapshot.outcome or (snapshot.status.outcome if snapshot.status is not None else None)


def cause_of(snapshot: RunSnapshot | None) -> Cause | None:
    """The cause that a person needs to see: not of what still runs, ended well, or was stopped by a
    person's own order."""
    if snapshot is None or snapshot.status is None or snapshot.state is not RunState.ENDED:
        return None
    outcome = outcome_of(snapshot)
    if outcome is Outcome.SUCCEEDED:
        return None
    if outcome is Outcome.STOPPED and snapshot.status.stop_by != GUARD:
        return None
    return snapshot.status.cause


def crash_of(snapshot: RunSnapshot) -> str:
    """The signal by which the trainer crashed by itself; empty: it did not."""
    cause = cause_of(snapshot)
    if cause is None or cause.key != KILLED:
        return ""
    return next((name for name in _SIGNAL.findall(cause.evidence) if name in CRASHES), "")


def cure_of(cause: Cause) -> tuple[str, ...]:
    """What `retry` would apply."""
    return tuple(text for text in (clean(change, 120) for change in cause.changes) if text)


def recommended(snapshot: RunSnapshot) -> str:
    """The action that a person should take after this end: retry if the cause is proven and a setting fixes
    it, else resume if a state is saved. Empty: none."""
    cause, status = cause_of(snapshot), snapshot.status
    outcome = outcome_of(snapshot)
    over = snapshot.state in OVER and outcome is not Outcome.SUCCEEDED
    if status is None or not over or (outcome is None and snapshot.state is RunState.ENDED):
        return ""
    curable = cause is not None and bool(cure_of(cause))
    proven = cause is not None and cause.key not in (UNKNOWN, KILLED)
    if curable and (proven or not status.safe_step):
        return "retry"
    return "resume" if status.safe_step and outcome is not Outcome.DIVERGED else ""


def setting_words(change: str) -> str:
    """`cache_latents=true` as it is read; where it belongs to, if it is no flag of the script."""
    name, sign, value = change.partition("=")
    shown = named_place(name)
    if not sign:
        return shown
    if shown == name and value in ("true", "false"):
        return f"{name} {'on' if value == 'true' else 'off'}"
    return f"{shown} = {value}"


def named_place(name: str) -> str:
    """`env.X` and `accelerate.X` with their place as a word."""
    for prefix, place in (("env.", "environment: "), ("accelerate.", "accelerate: ")):
        if name.startswith(prefix):
            return place + name.removeprefix(prefix)
    return name
