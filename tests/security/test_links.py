"""Links in a run folder, an inbox or an output folder: nothing is written through them, and what they point to
is neither read as ours nor deleted."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest

from runner.checkpoints.atomic_link import place_file
from runner.control import orders
from runner.control.launch import start_attempt, starts_lock
from runner.control.remove import remove_run
from runner.files.atomic import replace_file
from runner.files.private import private_opener
from runner.history.summary import write_beside
from runner.model import AttemptPlan, ExitRecord
from runner.process import keeper
from runner.process.spawn import keeper_command
from runner.store import inbox
from runner.store.appender import Appender
from runner.store.journal import LineTail, Unreadable, read_json, write_json
from runner.store.liveness import take_lock
from runner.store.rundir import RunDir, home
from tests.sample_runs import make_run

SECRET = b"ssh-ed25519 AAAA me\n"


@pytest.fixture
def victim(tmp_path: Path) -> Path:
    """A file that somebody wants to have written, read or deleted by us."""
    path = tmp_path / "authorized_keys"
    path.write_bytes(SECRET)
    return path


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> RunDir:
    monkeypatch.setenv("PLASMA_HOME", str(tmp_path))
    found = make_run(tmp_path)
    write_json(found.exit, ExitRecord(1, 0, None, 0.0))
    return found


def test_the_keeper_appends_to_no_link(run: RunDir, victim: Path, tmp_path: Path) -> None:
    run.console.unlink(missing_ok=True)
    run.console.symlink_to(victim)
    ran = tmp_path / "ran"
    plan = AttemptPlan(2, ("touch", str(ran)), {}, str(tmp_path), None, None)
    write_json(run.attempt(2), plan)
    subprocess.run(keeper_command(run.path, 2), capture_output=True, timeout=60, check=False)
    assert victim.read_bytes() == SECRET
    assert not ran.exists()  # output that goes nowhere: the trainer is not started


def test_a_run_is_not_resumed_through_a_link(run: RunDir, victim: Path, tmp_path: Path) -> None:
    run.console.unlink(missing_ok=True)
    run.console.symlink_to(victim)
    with pytest.raises(orders.Refused, match="it is a link"):
        start_attempt(run, AttemptPlan(2, ("true",), {}, str(tmp_path), None, None))
    assert victim.read_bytes() == SECRET
    assert not run.attempt(2).exists()


@pytest.mark.parametrize("how", ["journal", "log", "lock", "starts", "json", "keeper"])
def test_nothing_of_ours_is_written_through_a_link(
    run: RunDir, victim: Path, how: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = {
        "journal": run.events, "log": run.log, "lock": run.lock, "starts": home() / "starts.lock",
        "json": run.status, "keeper": run.exit,
    }[how]  # fmt: skip
    path.unlink(missing_ok=True)
    path.symlink_to(victim)
    if how in ("json", "keeper"):  # replaced by rename: the link goes, its target stays
        write_json(path, {}) if how == "json" else keeper.write_json(str(path), {})
        assert not path.is_symlink()
    else:
        with pytest.raises(OSError):
            if how == "journal":
                Appender(path).append(b"x")
            elif how == "log":
                with open(path, "ab", opener=private_opener) as log:
                    log.write(b"x")
            elif how == "lock":
                take_lock(path)
            else:
                with starts_lock():
                    pass
    assert victim.read_bytes() == SECRET


def test_a_link_under_the_name_of_an_unfinished_file_is_not_followed(
    tmp_path: Path, victim: Path
) -> None:
    """In an output folder shared with others, such names can be guessed."""
    import threading

    mine = f"{os.getpid()}-{threading.get_ident()}"
    (tmp_path / f".a.{mine}.tmp").symlink_to(victim)
    replace_file(tmp_path / "a", b"new")
    assert (tmp_path / "a").read_bytes() == b"new"
    (tmp_path / f"b.{os.getpid()}.tmp").symlink_to(victim)
    keeper.write_json(str(tmp_path / "b"), {})
    (tmp_path / ".s.r.tmp").symlink_to(victim)
    assert write_beside(tmp_path, "s", "text", "r")
    assert (tmp_path / "s").read_text() == "text"
    assert victim.read_bytes() == SECRET


def test_an_unfinished_copy_of_a_checkpoint_follows_no_link(
    tmp_path: Path, victim: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def no_links(*_: object) -> None:
        raise OSError(95, "not supported")

    source = tmp_path / "source"
    source.write_bytes(b"weights")
    (tmp_path / ".target.tag.part").symlink_to(victim)
    real = os.link
    monkeypatch.setattr(os, "link", no_links)
    place_file(source, tmp_path / "target", "tag")
    monkeypatch.setattr(os, "link", real)
    assert (tmp_path / "target").read_bytes() == b"weights"
    assert victim.read_bytes() == SECRET


def test_a_link_in_a_run_folder_is_not_read_as_a_file_of_the_run(run: RunDir, victim: Path) -> None:
    for path in (run.status, run.events):
        path.unlink(missing_ok=True)
        path.symlink_to(victim)
    with pytest.raises(Unreadable, match="it is a link"):
        read_json(run.status, dict)
    assert list(LineTail(run.events).read()) == []


def test_a_second_name_of_a_journal_keeps_its_bytes(run: RunDir, tmp_path: Path) -> None:
    """`cp -al` makes backups whose files are the same as ours until we write."""
    backup = tmp_path / "backup"
    backup.mkdir()
    for path in (run.events, run.log, run.console):
        path.write_bytes(b"old\n")
        os.link(path, backup / path.name)
    Appender(run.events).append(b"new")
    with open(run.log, "ab", opener=private_opener) as log:
        log.write(b"new\n")
    assert run.events.read_bytes() == run.log.read_bytes() == b"old\nnew\n"
    assert (
        (backup / "events.jsonl").read_bytes()
        == (backup / "supervisor.log").read_bytes()
        == b"old\n"
    )


def test_the_console_log_of_a_resumed_run_has_one_name(
    run: RunDir, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run.console.write_bytes(b"old\n")
    os.link(run.console, tmp_path / "backup")

    def stop_here(*_: object) -> None:
        raise orders.Refused("far enough")

    monkeypatch.setattr("runner.control.launch._hand_over", stop_here)
    with pytest.raises(orders.Refused, match="far enough"):
        start_attempt(run, AttemptPlan(2, ("true",), {}, str(tmp_path), None, None))
    assert run.console.read_bytes() == b"old\n"
    assert run.console.stat().st_nlink == 1


def test_orders_go_into_no_linked_inbox_and_are_read_from_none(run: RunDir, tmp_path: Path) -> None:
    elsewhere = tmp_path / "elsewhere"
    (elsewhere / "done").mkdir(parents=True)
    write_json(elsewhere / "1-x.json", inbox.Order("x", "stop", 0.0))
    write_json(elsewhere / "done" / "1-x.json", inbox.Order("x", "stop", 0.0))
    run.inbox.symlink_to(elsewhere)
    assert inbox.pending(run) == []
    assert inbox.done(run) == []
    with pytest.raises(OSError, match="link"):
        inbox.send(run, "stop")
    assert sorted(p.name for p in elsewhere.iterdir()) == ["1-x.json", "done"]


def test_removing_a_run_deletes_its_links_and_never_their_targets(
    run: RunDir, victim: Path, tmp_path: Path
) -> None:
    folder = tmp_path / "photos"
    folder.mkdir()
    (folder / "one.png").touch()
    (run.path / "link").symlink_to(victim)
    (run.path / "folder").symlink_to(folder)
    os.link(victim, run.path / "hard")
    remove_run(run.path)
    assert not run.path.exists()
    assert victim.read_bytes() == SECRET
    assert (folder / "one.png").exists()


def test_a_linked_run_is_removed_as_a_link(run: RunDir, tmp_path: Path) -> None:
    real = tmp_path / "real"
    run.path.rename(real)
    run.path.symlink_to(real)
    remove_run(run.path)
    assert not os.path.lexists(run.path)
    assert (real / "spec.json").exists()
