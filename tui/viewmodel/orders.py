"""Which orders make sense now; if one does not, the sentence that says why."""

from __future__ import annotations

from runner.model import Outcome, RunSnapshot, RunState
from tui.viewmodel.progress import is_live


def why_not(
    order: str, snapshot: RunSnapshot | None, *, has_config: bool, read_only: bool
) -> str | None:
    """None if `order` (start, smoke, approve, stop, resume, adopt) can be given, else the reason."""
    if read_only:
        return "This screen is read-only."
    if order in ("start", "smoke"):
        return _start(snapshot, has_config)
    if snapshot is None:
        return "No run is open."
    orders = {"stop": _stop, "resume": _resume, "adopt": _adopt, "approve": _approve}
    return orders[order](snapshot)


def _start(snapshot: RunSnapshot | None, has_config: bool) -> str | None:
    if not has_config:
        return "Nothing to start: this screen was opened without a plasma.toml."
    if snapshot is not None and is_live(snapshot):
        return "This run is still going: a stops it."
    return None


def _stop(snapshot: RunSnapshot) -> str | None:
    if is_live(snapshot):
        return None
    if snapshot.state is RunState.LOST:
        return "Nothing to stop: of this run nothing lives on this machine."
    return "Nothing to stop: the run has ended."


def _resume(snapshot: RunSnapshot) -> str | None:
    if is_live(snapshot):
        return "Nothing to resume: the run is still going."
    status = snapshot.status
    if status is None:
        return "Nothing to resume: no state of this run is known."
    if status.total_steps and status.step >= status.total_steps and status.cause is None:
        return "Nothing to resume: all steps are trained."
    if not any(c.state_complete and not c.removed for c in status.checkpoints):
        return "Nothing to resume from: no whole training state was saved (save_state = true)."
    return None


def _approve(snapshot: RunSnapshot) -> str | None:
    if snapshot.spec is None or not snapshot.spec.smoke:
        return "Nothing to approve: this run is no smoke test."
    if is_live(snapshot):
        return "The smoke test is still going."
    if snapshot.outcome is not Outcome.SUCCEEDED:
        return "Nothing to approve: the smoke test did not succeed."
    return None


def _adopt(snapshot: RunSnapshot) -> str | None:
    if snapshot.supervisor_alive:
        return "This run has a supervisor."
    status = snapshot.status
    if snapshot.state is RunState.ENDED and status is not None and status.outcome is not None:
        return "The run has ended and is judged: there is nothing to supervise."
    return None
