"""Where no screen can be shown, the command says so and names what works instead."""

from __future__ import annotations

import pytest

from runner.store.rundir import RunDir
from scripts.bench.runs import ended_run
from scripts.bench.terminal import Terminal
from tests.pty.conftest import Desk

WRONG_USE = 2


@pytest.fixture
def run(isolated_home: object) -> RunDir:
    return ended_run("fake", 50)


def refusal(terminal: Terminal) -> str:
    """The one line that it printed; it must have ended by itself, with the right code."""
    assert terminal.wait_exit(20.0) == WRONG_USE
    terminal.wait_quiet(0.1, 2.0)
    assert b"\x1b" not in terminal.output()
    lines = terminal.output().decode().strip().splitlines()
    assert len(lines) == 1
    return lines[0]


@pytest.mark.parametrize(
    ("stream", "shell"),
    [("stdin", "COMMAND </dev/null"), ("stdout", "COMMAND >/dev/null")],
)
def test_attach_without_a_terminal_names_the_headless_verbs(
    desk: Desk, run: RunDir, stream: str, shell: str
) -> None:
    said = refusal(desk.open(("attach", run.id), shell=shell))
    assert f"{stream} is not a terminal" in said
    assert f"plasma-tui show {run.id}" in said and "log" in said


def test_a_dumb_terminal_is_refused(desk: Desk, run: RunDir) -> None:
    said = refusal(desk.open(("attach", run.id), term="dumb"))
    assert "dumb" in said and f"plasma-tui show {run.id}" in said


def test_the_bare_command_without_a_terminal_names_the_verbs(desk: Desk) -> None:
    assert "plasma-tui runs" in refusal(desk.open((), shell="COMMAND </dev/null"))


def test_the_demo_without_a_terminal_names_headless(desk: Desk) -> None:
    said = refusal(desk.open(("demo",), shell="COMMAND </dev/null"))
    assert "plasma-tui demo --headless" in said
    assert list(desk.folder.iterdir()) == []
