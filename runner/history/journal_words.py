"""The journal in sentences, for the monitor's events and the summary's timeline. In: events; out: a role, a
sentence and a weight each. Pure."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace
from pathlib import PurePath
from typing import Any

from runner.analysis.diagnosis.titles import cause_title
from runner.model import JournalEvent
from runner.model.lean import dataclass
from runner.model.signals import CRASHES, signal_name
from runner.model.units import loss
from runner.state.alarms import OVER, RAISED, alarm_of, is_mild

#: the exception of an ordered stop, as the trainer prints it
INTERRUPT = "KeyboardInterrupt"


@dataclass(frozen=True, slots=True)
class Sentence:
    """`role`: good, warn, bad, or dim for what is only noted. `weight`: where there are too many, those of 0
    are left out first."""

    event: JournalEvent
    role: str
    text: str
    weight: int


def sentences_of(events: Iterable[JournalEvent]) -> list[Sentence]:
    """In the order of the events. A save and its state are one sentence. Events that say nothing to a person,
    or lack what their sentence needs, are left out."""
    found: list[Sentence] = []
    saved: dict[tuple[int, object], int] = {}
    stopped: set[int] = set()
    for event in events:
        key = (event.attempt, event.data.get("step"))
        if event.kind in ("ordered", "signalled"):
            stopped.add(event.attempt)
        if event.kind == "state_verified" and event.data.get("complete") and key in saved:
            at = saved[key]
            found[at] = replace(found[at], text=f"{found[at].text}, with state")
            continue
        if event.kind == "exception" and event.attempt in stopped and _is_interrupt(event.data):
            continue  # how a trainer leaves that was asked to
        one = _sentence(event)
        if one is None:
            continue
        if event.kind == "checkpoint_verified" and one.role == "good":
            saved[key] = len(found)
        found.append(one)
    return found


def _sentence(event: JournalEvent) -> Sentence | None:
    weight, role, words = KINDS.get(event.kind, (0, "dim", ""))
    try:
        made = words(event) if callable(words) else words.format_map(_values(event.data))
    except (KeyError, ValueError, IndexError, AttributeError, TypeError):
        return None
    if isinstance(made, tuple):
        role, made = made
    if not made:
        return None
    return Sentence(event, role, made, max(weight, 3 if role in ("bad", "warn") else 0))


def _values(data: Mapping[str, Any]) -> dict[str, Any]:
    """Unknown values are missing, so that a sentence that needs it is left out."""
    known = {name: value for name, value in data.items() if value is not None}
    return {"why": "reason unknown", **known, "file": _file(data), "where": _where(data)}


def _where(data: Mapping[str, Any]) -> str:
    step = data.get("step")
    return f"step {step}" if step is not None else str(data.get("name") or _file(data))


def _file(data: Mapping[str, Any]) -> str:
    return PurePath(str(data.get("moved_to") or data.get("path") or "")).name


def _why(data: Mapping[str, Any]) -> str:
    return str(data.get("problem") or "reason unknown")


def _is_interrupt(data: Mapping[str, Any]) -> bool:
    return data.get("name") == INTERRUPT


_Made = str | tuple[str, str]


def _started(event: JournalEvent) -> str:
    return "training started" if event.attempt == 1 else f"attempt {event.attempt} started"


def _saved(event: JournalEvent) -> _Made:
    data, where = event.data, _where(event.data)
    if not data.get("complete"):
        return "bad", f"{where} is incomplete: {_why(data)}"
    if data.get("finite") is False:
        return "bad", f"{where} saved, but contains NaN or infinite values"
    return f"{where} saved: complete, {'finite' if data.get('finite') else 'values not checked'}"


def _state(event: JournalEvent) -> _Made:
    where = _where(event.data)
    if event.data.get("complete"):
        return "good", f"state of {where} saved"
    return f"state of {where} is incomplete: {_why(event.data)}"


def _alarm(event: JournalEvent) -> _Made:
    alarm = alarm_of(event)
    if alarm is None:
        return ""
    text = (alarm.brief or alarm.text).rstrip(". ")
    if event.kind == OVER:
        return "dim", f"over: {text}"
    return ("warn" if is_mild(alarm) else "bad"), text


def _ordered(event: JournalEvent) -> str:
    data = event.data
    mode = str(data.get("mode") or "default").replace("_", " ")
    order = str(data.get("order", "order")).replace("_", " ")
    how = "" if mode == "default" else f" ({mode})"
    reason = f": {data['reason']}" if data.get("reason") else ""
    return f"{order}{how} requested by {data.get('by') or 'a person'}{reason}"


def _exception(event: JournalEvent) -> _Made:
    if _is_interrupt(event.data):
        return "warn", "the trainer was interrupted (SIGINT)"
    return f"{event.data['name']}: {event.data['text']}".rstrip(": ")


def _survivors(event: JournalEvent) -> str:
    number = len(event.data["processes"])
    return f"{number} process{'es' if number != 1 else ''} of the training still running"


def _resumed(event: JournalEvent) -> str:
    data = event.data
    if data.get("state_step") is not None:
        return f"resumed from the state of step {data['state_step']}"
    return f"skips {data['skip_steps']} steps" if data.get("skip_steps") else ""


def _validated(event: JournalEvent) -> str:
    value, step = event.data.get("loss"), event.data.get("step")
    at = f" at step {step}" if step is not None else ""
    return f"validation loss {loss(value if isinstance(value, float) else None)}{at}"


#: causes that add nothing to the outcome
_SAYS_NOTHING = ("unknown", "killed_by_signal")


def _ended(event: JournalEvent) -> _Made:
    data = event.data
    outcome, cause, signal = data.get("outcome"), data.get("cause"), data.get("signal")
    role = {"succeeded": "good", "stopped": "dim"}.get(str(outcome), "bad")
    how = ""
    if isinstance(signal, int) and role == "bad":
        name = signal_name(signal)
        how = f": the trainer crashed ({name})" if name in CRASHES else f" ({name})"
    if data.get("code"):
        how = f" (exit code {data['code']})"
    why = f": {cause_title(str(cause))}" if cause and cause not in _SAYS_NOTHING else ""
    if outcome in (None, "None"):
        return "warn", "ended, without a verdict"
    return role, f"{outcome}".replace("_", " ") + why + how


#: by kind: weight, role, and the sentence or what makes it


def _slot(event: JournalEvent) -> str:
    """A queued run got its turn; the variables that its slot set are the user's business."""
    env = event.data.get("env") or {}
    given = ", ".join(f"{name}={value}" for name, value in env.items())
    return f"left the queue{f' with {given}' if given else ''}"


