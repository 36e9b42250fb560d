"""Only the owner of a run gives it orders, and only the owner's folders start anything. What else may be in an
inbox (FIFOs, devices, links, huge or deeply nested files) is in tests/unit/store/test_inbox.py."""

from __future__ import annotations

import os
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from runner.config.channels import Channels, write_channels
from runner.control import orders
from runner.control.launch import start_attempt
from runner.model import AttemptPlan, RunSpec, RunState, Status
from runner.notify.box import Box
from runner.notify.message import Message
from runner.store import inbox
from runner.store.journal import read_json, write_json
from runner.store.rundir import RunDir
from tests.sample_runs import make_run

OTHER_UID = 4711
as_root = pytest.mark.skipif(os.geteuid() != 0, reason="only root can give a file to another user")


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> RunDir:
    """An unfinished run of this machine: looking at it would start a supervisor."""
    monkeypatch.setenv("PLASMA_HOME", str(tmp_path))
    found = make_run(tmp_path)
    write_json(found.spec, replace(read_json(found.spec, RunSpec), host=os.uname().nodename))
    return found


@as_root
@pytest.mark.parametrize("how", ["file", "hard link"])
def test_an_order_of_another_user_is_set_aside(run: RunDir, tmp_path: Path, how: str) -> None:
    run.inbox.mkdir(0o700)
    theirs = tmp_path / "theirs.json"
    write_json(theirs, inbox.Order("x", "stop", 0.0))
    os.chown(theirs, OTHER_UID, -1)
    if how == "file":
        theirs.rename(run.inbox / "1-x.json")
    else:
        os.link(theirs, run.inbox / "1-x.json")
    ours = inbox.send(run, "stop")
    assert [order.id for _, order in inbox.pending(run)] == [ours.id]
    assert (run.inbox / "unreadable" / "1-x.json").exists()


@as_root
def test_an_inbox_of_another_user_is_not_read(run: RunDir) -> None:
    inbox.send(run, "stop")
    os.chown(run.inbox, OTHER_UID, -1)
    assert inbox.pending(run) == []
    with pytest.raises(OSError, match="another user"):
        inbox.send(run, "stop")


def started(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Commands that would be started detached, from now on."""
    found: list[str] = []

    def note(command: list[str], *_: object) -> None:
        found.append(" ".join(command))
        raise OSError("not in this test")

    monkeypatch.setattr("runner.store.starting.start_detached", note)
    monkeypatch.setattr("runner.notify.box.start_detached", note)
    return found


def open_to_others(run: RunDir) -> RunDir:
    run.path.chmod(0o777)
    return run


def of_another_user(run: RunDir) -> RunDir:
    os.chown(run.path, OTHER_UID, -1)
    return run


def outside(run: RunDir) -> RunDir:
    moved = run.path.rename(run.path.parents[1] / "downloaded")
    return RunDir(moved)


FOREIGN = [open_to_others, outside, pytest.param(of_another_user, marks=as_root)]


def test_an_own_unfinished_run_gets_a_supervisor(
    run: RunDir, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen = started(monkeypatch)
    with pytest.raises(OSError):
        orders.adopt(run.path)
    assert len(seen) == 1


@pytest.mark.parametrize("make", FOREIGN)
def test_nothing_is_started_from_a_folder_that_others_may_have_written(
    run: RunDir, monkeypatch: pytest.MonkeyPatch, make: object
) -> None:
    """Its files name the trainer's command, and the command of [notify]."""
    seen = started(monkeypatch)
    foreign = make(run)  # type: ignore[operator]
    assert not orders.adopt(foreign.path)
    with pytest.raises(orders.Refused):
        start_attempt(foreign, AttemptPlan(2, (sys.executable,), {}, "/", None, None))
    assert seen == []


@pytest.mark.parametrize("make", FOREIGN)
def test_no_notification_command_of_such_a_folder_is_run(
    run: RunDir, monkeypatch: pytest.MonkeyPatch, make: object
) -> None:
    ended = Status(RunState.ENDED, 1, 0.0)
    write_json(run.status, ended)
    write_channels(run, Channels(command=("touch", "/tmp/never")))
    Box(run).put(Message("finished", "", "", run.id, "x", str(run.path), "k", 0.0))
    seen = started(monkeypatch)
    foreign = make(run)  # type: ignore[operator]
    orders.adopt(foreign.path)
    assert seen == []
