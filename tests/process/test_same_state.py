"""A run whose supervisor and trainer were killed, resumed: status, journal and console tell the same."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import fields
from pathlib import Path
from typing import Any

import pytest

from runner.control import launch
from runner.control import orders as control
from runner.control.resume import plan_resume
from runner.history.replay import ReplayReader
from runner.ingest.console.parser import ConsoleParser
from runner.model import AttemptPlan, RunState, Status
from runner.model.events import AttemptSeen
from runner.state.attempt_state import AttemptState, StepRow, apply
from runner.state.journal_state import JournalState
from runner.state.translator import Translator
from runner.store.journal import number, read_json, step_rows
from runner.store.liveness import lock_held
from runner.store.rundir import RunDir
from tests.process.helpers import clean_up, events, kill, look, start, wait_end, wait_for, wait_step

#: of the moment of reading, or of what a supervisor adds
NOT_OF_THE_CONSOLE = {"phase_since", "stop_by", "stopping", "stop_after_save", "ended"}


@pytest.fixture
def run(tmp_path: Path) -> Iterator[RunDir]:
    """Three attempts: the supervisor of the first was killed, the second's trainer was, the third ended."""
    output = tmp_path / "out"
    flags = ("--steps", "60", "--save_state", "--epoch_steps", "24", "--delay", "0.1")
    run = start(output, *flags)
    wait_step(run, 12)
    kill(look(run).status.supervisor_pid or 0)  # type: ignore[union-attr]
    wait_for(lambda: not lock_held(run.lock))
    wait_step_of_console(run, "steps:  15/")
    assert control.adopt(run.path)
    wait_step(run, 22)
    control.stop(run.path)
    wait_end(run)
    resume(run)
    wait_step(run, 33)
    kill(look(run).status.trainer_pid or 0)  # type: ignore[union-attr]
    wait_end(run)
    resume(run)
    wait_end(run, 60)
    yield run
    clean_up(run, output)


def wait_step_of_console(run: RunDir, text: str) -> None:
    before = run.console.stat().st_size
    wait_for(lambda: run.console.stat().st_size > before + 300, 20, text)


def resume(run: RunDir) -> None:
    wait_for(lambda: not lock_held(run.lock))
    launch.start_attempt(run, plan_resume(look(run)).plan)
    wait_for(lambda: look(run).state is RunState.RUNNING)


def by_journal(run: RunDir) -> JournalState:
    state = JournalState(lambda attempt: read_json(run.attempt(attempt), AttemptPlan))
    for event in events(run):
        state.apply(event)
    for step, _, loss, average, lr, attempt in step_rows(run.steps.read_bytes())[0]:
        row = StepRow(step, None, number(loss), number(average), number(lr))
        apply(state.attempts[attempt], row)
    return state


def by_console(run: RunDir) -> dict[int, AttemptState]:
    found: dict[int, Translator] = {}
    parser, now = ConsoleParser(), Translator(0)
    for event in [*parser.feed(run.console.read_bytes()), *parser.finish()]:
        if isinstance(event, AttemptSeen):
            plan = read_json(run.attempt(event.attempt), AttemptPlan)
            now = found[event.attempt] = Translator(
                event.attempt, base_step=plan.base_step, origin_step=plan.origin_step,
                stop_step=plan.stop_step,
            )  # fmt: skip
        else:
            now.on_console(event, 1.0)
    for made in found.values():
        made.finish()
    return {attempt: made.state for attempt, made in found.items()}


def facts(state: AttemptState) -> dict[str, Any]:
    found = {f.name: getattr(state, f.name) for f in fields(state)}
    return {
        k: f"{v:.7g}" if isinstance(v, float) else v
        for k, v in found.items()
        if k not in NOT_OF_THE_CONSOLE
    }


def test_status_journal_and_console_of_a_killed_and_resumed_run_tell_the_same(run: RunDir) -> None:
    journal, console = by_journal(run), by_console(run)
    assert sorted(journal.attempts) == sorted(console) == [1, 2, 3]
    for attempt in console:
        assert facts(journal.attempts[attempt]) == facts(console[attempt])
    status, newest = read_json(run.status, Status), journal.attempts[3]
    for name in ("step", "epoch", "device", "loss", "average", "first_nonfinite_step", "warnings",
                 "phase_detail", "last_warning", "stop_by"):  # fmt: skip
        found, told = getattr(status, name), getattr(newest, name)
        assert told == (pytest.approx(found) if isinstance(found, float) else found), name
    assert [(a.first_step, a.last_step) for a in status.attempts] == [
        (a.first_step, a.last_step) for a in journal.attempts.values()
    ]
    # a replay a moment before the end shows what the supervisor had written
    reader = ReplayReader(run.path)
    while reader.read(0.5).read_fraction < 1.0:
        pass
    reader.transport.pause()
    reader.transport.seek_s(reader.transport.length_s - 1e-6)
    replayed = reader.read(0.1).status
    assert replayed is not None
    for name in ("attempt", "step", "total_steps", "epoch", "epochs", "device", "batches_per_epoch",
                 "first_nonfinite_step", "warnings", "phase_detail"):  # fmt: skip
        assert getattr(replayed, name) == getattr(status, name), name
    assert [c.name for c in replayed.checkpoints] == [c.name for c in status.checkpoints]
