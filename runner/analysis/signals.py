"""Signals that ended a process, from its exit record or a launcher's report of its child."""

from __future__ import annotations

import re
import signal
from dataclasses import dataclass

from runner.model.events import ExceptionSeen
from runner.state.evidence import Evidence, is_interrupt

#: Sent by the kernel for the process's own faults.
CRASHES = (4, 6, 7, 8, 10, 11)

#: Windows: Ctrl-C, or the console window was closed (STATUS_CONTROL_C_EXIT), as either integer.
_WINDOWS_INTERRUPTS = (3221225786, -1073741510)

_DIED_WITH = re.compile(
    r"died with <Signals\.SIG\w+: (\d{1,4})>|died with unknown signal (\d{1,4})"
)
#: The launcher's child was a shell, or ended by Windows.
_STATUS = re.compile(r"exit status (13[0-9]|14[0-9]|3221225786|-1073741510)\.")
_RANK_SIGNAL = re.compile(
    r"Signal (\d{1,4}) \(SIG\w+\) received|exitcode\s*: -(\d{1,4})|got signal: (\d{1,4})"
)
_WORDS = {
    "Killed": 9,
    "Terminated": 15,
    "Segmentation fault": 11,
    "Bus error": 7,
    "Aborted": 6,
    "Illegal instruction": 4,
}
_SHELL_WORD = re.compile(r"(?:^|\d )(" + "|".join(_WORDS) + r")\b")


def signal_name(number: int) -> str:
    """`SIGKILL`; unnamed numbers as `signal 99`."""
    try:
        return signal.Signals(number).name
    except ValueError:
        return f"signal {number}"


@dataclass(frozen=True, slots=True)
class EndSignal:
    """The signal that ended a trainer; `words` is the line that reports it."""

    number: int
    words: str

    @property
    def name(self) -> str:
        return signal_name(self.number)


def end_signal(
    evidence: Evidence, exit_code: int | None, exit_signal: int | None
) -> EndSignal | None:
    """The signal that ended the trainer; None: none, or unknown.

    Sources in this order: the exit record (a shell's 128 + n counts as signal n), the launcher's report of
    its child, a raised interrupt, a shell's last line."""
    if exit_signal is not None:
        return EndSignal(exit_signal, f"{signal_name(exit_signal)} ended the process")
    if exit_code == 0 or evidence.model_saved:
        return None
    for exception in reversed(evidence.launcher_exceptions):
        ended = _of_child(exception)
        if ended is not None:
            return ended
    if any(map(is_interrupt, evidence.exceptions)):
        return EndSignal(2, "KeyboardInterrupt")
    if exit_code in _WINDOWS_INTERRUPTS:
        return EndSignal(2, f"exit code {exit_code}, the console was interrupted or closed")
    if exit_code is not None and -65 < exit_code < 0:
        return EndSignal(-exit_code, f"{signal_name(-exit_code)} ended the process")
    if exit_code is not None and 128 < exit_code < 128 + 65:
        number = exit_code - 128
        return EndSignal(number, f"exit code {exit_code}, {signal_name(number)}")
    if evidence.own_exceptions:
        return None
    found = (match for text in reversed(evidence.fatals) if (match := _SHELL_WORD.search(text)))
    match = next(found, None)
    return EndSignal(_WORDS[match[1]], match.string) if match is not None else None


def _of_child(exception: ExceptionSeen) -> EndSignal | None:
    """What a launcher reports of its child, without the repeated command line."""
    message = exception.message
    if exception.name.endswith("ChildFailedError"):
        message = message[message.rfind("Root Cause") :]
    status = _STATUS.search(message)
    if status is not None:
        code = int(status[1])
        number = 2 if code in _WINDOWS_INTERRUPTS else code - 128
        return EndSignal(number, f"the launcher reports: exit status {code}")
    found = _DIED_WITH.search(message) or _RANK_SIGNAL.search(message)
    if found is None:
        return None
    number = next(int(group) for group in found.groups() if group)
    return EndSignal(number, f"the launcher reports: {' '.join(found[0].split())}")
