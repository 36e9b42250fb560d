"""The cause card: why a run ended as it did, what helps, and whether a key applies it."""

from __future__ import annotations

from runner.model import Cause, Outcome, RunSnapshot, RunState
from runner.model.lean import dataclass
from tui.text import clean
from tui.viewmodel.cause_titles import cause_title
from tui.viewmodel.stopping import GUARD


@dataclass(frozen=True, slots=True)
class CauseCard:
    """`changes`: what would help, a line each; `curable`: a key can apply it. `trained`: steps were made,
    so that there is a loss to see."""

    title: str
    evidence: str
    advice: str
    changes: tuple[str, ...] = ()
    curable: bool = False
    trained: bool = True


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
