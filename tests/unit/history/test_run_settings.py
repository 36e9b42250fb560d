"""What a run was started with, and what differs from another one."""

import os
from pathlib import Path

import pytest

from runner.config.hiding import HIDDEN, is_secret, without_secrets
from runner.control.begin import prepare
from runner.history.run_settings import UNKNOWN_SINCE, difference, settings_of
from runner.model import AttemptPlan, RunSpec
from runner.model.preview import FlagChange
from runner.store.journal import write_json
from runner.trainers.registry import load_config
from runner.trainers.sd_scripts.dataset_keys import dataset_keys

STARTED_AT = 1_700_000_000.0
DATASET = """
[general]
keep_tokens = 1
[[datasets]]
resolution = 512
batch_size = 2
  [[datasets.subsets]]
  image_dir = "img"
  num_repeats = 10
"""


def a_run(
    folder: Path, *flags: str, env: dict[str, str | None] | None = None, **changes: object
) -> Path:
    folder.mkdir()
    command = ("python", "-u", "train_network.py", *flags)
    values: dict[str, object] = {
        "id": folder.name, "name": "one", "command": command, "cwd": str(folder.parent), "env": env or {},
        "created_at": STARTED_AT, "host": "here", **changes,
    }  # fmt: skip
    spec = RunSpec(**values)  # type: ignore[arg-type]
    write_json(folder / "spec.json", spec)
    plan = AttemptPlan(1, spec.command, spec.env, spec.cwd, None, None)
    write_json(folder / "attempt-1.json", plan)
    return folder


def a_file(path: Path, text: str, age_s: float = 60.0) -> Path:
    path.write_text(text)
    os.utime(path, (STARTED_AT - age_s, STARTED_AT - age_s))
    return path


def test_flags_launcher_environment_and_versions_are_told_by_name(tmp_path: Path) -> None:
    command = (
        "python", "-m", "accelerate.commands.launch", "--num_processes=2", "sdxl_train_network.py",
        "--learning_rate=1e-4", "--cache_latents", "--network_args", "a=1", "b=2",
    )  # fmt: skip
    path = a_run(
        tmp_path / "run",
        command=command,
        env={"COLUMNS": "500", "MINE": "1", "GONE": None},
        versions={"torch": "2.1"},
    )
    assert settings_of(path) == {
        "script": "sdxl_train_network.py",
        "learning_rate": "1e-4",
        "cache_latents": "true",
        "network_args": '["a=1", "b=2"]',
        "accelerate.num_processes": "2",
        "env.MINE": "1",
        "env.GONE": "(unset)",
        "version.torch": "2.1",
    }


def test_flags_of_the_trainers_own_file_count_unless_it_was_edited_since(tmp_path: Path) -> None:
    file = a_file(tmp_path / "mine.toml", "[a]\nnetwork_dim = 8\nlearning_rate = 0.5\n")
    path = a_run(tmp_path / "run", "--config_file=mine", "--learning_rate=0.1")
    assert settings_of(path)["network_dim"] == "8"
    assert settings_of(path)["learning_rate"] == "0.1"
    os.utime(file, (STARTED_AT + 60, STARTED_AT + 60))
    found = settings_of(path)
    assert "network_dim" not in found
    assert found["flags of config_file"] == UNKNOWN_SINCE


def test_the_copy_of_the_dataset_counts_whatever_became_of_the_file(tmp_path: Path) -> None:
    a_file(tmp_path / "d.toml", "[general]\nkeep_tokens = 9\n")
    path = a_run(tmp_path / "run", "--dataset_config=d.toml", dataset_text=DATASET)
    found = settings_of(path)
    assert found["dataset.keep_tokens"] == "1"
    assert found["dataset.subset1.num_repeats"] == "10"


def test_an_older_run_has_the_file_as_long_as_nobody_edited_it(tmp_path: Path) -> None:
    file = a_file(tmp_path / "d.toml", DATASET)
    path = a_run(tmp_path / "run", "--dataset_config=d.toml")
    assert settings_of(path)["dataset.resolution"] == "512"
    os.utime(file, (STARTED_AT + 60, STARTED_AT + 60))
    assert settings_of(path)["dataset"] == UNKNOWN_SINCE
    file.unlink()
    assert settings_of(path)["dataset"] == UNKNOWN_SINCE


