"""When to notify, and the text. Pure: shared by screen and supervisor."""

from __future__ import annotations

import re
import time
from dataclasses import dataclass, replace
from pathlib import Path

from runner.analysis.smoke import smoke_passed, smoke_verdict
from runner.model import Alarm, AlarmKind, NotifyRules, Outcome, RunSnapshot
from runner.model.units import count, duration, loss
from runner.store.rundir import RunDir

NAME_LIMIT, TEXT_LIMIT = 60, 400
#: alarms reported during a run; the others are only shown
ALARM_EVENTS = {
    AlarmKind.STALLED: "stalled",
    AlarmKind.NONFINITE: "diverged",
    AlarmKind.DIVERGING: "diverged",
}
_END_EVENTS = {Outcome.SUCCEEDED: "finished"} | {
    outcome: str(outcome) for outcome in (Outcome.DIVERGED, Outcome.KILLED, Outcome.STOPPED)
}
_TITLES = {"waiting": "waits for approval", "killed": "was killed", "diverged": "diverged"}
#: `failed` means every unwanted end
_FAILURES = frozenset({"diverged", "killed"})
_UNFIT = re.compile(
    r"\x1b\[[0-?]*[ -/]*[@-~]?"
    r"|[\x00-\x1f\x7f-\x9f\u00ad\u061c\u180e\u200b-\u200f\u2028-\u202e\u2060-\u206f\ufeff\ud800-\udfff]+"
)


@dataclass(frozen=True, slots=True)
class Message:
    """One notification. `key`: the same for the same occasion, even after a restart. `end`: about the end of
    the run, so it is sent once status.json reports it, regardless of limits."""

    key: str
    event: str
    title: str
    text: str
    run_id: str
    run_name: str
    run_path: str
    at: float
    outcome: str = ""
    attempt: int = 0
    end: bool = False


def flat(text: str, limit: int = TEXT_LIMIT) -> str:
    """One line, safe for terminals and shell quoting; truncated with an ellipsis."""
    line = " ".join(_UNFIT.sub(" ", text[: limit * 4]).split())
    return line if len(line) <= limit else line[: limit - 1].rstrip() + "…"


def wanted(rules: NotifyRules, event: str) -> bool:
    """Is it enabled in `[notify] on`?"""
    return event in rules.on or (event in _FAILURES and "failed" in rules.on)


def end_event(snapshot: RunSnapshot) -> str | None:
    """The event of a run with a verdict; None: no verdict yet."""
    if snapshot.outcome is None:
        return None
    spec = snapshot.spec
    if spec is not None and spec.smoke and snapshot.outcome is Outcome.SUCCEEDED:
        if not smoke_passed(snapshot):
            return "failed"
        return "waiting" if spec.notify.gate else "finished"
    return _END_EVENTS.get(snapshot.outcome, "failed")


def end_message(snapshot: RunSnapshot) -> Message | None:
    """About the end of the newest attempt; None without a verdict."""
    event, status = end_event(snapshot), snapshot.status
    if event is None or status is None:
        return None
    total = f" of {status.total_steps}" if status.total_steps is not None else ""
    word = str(snapshot.outcome).replace("_", " ")
    parts = [
        f"{word}, {status.step}{total} steps in {duration(status.took_s)}",
        *_why(snapshot, event),
    ]
    if event == "waiting":
        parts.append(f"approve it with `plasma-tui approve {snapshot.id}`")
    message = _message(snapshot, f"end-{status.attempt}", event, "; ".join(parts))
    return replace(
        message, outcome=str(snapshot.outcome), attempt=status.attempt, end=True,
        at=status.ended_at or message.at,
    )  # fmt: skip


def _why(snapshot: RunSnapshot, event: str) -> list[str]:
    status = snapshot.status
    assert status is not None
    if event in ("finished", "waiting"):
        value = snapshot.loss.smooth if snapshot.loss.smooth is not None else status.loss
        kept = [c for c in status.checkpoints if not c.removed and not c.missing]
        return [f"loss {loss(value)}", count(len(kept), "checkpoint")]
    if snapshot.outcome is Outcome.SUCCEEDED:  # a smoke test with another result
        return [line.detail for line in smoke_verdict(snapshot) if line.status == "fail"][:1]
    if status.cause is not None:
        return [status.cause.evidence, *([status.cause.advice] if status.cause.advice else [])]
    return list(status.reasons[:1])


def alarm_message(snapshot: RunSnapshot, alarm: Alarm) -> Message | None:
    """About a problem during the run; None: not reported."""
    event, status = ALARM_EVENTS.get(alarm.kind), snapshot.status
    if event is None or alarm.over_at is not None or status is None:
        return None
    key = f"{alarm.kind}-{status.attempt}-{int(alarm.since_at * 1000)}"
    going = "" if alarm.kind is AlarmKind.STALLED else "; the training continues"
    message = _message(snapshot, key, event, f"step {status.step}: {alarm.text}{going}")
    if event == "diverged":  # a word for an end; this is not one
        message = replace(message, title=f"{message.run_name}: the loss is wrong")
    return replace(message, attempt=status.attempt, at=alarm.since_at)


def held_message(snapshot: RunSnapshot, reason: str) -> Message:
    """A queued run is held: a person must decide."""
    attempt = snapshot.status.attempt if snapshot.status is not None else 1
    text = f"{reason}; release it with `plasma-tui queue --release {snapshot.id}`"
    message = _message(snapshot, f"held-{attempt}-{int(snapshot.read_at)}", "waiting", text)
    return replace(message, title=f"{message.run_name}: held in the queue", attempt=attempt)


def trial_message(name: str, run_id: str = "test", run_path: str = "") -> Message:
    """The test message for channels."""
    shown = flat(name, NAME_LIMIT) or "plasma-tui"
    text = "This is a test: plasma-tui notifications arrive here."
    return Message(
        "test", "test", f"{shown}: test notification", text, run_id, shown, run_path, time.time()
    )


def _message(snapshot: RunSnapshot, key: str, event: str, text: str) -> Message:
    spec = snapshot.spec
    name = flat(spec.name if spec is not None else snapshot.id, NAME_LIMIT) or snapshot.id
    title = f"{name}: {_TITLES.get(event, event)}"
    return Message(
        key, event, title, flat(text), snapshot.id, name, snapshot.path, snapshot.read_at
    )


def summary_path(message: Message) -> str:
    """Path of the summary; "" if there is none yet."""
    known = message.end and message.run_path
    return str(RunDir(Path(message.run_path)).summary_md) if known else ""
