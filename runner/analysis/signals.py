"""Signals that ended a process, from its exit record or a launcher's report of its child."""

from __future__ import annotations

import re
from dataclasses import dataclass

from runner.model.events import ExceptionSeen
from runner.model.signals import CRASHES, signal_name, signal_of_word
from runner.state.evidence import Evidence, is_interrupt

#: Windows has no signals, but exit codes of crashes (ntstatus.h): the signal that means the same.
_WINDOWS_CRASHES = {
    0xC000001D: (4, "SIGILL: illegal instruction"),
    0xC0000094: (8, "SIGFPE: integer division by zero"),
    0xC00000FD: (11, "SIGSEGV: stack overflow"),
    0xC0000374: (6, "SIGABRT: heap corruption"),
    0xC0000409: (6, "SIGABRT: stack buffer overrun or abort"),
}
#: A crash only once the model is saved: before that the page file is too small for it.
_ACCESS_VIOLATION = {0xC0000005: (11, "SIGSEGV: access violation")}

#: Windows: Ctrl-C, or the console window was closed (STATUS_CONTROL_C_EXIT), as either integer.
_WINDOWS_INTERRUPTS = (3221225786, -1073741510)

_DIED_WITH = re.compile(
    r"died with <Signals\.SIG\w+: (\d{1,4})>|died with unknown signal (\d{1,4})"
)
#: The launcher's child was a shell, or ended by Windows.
_STATUS = re.compile(r"exit status (13[0-9]|14[0-9]|322122\d{4}|-10737\d{5})\.")
_RANK_SIGNAL = re.compile(
    r"Signal (\d{1,4}) \(SIG\w+\) received|exitcode\s*: -(\d{1,4})|got signal: (\d{1,4})"
)
_NAMED = re.compile(r"\bSIG[A-Z]{2,6}\b")
#: A job manager's words (Slurm, PBS, LSF) -> its signal
_JOB_WORDS = (
    (re.compile(r"oom_kill event|tasks? \S{1,80}: Out Of Memory"), 9),
    (re.compile(r"\bCANCELLED AT\b|PBS: job killed|TERM_RUNLIMIT"), 15),
)


@dataclass(frozen=True, slots=True)
class EndSignal:
    """The signal that ended a trainer; `words` is the line that reports it."""

    number: int
    words: str

    @property
    def name(self) -> str:
        """As the line names it: numbers differ between systems."""
        named = _NAMED.search(self.words)
        return named[0] if named is not None else signal_name(self.number)

    @property
    def crashed(self) -> bool:
        """Raised by a fault of the process itself."""
        return self.name in CRASHES


def end_signal(
    evidence: Evidence, exit_code: int | None, exit_signal: int | None
) -> EndSignal | None:
    """The signal that ended the trainer; None: none, or unknown.

    Sources in this order: the exit record (a shell's 128 + n counts as signal n), the launcher's report of
    its child, a raised interrupt, the last line of a shell or a job manager. After `model saved.` the last two
    only count for a crash while leaving, and so does the launcher's report if the exit is unknown."""
    if exit_signal is not None:
        return EndSignal(exit_signal, f"{signal_name(exit_signal)} ended the process")
    if exit_code == 0:
        return None
    saved = evidence.model_saved
    for exception in reversed(evidence.launcher_exceptions):
        ended = _of_child(exception, saved)
        if ended is not None and (ended.crashed or not saved or exit_code is not None):
            return ended
    interrupted = any(map(is_interrupt, evidence.exceptions))
    if interrupted and not saved:
        return EndSignal(2, "KeyboardInterrupt")
    ended = _of_code(exit_code, f"exit code {exit_code}", saved) if exit_code is not None else None
    if ended is not None or evidence.own_exceptions or interrupted:
        return ended
    lines = (_of_line(text) for text in reversed(evidence.fatals))
    found = next((ended for ended in lines if ended is not None), None)
    return found if found is None or found.crashed or not saved else None


def _of_line(text: str) -> EndSignal | None:
    """What a shell or a job manager reports."""
    number = signal_of_word(text)
    if number is not None:
        return EndSignal(number, text)
    return next(
        (EndSignal(signal, text) for words, signal in _JOB_WORDS if words.search(text)), None
    )


def _of_code(code: int, words: str, saved: bool) -> EndSignal | None:
    """Of a shell (128 + n), of Python (-n), or of Windows."""
    if code in _WINDOWS_INTERRUPTS:
        return EndSignal(2, f"{words}, the console was interrupted or closed")
    crashes = _WINDOWS_CRASHES | _ACCESS_VIOLATION if saved else _WINDOWS_CRASHES
    if (status := code % (1 << 32)) in crashes:
        number, meaning = crashes[status]
        return EndSignal(number, f"{words} ({meaning})")
    if -65 < code < 0:
        return EndSignal(-code, f"{signal_name(-code)} ended the process")
    if 128 < code < 128 + 65:
        return EndSignal(code - 128, f"{words}, {signal_name(code - 128)}")
    return None


def _of_child(exception: ExceptionSeen, saved: bool) -> EndSignal | None:
    """What a launcher reports of its child, without the repeated command line."""
    message = exception.message
    if exception.name.endswith("ChildFailedError"):
        message = message[message.rfind("Root Cause") :]
    status = _STATUS.search(message)
    if status is not None:
        return _of_code(int(status[1]), f"the launcher reports: exit status {status[1]}", saved)
    found = _DIED_WITH.search(message) or _RANK_SIGNAL.search(message)
    if found is None:
        return None
    number = next(int(group) for group in found.groups() if group)
    return EndSignal(number, f"the launcher reports: {' '.join(found[0].split())}")
