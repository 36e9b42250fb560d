"""Removing a run: what is said before, what is refused, and that no moment leaves half a run."""

from __future__ import annotations

import fcntl
import os
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from runner.control import remove
from runner.control.gate import approval_of
from runner.control.launch import starts_lock
from runner.control.remove import RemoveRefused, removal_of, remove_run
from runner.model import (
    Approval,
    Checkpoint,
    KeeperRecord,
    Label,
    Outcome,
    RunSpec,
    RunState,
    Status,
)
from runner.store.journal import read_json, write_json
from runner.store.labels import write_label
from runner.store.registry import list_runs, run_paths
from runner.store.rundir import RunDir, new_run_id, runs_root


def make(name: str = "spyke", *, host: str | None = None, smoke: bool = False) -> RunDir:
    """An ended run with two checkpoints beside it."""
    run = RunDir(runs_root() / new_run_id(name))
    run.inbox_done.mkdir(parents=True)
    out = runs_root().parent / "out"
    out.mkdir(exist_ok=True)
    files = [out / f"{name}-step00000200.safetensors", out / f"{name}.safetensors"]
    for file in files:
        file.write_bytes(b"w" * 1000)
    checkpoints = tuple(Checkpoint(f.name, str(f), 200, None, 1, 5.0) for f in files)
    write_json(
        run.spec,
        RunSpec(
            id=run.id, name=name, command=("python",), cwd="/", env={}, created_at=time.time() - 100,
            host=host or socket.gethostname(), output_dir=str(out), output_name=name, smoke=smoke,
            config_path="/p/plasma.toml",
        ),
    )  # fmt: skip
    write_json(
        run.status,
        Status(
            RunState.ENDED, 1, 9.0, outcome=Outcome.SUCCEEDED, started_at=1.0, ended_at=9.0,
            checkpoints=checkpoints,
        ),
    )  # fmt: skip
    run.console.write_bytes(b"x" * 5000)
    run.lock.touch()
    return run


def hidden() -> list[str]:
    return [one.name for one in runs_root().iterdir() if one.name.startswith(".")]


def test_what_goes_and_what_stays_is_said_and_is_so() -> None:
    run = make()
    run.tensorboard.mkdir()
    (run.tensorboard / "events.out.tfevents.1.x").write_bytes(b"e" * 100)
    looked = removal_of(run.path)
    assert looked.refusal is None
    assert looked.lost == ()
    assert looked.files == 5
    assert "5 files" in looked.goes[0]
    assert looked.goes[1:] == ("Its TensorBoard files.",)
    assert looked.stays[0].startswith("2 checkpoints in ")
    remove_run(run.path)
    assert list(runs_root().iterdir()) == []
    assert len(list((runs_root().parent / "out").iterdir())) == 2


def test_the_question_names_the_run_as_the_person_does() -> None:
    run = make()
    write_label(run.path, Label("the good one"))
    assert removal_of(run.path).name == "the good one"


def test_a_live_run_is_never_removed() -> None:
    run = make()
    status = read_json(run.status, Status)
    going = replace(status, state=RunState.RUNNING, outcome=None, ended_at=None)
    write_json(run.status, replace(going, heartbeat_at=time.time()))
    with run.lock.open() as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        with pytest.raises(RemoveRefused, match=f"plasma-tui stop {run.id}"):
            remove_run(run.path)
    assert run.spec.exists()
    remove_run(run.path)  # lost by now: nothing of it lives
    assert run_paths() == []


def test_a_run_whose_lock_is_held_is_never_removed_though_it_has_ended() -> None:
    run = make()
    with run.lock.open() as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        with pytest.raises(RemoveRefused, match="running supervisor"):
            remove_run(run.path)
    assert run.spec.exists()


def test_a_run_on_another_host_lives_by_its_heartbeat() -> None:
    run = make(host="elsewhere")
    status = replace(read_json(run.status, Status), state=RunState.RUNNING, outcome=None)
    write_json(run.status, replace(status, heartbeat_at=time.time()))
    with pytest.raises(RemoveRefused, match="on elsewhere"):
        remove_run(run.path)
    write_json(run.status, replace(status, heartbeat_at=time.time() - 600))
    assert any("elsewhere" in line for line in removal_of(run.path).goes)
    remove_run(run.path)
    assert run_paths() == []


@pytest.fixture
def sleeper() -> Iterator[subprocess.Popen[bytes]]:
    child = subprocess.Popen(
        [sys.executable, "-c", "import time; time.sleep(60)"], start_new_session=True
    )
    yield child
    child.kill()
    child.wait()


def test_a_trainer_that_outlived_its_supervisor_keeps_its_run(
    sleeper: subprocess.Popen[bytes],
) -> None:
    """Supervisor and keeper killed, and even the status says that it ended: its processes decide."""
    run = make()
    status = read_json(run.status, Status)
    write_json(run.status, replace(status, ended_at=time.time() + 60))
    write_json(
        run.keeper, KeeperRecord(1, 999_999_999, sleeper.pid, sleeper.pid, time.time() - 1.0)
    )
    with pytest.raises(RemoveRefused, match=str(sleeper.pid)):
        remove_run(run.path)
    sleeper.kill()
    sleeper.wait()
    remove_run(run.path)


def test_somebody_else_who_got_the_groups_number_later_keeps_nothing(
    sleeper: subprocess.Popen[bytes],
) -> None:
    run = make()
    write_json(run.keeper, KeeperRecord(1, 999_999_999, sleeper.pid, sleeper.pid, 1.0))
    remove_run(run.path)  # the run ended at 9.0, long before this process was born
    assert run_paths() == []


