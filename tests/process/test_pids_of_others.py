"""After a reboot, or once every pid was used, the pids of a run's records belong to processes of others: they
are not taken for its training, and get no signal."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from runner.control import orders as control
from runner.control.remove import remove_run
from runner.model import KeeperRecord, Outcome, RunState
from runner.store import inbox
from runner.store.journal import read_json
from runner.store.journal import write_json as write
from runner.store.liveness import created_at
from runner.store.rundir import RunDir
from tests.process.helpers import clean_up, kill, look, start, wait_end, wait_for, wait_step


@pytest.fixture
def other() -> Iterator[psutil.Popen]:
    """The leader of its own group, like a daemon."""
    with psutil.Popen(["sleep", "300"], cwd="/", start_new_session=True) as child:
        yield child
        child.kill()


@pytest.fixture
def dead(tmp_path: Path) -> Iterator[RunDir]:
    """A run of which every process was killed at once."""
    output = tmp_path / "out"
    run = start(output, "--steps", "5000")
    wait_step(run, 5)
    found, status = read_json(run.keeper, KeeperRecord), look(run).status
    assert status is not None
    for pid in (status.supervisor_pid or 0, found.keeper_pid, found.pid):
        kill(pid)
    wait_for(lambda: look(run).state is RunState.LOST)
    yield run
    clean_up(run, output)


def give_pids_to(other: psutil.Popen, run: RunDir, *, created: float | None = None) -> None:
    """The run happened ten minutes ago, and had the pids of `other`. `created`: what its status says of the
    trainer's start; None: the truth."""
    pid, ago = other.pid, 600.0
    keeper = json.loads(run.keeper.read_bytes())
    status = json.loads(run.status.read_bytes())
    for record, times in (
        (keeper, ("started_at",)),
        (status, ("trainer_created_at", "heartbeat_at")),
    ):
        record |= {name: record[name] - ago for name in times}
        record |= {name: pid for name in record if name == "pgid" or name.endswith("pid")}
    if created is not None:
        status["trainer_created_at"] = created
    write(run.keeper, keeper)
    write(run.status, status)


@pytest.mark.parametrize("same_time", [False, True])
def test_a_process_that_got_the_pids_of_a_dead_training_is_not_taken_for_it(
    dead: RunDir, other: psutil.Popen, same_time: bool
) -> None:
    give_pids_to(other, dead, created=created_at(other.pid) if same_time else None)
    assert look(dead).state is RunState.LOST
    control.adopt(dead.path)
    assert wait_end(dead).outcome is Outcome.KILLED
    assert other.poll() is None


@pytest.mark.parametrize("exit_recorded", [False, True])
def test_a_stop_waiting_for_a_dead_training_signals_nobody(
    dead: RunDir, other: psutil.Popen, exit_recorded: bool
) -> None:
    give_pids_to(other, dead)
    if exit_recorded:
        write(dead.exit, {"attempt": 1, "code": None, "signal": 9, "at": 1.0, "orphans": []})
    sent = inbox.send(dead, "stop", {"mode": "now"})
    control.start_supervisor(dead)
    assert wait_end(dead).outcome is Outcome.KILLED
    answer = wait_for(lambda: inbox.answer_of(dead, sent.id))
    assert answer.refused
    assert other.poll() is None


def test_a_lost_run_whose_pids_belong_to_others_is_removed(
    dead: RunDir, other: psutil.Popen
) -> None:
    give_pids_to(other, dead)
    remove_run(dead.path, with_checkpoints=True)
    assert not dead.path.exists()
    assert other.poll() is None
