"""What ends the screen never ends the training."""

from __future__ import annotations

import os
import signal
import sys
import time
from pathlib import Path

import pytest

from runner.model import Outcome
from runner.store.rundir import RunDir
from scripts.bench.terminal import Terminal
from tests.process.helpers import kinds, step_of, wait_end, wait_for, wait_step
from tests.pty.conftest import Desk
from tests.pty.escapes import modes

#: how long a dead screen may live on
SCREEN_ENDS_S = 2.0
LAST_STEP = 70
STEPS = ("--steps", str(LAST_STEP), "--delay", "0.05")
ALTERNATE_SCREEN, CURSOR, MOUSE = 1049, 25, (1000, 1003, 1006, 1015)


def trained_to_the_end(run: RunDir) -> None:
    """It goes on from here, and every step of it is there."""
    before = step_of(run)
    wait_step(run, min(LAST_STEP, before + 2))
    ended = wait_end(run)
    assert ended.outcome is Outcome.SUCCEEDED
    assert [bucket.first_step for bucket in ended.loss.buckets] == list(range(1, LAST_STEP + 1))
    assert "ordered" not in kinds(run)


def ends_within(terminal: Terminal, since_s: float) -> None:
    terminal.wait_exit(15.0)
    took_s = time.monotonic() - since_s
    assert took_s < SCREEN_ENDS_S, f"the screen lived on for {took_s:.1f} s"


def test_closing_the_terminal_ends_the_screen_and_not_the_training(desk: Desk) -> None:
    run = desk.train(*STEPS)
    terminal = desk.attach(run)
    ends_within(terminal, terminal.hang_up())
    trained_to_the_end(run)


def test_a_screen_that_ignores_the_hang_up_ends_all_the_same(desk: Desk) -> None:
    run = desk.train(*STEPS)
    terminal = desk.attach(run, shell='env sh -c \'trap "" HUP; exec "$@"\' sh COMMAND')
    ends_within(terminal, terminal.hang_up())
    trained_to_the_end(run)


def test_killing_the_screen_changes_nothing_for_the_training(desk: Desk) -> None:
    run = desk.train(*STEPS)
    terminal = desk.attach(run)
    os.kill(terminal.pid, signal.SIGKILL)
    assert terminal.wait_exit() == -signal.SIGKILL
    trained_to_the_end(run)


def restored(output: bytes) -> bool:
    found = modes(output)
    return not found[ALTERNATE_SCREEN] and found[CURSOR] and not any(found.get(m) for m in MOUSE)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP, signal.SIGQUIT])
def test_a_signal_to_the_screen_restores_the_terminal(desk: Desk, number: signal.Signals) -> None:
    run = desk.train(*STEPS)
    terminal = desk.attach(run)
    assert modes(terminal.output())[ALTERNATE_SCREEN]
    os.kill(terminal.pid, number)
    assert terminal.wait_exit() == 128 + number
    wait_for(lambda: restored(terminal.output()), what="the terminal's modes")
    trained_to_the_end(run)


HANGING = """
import asyncio, sys, time, tty
from tui.terminal import exit_on_signals

async def main():
    exit_on_signals(asyncio.get_running_loop(), lambda code: None, patience_s=0.2)
    tty.setraw(0)
    sys.stdout.write("\\x1b[?1049h\\x1b[?1003h\\x1b[?25l")
    sys.stdout.flush()
    time.sleep(60)

asyncio.run(main())
"""


def test_a_screen_whose_loop_hangs_restores_the_terminal_too() -> None:
    terminal = Terminal((sys.executable, "-c", HANGING), folder=Path(__file__).parents[2])
    try:
        wait_for(lambda: CURSOR in modes(terminal.output()), 20.0)
        assert not terminal.echoes()
        os.kill(terminal.pid, signal.SIGHUP)
        assert terminal.wait_exit() == 128 + signal.SIGHUP
        wait_for(lambda: restored(terminal.output()), what="the terminal's modes")
        assert terminal.echoes()
    finally:
        terminal.close()


def test_sigterm_in_the_first_moments_gives_the_terminal_back(desk: Desk) -> None:
    """The panels are mounted one after the other; whatever is there by then, it is left in good order."""
    run = desk.train(*STEPS)
    for delay_s in (0.0, 0.01, 0.02, 0.04, 0.08):
        terminal = desk.open(("attach", run.id))
        wait_for(lambda t=terminal: modes(t.output()).get(ALTERNATE_SCREEN), 30.0)  # type: ignore[misc]
        time.sleep(delay_s)
        os.kill(terminal.pid, signal.SIGTERM)
        assert terminal.wait_exit() == 128 + signal.SIGTERM
        wait_for(lambda t=terminal: not modes(t.output())[ALTERNATE_SCREEN])  # type: ignore[misc]


def test_q_leaves_and_says_that_the_training_goes_on(desk: Desk) -> None:
    run = desk.train(*STEPS)
    terminal = desk.attach(run)
    terminal.send(b"q")
    assert terminal.wait_exit() == 0
    left = terminal.output().rpartition(b"\x1b[?1049l")[2].decode()
    assert "continues" in left and f"plasma-tui attach {run.id}" in left
    trained_to_the_end(run)


def test_ctrl_c_never_stops_the_training(desk: Desk) -> None:
    run = desk.train(*STEPS)
    terminal = desk.attach(run)
    terminal.send(b"\x03")
    terminal.wait_text("Ctrl+C doesn't stop training")
    assert not terminal.ended()
    terminal.send(b"\x03")
    assert terminal.wait_exit() == 0
    assert b"continues" in terminal.output()
    trained_to_the_end(run)


def test_ctrl_c_before_the_screen_has_come_never_stops_the_training(desk: Desk) -> None:
    run = desk.train(*STEPS)
    wait_step(run, 1)
    terminal = desk.open(("attach", run.id))
    # the terminal still makes a signal of it, for everything in the terminal's foreground
    terminal.send(b"\x03")
    wait_for(lambda: terminal.ended() or "step " in terminal.text(), 30.0, "an end or a screen")
    trained_to_the_end(run)
