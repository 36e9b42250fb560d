"""What a terminal really receives when the watched run ends, inside tmux and outside."""

from __future__ import annotations

import re
import time
from pathlib import Path

import pytest

from runner.notify.message import NAME_LIMIT
from scripts.bench.terminal import DEFAULT_SIZE, Terminal, terminal_environment
from tests.process.helpers import hurry, wait_end
from tests.pty.conftest import COMMAND, Desk

#: ours: title, clipboard and colours of Textual begin otherwise
NOTIFICATION = re.compile(rb"\x1b\](?:9|777|99);[^\x07\x1b]*(?:\x07|\x1b\\)")
IN_TMUX = re.compile(rb"\x1bPtmux;\x1b\x1b\](?:9|777|99);[^\x07\x1b]*(?:\x07|\x1b\x1b\\)\x1b\\")
NOWHERE = dict.fromkeys(
    (
        *("TMUX", "STY", "SSH_CONNECTION", "KITTY_WINDOW_ID", "TERM_PROGRAM", "LC_TERMINAL"),
        *("WT_SESSION", "VTE_VERSION", "GHOSTTY_RESOURCES_DIR", "ConEmuPID"),
    )
)


def watch(desk: Desk, run_id: str, term: str, **env: str) -> Terminal:
    terminal = Terminal(
        (*COMMAND, "attach", run_id),
        DEFAULT_SIZE,
        environment=terminal_environment(NOWHERE | env, term),
        folder=desk.folder,
    )
    desk._terminals.append(terminal)
    return terminal


@pytest.mark.parametrize(
    ("term", "env", "found"),
    [
        ("xterm-kitty", {"KITTY_WINDOW_ID": "1"}, rb"\x1b\]99;i=plasma-tui:o=unfocused;fake"),
        ("xterm-256color", {"TERM_PROGRAM": "iTerm.app"}, rb"\x1b\]9;fake: finished"),
        ("foot", {}, rb"\x1b\]777;notify;fake: finished;succeeded"),
        ("xterm-256color", {}, None),
    ],
)
def test_the_end_of_the_watched_run_is_told_once(
    desk: Desk, term: str, env: dict[str, str], found: bytes | None
) -> None:
    run = desk.train("--steps", "600", "--delay", "0.08")
    terminal = watch(desk, run.id, term, **env)
    terminal.wait_for(lambda text: "● training" in text, 30.0, "the training")
    assert NOTIFICATION.findall(terminal.output()) == []
    hurry(desk.output)
    wait_end(run)
    terminal.wait_text("Succeeded.")
    time.sleep(1.5)  # ticks of a second must not tell it again
    told = NOTIFICATION.findall(terminal.output())
    assert len(told) == (0 if found is None else 1)
    if found is not None:
        # one write: no frame stands between the bell and the notification
        assert re.match(found, told[0]) and b"\x07" + told[0] in terminal.output()
        assert len(told[0]) <= 250
    assert not terminal.ended()
    again = watch(desk, run.id, term, **env)
    again.wait_text("succeeded")
    again.wait_quiet(0.5, 3.0)
    assert NOTIFICATION.findall(again.output()) == []


def test_inside_tmux_it_is_wrapped(desk: Desk) -> None:
    run = desk.train("--steps", "600", "--delay", "0.08")
    terminal = watch(desk, run.id, "screen-256color", TMUX="/tmp/tmux-0/default,1,0")
    terminal.wait_for(lambda text: "● training" in text, 30.0, "the training")
    hurry(desk.output)
    wait_end(run)
    terminal.wait_text("Succeeded.")
    terminal.wait_quiet(0.5, 3.0)
    assert len(IN_TMUX.findall(terminal.output())) == 1


def test_a_terminal_in_front_of_somebody_rings_and_shows_nothing_more(desk: Desk) -> None:
    run = desk.train("--steps", "600", "--delay", "0.08")
    terminal = watch(desk, run.id, "xterm-kitty", KITTY_WINDOW_ID="1")
    terminal.wait_for(lambda text: "● training" in text, 30.0, "the training")
    terminal.send(b"\x1b[O")  # it lost the focus
    time.sleep(0.2)
    terminal.send(b"\x1b[I")  # and has it again
    hurry(desk.output)
    wait_end(run)
    terminal.wait_text("Succeeded.")
    terminal.wait_quiet(0.5, 3.0)
    assert NOTIFICATION.findall(terminal.output()) == []


def test_two_screens_tell_each_its_own_terminal(desk: Desk) -> None:
    run = desk.train("--steps", "600", "--delay", "0.08")
    kitty = watch(desk, run.id, "xterm-kitty", KITTY_WINDOW_ID="1")
    foot = watch(desk, run.id, "foot")
    for terminal in (kitty, foot):
        terminal.wait_for(lambda text: "● training" in text, 30.0, "the training")
    hurry(desk.output)
    wait_end(run)
    for terminal, start in ((kitty, b"\x1b]99;"), (foot, b"\x1b]777;")):
        terminal.wait_text("Succeeded.")
        terminal.wait_quiet(0.5, 3.0)
        (told,) = NOTIFICATION.findall(terminal.output())
        assert told.startswith(start)


def test_a_hostile_name_stays_inside_its_notification(desk: Desk, tmp_path: Path) -> None:
    from dataclasses import replace

    from runner.control.launch import start_run
    from tests.process.helpers import spec_for

    spec, plan = spec_for(desk.output, "--steps", "600", "--delay", "0.08")
    name = "fake [/x] \x1b]0;pwned\x07;" + "x" * 400
    run = desk.adopt(start_run(replace(spec, name=name), plan))
    terminal = watch(desk, run.id, "foot")
    terminal.wait_for(lambda text: "● training" in text, 30.0, "the training")
    hurry(desk.output)
    wait_end(run)
    terminal.wait_for(lambda text: "Succeeded." in text, 10.0, "the end")
    terminal.wait_quiet(0.5, 3.0)
    (told,) = NOTIFICATION.findall(terminal.output())
    assert b"\x1b]0;pwned" not in terminal.output()
    assert len(told) <= 250 and told.count(b";") >= 3
    assert len(told.split(b";")[2]) <= NAME_LIMIT + len(": finished") + 4
