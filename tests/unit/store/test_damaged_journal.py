"""A journal that another program damages while a supervisor appends to it loses no later line."""

from __future__ import annotations

import errno
import os
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from runner.model import Checkpoint, RunState, Status
from runner.store.appender import Appender
from runner.store.journal import step_row, step_rows, write_json
from runner.store.norms import NormsFile, read_status
from runner.store.rundir import RunDir
from tests.process.helpers import wait_for


def row(step: int) -> bytes:
    return step_row(step, 0.1, 0.5, 0.5, None, 1)


def steps_of(path: Path) -> list[int]:
    return [one[0] for one in step_rows(path.read_bytes())[0]]


@pytest.fixture
def path(tmp_path: Path) -> Path:
    folder = tmp_path / "run"
    folder.mkdir()
    (folder / "spec.json").touch()
    return folder / "steps.jsonl"


@pytest.fixture
def appender(path: Path) -> Appender:
    made = Appender(path)
    for step in (1, 2):
        made.append(row(step))
    return made


def cut(path: Path) -> None:
    os.truncate(path, len(row(1)) + 5)


def emptied(path: Path) -> None:
    os.truncate(path, 0)


def spoiled(path: Path) -> None:
    path.write_bytes(b"\xff\x00garbage")


def replaced(path: Path) -> None:
    other = path.with_name("other")
    other.write_bytes(b'"half a li')
    other.replace(path)


@pytest.mark.parametrize("damage", [cut, emptied, spoiled, replaced, Path.unlink])
def test_lines_after_a_damage_are_whole(
    appender: Appender, path: Path, damage: Callable[[Path], None]
) -> None:
    damage(path)
    for step in (3, 4):
        appender.append(row(step))
    wait_for(lambda: appender.retry() or path.exists())
    assert steps_of(path)[-2:] == [3, 4]
    assert path.stat().st_mode & 0o777 == 0o600 or damage is replaced


def test_nothing_comes_back_in_place_of_a_deleted_folder(appender: Appender, path: Path) -> None:
    shutil.rmtree(path.parent)
    appender.append(row(3))
    assert not path.parent.exists()


def test_a_deletion_of_the_folder_is_not_disturbed(appender: Appender, path: Path) -> None:
    path.unlink()
    appender.append(row(3))
    path.with_name("spec.json").unlink()
    path.parent.rmdir()  # as `rm -r` does next


def test_lines_follow_a_folder_that_was_moved(appender: Appender, path: Path) -> None:
    away = path.parent.with_name("away")
    path.parent.rename(away)
    appender.append(row(3))
    away.rename(path.parent)
    appender.append(row(4))
    assert steps_of(path) == [1, 2, 3, 4]


@pytest.mark.parametrize("damage", [cut, emptied, spoiled, Path.unlink])
def test_details_of_checkpoints_are_written_again_after_a_damage(
    tmp_path: Path, damage: Callable[[Path], None]
) -> None:
    run, found = RunDir(tmp_path), []
    run.spec.touch()
    for step in (10, 20, 30):
        name = f"a-step{step}.safetensors"
        one = Checkpoint(name, f"/out/{name}", step, None, 1, 1.0, 7, complete=True, finite=True)
        found.append(replace(one, state_path=f"/out/a-step{step}-state"))
    status = Status(RunState.RUNNING, 1, 1.0, checkpoints=tuple(found))
    norms = NormsFile(run.norms)
    write_json(run.status, norms.lean(status))
    damage(run.norms)

    def known() -> bool:
        write_json(run.status, norms.lean(status))
        return read_status(run).checkpoints == tuple(found)

    wait_for(known)


def test_a_write_that_a_full_disk_refuses_is_no_damage_by_another_program(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Else norms.jsonl was written again as a whole at each heartbeat."""
    journal = Appender(tmp_path / "norms.jsonl")
    journal.append(b"[1]")
    journal.look()

    def refuse(fd: int, data: bytes) -> int:
        os.utime(fd, ns=(1, 1))  # as tmpfs does
        raise OSError(errno.ENOSPC, "No space left on device")

    with monkeypatch.context() as patched:
        patched.setattr(os, "write", refuse)
        assert not journal.append(b"[2]")
        assert not journal.look()
    journal.retry()
    assert (tmp_path / "norms.jsonl").read_bytes() == b"[1]\n[2]\n"
