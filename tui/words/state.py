"""A run's state as a word, a shape and a role."""

from __future__ import annotations

from runner.model import Outcome, Phase, RunSnapshot, RunState
from runner.model.lean import dataclass
from tui.kit import glyphs
from tui.words.alarms import alarm_role, live_alarms


@dataclass(frozen=True, slots=True)
class StateLabel:
    """`shape` is one cell; `role` only repeats what shape and word say."""

    word: str
    shape: str
    role: str


_OUTCOMES = {
    Outcome.SUCCEEDED: StateLabel("succeeded", glyphs.YES, "good"),
    Outcome.DIVERGED: StateLabel("diverged", glyphs.NO, "bad"),
    Outcome.NOTHING_TRAINED: StateLabel("nothing trained", glyphs.NO, "bad"),
    Outcome.FAILED: StateLabel("failed", glyphs.NO, "bad"),
    Outcome.STOPPED: StateLabel("stopped", glyphs.STOPPED, "warn"),
    Outcome.KILLED: StateLabel("killed", glyphs.NO, "bad"),
    Outcome.UNKNOWN: StateLabel("unknown", glyphs.LOST, "warn"),
}

#: phases during which the trainer works without making steps
_BUSY = {
    Phase.LAUNCHING: "starting",
    Phase.DATASET: "preparing data",
    Phase.LOADING: "loading model",
    Phase.CACHING: "caching",
    Phase.PREPARING: "preparing",
    Phase.SAVING: "saving",
    Phase.SAMPLING: "sampling",
    Phase.VALIDATING: "validating",
    Phase.FINISHED: "finishing",
    Phase.UNKNOWN: "working",
}

READY = StateLabel("ready", glyphs.READY, "dim")
NOT_READY = StateLabel("not ready", glyphs.NO, "bad")
CHECKING = StateLabel("checking", glyphs.WAITING, "accent")
UNUSABLE = StateLabel("not usable", glyphs.NO, "bad")
UNREAD = StateLabel("reading", glyphs.WAITING, "dim")


def label_of(state: RunState, outcome: Outcome | None, phase: Phase | None = None) -> StateLabel:
    """The label of a state; a running run is named by its phase."""
    if state is RunState.ENDED:
        return _OUTCOMES[outcome] if outcome else StateLabel("ended", glyphs.STOPPED, "dim")
    if state is RunState.LOST:
        return StateLabel("lost", glyphs.LOST, "bad")
    if state is RunState.UNKNOWN:
        return StateLabel("unknown", glyphs.LOST, "warn")
    if state is RunState.STOPPING:
        return StateLabel("stopping", glyphs.BUSY, "warn")
    if state is RunState.QUEUED:
        return StateLabel("queued", glyphs.WAITING, "dim")
    if state is RunState.STARTING:
        return StateLabel(_BUSY.get(phase or Phase.LAUNCHING, "starting"), glyphs.WAITING, "accent")
    if phase is Phase.TRAINING or phase is None:
        return StateLabel("training", glyphs.ACTIVE, "good")
    return StateLabel(_BUSY[phase], glyphs.BUSY, "accent")


def state_label(snapshot: RunSnapshot) -> StateLabel:
    outcome = snapshot.outcome or (snapshot.status.outcome if snapshot.status else None)
    phase = snapshot.status.phase if snapshot.status else None
    if snapshot.state is RunState.RUNNING and snapshot.status is None:
        return StateLabel("running", glyphs.ACTIVE, "good")
    label = label_of(snapshot.state, outcome, phase)
    if any(alarm_role(one) == "bad" for one in live_alarms(snapshot)):
        return StateLabel(label.word, glyphs.WARN, "bad")
    return label
