"""A run of another machine: its own screen, in this terminal, over ssh."""

from __future__ import annotations

import contextlib
import signal
import subprocess
from collections.abc import Iterator
from typing import TYPE_CHECKING

from textual.app import SuspendNotSupported

from runner.model.refusal import Refusal

if TYPE_CHECKING:
    from tui.app import PlasmaApp

#: ssh itself failed; a shell that did not find plasma-tui
NO_CONNECTION, NO_PROGRAM = 255, 127


def open_there(app: PlasmaApp, host: str, run_id: str) -> None:
    """Hand the terminal to the screen there until it is closed."""
    words = [run_id, "--read-only"] if app.read_only else [run_id]
    try:
        command = app.backend.attach_command(host, words)
        with app.suspend(), interrupts_for_the_child():
            code = subprocess.call(command)
    except SuspendNotSupported:
        app.say(f"Another screen can't open in this terminal: {shown(host, words)}", "bad")
    except Refusal as refusal:
        app.say(f"{refusal}.", "bad")
    except OSError as error:
        app.say(f"ssh did not start: {error.strerror}.", "bad")
    else:
        app.refresh(layout=True)
        if code in (NO_CONNECTION, NO_PROGRAM):
            why = "ssh could not connect" if code == NO_CONNECTION else "no plasma-tui was found"
            app.say(f"{host}: {why}; try {shown(host, words)}", "warn", 10.0)
        elif code:
            app.say(f"The screen on {host} ended with code {code}.", "warn", 6.0)


def shown(host: str, words: list[str]) -> str:
    """As typed in a shell."""
    return f"plasma-tui attach --host {host} {' '.join(words)}"


@contextlib.contextmanager
def interrupts_for_the_child() -> Iterator[None]:
    """ctrl+c in the child's terminal reaches us as well; a handler, unlike ignoring, is not inherited by it."""
    before = signal.signal(signal.SIGINT, lambda number, frame: None)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)
