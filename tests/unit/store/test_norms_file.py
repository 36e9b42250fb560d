"""Details of checkpoints are in a file of their own: status.json stays small however many there are."""

from __future__ import annotations

import os
import time
from dataclasses import replace
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
from runner.store.norms import NormsFile, NormsTable, read_status
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
    made.trainer.keeper = KeeperRecord(1, 1, 2, 2, time.time())
    for one in checkpoints:
        made.translator.book.add(one)
    return made


def test_status_json_does_not_grow_with_norms_and_readers_still_have_them(run: RunDir) -> None:
    files = [checkpoint(step) for step in range(1, 101)]
    supervisor = supervised(run, files)
    supervisor.status.write()
    assert run.status.stat().st_size < 100 * 1000
    assert not any(c.norms for c in read_json(run.status, Status).checkpoints)
    snapshot = RunReader(run.path).read()
    assert snapshot.status is not None
    assert [c.norms for c in snapshot.status.checkpoints] == [c.norms for c in files]


def test_norms_are_written_once_and_again_when_the_file_has_changed(run: RunDir) -> None:
    supervisor = supervised(run, [checkpoint(10), checkpoint(20)])
    for _ in range(3):
        supervisor.status.write()
    assert run.norms.read_bytes().count(b"\n") == 2
    book = supervisor.translator.book
    book.update(book.own_keys[0], norms=norms(99.0))
    supervisor.status.write()
    assert run.norms.read_bytes().count(b"\n") == 3
    table = NormsTable(run.norms)
    table.read()
    assert table.known[1, 10, None, False].norms == norms(99.0)


def test_a_new_supervisor_knows_the_norms_of_its_predecessor(run: RunDir) -> None:
    supervised(run, [checkpoint(10)]).status.write()
    heir = Supervisor(run)
    assert heir.context.before is not None
    assert heir.context.before.checkpoints[0].norms == norms(10.0)


def test_a_status_of_an_older_version_keeps_its_own_norms(run: RunDir) -> None:
    write_json(run.status, Status(RunState.ENDED, 1, 1.0, checkpoints=(checkpoint(10),)))
    snapshot = RunReader(run.path).read()
    assert snapshot.status is not None
    assert snapshot.status.checkpoints[0].norms == norms(10.0)


def test_what_a_full_disk_refuses_stays_in_the_status(run: RunDir) -> None:
    file = NormsFile(run.norms)
    file._appender.append = lambda line: False  # type: ignore[method-assign]
    status = Status(RunState.RUNNING, 1, 1.0, checkpoints=(checkpoint(10),))
    write_json(run.status, file.lean(status))
    assert read_json(run.status, Status) == status


def full(step: int) -> Checkpoint:
    """With all that can be known of a verified checkpoint."""
    folder = "/home/somebody/training/mycharacter/output"
    name = f"mycharacter-v3-step{step:08d}"
    return replace(
        checkpoint(step), name=f"{name}.safetensors", path=f"{folder}/{name}.safetensors", epoch=step // 8,
        saved_at=1790000000.1234567 + step, size_bytes=37_861_176, state_path=f"{folder}/{name}-state",
        state_complete=True, state_mtime_ns=1790000000123456789 + step, loss=0.089456123456789 + step / 1e5,
        validation_loss=0.0912345678901234, rank=16, alpha=8.0, norm=0.5234567890123456 + step,
        norm_largest=1.234567890123456, norm_change=0.012345678901234567, inode=step,
        sample_path=f"{folder}/sample/mycharacter-v3_{step:06d}_00_20261129.png",
        mtime_ns=1790000000123456789, header_sha256=f"{step:064x}", removed_at_step=step + 80,
        state_removed_at_step=step + 16,
    )  # fmt: skip


def test_a_thousand_checkpoints_stay_below_200_kb_and_readers_have_all_of_them(run: RunDir) -> None:
    files = tuple(full(step) for step in range(1, 1001))
    status = Status(RunState.RUNNING, 1, 1.0, checkpoints=files)
    written = NormsFile(run.norms)
    for _ in range(2):
        write_json(run.status, written.lean(status))
    assert run.status.stat().st_size < 200_000
    assert run.norms.read_bytes().count(b"\n") == 1000
    assert read_status(run) == status
    # without the file beside it: what is promised of status.json itself
    alone = read_json(run.status, Status).checkpoints[41]
    assert (alone.name, alone.path, alone.step, alone.loss, alone.complete) == (
        files[41].name, files[41].path, 42, files[41].loss, True,
    )  # fmt: skip


def test_what_becomes_known_later_does_not_write_the_norms_again(run: RunDir) -> None:
    one, written = full(10), NormsFile(run.norms)
    for seen in (
        replace(one, state_path=None, state_complete=None),
        one,
        replace(one, removed_at_step=None),
    ):
        status = Status(RunState.RUNNING, 1, 1.0, checkpoints=(seen,))
        write_json(run.status, written.lean(status))
        assert read_status(run) == status
    assert run.norms.read_text().count("down_blocks_0") == 1


def test_checkpoints_that_nothing_tells_apart_and_other_folders_stay_whole(run: RunDir) -> None:
    twins = replace(full(1), step=None, epoch=None), replace(full(2), step=None, epoch=None)
    aside = replace(full(3), path="/elsewhere/renamed-INCOMPLETE.safetensors")
    status = Status(RunState.RUNNING, 1, 1.0, checkpoints=(*twins, aside, full(4)))
    write_json(run.status, NormsFile(run.norms).lean(status))
    assert read_status(run) == status


def test_lines_of_an_older_version_and_foreign_ones_are_read(run: RunDir) -> None:
    run.norms.write_text(
        '{"attempt":1,"step":10,"epoch":null,"final":false,"norms":[{"block":"b","mean":1.0,"largest":2.0,'
        '"modules":3}]}\n{"attempt":1,"step":20,"rank":"many"}\n{"torn'
    )
    whole = replace(checkpoint(10), norms=())
    write_json(run.status, Status(RunState.ENDED, 1, 1.0, checkpoints=(whole,)))
    assert read_status(run).checkpoints == (replace(whole, norms=(BlockNorm("b", 1.0, 2.0, 3),)),)


def test_a_list_of_runs_knows_where_the_states_are(run: RunDir) -> None:
    status = Status(RunState.RUNNING, 1, 1.0, checkpoints=(full(1),))
    write_json(run.status, NormsFile(run.norms).lean(status))
    found = RunReader(run.path).read_small().status
    assert found is not None
    assert found.checkpoints[0].state_path == full(1).state_path


def test_a_broken_file_whose_details_change_stays_in_the_status(run: RunDir) -> None:
    """It has no norms, before and after: its verdict was lost with the status that could not be written."""
    first = replace(
        checkpoint(1), norms=(), norm=None, complete=False, problem="cut off: 700 bytes"
    )
    file = NormsFile(run.norms)
    for one in (first, replace(first, state_path="/out/a-state", state_problem="it is empty")):
        status = Status(RunState.RUNNING, 1, 1.0, checkpoints=(one,))
        write_json(run.status, file.lean(status))
        assert read_status(run).checkpoints == (one,)
