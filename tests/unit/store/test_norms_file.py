"""Norms of blocks lie in a file of their own: status.json stays small however many checkpoints there are."""

from __future__ import annotations

import os
import time
from pathlib import Path

import pytest

from runner.model import (
    AttemptPlan,
    BlockNorm,
    Checkpoint,
    KeeperRecord,
    RunSpec,
    RunState,
    Status,
)
from runner.store.journal import read_json, write_json
from runner.store.norms import NormsFile, NormsTable
from runner.store.reader import RunReader
from runner.store.rundir import RunDir
from runner.supervisor.main import Supervisor


def norms(size: float, blocks: int = 40) -> tuple[BlockNorm, ...]:
    return tuple(BlockNorm(f"down_blocks_{n}", size, size + n, 8) for n in range(blocks))


def checkpoint(step: int, size: float | None = None) -> Checkpoint:
    name = f"a-step{step:08d}.safetensors"
    return Checkpoint(
        name, f"/out/{name}", step, None, 1, 1.0, 100, complete=True, finite=True,
        norms=norms(float(step) if size is None else size), norm=1.0,
    )  # fmt: skip


@pytest.fixture
def run(tmp_path: Path) -> RunDir:
    made = RunDir(tmp_path)
    write_json(
        made.spec, RunSpec("r", "r", (), str(tmp_path), {}, time.time(), os.uname().nodename)
    )
    write_json(made.attempt(1), AttemptPlan(1, (), {}, str(tmp_path), str(tmp_path), "a"))
    return made


def supervised(run: RunDir, checkpoints: list[Checkpoint]) -> Supervisor:
    made = Supervisor(run)
    made.keeper = KeeperRecord(1, 1, 2, 2, time.time())
    for one in checkpoints:
        made.translator.book.add(one)
    return made


def test_status_json_does_not_grow_with_norms_and_readers_still_have_them(run: RunDir) -> None:
    files = [checkpoint(step) for step in range(1, 101)]
    supervisor = supervised(run, files)
    supervisor.write_status()
    assert run.status.stat().st_size < 100 * 1000
    assert not any(c.norms for c in read_json(run.status, Status).checkpoints)
    snapshot = RunReader(run.path).read()
    assert snapshot.status is not None
    assert [c.norms for c in snapshot.status.checkpoints] == [c.norms for c in files]


def test_norms_are_written_once_and_again_when_the_file_has_changed(run: RunDir) -> None:
    supervisor = supervised(run, [checkpoint(10), checkpoint(20)])
    for _ in range(3):
        supervisor.write_status()
    assert run.norms.read_bytes().count(b"\n") == 2
    book = supervisor.translator.book
    book.update(book.own_keys[0], norms=norms(99.0))
    supervisor.write_status()
    assert run.norms.read_bytes().count(b"\n") == 3
    table = NormsTable(run.norms)
    table.read()
    assert table.known[1, 10, None, False] == norms(99.0)


def test_a_new_supervisor_knows_the_norms_of_its_predecessor(run: RunDir) -> None:
    supervised(run, [checkpoint(10)]).write_status()
    heir = Supervisor(run)
    assert heir.before is not None
    assert heir.before.checkpoints[0].norms == norms(10.0)


def test_a_status_of_an_older_version_keeps_its_own_norms(run: RunDir) -> None:
    write_json(run.status, Status(RunState.ENDED, 1, 1.0, checkpoints=(checkpoint(10),)))
    snapshot = RunReader(run.path).read()
    assert snapshot.status is not None
    assert snapshot.status.checkpoints[0].norms == norms(10.0)


def test_what_a_full_disk_refuses_stays_in_the_status(run: RunDir) -> None:
    file = NormsFile(run.norms)
    file._appender.append = lambda line: False  # type: ignore[method-assign]
    status = Status(RunState.RUNNING, 1, 1.0, checkpoints=(checkpoint(10),))
    assert file.lean(status) == status
