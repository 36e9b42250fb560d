"""`plasma-tui init`: what it writes, says and answers."""

from __future__ import annotations

import io
import shutil
import sys
from pathlib import Path

import pytest

from runner.files.atomic import replace_file
from runner.trainers.sd_scripts.importers import write
from runner.trainers.sd_scripts.importers.find import Context, Places
from runner.trainers.sd_scripts.importers.fresh import Answers, new_project
from runner.trainers.sd_scripts.importers.model import NewFile
from runner.trainers.sd_scripts.importers.write import write_project
from tests.sample_runs import png
from tui.cli.init import _startable
from tui.cli.main import main


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A home with kohya_ss in it; the working folder is an empty project."""
    sd = tmp_path / "kohya_ss" / "sd-scripts"
    sd.mkdir(parents=True)
    for name in ("train_network.py", "networks/lora.py", "library/train_util.py"):
        (sd / name).parent.mkdir(exist_ok=True)
        (sd / name).write_text("raise SystemExit\n")
    (tmp_path / "kohya_ss" / "venv" / "bin").mkdir(parents=True)
    (tmp_path / "kohya_ss" / "venv" / "bin" / "python").symlink_to(sys.executable)
    (tmp_path / "model").mkdir()
    (tmp_path / "model" / "model_index.json").write_text("{}")
    images = tmp_path / "project" / "img" / "3_cat"
    images.mkdir(parents=True)
    (images / "a.png").write_bytes(png(64, 64))
    monkeypatch.chdir(tmp_path / "project")
    monkeypatch.setenv("HOME", str(tmp_path))
    here = Places(tmp_path, tmp_path / "project", {}, "linux", (), tmp_path / "no-driver")
    monkeypatch.setattr(Places, "here", classmethod(lambda cls: here))
    return tmp_path


def command(home: Path) -> str:
    return (
        f"accelerate launch train_network.py --output_name=x --learning_rate=1e-4 "
        f"--pretrained_model_name_or_path={home}/model --train_data_dir={home}/project/img "
        "--resolution=64 --max_train_epochs=2 --network_module=networks.lora --t=$(date)\n"
    )


def test_an_import_is_written_and_told(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (home / "project" / "train.sh").write_text(command(home))
    assert main(["init", "--from", "train.sh"]) == 0
    told = capsys.readouterr()
    assert told.out == f"{home}/project/plasma.toml\n"
    assert f"from {home}/project/train.sh, line 1" in told.err
    assert "not imported (also listed at the end of the file):" in told.err
    assert "  --t=${date}: $(date) would have to be run" in told.err
    assert "it will train 6 steps" in told.err
    assert "`plasma-tui check` runs all preflight checks" in told.err
    text = (home / "project" / "plasma.toml").read_text()
    assert 'sd_scripts = "~/kohya_ss/sd-scripts"' in text
    assert text.endswith("# not imported:\n#   --t=${date}: $(date) would have to be run\n")


def test_a_command_can_come_from_a_pipe(
    home: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("sys.stdin", io.TextIOWrapper(io.BytesIO(command(home).encode())))
    assert main(["init", "--from", "-", "--dir", "new"]) == 0
    assert capsys.readouterr().out == f"{home}/project/new/plasma.toml\n"
    assert 'output_name = "x"' in (home / "project" / "new" / "plasma.toml").read_text()


def test_an_existing_plasma_toml_is_left_alone_unless_forced(
    home: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (home / "project" / "plasma.toml").write_text("mine\n")
    (home / "project" / "train.sh").write_text(command(home))
    assert main(["init", "--from", "train.sh"]) == 1
    assert "already exists: --force replaces it" in capsys.readouterr().err
    assert (home / "project" / "plasma.toml").read_text() == "mine\n"
    assert main(["init", "--from", "train.sh", "--force"]) == 0
    assert "backup of the old file" in capsys.readouterr().err
    assert (home / "project" / "plasma.toml.bak").read_text() == "mine\n"


@pytest.mark.parametrize(
    ("text", "code", "said"),
    [
        (None, 3, "plasma-tui: no file x.sh: give the script or configuration to import\n"),
        ("echo\n", 2, "has no training command"),
        ("\0", 2, "is a binary file"),
    ],
)
def test_what_cannot_be_imported_is_one_sentence(
    home: Path, capsys: pytest.CaptureFixture[str], text: str | None, code: int, said: str
) -> None:
    if text is not None:
        (home / "project" / "x.sh").write_text(text)
    assert main(["init", "--from", "x.sh"]) == code
    told = capsys.readouterr()
    assert said in told.err and told.err.count("\n") == 1 and told.out == ""
    assert not (home / "project" / "plasma.toml").exists()


def test_without_a_terminal_what_was_found_is_taken_and_the_rest_named(
    home: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    shutil.rmtree(home / "project" / "img")
    assert main(["init"]) == 1
    told = capsys.readouterr()
    text = (home / "project" / "plasma.toml").read_text()
    assert 'sd_scripts = "~/kohya_ss/sd-scripts"' in text
    assert 'python = "~/kohya_ss/venv/bin/python"' in text
    assert told.err.splitlines()[-3:] == [
        "missing: pretrained_model_name_or_path: the base model that the LoRA is for",
        "missing: dataset_config: the dataset TOML (no images were found in this folder)",
        "it cannot be started yet (pretrained_model_name_or_path, dataset_config): complete it, then run "
        "`plasma-tui check`",
    ]


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def answer(monkeypatch: pytest.MonkeyPatch, *lines: str) -> Terminal:
    screen = Terminal()
    monkeypatch.setattr("sys.stdin", Terminal("".join(f"{line}\n" for line in lines)))
    monkeypatch.setattr("sys.stderr", screen)
    return screen


def test_on_a_terminal_only_what_cannot_be_found_out_is_asked(
    home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    screen = answer(monkeypatch, f"{home}/model", "spyke")
    assert main(["init"]) == 0
    assert "base model, a path [none]: " in screen.getvalue()
    assert "name of the LoRA [project]: " in screen.getvalue()
    assert "folder of sd-scripts" not in screen.getvalue()
    text = (home / "project" / "plasma.toml").read_text()
    assert 'pretrained_model_name_or_path = "~/model"' in text
    assert 'name = "spyke"' in text


def test_several_checkouts_are_offered_and_chosen_by_number(
    home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    other = home / "tools" / "sd-scripts"
    other.mkdir(parents=True)
    (other / "train_network.py").write_text("x = 1\n")
    screen = answer(monkeypatch, "2", "", "", "")
    assert main(["init"]) == 1
    assert f"  2  {other}\n" in screen.getvalue()
    text = (home / "project" / "plasma.toml").read_text()
    assert 'sd_scripts = "~/tools/sd-scripts"' in text


def test_a_terminal_that_is_not_to_be_asked_is_not(
    home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    screen = answer(monkeypatch)
    assert main(["init", "--yes"]) == 1
    assert "]: " not in screen.getvalue()


def test_an_empty_submodule_is_told_with_its_cure(
    home: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (home / "project" / "train.sh").write_text(command(home))
    shutil.rmtree(home / "kohya_ss" / "sd-scripts")
    (home / "kohya_ss" / "sd-scripts").mkdir()
    assert main(["init", "--from", "train.sh"]) == 1
    told = capsys.readouterr().err
    assert f"{home}/kohya_ss/sd-scripts: the submodule is empty; run `git submodule" in told


def test_what_the_written_file_still_lacks_is_told(
    home: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    shutil.rmtree(home / "kohya_ss")
    (home / "project" / "train.sh").write_text(command(home))
    assert main(["init", "--from", "train.sh"]) == 1
    told = capsys.readouterr().err
    assert "missing: sd_scripts: the folder of train_network.py" in told
    assert "missing: python: python of the venv of sd-scripts" in told
    assert "it cannot be started yet (sd_scripts, python): complete it" in told


def test_a_folder_that_cannot_be_written_is_one_sentence(
    home: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (home / "project" / "file").write_text("")
    assert main(["init", "--yes", "--dir", "file/inner"]) == 1
    assert "cannot be written to" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("flag", "instead", "said"),
    [
        ("--pretrained_model_name_or_path={}/model", "", "(pretrained_model_name_or_path)"),
        ("{}/model", "{}/gone.safetensors", "gone.safetensors does not exist."),
        ("--train_data_dir={}/project/img", "", "(dataset_config)"),
        ("{}/project/img", "{}/img", "/img does not exist."),
        ("--network_module=networks.lora", "", "(network_module)"),
    ],
)
def test_what_cannot_be_started_is_written_and_exits_with_1(
    home: Path, capsys: pytest.CaptureFixture[str], flag: str, instead: str, said: str
) -> None:
    text = command(home).replace(flag.format(home), instead.format(home))
    (home / "project" / "train.sh").write_text(text)
    assert main(["init", "--from", "train.sh"]) == 1
    told = capsys.readouterr()
    assert said in told.err
    assert told.err.splitlines()[-1].startswith("it cannot be started yet (")
    assert told.out == f"{home}/project/plasma.toml\n"


def test_a_described_dataset_is_written_by_its_check(
    home: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """[dataset] of a new project: `check --fix dataset` writes its file."""
    answered = Answers(home / "kohya_ss" / "sd-scripts", sys.executable, f"{home}/model", "x")
    context = Context.here(home / "project")
    made = new_project(answered, context=context)
    assert "[[dataset.datasets]]" in made.config_text
    assert not (home / "project" / "dataset.toml").exists()
    assert _startable(made, write_project(home / "project", made.config_text).path)
    assert "it will train" in capsys.readouterr().err


def test_nothing_is_left_half_written(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The disk is full when the prompts are written."""
    folder = home / "project"
    (folder / "plasma.toml").write_text("mine\n")

    def full(path: Path, data: bytes, **more: object) -> None:
        if path.name == "prompts.txt":
            raise OSError(28, "No space left on device")
        replace_file(path, data)

    monkeypatch.setattr(write, "replace_file", full)
    with pytest.raises(OSError, match="No space"):
        write_project(folder, "new\n", files=[NewFile("prompts.txt", "a cat\n")], force=True)
    assert (folder / "plasma.toml").read_text() == "mine\n"
    assert (folder / "plasma.toml.bak").read_text() == "mine\n"
    assert not (folder / "prompts.txt").exists()
