"""The preflight of a queued run, again right before its start: with the built-in trainer."""

from __future__ import annotations

from pathlib import Path

import pytest

from runner.control import begin
from runner.control import orders as control
from runner.control.launch import start_run
from runner.control.queue import release
from runner.control.queueing import QueueRequest
from runner.model import Outcome, RunState
from runner.store.rundir import RunDir
from tests.process.helpers import look, spec_for, wait_end, wait_for, wait_step
from tests.torture.project import builtin, write_project


@pytest.fixture(autouse=True)
def one_slot(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PLASMA_SLOTS", "1")


def reason(run: RunDir) -> str:
    status = look(run).status
    waiting = status.waiting if status is not None else None
    return waiting.reason if waiting is not None and waiting.held else ""


def test_what_was_queued_is_checked_and_started_not_what_the_file_says_by_then(
    output: Path, tmp_path: Path
) -> None:
    spec, plan = spec_for(output, "--steps", "400", "--delay", "0.1", name="one")
    first = start_run(spec, plan, queue=QueueRequest())
    wait_step(first, 1)
    file = write_project(tmp_path / "project", builtin(), launcher="python")
    run = begin.start(begin.load(file), queue=True, group="a sweep", checked=())
    assert look(run).state is RunState.QUEUED
    file.write_text("nonsense [")
    images = tmp_path / "project" / "img"
    images.rename(tmp_path / "away")
    control.stop(first.path)
    wait_end(first)
    held = wait_for(lambda: reason(run), 90)
    assert held.startswith("check failed: Images: ") and "does not exist" in held
    (tmp_path / "away").rename(images)
    release(run.path)
    wait_for(lambda: look(run).state is RunState.RUNNING, 90)
    control.stop(run.path, "now")
    assert wait_end(run, 60).outcome is Outcome.STOPPED
    snapshot = look(run)
    assert snapshot.spec is not None and snapshot.spec.group == "a sweep"
    checks = [one for one in snapshot.preflight if one.name == "images"]
    assert [one.status for one in checks] == ["pass"], "as it stood at the start"
