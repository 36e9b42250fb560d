"""From what a log says to why it ended so: one matcher over the whole catalogue."""

from __future__ import annotations

import re
from dataclasses import replace

from runner.analysis.diagnosis.catalogue import ENTRIES, UNKNOWN, entry_of
from runner.analysis.diagnosis.cures import NOT_KNOWN, Setting, next_cure
from runner.analysis.diagnosis.signs import Entry, Place
from runner.model import Cause, ExceptionSeen
from runner.state.evidence import Evidence
from runner.trainers.console import english

_EVIDENCE_CHARS = 300
_EVIDENCE_HEAD = 200
_BLANKS = re.compile(r"(?:\s|[=─-]{5,})+")


def diagnose(
    evidence: Evidence, setting: Setting = NOT_KNOWN, exit_code: int | None = None
) -> Cause | None:
    """The cause that the log itself gives away, or None.

    The exception raised last is asked first, then those it was raised from, then last words
    without a traceback, then warnings. A launcher's exception about its child is only asked for
    what it says of the child's exit status, and so is an exit code seen by ourselves: Windows puts
    the kind of a crash into it. `setting`: what the training ran with, which decides
    the cure that is offered.
    """
    for exception in reversed(evidence.own_exceptions):
        cause = _cause(_line(exception), Place.RAISED, evidence, setting, exception.frames)
        if cause is not None:
            return cause
    launchers = [_line(e) for e in evidence.launcher_exceptions]
    if exit_code:
        launchers.insert(0, f"exit status {exit_code}")
    words = ((Place.PRINTED, evidence.fatals), (Place.WARNED, evidence.warnings))
    for place, texts in (*words, (Place.PRINTED, launchers)):
        for text in reversed(texts):
            cause = _cause(text, place, evidence, setting)
            if cause is not None:
                return cause
    return None


def unknown_cause(evidence: Evidence, otherwise: str) -> Cause:
    """Nothing matched: the last words that are not the launcher's, else `otherwise`."""
    own = evidence.own_exceptions
    words = _line(own[-1]) if own else None
    if words is None and evidence.fatals:
        words = evidence.fatals[-1]
    return cause_of(entry_of(UNKNOWN), words or otherwise)


def cause_of(entry: Entry, evidence: str, setting: Setting = NOT_KNOWN) -> Cause:
    """A cause with the line that gave it away and the first cure that is not in force already."""
    known = setting if setting.device else replace(setting, device=entry.device)
    offer = next_cure(entry.cures, known)
    hints = (text for need, text in entry.hints if known.platform.meets(need))
    advice = " ".join((entry.advice, *hints))
    return Cause(entry.key, tidy(evidence), advice, offer.fix, offer.changes)


def tidy(text: str) -> str:
    """Evidence as one readable line: English, single blanks, both ends of what is long."""
    text = _BLANKS.sub(" ", english(text)).strip()
    if len(text) <= _EVIDENCE_CHARS:
        return text
    return f"{text[:_EVIDENCE_HEAD]} ... {text[_EVIDENCE_HEAD + 5 - _EVIDENCE_CHARS :]}"


def _cause(
    text: str,
    place: Place,
    evidence: Evidence,
    setting: Setting,
    frames: tuple[str, ...] = (),
) -> Cause | None:
    for entry in ENTRIES:
        for sign in entry.signs:
            if sign.matches(text, place, evidence, frames):
                # a warning that the sign depends on says more than the exception after it
                return cause_of(entry, sign.warning(evidence) or text, setting)
    return None


def _line(exception: ExceptionSeen) -> str:
    return f"{exception.name}: {exception.message}" if exception.message else exception.name
