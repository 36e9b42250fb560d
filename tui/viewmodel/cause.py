"""The cause card: why a run ended as it did, what helps, and whether a key applies it."""

from __future__ import annotations

from runner.model import Cause, Outcome, RunSnapshot, RunState
from runner.model.lean import dataclass
from tui.text import clean
from tui.viewmodel.cause_titles import cause_title
from tui.viewmodel.stopping import GUARD

#: causes that prove nothing
UNKNOWN, KILLED = "unknown", "killed_by_signal"


@dataclass(frozen=True, slots=True)
class CauseCard:
    """`changes`: what would help, a line each; `curable`: a key can apply it; `resume_step`: to resume there
    is recommended. `trained`: steps were made,
    so that there is a loss to see."""

    title: str
    evidence: str
    advice: str
    changes: tuple[str, ...] = ()
    curable: bool = False
    trained: bool = True
    resume_step: int = 0


def cause_of(snapshot: RunSnapshot | None) -> Cause | None:
    """The cause that a person needs to see: not of what still runs, ended well, or was stopped by a
    person's own order."""
    if snapshot is None or snapshot.status is None or snapshot.state is not RunState.ENDED:
        return None
    outcome = snapshot.outcome or snapshot.status.outcome
    if outcome is Outcome.SUCCEEDED:
        return None
    if outcome is Outcome.STOPPED and snapshot.status.stop_by != GUARD:
        return None
    return snapshot.status.cause


def cure_of(cause: Cause) -> tuple[str, ...]:
    """What `retry` would apply."""
    return tuple(text for text in (clean(change, 120) for change in cause.changes) if text)


def recommended(snapshot: RunSnapshot) -> str:
    """The action that a person should take after this end: retry where the cause is proven and a setting cures
    it, else resume where a state is saved. Empty: none."""
    cause, status = cause_of(snapshot), snapshot.status
    outcome = snapshot.outcome or (status.outcome if status is not None else None)
    over = snapshot.state in (RunState.ENDED, RunState.LOST) and outcome is not Outcome.SUCCEEDED
    if status is None or not over or (outcome is None and snapshot.state is RunState.ENDED):
        return ""
    curable = cause is not None and bool(cure_of(cause))
    proven = cause is not None and cause.key not in (UNKNOWN, KILLED)
    if curable and (proven or not status.safe_step):
        return "retry"
    return "resume" if status.safe_step and outcome is not Outcome.DIVERGED else ""


def cause_card(snapshot: RunSnapshot | None) -> CauseCard | None:
    cause = cause_of(snapshot)
    if cause is None or snapshot is None or snapshot.status is None:
        return None
    cure = cure_of(cause)
    helps = cure or ((clean(cause.fix, 120),) if cause.fix else ())
    return CauseCard(
        cause_title(cause.key),
        clean(cause.evidence, 600),
        clean(cause.advice, 600),
        tuple(map(setting_words, helps)),
        curable=bool(cure),
        trained=bool(snapshot.status.step or snapshot.loss.rows),
        resume_step=snapshot.status.safe_step if recommended(snapshot) == "resume" else 0,
    )


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
