"""A file that another training wrote under the same name is not the old run's any more."""

from __future__ import annotations

import math
import os
import shutil
import socket
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import save_file

from runner.checkpoints.checkpoint_facts import looked_at
from runner.checkpoints.export import ExportRefused, export_file
from runner.checkpoints.verify import verify
from runner.control.resume_source import ResumeRequest, choose
from runner.model import Checkpoint, Expectation, RunSpec, RunState, Status
from runner.model.checkpoint import CHANGED
from runner.store.identity import (
    is_same,
    is_same_state,
    record_replacement,
    state_stamp,
)
from runner.store.own_files import OwnFiles


def without_replaced(status: Status, cwd: Path, run: Path) -> Status:
    spec = RunSpec("r", "r", (), str(cwd), {}, 0.0, socket.gethostname())
    return OwnFiles(run).checked(status, spec, math.inf)


def write(path: Path, value: float = 0.5, metadata: dict[str, str] | None = None) -> None:
    save_file({"a.lora_up.weight": np.full((3, 2), value, np.float32)}, path, metadata)


def verified(path: Path) -> Checkpoint:
    one = Checkpoint(path.name, str(path), 10, None, 1, 1.0, loss=0.1)
    return looked_at(one, verify(path), Expectation())


@pytest.fixture
def path(tmp_path: Path) -> Path:
    found = tmp_path / "a.safetensors"
    write(found)
    os.utime(found, (1000, 1000))
    return found


def test_the_same_file_is_the_same(path: Path) -> None:
    assert is_same(verified(path), path) is True


def test_other_bytes_of_the_same_size_and_header_written_later_are_another_file(path: Path) -> None:
    one = verified(path)
    write(path, 0.75)
    assert path.stat().st_size == one.size_bytes
    assert is_same(one, path) is False


def test_another_file_renamed_over_it_with_its_time_is_another_file(path: Path) -> None:
    write(path, 0.5, {"ss_session_id": "1"})
    os.utime(path, (1000, 1000))
    one = verified(path)
    other = path.with_name("b.safetensors")
    write(other, 0.75, {"ss_session_id": "2"})
    os.utime(other, (1000, 1000))
    other.rename(path)
    assert is_same(one, path) is False


def test_a_copy_put_back_with_its_time_is_the_same(path: Path) -> None:
    one = verified(path)
    copy = path.with_name("copy")
    shutil.copy2(path, copy)
    path.unlink()
    copy.rename(path)
    assert is_same(one, path) is True


def test_a_disk_that_keeps_whole_seconds_alone_does_not_make_another_file_of_it(path: Path) -> None:
    one = replace(verified(path), inode=1, mtime_ns=1_001_700_000_000)
    assert is_same(one, path) is True


def test_a_touched_file_is_the_same_only_if_its_header_names_its_weights(path: Path) -> None:
    one = verified(path)
    os.utime(path, (2000, 2000))
    assert is_same(one, path) is False
    write(path, 0.5, {"sshs_model_hash": "abc"})
    one = verified(path)
    os.utime(path, (3000, 3000))
    assert is_same(one, path) is True


def test_of_a_file_that_is_gone_or_was_never_verified_nothing_is_said(path: Path) -> None:
    one = verified(path)
    assert is_same(replace(one, complete=None), path) is None
    path.unlink()
    assert is_same(one, path) is None


def test_a_run_of_an_older_version_takes_the_other_runs_word(path: Path, tmp_path: Path) -> None:
    one = replace(verified(path), mtime_ns=None, inode=None, header_sha256=None)
    status = Status(RunState.ENDED, 1, 0.0, checkpoints=(one,))
    write(path, 0.75)
    assert without_replaced(status, tmp_path, tmp_path) is status
    record_replacement(tmp_path, os.path.realpath(path), "new", path.stat().st_mtime_ns)
    assert without_replaced(status, tmp_path, tmp_path).checkpoints[0].replaced is not None


def test_an_old_run_does_not_vouch_for_the_file_and_names_the_run_that_wrote_it(
    path: Path, tmp_path: Path
) -> None:
    folder = tmp_path / "old"
    folder.mkdir()
    status = Status(RunState.ENDED, 1, 0.0, checkpoints=(verified(path),))
    assert without_replaced(status, tmp_path, folder) is status
    write(path, 0.75)
    record_replacement(folder, os.path.realpath(path), "20261130-new", path.stat().st_mtime_ns)
    (one,) = without_replaced(status, tmp_path, folder).checkpoints
    assert (one.replaced, one.complete, one.finite, one.loss, one.missing) == (
        "replaced by run 20261130-new", False, None, None, True,
    )  # fmt: skip
    os.utime(path, (5000, 5000))  # somebody else wrote it since
    (one,) = without_replaced(status, tmp_path, folder).checkpoints
    assert one.replaced == CHANGED


def test_a_short_run_right_after_another_is_known_by_its_record_not_by_a_coarse_time(
    path: Path, tmp_path: Path
) -> None:
    status = Status(RunState.ENDED, 1, 0.0, checkpoints=(verified(path),))
    write(path, 0.75)
    os.utime(path, (1001, 1001))
    assert without_replaced(status, tmp_path, tmp_path) is status  # as on FAT: two seconds
    record_replacement(tmp_path, os.path.realpath(path), "new", path.stat().st_mtime_ns)
    assert (
        without_replaced(status, tmp_path, tmp_path).checkpoints[0].replaced
        == "replaced by run new"
    )
    os.utime(path, (1000, 1000))  # its own file, put back
    record_replacement(tmp_path, os.path.realpath(path), "new", path.stat().st_mtime_ns)
    assert without_replaced(status, tmp_path, tmp_path) is status


def test_a_replaced_file_is_not_exported_and_not_resumed_from(path: Path, tmp_path: Path) -> None:
    from runner.control.orders import Refused

    one = verified(path)
    write(path, 0.75)
    target = tmp_path / "to"
    target.mkdir()
    with pytest.raises(ExportRefused, match=CHANGED):
        export_file(path, target, known=one, force=True)
    assert list(target.iterdir()) == []
    with pytest.raises(Refused, match=CHANGED):
        choose((one,), ResumeRequest())


def test_a_state_folder_that_was_written_again_is_another_state(tmp_path: Path) -> None:
    state = tmp_path / "a-state"
    state.mkdir()
    (state / "optimizer.bin").write_bytes(b"x")
    one = Checkpoint(
        "a", str(tmp_path / "a"), 10, None, 1, 1.0, state_path=str(state), state_complete=True,
        state_mtime_ns=state_stamp(state),
    )  # fmt: skip
    assert is_same_state(one, state) is True
    os.utime(state / "optimizer.bin", (9e9, 9e9))
    assert is_same_state(one, state) is False
    status = Status(RunState.ENDED, 1, 0.0, checkpoints=(one,), safe_step=10)
    found = without_replaced(status, tmp_path, tmp_path)
    assert (found.checkpoints[0].state_complete, found.safe_step) == (False, 0)
