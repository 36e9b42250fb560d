"""Which orders make sense now, and the reason if one does not."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from runner.analysis.smoke import smoke_passed
from runner.model import Outcome, RunSnapshot, RunState
from runner.model.lean import dataclass
from tui.text import clean
from tui.words.cause import cause_of
from tui.words.machine import comfy_of
from tui.words.progress import is_live


@dataclass(frozen=True, slots=True)
class Around:
    """What an order needs beside the run. `run_open`: a run is on the screen; `readable`: plasma.toml
    has no problem; `approvable`: its smoke test passed and awaits approval; `approved`: this run has it;
    `comfy`: whether the checks found a ComfyUI, None where they did not run."""

    has_config: bool = False
    read_only: bool = False
    run_open: bool = True
    readable: bool = True
    approvable: bool = False
    approved: bool = False
    #: the run on the screen was not started by this plasma.toml
    foreign: bool = False
    comfy: bool | None = None


_STARTS_AGAIN = ("resume", "retry", "adopt", "approve")


def why_not(order: str, snapshot: RunSnapshot | None, around: Around) -> str | None:
    """None if `order` can be given now, else the reason."""
    if around.read_only and order not in _LOOKS:
        return "This screen is read-only."
    if order in _REVIEWS:
        return _review(_REVIEWS[order], snapshot)
    if order in _BEFORE:
        return _BEFORE[order](snapshot, around)
    if order == "approve" and not around.run_open:
        return None if around.approvable else "Nothing to approve: no smoke test is waiting."
    if order == "free_gpu" and not around.run_open:
        return _free_before(around)
    if snapshot is None:
        return "No run is open."
    if snapshot.newer and not (order == "stop" and snapshot.supervisor_alive):
        return f"This run was {clean(snapshot.newer)}."
    if order in _STARTS_AGAIN and snapshot.spec is not None and snapshot.spec.origin:
        return "This run was imported: nothing can be started for it."
    if order == "approve" and around.approved:
        return "This smoke test is already approved: s starts the long run."
    if snapshot.state is RunState.QUEUED and order not in ("stop", "adopt"):
        return "This run is queued: a removes it from the queue."
    return _ON_A_RUN[order](snapshot)


def refusal(orders: Sequence[str], snapshot: RunSnapshot | None, around: Around) -> str | None:
    """Why a key does nothing. One with several orders does something if one of them can be given; else it
    answers for the order that fits the run."""
    reasons = {order: why_not(order, snapshot, around) for order in orders}
    if not reasons or None in reasons.values():
        return None
    smoke = snapshot is not None and snapshot.spec is not None and snapshot.spec.smoke
    fitting = "approve" if smoke or not around.run_open else "retry"
    return reasons.get(fitting) or next(iter(reasons.values()))


# --------------------------------------------------------------------------- before a run

_GOING = "This run is still training: a stops it."
_BROKEN = "plasma.toml has errors: e opens it."
_FOREIGN = (
    "Nothing started: this run belongs to another project than this screen's plasma.toml; "
    "p shows what that would start."
)
_NO_FILE = "No plasma.toml for this screen."


def _start(snapshot: RunSnapshot | None, around: Around) -> str | None:
    if not around.has_config:
        return "No plasma.toml for this run: nothing to start."
    if around.run_open and snapshot is None:
        return "This run is still being read."
    if snapshot is not None and is_live(snapshot):
        return _GOING
    if around.foreign:
        return _FOREIGN
    return None if around.readable else _BROKEN


def _preflight(snapshot: RunSnapshot | None, around: Around) -> str | None:
    if not around.has_config:
        return "No plasma.toml for this run: nothing to check."
    if snapshot is not None and is_live(snapshot):
        return "Checks are from the start of this run."
    return None if around.readable else _BROKEN


def _fix(snapshot: RunSnapshot | None, around: Around) -> str | None:
    refused = _preflight(snapshot, around)
    if refused is None and around.run_open:
        return "Checks are fixed before a run: p runs them again."
    return refused


def _file(snapshot: RunSnapshot | None, around: Around) -> str | None:
    return None if around.has_config else _NO_FILE


def _console(snapshot: RunSnapshot | None, around: Around) -> str | None:
    before = around.has_config and not around.run_open
    return "No run is open: no console output yet." if before else None


def _review(what: str, snapshot: RunSnapshot | None) -> str | None:
    """Sample images can be seen during a run, the rest after it."""
    if snapshot is None:
        return f"No run is open: no {what} yet."
    if snapshot.newer:
        return f"This run was {clean(snapshot.newer)}."
    if snapshot.status is None:
        return f"No {what} yet: this run has no records."
    if what == "sample image" or not is_live(snapshot):
        return None
    return f"No {what} yet: the run is still training."


_REVIEWS = {"summary": "summary", "samples": "sample image", "replay": "replay"}
#: allowed on a read-only screen
_LOOKS = {*_REVIEWS, "console", "flags"}

_BEFORE: dict[str, Callable[[RunSnapshot | None, Around], str | None]] = {
    "start": _start,
    "smoke": _start,
    "enqueue": _start,
    "preflight": _preflight,
    "fix": _fix,
    "edit": _file,
    "flags": _file,
    "console": _console,
    "test_notice": lambda _snapshot, _around: None,
}

# --------------------------------------------------------------------------- on a run


def _stop(snapshot: RunSnapshot) -> str | None:
    if is_live(snapshot) or snapshot.state is RunState.QUEUED:
        return None
    if snapshot.state is RunState.LOST:
        return "Nothing to stop: no process of this run is alive on this machine."
    return "Nothing to stop: the run has ended."


def _resume(snapshot: RunSnapshot) -> str | None:
    """Only what is certain from here; the runner checks the files."""
    if is_live(snapshot):
        return "Nothing to resume: the run is still training."
    status = snapshot.status
    if status is None:
        return None
    done = bool(status.total_steps) and status.step >= (status.total_steps or 0)
    if done and snapshot.outcome is Outcome.SUCCEEDED:
        return "Nothing to resume: all steps are trained."
    if not any(not (c.removed or c.missing) for c in status.checkpoints):
        return "Nothing to resume from: this run has no checkpoint left."
    return None


def _retry(snapshot: RunSnapshot) -> str | None:
    if is_live(snapshot):
        return "Nothing to retry: the run is still training."
    cause = cause_of(snapshot)
    if cause is None:
        return "Nothing to retry: no cause with a fix is known."
    if not cause.changes:
        return "No setting fixes this cause: its card shows what helps."
    return None


def _approve(snapshot: RunSnapshot) -> str | None:
    if snapshot.spec is None or not snapshot.spec.smoke:
        return "Nothing to approve: this run is not a smoke test."
    if is_live(snapshot):
        return "The smoke test is still running."
    if snapshot.outcome is not Outcome.SUCCEEDED:
        return "Nothing to approve: the smoke test did not succeed."
    if not smoke_passed(snapshot):
        return "Nothing to approve: the smoke test did not pass, see its verdict."
    return None


def _adopt(snapshot: RunSnapshot) -> str | None:
    if snapshot.supervisor_alive:
        return "This run has a supervisor."
    status = snapshot.status
    if snapshot.state is RunState.ENDED and status is not None and status.outcome is not None:
        return "The run has ended and has a verdict: nothing to supervise."
    return None


def _free_before(around: Around) -> str | None:
    if around.comfy is None:
        return "Other GPU users haven't been checked: p checks them."
    return None if around.comfy else "The checks found no ComfyUI: p checks again."


def _free_gpu(snapshot: RunSnapshot) -> str | None:
    if not is_live(snapshot):
        return "The run has ended: GPU users are no longer watched."
    if comfy_of(snapshot) is None:
        return "No ComfyUI on the GPU to ask for its memory."
    return None


_ON_A_RUN: dict[str, Callable[[RunSnapshot], str | None]] = {
    "stop": _stop,
    "resume": _resume,
    "retry": _retry,
    "adopt": _adopt,
    "free_gpu": _free_gpu,
    "approve": _approve,
}
