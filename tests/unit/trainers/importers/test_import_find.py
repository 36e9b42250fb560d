"""What is found on a machine and in a project, and the plasma.toml that follows without a command."""

from __future__ import annotations

from pathlib import Path

import pytest

from runner.trainers.sd_scripts.importers import find
from runner.trainers.sd_scripts.importers.find import Context, Found, FoundModel, Places, find_setup
from runner.trainers.sd_scripts.importers.fresh import Answers, missing_of, new_project, suggested
from runner.trainers.sd_scripts.importers.model import NewFile
from runner.trainers.sd_scripts.importers.project import look_at_project
from runner.trainers.sd_scripts.importers.write import AlreadyThere, write_project
from tests.unit.trainers.importers.import_context import Desk, arguments


def places(home: Path, cwd: Path | None = None, **environ: str) -> Places:
    return Places(home, cwd or home, environ, "linux", (home / "opt",), home / "no-driver")


def checkout(folder: Path, text: str = "x = 1\n") -> Path:
    folder.mkdir(parents=True)
    (folder / "train_network.py").write_text(text)
    return folder


def python(venv: Path, *others: str) -> Path:
    (venv / "bin").mkdir(parents=True)
    for name in ("python", *others):
        (venv / "bin" / name).touch()
    return venv / "bin" / "python"


@pytest.mark.parametrize(
    "where",
    [
        "kohya_ss/sd-scripts",
        "kohya_ss",  # before v23 without a submodule
        "tools/kohya_ss/sd-scripts",
        "sd-scripts",
        "code/LoRA_Easy_Training_Scripts/sd_scripts",
        "lora-scripts/scripts/stable",
        "opt/kohya_ss/sd-scripts",
    ],
)
def test_sd_scripts_is_found_in_the_usual_places(tmp_path: Path, where: str) -> None:
    folder = checkout(tmp_path / where)
    assert [one.path for one in find_setup(places(tmp_path)).sd_scripts] == [folder]


def test_it_is_found_around_the_working_folder_and_where_a_variable_says(tmp_path: Path) -> None:
    here, named = checkout(tmp_path / "x" / "mine"), checkout(tmp_path / "y")
    found = find_setup(places(tmp_path / "nobody", here, SD_SCRIPTS=str(named)))
    assert [one.path for one in found.sd_scripts] == [named, here]


def test_an_empty_submodule_is_told_and_comes_last(tmp_path: Path) -> None:
    (tmp_path / "kohya_ss" / "sd-scripts").mkdir(parents=True)
    whole = checkout(tmp_path / "tools" / "sd-scripts")
    empty = checkout(tmp_path / "src" / "sd-scripts", "")
    found = find_setup(places(tmp_path)).sd_scripts
    assert found[0].path == whole
    problems = {one.path: one.problem for one in found}
    assert problems[whole] is None
    assert problems[empty] == "train_network.py is empty"
    submodule = problems[tmp_path / "kohya_ss" / "sd-scripts"]
    assert submodule is not None and "git submodule update --init --recursive" in submodule


def test_the_interpreter_beside_a_checkout_belongs_to_it(tmp_path: Path) -> None:
    first = checkout(tmp_path / "kohya_ss" / "sd-scripts")
    other = checkout(tmp_path / "sd-scripts")
    own = python(tmp_path / "kohya_ss" / "venv")
    active = python(tmp_path / "conda", "accelerate")
    found = find_setup(places(tmp_path, CONDA_PREFIX=str(tmp_path / "conda")))
    assert found.pythons == (own, active)
    assert found.python_for(first) == own
    assert found.python_for(other) is None  # two are there: none can be chosen


def test_an_active_environment_without_accelerate_is_not_the_trainers(tmp_path: Path) -> None:
    python(tmp_path / "env")
    assert find_setup(places(tmp_path, VIRTUAL_ENV=str(tmp_path / "env"))).pythons == ()


