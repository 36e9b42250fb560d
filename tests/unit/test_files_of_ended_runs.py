"""What was verified when a run ended is claimed by no viewer once its files are gone or others."""

from __future__ import annotations

import json
import os
import shutil
import socket
import threading
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.record_runs import weights
from tests.run_folders import SCHEMAS, lay_out
from tui.cli.main import main

Captured = pytest.CaptureFixture[str]


@pytest.fixture
def run(isolated_home: Path, tmp_path: Path) -> Path:
    found = lay_out(SCHEMAS[-1], isolated_home, tmp_path / "sample")
    path = next(one for one in found if "-succeeded-" in one.name)
    spec = json.loads((path / "spec.json").read_text())
    (path / "spec.json").write_text(json.dumps(spec | {"host": socket.gethostname()}))
    return path


def files_of(run: Path) -> list[Path]:
    status = json.loads((run / "status.json").read_text())
    return [Path(status["checkpoint_folder"]) / one["name"] for one in status["checkpoints"]]


def said(words: list[str], captured: Captured) -> str:
    main(words)
    found = captured.readouterr()
    return found.out + found.err


def checkpoints(run: Path, captured: Captured) -> list[tuple[object, object, object]]:
    found = json.loads(said(["show", run.name, "--json"], captured))["checkpoints"]
    return [(one["complete"], one["finite"], one["missing"]) for one in found]


def test_deleted_and_cut_files_are_named_by_every_viewer(run: Path, capsys: Captured) -> None:
    first, second, *rest = files_of(run)
    assert rest
    first.unlink()
    os.truncate(second, 20)
    bad = (False, None, True)
    assert checkpoints(run, capsys) == [bad, bad, *[(True, True, False)] * len(rest)]
    for words in (["show", run.name], ["show", run.name, "--markdown"]):
        text = " ".join(said(words, capsys).split())
        assert "missing, not deleted by the trainer" in text, text
        assert "changed since it was checked" in text, text
    for one, why in ((first, "is missing"), (second, "was changed since it was checked")):
        assert why in said(["export", run.name, "--checkpoint", one.name, "--to", "x"], capsys)


def test_without_the_output_folder_nothing_is_claimed_and_nothing_is_called_missing(
    run: Path, capsys: Captured
) -> None:
    folder = files_of(run)[0].parent
    words = ["compare", run.name, "stopped", "--json"]
    before = json.loads(said(words, capsys))["runs"][0]["results"]["best"]
    shutil.move(folder, folder.with_name("away"))
    assert set(checkpoints(run, capsys)) == {(None, None, False)}
    text = " ".join(said(["show", run.name], capsys).split())
    assert f"cannot be checked: {folder} does not exist" in text and "missing" not in text
    assert "cannot be checked" in said(["export", run.name, "--to", "x"], capsys)
    after = json.loads(said(words, capsys))["runs"][0]["results"]["best"]
    assert after == before is not None, "the ranking of a run that was copied elsewhere stays"


def test_a_file_that_was_imported_unchecked_and_then_replaced_is_named(
    isolated_home: Path, tmp_path: Path, capsys: Captured
) -> None:
    """By another of the same size."""
    path = tmp_path / "loras" / "mine-251130.safetensors"
    weights(path, 10)
    said(["import", str(path.parent)], capsys)
    (run,) = (isolated_home / "runs").iterdir()
    assert checkpoints(run, capsys) == [(True, None, False)]
    data = path.read_bytes()
    path.write_bytes(data[:-4] + bytes(4))
    os.utime(path, (1e9, 1e9))
    assert checkpoints(run, capsys) == [(False, None, True)]
    assert "changed since it was checked" in said(["show", run.name], capsys)


@pytest.mark.parametrize("put", [os.mkfifo, lambda path: path.symlink_to("/dev/zero"), Path.mkdir])
def test_a_console_that_is_no_file_hangs_no_command(
    run: Path, capsys: Captured, put: Callable[[Path], object]
) -> None:
    (run / "console.log").unlink()
    put(run / "console.log")
    found: list[str] = []

    def ask() -> None:
        found.extend(said(words, capsys) for words in (["log", run.name], ["show", run.name]))

    asking = threading.Thread(target=ask, daemon=True)
    asking.start()
    asking.join(30)
    assert not asking.is_alive()
    assert "console.log cannot be read" in found[0] and "succeeded" in found[1]
