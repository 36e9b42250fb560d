"""The screen on a real terminal: many at once, every size, hostile text, the question before a stop."""

from __future__ import annotations

import random
import sys
import time
from dataclasses import replace
from pathlib import Path

from runner.control.launch import start_run
from runner.model import Outcome
from runner.store.rundir import RunDir
from scripts.bench.runs import ended_run
from scripts.bench.terminal import Size, Terminal
from tests.process.helpers import events, kinds, look, spec_for, step_of, wait_end, wait_step
from tests.pty.conftest import Desk
from tests.pty.escapes import foreign_sequences, modes
from tests.pty.hostile_trainer import LAST_LINE

HOSTILE = Path(__file__).with_name("hostile_trainer.py")
FOREVER = ("--steps", "4000", "--delay", "0.05")
DOWN, ENTER, ESCAPE = b"\x1b[B", b"\r", b"\x1b"


def test_ten_screens_watch_one_run_at_once(desk: Desk) -> None:
    run = desk.train("--steps", "360", "--delay", "0.05")
    screens = [desk.open(("attach", run.id)) for _ in range(10)]
    for screen in screens:
        screen.wait_for(lambda text: "fake" in text and "step " in text, 60.0, "a step")
    wait_step(run, step_of(run) + 2)
    assert not any(screen.ended() for screen in screens)
    ended = wait_end(run, 60.0)
    assert ended.outcome is Outcome.SUCCEEDED
    assert ended.loss.last_step == 360
    for screen in screens:
        screen.wait_text("succeeded", "360/360", seconds=30.0)


def test_a_storm_of_resizes_leaves_a_whole_screen(desk: Desk) -> None:
    run = desk.train(*FOREVER)
    terminal = desk.attach(run)
    dice = random.Random(11)
    for _ in range(25):
        terminal.resize(Size(dice.randint(40, 200), dice.randint(10, 60)))
        time.sleep(0.02)
    for size in (Size(40, 10), Size(200, 60), Size(80, 24)):
        terminal.resize(size)
        terminal.wait_for(lambda text, size=size: _is_whole(text, size), 20.0, f"{size}")  # type: ignore[misc]
    assert not terminal.ended()


def _is_whole(text: str, size: Size) -> bool:
    """Name and state on top, keys at the bottom, nothing but the screen's own rows between."""
    rows = text.split("\n")
    return (
        len(rows) == size.rows
        and "fake" in rows[0]
        and "training" in rows[0]
        and "q quit" in rows[-1]
    )


def test_a_hostile_console_reaches_the_screen_but_not_the_terminal(desk: Desk) -> None:
    terminal = desk.attach(_hostile_run(desk))
    terminal.send(b"l")
    text = terminal.wait_text("l closes it", "cleared", LAST_LINE)
    assert "[bold red]marked up[/] [/x] [@click=app.bell]press[/]" in text
    assert "pwned" not in text
    terminal.wait_quiet(0.3, 1.0)
    assert foreign_sequences(terminal.output()) == []
    assert modes(terminal.output())[1049]  # a sequence that is also ours did not get through either
    assert not terminal.ended()


def _hostile_run(desk: Desk) -> RunDir:
    spec, plan = spec_for(desk.output, *FOREVER)
    command = (sys.executable, "-u", str(HOSTILE), *spec.command[3:])
    name = "fake [/x] \x1b]0;pwned\x07[bold]"
    run = start_run(replace(spec, name=name, command=command), replace(plan, command=command))
    return desk.adopt(run)


def test_the_stop_key_asks_and_only_the_confirmed_answer_stops(desk: Desk) -> None:
    run = desk.train(*FOREVER)
    terminal = desk.attach(run)
    for declined in (ESCAPE, ENTER):  # the cursor stands on the safe answer
        _ask(terminal)
        terminal.send(declined)
        terminal.wait_for(lambda text: "Stop fake?" not in text, 10.0, "the question to go")
    wait_step(run, step_of(run) + 3)
    assert "ordered" not in kinds(run)
    _ask(terminal)
    terminal.send(DOWN)
    # without a forecast nobody knows when the next save comes, but it can be waited for
    terminal.wait_for(lambda text: "▌ Stop after the next save" in text, 10.0, "the cursor to move")
    terminal.send(DOWN)
    terminal.wait_for(lambda text: "▌ Stop now" in text, 10.0, "the cursor on the answer")
    terminal.send(ENTER)
    ended = wait_end(run)
    assert ended.outcome is Outcome.STOPPED
    assert [event.data["mode"] for event in events(run) if event.kind == "ordered"] == ["default"]
    terminal.wait_text("stopped", "as requested")


def _ask(terminal: Terminal) -> None:
    terminal.send(b"a")
    terminal.wait_text("Stop fake?", "▌ Keep training")


def test_a_read_only_screen_stops_nothing(desk: Desk) -> None:
    run = desk.train(*FOREVER)
    terminal = desk.open(("attach", "--read-only", run.id))
    terminal.wait_text("read-only", "step ")
    terminal.send(b"a")
    terminal.wait_quiet(0.5, 3.0)
    assert "Stop fake?" not in terminal.text()
    assert look(run).state == "running"


def test_the_mark_of_the_focus_moves_with_the_key(desk: Desk) -> None:
    terminal = desk.open(("attach", ended_run("fake", 200).id))
    terminal.wait_text("━ Loss", "step 200/200")
    terminal.send(b"\t")
    terminal.wait_text("─ Loss", "━ Checkpoints", seconds=3.0)
