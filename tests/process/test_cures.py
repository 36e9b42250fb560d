"""Cures with real git, real file systems, and the command line."""

from __future__ import annotations

import json
import os
import pty
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from runner.preflight.cures.commands import stream
from runner.preflight.cures.model import CureFailed
from runner.preflight.registry import cure_for
from tests import ROOT
from tests.unit.preflight.preflight_project import Project, look, project_fixture

IDENTITY = ("-c", "user.name=t", "-c", "user.email=t@example.org", "-c", "commit.gpgsign=false")
CLI = [sys.executable, "-m", "tui.cli"]


def git(folder: Path, *words: str) -> None:
    subprocess.run(["git", *IDENTITY, *words], cwd=folder, check=True, capture_output=True)


@pytest.fixture
def kohya(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A clone of a repository whose submodule sd-scripts was never fetched, with its real remote."""
    monkeypatch.setenv("GIT_CONFIG_COUNT", "1")
    monkeypatch.setenv("GIT_CONFIG_KEY_0", "protocol.file.allow")
    monkeypatch.setenv("GIT_CONFIG_VALUE_0", "always")
    remote = tmp_path / "remote" / "sd-scripts"
    for name in ("train_network.py", "networks/lora.py", "library/train_util.py"):
        file = remote / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text("pass\n")
    git(remote, "init", "-q")
    git(remote, "add", ".")
    git(remote, "commit", "-qm", "x")
    git(remote, "tag", "v0.11.1")
    outer = tmp_path / "remote" / "kohya_ss"
    outer.mkdir()
    git(outer, "init", "-q")
    git(outer, "submodule", "add", str(remote), "sd-scripts")
    git(outer, "commit", "-qm", "x")
    clone = tmp_path / "kohya_ss"
    git(tmp_path, "clone", "-q", str(outer), str(clone))
    return clone


project = project_fixture(checkout=False)


SD = 'sd_scripts = "kohya_ss/sd-scripts"'


def test_an_empty_submodule_is_fetched_with_its_output_shown(project: Project, kohya: Path) -> None:
    config = project.config(trainer=SD)
    assert look("trainer", config).evidence == "sd-scripts missing"
    cure = cure_for("trainer", config)
    assert cure is not None
    assert cure.will_do == (f"cd {kohya} && git submodule update --init --recursive --progress",)
    told: list[str] = []
    cure.apply(told.append)
    assert any("Submodule path 'sd-scripts': checked out" in line for line in told), told
    assert any("Cloning into" in line for line in told), told
    found = look("trainer", config)
    assert (found.status, found.evidence) == ("pass", "sd-scripts v0.11.1")
    assert cure_for("trainer", config) is None


def test_a_submodule_whose_remote_is_gone_says_so(
    project: Project, kohya: Path, tmp_path: Path
) -> None:
    (tmp_path / "remote" / "sd-scripts").rename(tmp_path / "moved")
    cure = cure_for("trainer", project.config(trainer=SD))
    assert cure is not None
    with pytest.raises(CureFailed, match=r"failed with code \d+"):
        cure.apply(lambda line: None)


def test_lost_and_emptied_files_are_brought_back_and_changed_ones_stay(
    project: Project, kohya: Path
) -> None:
    git(kohya, "submodule", "update", "--init")
    sd = kohya / "sd-scripts"
    (sd / "library/train_util.py").write_text("mine\n")
    (sd / "train_network.py").unlink()
    (sd / "networks/lora.py").write_text("")
    config = project.config(trainer=SD)
    for _ in range(2):  # one file is found at a time
        cure = cure_for("trainer", config)
        assert cure is not None
        cure.apply(lambda line: None)
    assert look("trainer", config).status == "pass"
    assert (sd / "library/train_util.py").read_text() == "mine\n"


def test_a_cancelled_command_leaves_no_process() -> None:
    cancelled = threading.Event()
    told: list[str] = []

    def hear(line: str) -> None:
        told.append(line)
        cancelled.set()

    begin = time.monotonic()
    command = ["sh", "-c", "echo begun; sleep 60 & sleep 60"]
    with pytest.raises(CureFailed, match="was cancelled"):
        stream(command, Path("/"), hear, cancelled)
    assert told == ["begun"]
    assert time.monotonic() - begin < 8
    left = [p for p in psutil.Process().children(recursive=True) if p.status() != "zombie"]
    assert [p for p in left if "sleep" in p.name()] == []


def test_progress_that_ends_in_a_carriage_return_is_shown_as_it_comes() -> None:
    told: list[tuple[float, str]] = []
    command = ["sh", "-c", "printf '10%%\\r'; sleep 0.5; printf '20%%\\r'; sleep 0.5; echo done"]
    stream(
        command, Path("/"), lambda line: told.append((time.monotonic(), line)), threading.Event()
    )
    assert [line for _, line in told] == ["10%", "20%", "done"]
    assert told[2][0] - told[0][0] > 0.8, "not all at the end"


def test_a_command_that_fails_tells_its_last_line() -> None:
    with pytest.raises(CureFailed, match="failed with code 3: no such thing"):
        stream(["sh", "-c", "echo no such thing >&2; exit 3"], Path("/"), print, threading.Event())
    with pytest.raises(CureFailed, match="cannot be started"):
        stream(["/no/such/program"], Path("/"), print, threading.Event())


# ----------------------------------------------------------------------------- file systems


def mount(*words: str) -> None:
    found = subprocess.run(["mount", *words], capture_output=True, text=True)
    if found.returncode:
        pytest.skip(f"cannot mount here: {found.stderr.strip()}")


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of 200 MB that holds nothing yet."""
    folder = tmp_path / "disk"
    folder.mkdir()
    mount("-t", "tmpfs", "-o", "size=200m", "tmpfs", str(folder))
    yield folder
    subprocess.run(["umount", str(folder)], check=True)


def fill(folder: Path, leave_bytes: int) -> None:
    free = os.statvfs(folder).f_bavail * os.statvfs(folder).f_frsize
    with (folder / "filler").open("wb") as stream_out:
        os.posix_fallocate(stream_out.fileno(), 0, free - leave_bytes)


def test_a_full_disk_is_foreseen(project: Project, small_disk: Path) -> None:
    config = project.config(expect="checkpoint_mb = [50, 90]").changed(
        {"output_dir": str(small_disk / "out"), "save_every_n_steps": 10}
    )
    found = look("disk", config)
    assert found.status == "fail", found
    assert found.evidence.endswith("not 450 MB"), "four by steps and the last one"
    config = config.changed({"save_every_n_steps": False})
    assert look("disk", config).status == "pass"
    fill(small_disk, 10_000_000)
    assert look("disk", config).status == "fail"


def test_a_full_disk_under_the_runs_is_foreseen(
    project: Project, small_disk: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PLASMA_HOME", str(small_disk))
    config = project.config()
    assert look("disk", config).status == "pass"
    fill(small_disk, 10_000_000)
    assert look("disk", config).evidence.endswith("for runs")


@pytest.fixture
def read_only(tmp_path: Path) -> Iterator[Path]:
    folder = tmp_path / "ro"
    folder.mkdir()
    mount("--bind", str(folder), str(folder))
    mount("-o", "remount,ro,bind", str(folder))
    yield folder
    subprocess.run(["umount", str(folder)], check=True)


def test_a_read_only_folder_is_found_by_writing_even_as_root(
    project: Project, read_only: Path
) -> None:
    config = project.config().changed({"output_dir": str(read_only / "out")})
    found = look("output", config)
    assert (found.status, found.evidence) == ("fail", "not writable")
    assert "Read-only file system" in found.detail


# ----------------------------------------------------------------------------- the command


def cli(folder: Path, *words: str) -> subprocess.CompletedProcess[str]:
    root = ROOT
    env = {**os.environ, "PYTHONPATH": str(root)}
    return subprocess.run(
        [*CLI, "check", *words], cwd=folder, env=env, capture_output=True, text=True, timeout=60,
        stdin=subprocess.DEVNULL,
    )  # fmt: skip


@pytest.fixture
def flipped(project: Project) -> Project:
    project.write_dataset(train="flip_aug = true")
    project.config(expect='images = 2\ndevice = "cpu"')
    return project


def test_without_a_terminal_a_cure_needs_a_yes(flipped: Project) -> None:
    found = cli(flipped.root, "--fix", "flip_aug")
    assert found.returncode == 2
    assert "flip_aug = false" in found.stderr, "what it would do is shown all the same"
    assert "add --yes" in found.stderr
    assert "flip_aug = true" in (flipped.root / "dataset.toml").read_text()


def test_a_cure_is_done_and_the_check_looked_at_again(flipped: Project) -> None:
    found = cli(flipped.root, "--fix", "flip_aug", "--yes")
    assert found.returncode == 0, found.stderr
    assert found.stdout == "✓ Mirroring: No image is mirrored, so left stays left.\n"
    assert "flip_aug = false" in (flipped.root / "dataset.toml").read_text()
    again = cli(flipped.root, "--fix", "flip_aug", "--yes", "--json")
    assert again.returncode == 0
    assert "nothing to fix" in again.stderr
    assert json.loads(again.stdout)["checks"][0]["status"] == "pass"


def test_wrong_names_and_checks_without_a_cure_are_told(flipped: Project) -> None:
    found = cli(flipped.root, "--fix", "flip_aub", "--yes")
    assert found.returncode == 2
    assert "nearest: flip_aug" in found.stderr
    for file in flipped.train.glob("*.png"):
        file.unlink()
    found = cli(flipped.root, "--fix", "images", "--yes")
    assert found.returncode == 1
    assert "plasma-tui cannot fix this" in found.stderr


def test_the_list_names_the_command_of_each_cure(flipped: Project) -> None:
    found = cli(flipped.root, "--json")
    checks = {check["name"]: check for check in json.loads(found.stdout)["checks"]}
    assert len(checks) >= 30
    assert checks["flip_aug"]["fix"] == "flip_aug"
    assert checks["flip_aug"]["advice"]
    assert checks["images"]["fix"] is None


@pytest.mark.parametrize(("typed", "kept"), [("y\n", False), ("n\n", True), ("\n", True)])
def test_on_a_terminal_it_asks(flipped: Project, typed: str, kept: bool) -> None:
    leader, follower = pty.openpty()
    root = ROOT
    child = subprocess.Popen(
        [*CLI, "check", "--fix", "flip_aug"], cwd=flipped.root, stdin=follower, stdout=follower,
        stderr=follower, env={**os.environ, "PYTHONPATH": str(root)}, start_new_session=True,
    )  # fmt: skip
    os.close(follower)
    seen = b""
    while b"[y/N]" not in seen:
        seen += os.read(leader, 4096)
    os.write(leader, typed.encode())
    try:
        while os.read(leader, 4096):
            pass
    except OSError:
        pass  # the other end is closed
    assert child.wait(timeout=30) == (1 if kept else 0)
    os.close(leader)
    assert ("flip_aug = true" in (flipped.root / "dataset.toml").read_text()) is kept
