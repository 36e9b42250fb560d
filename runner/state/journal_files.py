"""What the journal reported about checkpoints and states up to a moment. Pure."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from pathlib import PurePath
from typing import Any

import msgspec
from msgspec import UNSET, UnsetType

from runner.model import Checkpoint, JournalEvent
from runner.state.attempt_state import int_of, text_of

#: attempt and name of a file, or of a state folder
Named = tuple[int, str]


class Verified(msgspec.Struct, frozen=True):
    """What verification found in a checkpoint; UNSET: not in this event."""

    size_bytes: int | UnsetType | None = UNSET
    complete: bool | UnsetType | None = UNSET
    finite: bool | UnsetType | None = UNSET
    problem: str | UnsetType | None = UNSET
    remark: str | UnsetType | None = UNSET


@dataclass(frozen=True, slots=True)
class StateFact:
    """A state folder as known: complete, broken, or not verified (None)."""

    path: str | None = None
    complete: bool | None = None
    problem: str | None = None


@dataclass(slots=True)
class JournalFiles:
    """`states`: by attempt and true step."""

    saved: set[Named] = field(default_factory=set)
    verified: dict[Named, Verified] = field(default_factory=dict)
    removed: set[Named] = field(default_factory=set)
    missing: set[Named] = field(default_factory=set)
    states: dict[tuple[int, int | None], StateFact] = field(default_factory=dict)

    def copy(self) -> JournalFiles:
        sets = (set(self.saved), dict(self.verified), set(self.removed), set(self.missing))
        return JournalFiles(*sets, dict(self.states))

    def apply(self, event: JournalEvent) -> None:
        path = text_of(event, "path")
        named = event.attempt, text_of(event, "name") or PurePath(path or "").name
        match event.kind:
            case "checkpoint_saving" | "checkpoint_placed":
                self.saved.add(named)
            case "checkpoint_verified":
                self.verified[named] = _converted(event.data, Verified) or Verified()
            case "checkpoint_removed" | "state_removed":
                self.removed.add(named)
            case "checkpoint_missing":
                self.missing.add(named)
            case "checkpoint_back":
                self.missing.discard(named)
            case "state_saved" | "state_verified":
                state = event.attempt, int_of(event, "step")
                self.states[state] = _converted(event.data, StateFact) or StateFact(path)
            case _:
                pass

    def knows(self, one: Checkpoint, ever: JournalFiles, at: float) -> bool:
        """Was it written by `at`? Files that the journal never reports (`ever`: the full journal) count from
        their mtime on."""
        named = one.attempt, one.name
        return named in self.saved if named in ever.saved else one.saved_at <= at

    def as_known(self, one: Checkpoint, ever: JournalFiles) -> Checkpoint:
        """A checkpoint as known at this moment, derived from its final facts. Facts not in the journal are
        the final ones."""
        named, state = (one.attempt, one.name), (one.attempt, one.step)
        found = self.verified.get(named)
        changes: dict[str, Any] = {
            "removed": one.removed and (named in self.removed or named not in ever.removed),
            "missing": one.missing and named in self.missing,
        }
        if found is not None:
            changes |= msgspec.structs.asdict(found)
        elif named in ever.verified:
            changes |= dict.fromkeys(msgspec.structs.asdict(Verified()))
            changes |= {"norms": (), "norm": None, "norm_largest": None, "norm_change": None}
        if state in ever.states:
            fact = self._state(state)
            changes["state_path"], changes["state_complete"] = fact.path, fact.complete
            changes["state_problem"] = fact.problem
        news = {k: v for k, v in changes.items() if v is not UNSET and v != getattr(one, k)}
        return replace(one, **news) if news else one

    def _state(self, state: tuple[int, int | None]) -> StateFact:
        fact = self.states.get(state, StateFact())
        gone = (state[0], PurePath(fact.path or "").name) in self.removed
        return StateFact() if gone else fact


def _converted(data: dict[str, Any], type_: type[Any]) -> Any:
    """None for other journal content."""
    try:
        return msgspec.convert(data, type_)
    except msgspec.ValidationError:
        return None
