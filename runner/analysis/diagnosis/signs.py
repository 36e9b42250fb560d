"""The words of the catalogue: an entry is a cause, a sign is a text that gives it away."""

from __future__ import annotations

import re
from dataclasses import dataclass
from enum import StrEnum

from runner.analysis.diagnosis.cures import Cure
from runner.model import Phase
from runner.state.evidence import Evidence


class Place(StrEnum):
    """Where a sign is looked for."""

    RAISED = "raised"  # `Name: message` of an exception
    PRINTED = "printed"  # a line that ends a process without a traceback
    WARNED = "warned"  # a log record of level WARNING or above


@dataclass(frozen=True, slots=True)
class Sign:
    """A pattern and the company it must be in: every condition that is set has to hold.

    `frames`: matches the name of a function that the traceback went through; `warned`: a warning
    of the same log; `phases`: what the trainer was doing."""

    pattern: re.Pattern[str]
    places: tuple[Place, ...] = (Place.RAISED,)
    frames: re.Pattern[str] | None = None
    warned: re.Pattern[str] | None = None
    phases: tuple[Phase, ...] = ()

    def matches(
        self, text: str, place: Place, evidence: Evidence, frames: tuple[str, ...] = ()
    ) -> bool:
        """Is it there, and in the right company?"""
        if place not in self.places or self.pattern.search(text) is None:
            return False
        if self.phases and evidence.phase not in self.phases:
            return False
        if self.frames is not None and not any(map(self.frames.search, frames)):
            return False
        return self.warned is None or self.warning(evidence) is not None

    def warning(self, evidence: Evidence) -> str | None:
        """The warning that this sign depends on, if it depends on one and it is there."""
        if self.warned is None:
            return None
        return next((w for w in evidence.warnings if self.warned.search(w)), None)


@dataclass(frozen=True, slots=True)
class Entry:
    """A cause with what to do about it. `cures`: in the order in which to try them. `device`: the one that
    the cause itself gives away; `hints`: (what it needs of the platform, sentence) added to the advice where
    the platform has it."""

    key: str
    advice: str
    signs: tuple[Sign, ...] = ()
    cures: tuple[Cure, ...] = ()
    device: str | None = None
    hints: tuple[tuple[str, str], ...] = ()


def raised(
    pattern: str,
    *,
    frames: str | None = None,
    warned: str | None = None,
    phases: tuple[Phase, ...] = (),
) -> Sign:
    """A sign in an exception."""
    return Sign(
        re.compile(pattern, re.DOTALL),
        (Place.RAISED,),
        re.compile(frames) if frames else None,
        re.compile(warned) if warned else None,
        phases,
    )


def said(pattern: str) -> Sign:
    """A sign in an exception or in a process's last words."""
    return Sign(re.compile(pattern, re.DOTALL), (Place.RAISED, Place.PRINTED))


def warned(pattern: str) -> Sign:
    """A sign in a warning: only asked when no exception and no last words say more."""
    return Sign(re.compile(pattern), (Place.WARNED,))
