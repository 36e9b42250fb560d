"""Choosing a checkpoint of a run, exporting it by the verb and from the screen's wiring."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import save_file

from runner.history.review.chosen import NotChosen, choose
from runner.model import Checkpoint, Outcome, RunState
from runner.store.journal import write_json
from runner.store.rundir import RunDir
from runner.trainers.names import without_ending
from tests import builders as b
from tui.backend.door import Backend
from tui.backend.folders import folder_opener
from tui.cli.main import main


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> RunDir:
    """An ended run with two whole files, one that is gone, and losses by which step 400 is the best."""
    monkeypatch.setenv("PLASMA_HOME", str(tmp_path / "state"))
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.delenv("COMFYUI_PATH", raising=False)
    made = RunDir(tmp_path / "state/runs" / b.RUN_ID)
    made.path.mkdir(parents=True)
    out = tmp_path / "project/output"
    out.mkdir(parents=True)
    files: list[Checkpoint] = []
    for step, loss in ((200, 0.12), (400, 0.09)):
        path = out / f"spyke-step{step:08d}.safetensors"
        save_file({"a": np.full((8, 8), step, np.float32)}, path)
        # as the trainer prints it: relative to its working folder
        files.append(
            b.checkpoint(
                step, loss=loss, path=f"output/{path.name}", size_bytes=path.stat().st_size
            )
        )
    files.append(b.checkpoint(600, missing=True))
    spec = b.spec(cwd=str(tmp_path / "project"), output_dir="output")
    write_json(made.spec, spec)
    write_json(
        made.status,
        b.status(620, state=RunState.ENDED, outcome=Outcome.STOPPED, checkpoints=tuple(files)),
    )
    return made


@pytest.fixture
def loras(tmp_path: Path) -> Path:
    folder = tmp_path / "loras"
    folder.mkdir()
    return folder


@pytest.mark.parametrize("which", ["400", "spyke-step00000400", "spyke-step00000400.safetensors"])
def test_a_checkpoint_is_found_by_step_and_by_name(run: RunDir, which: str) -> None:
    assert choose(run.path, which).checkpoint.step == 400


def test_the_best_one_comes_with_its_reasons(run: RunDir) -> None:
    found = choose(run.path)
    assert found.checkpoint.step == 400
    assert found.path.is_file()
    assert any("lowest smoothed training loss" in text for text in found.why)


@pytest.mark.parametrize("which", ["600", "final", "none-such", "²"])
def test_what_is_not_there_is_one_sentence_with_what_is(run: RunDir, which: str) -> None:
    with pytest.raises(NotChosen, match="has 200, 400"):
        choose(run.path, which)


def test_the_verb_prints_the_path_of_the_copy(
    run: RunDir, loras: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["export", "last", "--to", str(loras), "--name", "best"]) == 0
    assert capsys.readouterr().out == f"{loras}/best.safetensors\n"
    assert main(["export", "last", "--to", str(loras), "--checkpoint", "200", "--json"]) == 0
    told = json.loads(capsys.readouterr().out)
    assert told["step"] == 200 and Path(told["path"]).is_file() and len(told["sha256"]) == 64
    assert main(["export", "last", "--to", str(loras), "--name", "best"]) == 1
    assert "with the same content" in capsys.readouterr().err


def test_the_verb_refuses_in_one_sentence(
    run: RunDir, loras: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["export", "last"]) == 2
    assert "--to DIR" in capsys.readouterr().err
    assert main(["export", "last", "--to", str(loras), "--checkpoint", "7"]) == 3
    assert "it has 200, 400" in capsys.readouterr().err
    assert main(["export", "none", "--to", str(loras)]) == 3
    capsys.readouterr()
    (loras / "file").write_bytes(b"")
    assert main(["export", "last", "--to", str(loras / "file")]) == 1
    assert "is no folder" in capsys.readouterr().err
    assert main(["export", "last", "--to", str(loras / "file" / "below")]) == 1
    assert "cannot be created" in capsys.readouterr().err
    assert [one.name for one in loras.iterdir()] == ["file"]


def test_the_folder_used_last_is_suggested_next(
    run: RunDir, loras: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["export", "last", "--to", str(loras)]) == 0
    assert Backend().export_folders(run.path) == (str(loras),)
    capsys.readouterr()
    assert main(["export", "last"]) == 2
    assert str(loras) in capsys.readouterr().err


# --------------------------------------------------------------------------- the screen's


def test_the_sheet_of_the_screen_holds_whole_paths(run: RunDir) -> None:
    sheet = Backend().summary(run.path)
    assert [Path(c.checkpoint.path).is_file() for c in sheet.candidates] == [True, True]
    assert "best" in [section.key for section in sheet.document.sections]


def test_an_export_answers_with_a_sentence(run: RunDir, loras: Path) -> None:
    source = str(choose(run.path, "400").path)
    (loras / "x.safetensors").write_bytes(b"theirs")
    refused = Backend().export(source, str(loras), "x")
    assert (refused.done, refused.free_name) == (False, "x-2.safetensors")
    done = Backend().export(source, str(loras), "x-2")
    assert done.done and "verified, sha256" in done.text
    assert (loras / "x.safetensors").read_bytes() == b"theirs"


def test_a_folder_is_opened_only_where_there_is_a_desktop(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.platform", "linux")
    monkeypatch.setattr("shutil.which", lambda name: f"/usr/bin/{name}")
    assert folder_opener("/o/x.safetensors", {"DISPLAY": ":0"}) == ["xdg-open", "/o"]
    assert folder_opener("/o/x", {}) is None
    assert folder_opener("/o/x", {"DISPLAY": ":0", "SSH_CONNECTION": "1 2 3 4"}) is None
    monkeypatch.setattr("sys.platform", "darwin")
    assert folder_opener("/o/x", {}) == ["open", "-R", "/o/x"]


def test_without_a_desktop_the_folder_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SSH_TTY", "/dev/pts/1")
    said = Backend().show_folder("/o/x.safetensors")
    assert said == "No desktop here to open it in. The folder is /o"


# --------------------------------------------------------------------------- the form


def test_the_ending_is_no_part_of_a_suggested_name() -> None:
    assert without_ending("spyke v1.2.safetensors") == "spyke v1.2"
    assert without_ending("spyke v1.2") == "spyke v1.2"
    assert without_ending(".safetensors") == ".safetensors"
