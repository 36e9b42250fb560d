"""Looking for event files in a folder that may hold years of other trainings."""

from __future__ import annotations

import os
import time
from pathlib import Path

import pytest

from runner.ingest.event_files import EventFiles

NAME = "events.out.tfevents.1.host.1.0"


def old(path: Path, age_s: float = 1e6) -> None:
    os.utime(path, (time.time() - age_s, time.time() - age_s))


def years_of_trainings(folder: Path, number: int) -> None:
    for at in range(number):
        inner = folder / f"2023{at:06d}" / "network_train"
        inner.mkdir(parents=True)
        (inner / NAME).write_bytes(b"x")
        for path in (inner / NAME, inner, inner.parent):
            old(path)
    old(folder)


def listings(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Every folder that is listed from now on."""
    seen: list[str] = []
    real = os.scandir

    def noted(path: str) -> object:
        seen.append(path)
        return real(path)

    monkeypatch.setattr(os, "scandir", noted)
    return seen


def test_old_folders_are_listed_once_and_new_ones_found(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    years_of_trainings(tmp_path, 50)
    files = EventFiles(tmp_path, since=time.time() - 60)
    seen = listings(monkeypatch)
    files.look(60.0)
    assert (files.found, files.complete, len(seen)) == ((), True, 101)
    mine = tmp_path / "20261129" / "network_train"
    mine.mkdir(parents=True)
    (mine / NAME).write_bytes(b"x")
    seen.clear()
    files.again()
    files.look(60.0)
    assert files.found == (mine / NAME,)
    assert len(seen) == 3  # the top, and the two that are new


def test_a_file_in_a_new_folder_below_an_old_one_is_found(tmp_path: Path) -> None:
    years_of_trainings(tmp_path, 3)
    files = EventFiles(tmp_path, since=time.time() - 60)
    files.look(60.0)
    again = tmp_path / "2023000001" / "network_train" / "events.out.tfevents.2.host.1.0"
    again.write_bytes(b"x")
    files.again()
    files.look(60.0)
    assert files.found == (again,)


def test_a_file_that_is_empty_at_first_is_found_when_it_is_written(tmp_path: Path) -> None:
    path = tmp_path / NAME
    path.touch()
    files = EventFiles(tmp_path, since=time.time() - 60)
    files.look(60.0)
    assert files.found == ()
    path.write_bytes(b"x")
    old(tmp_path)
    files.again()
    files.look(60.0)
    assert files.found == (path,)


def test_what_a_trainer_begins_is_found_soon_however_long_a_look_at_everything_takes(
    tmp_path: Path,
) -> None:
    years_of_trainings(tmp_path, 20)
    files = EventFiles(tmp_path, since=time.time() - 60)
    files.look(60.0)
    files._took_s = 3600.0  # as on a slow disk with a million folders
    mine = tmp_path / "20261129"
    mine.mkdir()
    files._round_at -= 1.0
    files.look(60.0)
    (mine / "network_train").mkdir()
    (mine / "network_train" / NAME).write_bytes(b"x")
    files._round_at -= 1.0
    files.look(60.0)
    assert files.found == (mine / "network_train" / NAME,)


def test_a_look_stops_after_its_budget_and_goes_on_there(tmp_path: Path) -> None:
    years_of_trainings(tmp_path, 50)
    files = EventFiles(tmp_path)
    looks = 0
    while not files.complete:
        files.look(0.0)
        looks += 1
    assert looks > 50
    assert len(files.found) == 50


def test_between_two_rounds_nothing_is_asked_of_the_disk(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    files = EventFiles(tmp_path)
    files.look(60.0)
    assert not files.due
    monkeypatch.setattr(os, "stat", lambda *_: pytest.fail("asked"))
    files.look(60.0)


def test_a_folder_that_comes_later_and_one_that_goes_are_no_trouble(tmp_path: Path) -> None:
    root = tmp_path / "logs"
    files = EventFiles(root)
    files.look(60.0)
    assert (files.found, files.complete) == ((), True)
    (root / "a").mkdir(parents=True)
    (root / "a" / NAME).write_bytes(b"x")
    files.again()
    files.look(60.0)
    assert files.found == (root / "a" / NAME,)
    (root / "a" / NAME).unlink()
    (root / "a").rmdir()
    files.again()
    files.look(60.0)
    assert files.complete