def test_a_start_that_is_under_way_is_waited_for() -> None:
    run = make()
    with starts_lock():
        child = subprocess.Popen(
            [sys.executable, "-c",
             f"from pathlib import Path; from runner.control.remove import remove_run; "
             f"remove_run(Path({str(run.path)!r}))"],
        )  # fmt: skip
        with pytest.raises(subprocess.TimeoutExpired):
            child.wait(1.5)
        assert run.spec.exists()
    assert child.wait(30) == 0
    assert not run.path.exists()


def test_checkpoints_inside_the_run_folder_need_a_word_of_their_own() -> None:
    run = make()
    inside = run.path / "output"
    (inside / "a-step00000200-state").mkdir(parents=True)
    (inside / "a-step00000200-state" / "model.safetensors").write_bytes(b"s" * 10)
    (inside / "a.safetensors").write_bytes(b"w" * 10)
    looked = removal_of(run.path)
    assert looked.lost == ("output/a-step00000200-state", "output/a.safetensors")
    assert any("INSIDE" in line for line in looked.goes)
    with pytest.raises(RemoveRefused, match="--with-checkpoints"):
        remove_run(run.path)
    assert (inside / "a.safetensors").exists()
    remove_run(run.path, with_checkpoints=True)
    assert run_paths() == []


def test_what_a_smoke_test_wrote_and_its_approval_go_and_are_named() -> None:
    run = make(smoke=True)
    run.scratch.mkdir()
    (run.scratch / "a.safetensors").write_bytes(b"w")
    write_json(run.approval, Approval("me", 5.0, "key", run.id))
    looked = removal_of(run.path)
    assert looked.lost == ()
    assert "What the smoke test wrote: 1 checkpoint or state." in looked.goes
    assert any("approval" in line for line in looked.goes)
    remove_run(run.path)
    assert approval_of(run.path) is None


def test_links_are_deleted_and_never_followed(tmp_path: Path) -> None:
    run = make()
    (tmp_path / "images").mkdir()
    (tmp_path / "images" / "a.png").write_bytes(b"image")
    (tmp_path / "images").chmod(0o555)
    (run.path / "dataset").symlink_to(tmp_path / "images")
    (run.path / "one").symlink_to(tmp_path / "images" / "a.png")
    (run.path / "dangling").symlink_to(tmp_path / "nowhere")
    remove_run(run.path)
    assert (tmp_path / "images" / "a.png").read_bytes() == b"image"
    assert (tmp_path / "images").stat().st_mode & 0o777 == 0o555


def test_of_a_linked_run_folder_only_the_link_goes(tmp_path: Path) -> None:
    run = make()
    kept = run.path.rename(tmp_path / run.id)
    (kept / "lock").unlink()
    run.path.symlink_to(kept)
    before = sorted(one.name for one in kept.iterdir())
    assert "link" in removal_of(run.path).goes[0]
    remove_run(run.path)
    assert run_paths() == []
    assert sorted(one.name for one in kept.iterdir()) == before


def test_hard_linked_files_of_another_run_stay_whole() -> None:
    run, other = make("one"), make("other")
    os.link(run.console, other.path / "linked.log")
    write_json(other.spec, replace(read_json(other.spec, RunSpec), retry_of=run.id))
    remove_run(run.path)
    assert (other.path / "linked.log").read_bytes() == b"x" * 5000
    assert [one.id for one in list_runs()] == [other.id]


def test_folders_that_forbid_writing_go_too() -> None:
    run = make()
    closed = run.path / "closed" / "deep"
    closed.mkdir(parents=True)
    (closed / "x").touch()
    closed.chmod(0o500)
    closed.parent.chmod(0o500)
    remove_run(run.path)
    assert list(runs_root().iterdir()) == []


def test_a_removal_killed_in_the_middle_leaves_nothing_in_the_list(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    run, other = make("one"), make("other")

    def killed(path: Path) -> None:
        (path / "spec.json").unlink()
        raise KeyboardInterrupt

    monkeypatch.setattr(remove, "_delete", killed)
    with pytest.raises(KeyboardInterrupt):
        remove_run(run.path)
    assert [path.name for path in run_paths()] == [other.id]
    assert hidden() == [f".removed-{run.id}-1"]


def test_leftovers_are_swept_by_the_next_removal() -> None:
    run = make()
    left = runs_root() / ".removed-20260101-000000-x-0000-1"
    shutil.copytree(run.path, left)
    again = runs_root() / f".removed-{run.id}-1"
    again.mkdir()
    remove_run(run.path)
    assert list(runs_root().iterdir()) == []


def test_a_folder_outside_the_list_is_left_alone(tmp_path: Path) -> None:
    copy = Path(shutil.copytree(make().path, tmp_path / "copy"))
    with pytest.raises(RemoveRefused, match="not a known run"):
        remove_run(copy)
    assert (copy / "spec.json").exists()


def test_a_run_that_is_gone_is_said_to_be_gone() -> None:
    with pytest.raises(RemoveRefused, match="already been removed"):
        remove_run(runs_root() / "20260101-000000-x-0000")


def test_a_folder_that_is_no_whole_run_can_be_removed() -> None:
    path = runs_root() / "20260101-000000-x-0000"
    path.mkdir(parents=True)
    (path / "spec.json").write_text("{")
    remove_run(path)
    assert run_paths() == []


def test_a_disk_that_refuses_is_one_sentence(monkeypatch: pytest.MonkeyPatch) -> None:
    run = make()

    def refuses(self: Path, target: Path) -> None:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(Path, "rename", refuses)
    with pytest.raises(RemoveRefused, match="Permission denied"):
        remove_run(run.path)
    assert run.spec.exists()
