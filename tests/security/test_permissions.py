"""Run folders are readable by their owner alone, whatever the umask. A live run, whose trainer keeps the user's
umask, is in tests/process/test_secrets.py."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator
from pathlib import Path

import pytest

from runner.checkpoints.export_places import remember_folder
from runner.control.launch import starts_lock
from runner.files.private import private_folder, private_opener, tighten
from runner.history.imported_runs.from_log import run_of_log
from runner.notify.box import Box
from runner.process import keeper
from runner.store import inbox
from runner.store.appender import Appender
from runner.store.journal import write_json
from runner.store.liveness import take_lock
from runner.store.registry import list_runs
from runner.store.rundir import RunDir, home, runs_root
from tests import DATA


@pytest.fixture(autouse=True)
def open_umask() -> Iterator[None]:
    before = os.umask(0)
    yield
    os.umask(before)


def open_to_others(folder: Path) -> list[str]:
    paths = (folder, *folder.rglob("*"))
    return [str(path) for path in paths if stat.S_IMODE(path.lstat().st_mode) & 0o077]


def a_run() -> RunDir:
    run = RunDir(runs_root() / "20260101-000000-x-0000")
    private_folder(run.path)
    return run


def test_every_file_that_we_create_is_the_owners_alone() -> None:
    home().chmod(0o700)
    run = a_run()
    write_json(run.status, {})
    Appender(run.events).append(b"{}")
    inbox.send(run, "stop")
    lock = take_lock(run.lock)
    assert lock is not None
    os.close(lock)
    with open(run.log, "ab", opener=private_opener):
        pass
    keeper.write_json(str(run.exit), {})
    with starts_lock():
        pass
    remember_folder(home())
    run.notices.mkdir(0o700)
    with Box(run).alone():
        pass
    assert len(list(home().rglob("*"))) > 10
    assert open_to_others(home()) == []


def test_an_imported_run_and_the_folders_above_it_are_the_owners_alone(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("PLASMA_HOME", str(tmp_path / "state" / "plasma"))
    run_of_log(DATA / "runs" / "seed_full.log")
    list_runs()
    assert home().is_dir()
    assert open_to_others(tmp_path / "state") == []


def test_what_an_earlier_version_left_open_is_closed() -> None:
    run = a_run()
    run.inbox.mkdir()
    run.status.touch()
    for path in (run.path, run.inbox, run.status):
        path.chmod(0o777)
    tighten(run.path)
    assert open_to_others(run.path) == []