def test_else_the_dataset_of_its_plasma_toml(tmp_path: Path) -> None:
    text = "[dataset]\n[[dataset.datasets]]\nresolution = 640\n"
    path = a_run(tmp_path / "run", "--dataset_config=d.toml", config_text=text)
    assert settings_of(path)["dataset.resolution"] == "640"


def test_a_second_dataset_does_not_rename_the_first(tmp_path: Path) -> None:
    one = dataset_keys(DATASET) or {}
    two = dataset_keys(DATASET + "[[datasets]]\nresolution = 768\n") or {}
    assert one.items() <= two.items()
    assert two["dataset.set2.resolution"] == 768
    assert two["dataset.set2.keep_tokens"] == 1


@pytest.mark.parametrize("text", ["", "= nonsense", "[]", "{", "datasets = 3", "\x00"])
def test_a_broken_dataset_says_nothing(text: str) -> None:
    assert not dataset_keys(text)


def test_json_is_read_as_well() -> None:
    assert dataset_keys('{"datasets": [{"resolution": 512}]}') == {"dataset.resolution": 512}


def test_only_what_differs_is_told_and_never_names_and_places(tmp_path: Path) -> None:
    before = a_run(
        tmp_path / "a",
        "--learning_rate=1e-4",
        "--output_name=a",
        "--seed=1",
        dataset_text=DATASET,
    )
    after = a_run(
        tmp_path / "b",
        "--learning_rate=0.0001",
        "--output_name=b",
        "--network_dim=8",
        dataset_text=DATASET.replace("512", "768"),
    )
    assert difference(before, after) == (
        FlagChange("seed", "1", None),
        FlagChange("network_dim", None, "8"),
        FlagChange("dataset.resolution", "512", "768"),
    )


def test_secrets_are_hidden_and_token_counts_are_not(tmp_path: Path) -> None:
    path = a_run(
        tmp_path / "run",
        "--wandb_api_key=abc",
        "--huggingface_token=hf_x",
        "--max_token_length=225",
        "--keep_tokens=1",
        "--network_weights=https://me:pw@host/x?token=abc&a=1",
        env={"HF_TOKEN": "x", "AWS_SECRET_ACCESS_KEY": "y"},
    )
    found = settings_of(path)
    for name in ("wandb_api_key", "huggingface_token", "env.HF_TOKEN", "env.AWS_SECRET_ACCESS_KEY"):
        assert found[name] == HIDDEN
    assert found["max_token_length"] == "225"
    assert found["keep_tokens"] == "1"
    assert found["network_weights"] == f"https://{HIDDEN}@host/x?token={HIDDEN}&a=1"


def test_a_secret_is_known_by_its_name_or_by_its_look() -> None:
    assert is_secret("NTFY-TOKEN")
    assert is_secret("db_password")
    assert not is_secret("token_warmup_min")
    assert not is_secret("class_tokens")
    assert without_secrets("x hf_" + "a" * 30) == f"x {HIDDEN}"
    assert without_secrets("https://host/path@2x.png") == "https://host/path@2x.png"


@pytest.mark.parametrize("text", [None, "{", "[]"])
def test_a_folder_that_is_no_run_has_no_settings(tmp_path: Path, text: str | None) -> None:
    if text is not None:
        (tmp_path / "spec.json").write_text(text)
    assert settings_of(tmp_path) == {}


def test_a_run_made_of_files_has_no_command(tmp_path: Path) -> None:
    path = a_run(tmp_path / "run", command=(), origin="imported")
    assert settings_of(path) == {}


def test_a_run_that_is_prepared_keeps_its_dataset_configuration(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PLASMA_HOME", str(tmp_path / "home"))
    (tmp_path / "dataset.toml").write_text(DATASET)
    (tmp_path / "plasma.toml").write_text(
        'name = "x"\n[trainer]\nsd_scripts = "embedded"\n[train]\ndataset_config = "dataset.toml"\n'
    )
    spec = prepare(load_config(tmp_path / "plasma.toml")).spec
    assert spec.dataset_text == DATASET
