"""A folder of runs that cannot be used: one sentence and exit code 2, for every verb and the screen."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import pytest

from runner.store.home_check import home_problem
from tui.cli.main import main

BAD = {
    "file": "is a file; choose a folder",
    "file/below": "is below a file",
    "dangling": "is a link to",
    "loop": "cannot be used",
    "holder": "contains a file named runs",
    "x" * 300: "is too long for this file system",
    "/".join(["y" * 200] * 20): "is too long for",
    "\udcff\udcfe": "is not UTF-8",
}


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    (tmp_path / "file").write_text("")
    (tmp_path / "dangling").symlink_to(tmp_path / "gone")
    (tmp_path / "loop").symlink_to("loop")
    (tmp_path / "holder").mkdir()
    (tmp_path / "holder" / "runs").write_text("")
    (tmp_path / "work").mkdir()
    monkeypatch.chdir(tmp_path / "work")
    return tmp_path


@pytest.mark.parametrize("name", [*BAD], ids=range(len(BAD)))
@pytest.mark.parametrize(
    "words",
    [
        [], ["runs"], ["show", "last"], ["attach", "last"], ["start"], ["check"], ["forecast"],
        ["demo", "--headless"], ["stop", "x"], ["resume", "x"], ["retry", "x"], ["log", "x"],
        ["import", "."], ["replay", "x"], ["inspect", "x"], ["hardware"], ["init", "--yes"],
        ["label", "x"], ["remove", "x"], ["compare", "x", "y"], ["export", "x"], ["notify"],
        ["approve", "x"],
    ],
    ids=lambda words: words[0] if words else "screen",
)  # fmt: skip
def test_every_verb_and_the_screen_say_what_is_wrong(
    place: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    words: list[str],
    name: str,
) -> None:
    monkeypatch.setenv("PLASMA_HOME", f"{place}/{name}")
    assert main(words) == 2
    said = capsys.readouterr().err
    assert said.startswith("plasma-tui: PLASMA_HOME")
    assert BAD[name] in said
    assert said.count("\n") == 1


def test_a_home_that_cannot_be_written_stops_what_makes_runs_and_nothing_else(
    place: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    if sys.platform == "linux":  # rights do not bind root, /proc does
        monkeypatch.setenv("PLASMA_HOME", "/proc/plasma")
        assert home_problem(writing=False) is None
        assert "cannot be written to" in (home_problem(writing=True) or "")


def test_a_folder_that_does_not_exist_yet_is_fine_and_not_made_by_looking(
    place: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PLASMA_HOME", str(place / "new" / "home"))
    assert home_problem(writing=False) is None
    assert not os.path.lexists(place / "new")
    assert home_problem(writing=True) is None
    assert [*(place / "new" / "home").iterdir()] == []


def test_the_home_of_an_unknown_user_and_a_lost_working_folder_are_named(
    place: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PLASMA_HOME", "~nobody-of-this-name/x")
    assert "there is no such user" in (home_problem(writing=False) or "")
    monkeypatch.setenv("PLASMA_HOME", "relative")
    (place / "work").rmdir()
    assert "use an absolute path" in (home_problem(writing=False) or "")


def test_verify_needs_no_runs(
    place: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("PLASMA_HOME", str(place / "file"))
    assert main(["verify", str(place / "none.safetensors")]) != 2