KINDS: dict[str, tuple[int, str, str | Callable[[JournalEvent], _Made]]] = {
    "started": (2, "dim", _started),
    "adopted": (2, "warn", "supervisor restarted"),
    "slot": (1, "dim", _slot),
    "resumed": (2, "dim", _resumed),
    "device": (2, "dim", "trains on {device}"),
    "banner": (2, "dim", "{total_steps} steps planned"),
    "epoch": (1, "dim", "epoch {epoch} of {epochs}"),
    "sampling": (0, "dim", "sample images at step {step}"),
    "validated": (1, "dim", _validated),
    "checkpoint_verified": (0, "good", _saved),
    "checkpoint_unverified": (3, "warn", "{where} could not be verified: {why}"),
    "checkpoint_missing": (3, "warn", "{where}: {name} is missing"),
    "checkpoint_back": (2, "good", "{where}: {name} exists again"),
    "checkpoint_replaced": (3, "warn", "{where}: {name} was replaced by another run"),
    "checkpoint_not_placed": (3, "warn", "{name} was not moved to its folder: {why}"),
    "checkpoint_removed": (0, "dim", "{where}: {name} deleted by the trainer"),
    "state_verified": (2, "warn", _state),
    "state_missing": (2, "warn", "the state of {where} is missing"),
    "set_aside": (1, "dim", "{name} of an earlier attempt was kept as {file}"),
    RAISED: (3, "bad", _alarm),
    OVER: (2, "dim", _alarm),
    "loss_not_finite": (3, "bad", "loss became NaN at step {step}"),
    "ordered": (3, "warn", _ordered),
    "stop_cancelled": (3, "dim", "stop cancelled"),
    "safe_point": (2, "dim", "step {step} is saved: stopping"),
    "no_safe_point": (3, "warn", "step {step} is no safe point: {why}"),
    "exception": (3, "bad", _exception),
    "fatal": (3, "bad", "{text}"),
    "nothing_to_train": (3, "bad", "nothing to train: {text}"),
    "fault": (3, "warn", "{part} failed: {error}"),
    "model_saved": (3, "good", "model saved"),
    "job_began": (2, "dim", "runs as Slurm job {job} on {node}"),
    "job_ended": (3, "bad", "{text}"),
    "clocks_apart": (
        3,
        "warn",
        "the clock of {node} is {seconds} s behind Slurm's: times may not fit",
    ),
    "survivors": (3, "bad", _survivors),
    "ended": (3, "dim", _ended),
}
