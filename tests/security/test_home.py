"""A PLASMA_HOME in which other users could put runs and orders is refused, by every verb that uses runs."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from runner.files.private import writable_by_others
from runner.store.home_check import home_problem
from runner.store.rundir import home
from tui.cli.main import main

OTHER_UID = 4711
as_root = pytest.mark.skipif(os.geteuid() != 0, reason="only root can give a file to another user")


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    found = tmp_path / "home"
    found.mkdir(0o700)
    monkeypatch.setenv("PLASMA_HOME", str(found))
    return found


@pytest.mark.parametrize("mode", [0o702, 0o770, 0o777, 0o1777])
@pytest.mark.parametrize("which", ["home", "runs"])
def test_a_home_that_others_can_write_is_refused_with_what_to_do(
    place: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
    which: str,
    mode: int,
) -> None:
    monkeypatch.setattr("runner.files.private._is_own_group", lambda gid: False)
    folder = place if which == "home" else place / "runs"
    folder.mkdir(exist_ok=True)
    folder.chmod(mode)
    for words in (["runs"], ["show", "last"], ["start"], ["stop", "last"], []):
        assert main(words) == 2
        error = capsys.readouterr().err
        assert "can be written by" in error
        assert f"chmod 700 {folder}" in error
        assert error.count("\n") == 1
    folder.chmod(0o700)
    assert home_problem(writing=True) is None


@as_root
@pytest.mark.parametrize("which", ["home", "runs"])
def test_a_home_of_another_user_is_refused(place: Path, which: str) -> None:
    folder = place if which == "home" else place / "runs"
    folder.mkdir(exist_ok=True)
    os.chown(folder, OTHER_UID, -1)
    problem = home_problem(writing=False) or ""
    assert f"belongs to user {OTHER_UID}" in problem
    assert "choose a folder of your own" in problem


@pytest.mark.parametrize("mode", [0o700, 0o750, 0o755])
def test_folders_that_others_can_only_read_are_fine(place: Path, mode: int) -> None:
    place.chmod(mode)
    (place / "runs").mkdir()
    (place / "runs").chmod(mode)
    assert home_problem(writing=True) is None


def test_a_folder_in_a_shared_one_is_fine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    tmp_path.chmod(0o1777)
    monkeypatch.setenv("PLASMA_HOME", str(tmp_path / "mine"))
    assert home_problem(writing=True) is None
    assert home().stat().st_mode & 0o777 == 0o700


def test_the_own_group_of_a_user_is_nobody_else(
    place: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import grp
    import pwd

    user = pwd.getpwuid(os.geteuid())
    group = grp.struct_group((user.pw_name, "x", user.pw_gid, []))
    monkeypatch.setattr(grp, "getgrgid", lambda gid: group)
    os.chown(place, -1, user.pw_gid)
    place.chmod(0o770)
    assert writable_by_others(place) is None
    shared = grp.struct_group((user.pw_name, "x", user.pw_gid, ["somebody"]))
    monkeypatch.setattr(grp, "getgrgid", lambda gid: shared)
    assert writable_by_others(place) == "can be written by its group"
