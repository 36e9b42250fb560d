"""What an ended run shows of its checkpoints holds for the files as they are now."""

from __future__ import annotations

import math
import os
import shutil
import socket
import time
from dataclasses import replace
from pathlib import Path

import pytest

from runner.model import Checkpoint, RunSpec, RunState, Status
from runner.model.checkpoint import CHANGED, MISSING
from runner.store import own_files
from runner.store.identity import header_sha256, state_stamp
from runner.store.own_files import OwnFiles, as_recorded


def spec_of(folder: Path, host: str = "") -> RunSpec:
    return RunSpec("r", "r", (), str(folder), {}, time.time(), host or socket.gethostname())


def file_of(folder: Path, step: int, state: bool = False) -> Checkpoint:
    """A checkpoint as verified."""
    folder.mkdir(exist_ok=True)
    path = folder / f"a-step{step:08d}.safetensors"
    path.write_bytes(b"\x02\0\0\0\0\0\0\0{}" + bytes(100))
    found = path.stat()
    one = Checkpoint(
        path.name, str(path), step, None, 1, found.st_mtime, found.st_size, True, True, loss=0.1,
        inode=found.st_ino, mtime_ns=found.st_mtime_ns, header_sha256=header_sha256(path),
    )  # fmt: skip
    if not state:
        return one
    of_state = folder / f"a-step{step:08d}-state"
    of_state.mkdir()
    (of_state / "optimizer.bin").write_bytes(b"x")
    return replace(
        one, state_path=str(of_state), state_complete=True, state_mtime_ns=state_stamp(of_state)
    )


def status_of(*files: Checkpoint) -> Status:
    steps = [one.step or 0 for one in files if one.state_complete]
    return Status(RunState.ENDED, 1, 0.0, checkpoints=files, safe_step=max(steps, default=0))


def now(status: Status, folder: Path, host: str = "") -> Status:
    return OwnFiles(folder).checked(status, spec_of(folder, host), math.inf)


@pytest.fixture
def out(tmp_path: Path) -> Path:
    return tmp_path / "out"


def test_files_that_nobody_touched_leave_the_status_as_it_is(tmp_path: Path, out: Path) -> None:
    status = status_of(file_of(out, 10, state=True), file_of(out, 20))
    assert now(status, tmp_path) is status


def test_a_deleted_file_is_missing_and_no_longer_complete(tmp_path: Path, out: Path) -> None:
    status = status_of(file_of(out, 10), file_of(out, 20))
    Path(status.checkpoints[0].path).unlink()
    gone, kept = now(status, tmp_path).checkpoints
    assert (gone.missing, gone.complete, gone.finite, gone.problem) == (True, False, None, MISSING)
    assert gone.loss == 0.1 and kept is status.checkpoints[1]


def test_the_last_file_of_a_folder_is_missing_too(tmp_path: Path, out: Path) -> None:
    status = status_of(file_of(out, 10))
    Path(status.checkpoints[0].path).unlink()
    assert now(status, tmp_path).checkpoints[0].missing


def test_a_file_that_was_cut_off_has_changed(tmp_path: Path, out: Path) -> None:
    status = status_of(file_of(out, 10))
    path = Path(status.checkpoints[0].path)
    times = path.stat()
    os.truncate(path, 50)
    os.utime(path, ns=(times.st_atime_ns, times.st_mtime_ns))
    (one,) = now(status, tmp_path).checkpoints
    assert (one.replaced, one.missing, one.complete, one.finite) == (CHANGED, True, False, None)


def test_a_file_cut_off_is_noticed_where_an_older_version_recorded_only_its_size(
    tmp_path: Path, out: Path
) -> None:
    one = replace(file_of(out, 10), inode=None, mtime_ns=None, header_sha256=None)
    os.truncate(one.path, 50)
    assert now(status_of(one), tmp_path).checkpoints[0].replaced == CHANGED


def test_without_its_folder_a_file_is_unknown_not_missing(tmp_path: Path, out: Path) -> None:
    """As of a disk that is not mounted; put back, it is as before."""
    status = status_of(file_of(out, 10, state=True))
    out.rename(tmp_path / "away")
    found = now(status, tmp_path)
    (one,) = found.checkpoints
    assert (one.missing, one.complete, one.finite, one.unseen) == (False, None, None, True)
    assert one.problem == f"cannot be checked: {out} does not exist" and one.was_good
    assert (one.state_complete, found.safe_step) == (None, 10)
    (tmp_path / "away").rename(out)
    assert now(status, tmp_path) is status


