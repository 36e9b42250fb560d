"""Every measurement ends and says what it waited for: an alarm interrupts what takes too long, and rounds stop
when their time is used."""

from __future__ import annotations

import contextlib
import signal
import time
from collections.abc import Iterator
from types import FrameType

#: what is interrupted cleans up after itself; if that takes longer, it is interrupted as well
CLEANING_S = 40.0


class TooLong(BaseException):
    """Passes every `except Exception` on its way out."""


#: what is waited for now, innermost last
_waiting: list[str] = []


@contextlib.contextmanager
def waiting(what: str) -> Iterator[None]:
    """An alarm in the block names `what`."""
    _waiting.append(what)
    try:
        yield
    finally:
        _waiting.pop()


@contextlib.contextmanager
def within(seconds: float) -> Iterator[None]:
    """Raises TooLong in the block after `seconds`, and again if that does not end it. Main thread only."""

    def over(number: int, frame: FrameType | None) -> None:
        waited = f", waiting for {_waiting[-1]}" if _waiting else ""
        raise TooLong(f"took longer than {seconds:.0f} s{waited}")

    kept = signal.signal(signal.SIGALRM, over)
    signal.setitimer(signal.ITIMER_REAL, max(0.001, seconds), CLEANING_S)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0.0)
        signal.signal(signal.SIGALRM, kept)


def rounds(most: int, seconds: float) -> Iterator[int]:
    """0, 1, 2, ... as long as another round like those before will end within `seconds`; at least one."""
    began = time.monotonic()
    for number in range(most):
        passed = time.monotonic() - began
        if number and passed * (number + 1) / number > seconds:
            return
        yield number
