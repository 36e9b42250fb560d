"""From what a log reports to why the run ended: one matcher over the catalogue."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import replace
from fnmatch import fnmatchcase
from functools import partial

from runner.analysis.diagnosis.catalogue import UNKNOWN, Company, Entry, entries, entry_of
from runner.analysis.diagnosis.cures import NOT_KNOWN, Setting, next_cure
from runner.model import Cause
from runner.model.events import ExceptionSeen
from runner.state.evidence import Evidence
from runner.trainers.console import english

_EVIDENCE_CHARS = 300
_EVIDENCE_HEAD = 200
#: a trainer's script at the end of a path, or in a launcher's command
_SCRIPT = re.compile(r"(?:^|[/\\'\"])(\w*train\w*_network\.py)(?:['\" ]|$)")
_COMMAND = re.compile(r"Command '.*' (?=returned |died )", re.DOTALL)
_RANK_EXIT = re.compile(r"exitcode\s*:")
_BLANKS = re.compile(r"(?:\s|[=─-]{5,})+")


def diagnose(
    evidence: Evidence, setting: Setting = NOT_KNOWN, exit_code: int | None = None
) -> Cause | None:
    """The cause that the log itself shows, or None.

    The last exception is tried first, then those it was raised from, then last lines without a traceback,
    then warnings. A launcher's exception about its child only counts for the child's exit status, and so does
    an exit code we saw ourselves: Windows puts the kind of crash into it. `setting`: what the training ran
    with, which decides the fix that is offered."""
    statuses = [f"exit status {exit_code}"] if exit_code else []
    statuses += map(_status, evidence.launcher_exceptions)
    signs = (
        *(partial(_raised, evidence, one) for one in reversed(evidence.own_exceptions)),
        *(partial(_printed, text) for text in reversed(evidence.fatals)),
        *(partial(_warned, text) for text in reversed(evidence.warnings)),
        *(partial(_printed, text) for text in reversed(statuses)),
    )
    for line_in in signs:
        for entry in entries():
            line = line_in(entry)
            if line is not None:
                return cause_of(entry, line, _with_script(setting, evidence))
    return None


def _with_script(setting: Setting, evidence: Evidence) -> Setting:
    """With the script's name from a traceback or the launcher's command, if the settings lack it."""
    if setting.runs_on.script is not None:
        return setting
    paths = (frame.rpartition(":")[0] for one in evidence.exceptions for frame in one.frames)
    texts = (*paths, *(one.message for one in evidence.launcher_exceptions))
    script = next((match[1] for text in texts if (match := _SCRIPT.search(text))), None)
    return replace(setting, runs_on=replace(setting.runs_on, script=script))


def _status(launcher: ExceptionSeen) -> str:
    """A launcher's report of its child: without the command line, which may say anything."""
    return _RANK_EXIT.sub("exit status", _COMMAND.sub("", _line(launcher)))


def _printed(text: str, entry: Entry) -> str | None:
    return text if entry.said is not None and entry.said.search(text) else None


def _warned(text: str, entry: Entry) -> str | None:
    return text if entry.warned is not None and entry.warned.search(text) else None


def _raised(evidence: Evidence, exception: ExceptionSeen, entry: Entry) -> str | None:
    """The line that identifies this cause."""
    text = _line(exception)
    if any(pattern is not None and pattern.search(text) for pattern in (entry.said, entry.raised)):
        return text
    for sign in entry.when_raised:
        if sign.raised.search(text) and _in_company(sign, evidence, exception.frames):
            return text if sign.beside is None else _beside(sign.beside, evidence)
    return None


def _in_company(sign: Company, evidence: Evidence, frames: Sequence[str]) -> bool:
    if sign.during and evidence.phase not in sign.during:
        return False
    if sign.resumed and not evidence.resumed:
        return False
    for places, where in ((sign.within, frames), (sign.raised_in, frames[-1:])):
        if places and not any(_is_in(frame, place) for place in places for frame in where):
            return False
    return sign.beside is None or _beside(sign.beside, evidence) is not None


def _is_in(frame: str, place: str) -> bool:
    """`place`: `function` or `file:function`, of a file by the end of its path."""
    path, _, function = frame.rpartition(":")
    file, _, name = place.rpartition(":")
    return fnmatchcase(function, name) and (not file or fnmatchcase(f"/{path}", f"*/{file}"))


def _beside(pattern: re.Pattern[str], evidence: Evidence) -> str | None:
    return next(filter(pattern.search, evidence.warnings), None)


def unknown_cause(evidence: Evidence, otherwise: str) -> Cause:
    """Nothing matched: the last lines that are not the launcher's, known ones first, else `otherwise`."""
    words = [*evidence.fatals, *map(_line, evidence.own_exceptions[-1:])]
    unread = " | ".join(evidence.unread)
    return cause_of(entry_of(UNKNOWN), words[-1] if words else unread or otherwise)


def cause_of(entry: Entry, evidence: str, setting: Setting = NOT_KNOWN) -> Cause:
    """A cause with the line that identified it and the first fix that is not already set."""
    known = setting if setting.device else replace(setting, device=entry.device)
    offer = next_cure(entry.fixes, known)
    hints = (text for need, text in entry.hints.items() if known.platform.meets(need))
    advice = " ".join((entry.advice, *hints))
    return Cause(entry.key, tidy(evidence), advice, offer.fix, offer.changes)


def tidy(text: str) -> str:
    """Evidence as one readable line: English, single spaces, long text cut in the middle."""
    text = _BLANKS.sub(" ", english(text)).strip()
    if len(text) <= _EVIDENCE_CHARS:
        return text
    return f"{text[:_EVIDENCE_HEAD]} ... {text[_EVIDENCE_HEAD + 5 - _EVIDENCE_CHARS :]}"


def _line(exception: ExceptionSeen) -> str:
    return f"{exception.name}: {exception.message}" if exception.message else exception.name