def test_a_file_that_another_machine_wrote_is_unknown_here(tmp_path: Path, out: Path) -> None:
    status = status_of(file_of(out, 10))
    Path(status.checkpoints[0].path).unlink()
    (one,) = now(status, tmp_path, "workstation").checkpoints
    assert one.unseen and not one.missing and "workstation" in (one.problem or "")


def test_without_spec_json_a_file_that_is_there_is_checked_and_another_is_unknown(
    tmp_path: Path, out: Path
) -> None:
    status = status_of(file_of(out, 10), file_of(out, 20), file_of(out, 30))
    Path(status.checkpoints[0].path).unlink()
    os.truncate(status.checkpoints[1].path, 50)
    gone, cut, kept = OwnFiles(tmp_path).checked(status, None, math.inf).checkpoints
    assert gone.unseen and not gone.missing and "spec.json" in (gone.problem or "")
    assert cut.replaced == CHANGED and kept is status.checkpoints[2]


@pytest.mark.skipif(os.geteuid() == 0, reason="root reads every folder")
def test_a_folder_that_may_not_be_read_makes_its_files_unknown(tmp_path: Path, out: Path) -> None:
    status = status_of(file_of(out, 10))
    out.chmod(0)
    (one,) = now(status, tmp_path).checkpoints
    out.chmod(0o700)
    assert one.unseen and "Permission denied" in (one.problem or "")


def test_a_broken_file_that_cannot_be_checked_stays_broken(tmp_path: Path, out: Path) -> None:
    one = replace(file_of(out, 10), finite=False, problem="3 of 9 tensors contain NaN or Inf")
    shutil.rmtree(out)
    (found,) = now(status_of(one), tmp_path).checkpoints
    assert (found.finite, found.unseen, found.was_good) == (False, False, False)
    assert found.problem == "3 of 9 tensors contain NaN or Inf"


def test_a_file_that_the_trainer_deleted_or_that_was_never_seen_is_left_alone(
    tmp_path: Path, out: Path
) -> None:
    deleted = replace(file_of(out, 10), removed=True)
    Path(deleted.path).unlink()
    never = Checkpoint("b.safetensors", str(out / "b.safetensors"), 20)
    status = status_of(deleted, never)
    assert now(status, tmp_path) is status


def test_a_file_that_was_missing_and_was_put_back_is_there(tmp_path: Path, out: Path) -> None:
    one = file_of(out, 10)
    recorded = as_recorded(status_of(replace(one, missing=True)))
    assert recorded.checkpoints[0].complete is False
    assert now(status_of(replace(one, missing=True)), tmp_path).checkpoints[0] == one


def test_a_deleted_state_is_no_safe_point(tmp_path: Path, out: Path) -> None:
    status = status_of(file_of(out, 10, state=True), file_of(out, 20, state=True))
    shutil.rmtree(status.checkpoints[1].state_path or "")
    found = now(status, tmp_path)
    assert [one.state_complete for one in found.checkpoints] == [True, False]
    assert (found.checkpoints[1].state_problem, found.safe_step) == (MISSING, 10)


def test_the_files_are_checked_again_after_a_while_in_parts(
    tmp_path: Path, out: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Until all were checked, what was found last is shown; an equal result is the same object."""
    clock = [0.0]
    monkeypatch.setattr(own_files.time, "monotonic", lambda: clock[0])
    status = status_of(*(file_of(out, step) for step in range(1, 3 * own_files.AT_ONCE)))
    files = OwnFiles(tmp_path)

    def look(budget_s: float = -1.0) -> Status:
        return files.checked(status, spec_of(tmp_path), budget_s)

    Path(status.checkpoints[-1].path).unlink()
    assert look() is status and look() is status
    first = look()
    assert first.checkpoints[-1].missing and not first.checkpoints[0].missing
    Path(status.checkpoints[0].path).unlink()
    assert look(math.inf).checkpoints is first.checkpoints
    clock[0] += own_files.EVERY_S
    assert look().checkpoints is first.checkpoints
    assert look(math.inf).checkpoints[0].missing


def test_the_header_of_a_touched_file_is_read_once(
    tmp_path: Path, out: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    one = file_of(out, 10)
    os.utime(one.path, ns=(one.mtime_ns or 0,) * 2)
    copied = replace(one, inode=1)
    read: list[object] = []
    real = own_files.compare
    monkeypatch.setattr(own_files, "compare", lambda *given: (read.append(1), real(*given))[1])
    files = OwnFiles(tmp_path)
    for status in (status_of(copied), status_of(copied)):
        assert files.checked(status, spec_of(tmp_path), math.inf) is status
    assert len(read) == 1