def test_big_models_of_the_usual_folders_are_offered(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(find, "LEAST_MODEL_BYTES", 10)
    folder = tmp_path / "tools" / "ComfyUI" / "models" / "checkpoints"
    (folder / "sdxl").mkdir(parents=True)
    (folder / "b.safetensors").write_bytes(b"x" * 10)
    (folder / "sdxl" / "A.ckpt").write_bytes(b"x" * 11)
    (folder / "small.safetensors").write_bytes(b"x")
    (folder / "notes.txt").write_bytes(b"x" * 99)
    assert find_setup(places(tmp_path)).models == (
        FoundModel(folder / "sdxl" / "A.ckpt", 11),
        FoundModel(folder / "b.safetensors", 10),
    )


def project(folder: Path) -> Path:
    for name, count in (("train/10_spyke", 3), ("reg/1_knight", 2), ("venv/lib/3_x", 5)):
        (folder / name).mkdir(parents=True)
        for index in range(count):
            (folder / name / f"{index}.png").write_bytes(b"x")
            (folder / name / f"{index}.txt").write_text(f"spyke_v1, knight {index}\n")
    (folder / "train" / "10_spyke" / "x.Jpg").write_bytes(b"x")
    return folder


def test_folders_of_images_are_read_as_kohya_ss_names_them(tmp_path: Path) -> None:
    reg, train = look_at_project(project(tmp_path)).folders
    assert (train.path.name, train.images, train.repeats, train.is_reg) == (
        "10_spyke",
        3,
        10,
        False,
    )
    assert (train.captions, train.trigger) == (".txt", "spyke_v1")
    assert (reg.path.name, reg.images, reg.repeats, reg.is_reg) == ("1_knight", 2, 1, True)


def test_captions_that_begin_differently_have_no_trigger(tmp_path: Path) -> None:
    folder = project(tmp_path)
    (folder / "train" / "10_spyke" / "1.txt").write_text("a knight, spyke_v1")
    assert look_at_project(folder).trigger is None


def context(folder: Path, found: Found) -> Context:
    return Context(folder, places(folder.parent, folder), found, lambda trainer: None)


def test_a_project_with_images_gets_a_whole_plasma_toml(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    folder = project(tmp_path / "spyke project")
    sd = checkout(tmp_path / "kohya_ss" / "sd-scripts")
    own = python(tmp_path / "kohya_ss" / "venv")
    found = find_setup(places(tmp_path))
    answers = Answers(sd, str(own), "/models/base.safetensors", "spyke_v1")
    made = new_project(answers, context=context(folder, found))
    assert missing_of(made.config_text) == []
    desk = Desk(tmp_path, folder, {})
    config = desk.config(made)
    assert config.expect.images == 3 and config.expect.trigger == "spyke_v1"
    assert config.dataset is not None
    assert config.dataset["general"]["keep_tokens"] == 1
    assert config.dataset["datasets"][0]["subsets"] == [
        {"image_dir": "train/10_spyke", "num_repeats": 10},
        {"is_reg": True, "image_dir": "reg/1_knight", "num_repeats": 1},
    ]
    told = arguments(desk.command(made))
    assert "--learning_rate=1e-4" in told
    assert f"--dataset_config={folder}/dataset.toml" in told
    assert "--pretrained_model_name_or_path=/models/base.safetensors" in told
    assert config.smoke.gate


def test_what_nobody_knows_is_named_and_not_made_up(tmp_path: Path) -> None:
    found = Found()
    made = new_project(context=context(tmp_path, found))
    assert suggested(found, tmp_path / "my lora!").name == "my_lora"
    assert missing_of(made.config_text) == [
        "sd_scripts: the folder of train_network.py",
        "python: python of the venv of sd-scripts",
        "pretrained_model_name_or_path: the base model that the LoRA is for",
        "dataset_config: the dataset TOML (no images were found in this folder)",
    ]


def test_a_dataset_config_of_the_project_stays_where_it_is(tmp_path: Path) -> None:
    folder = project(tmp_path / "p")
    (folder / "sets").mkdir()
    (folder / "sets" / "a.toml").write_text("[[datasets]]\nresolution = 512\n")
    (folder / "sets" / "broken.toml").write_text("[[datasets\n")
    made = new_project(context=context(folder, Found()))
    assert 'dataset_config = "sets/a.toml"' in made.config_text
    assert "[dataset" not in made.config_text


def test_a_mac_gets_what_is_known_to_work_there(tmp_path: Path) -> None:
    text = new_project(context=context(project(tmp_path / "p"), Found(device="mps"))).config_text
    assert 'device = "mps"' in text
    assert 'mixed_precision = "no"' in text
    assert "no_half_vae = true" in text
    assert 'env = {PYTORCH_ENABLE_MPS_FALLBACK = "1"}' in text


def test_plasma_toml_is_never_replaced_unasked_and_every_older_one_is_kept(tmp_path: Path) -> None:
    folder = tmp_path / "new" / "folder"
    assert write_project(folder, "one\n").backup is None
    with pytest.raises(AlreadyThere, match="give --force to replace it"):
        write_project(folder, "two\n", files=[NewFile("x.txt", "x")])
    assert [path.name for path in folder.iterdir()] == ["plasma.toml"]
    second = write_project(folder, "two\n", files=[NewFile("x.txt", "x")], force=True)
    third = write_project(folder, "three\n", files=[NewFile("x.txt", "y")], force=True)
    assert (second.backup, third.backup) == (
        folder / "plasma.toml.bak",
        folder / "plasma.toml.bak2",
    )
    assert (second.files, third.kept) == ((folder / "x.txt",), (folder / "x.txt",))
    texts = {path.name: path.read_text() for path in folder.iterdir()}
    assert texts == {
        "plasma.toml": "three\n", "plasma.toml.bak": "one\n", "plasma.toml.bak2": "two\n",
        "x.txt": "x",
    }  # fmt: skip
