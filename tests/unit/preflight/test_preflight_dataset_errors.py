"""All mistakes of a dataset config at once, each with its line; and the cure from [dataset]."""

from __future__ import annotations

import json
import sys
import tomllib
from pathlib import Path
from typing import Any

import pytest

from runner.preflight.checks.dataset import mistakes_in_text
from runner.trainers.sd_scripts.dataset.schema import mistakes
from tests.unit.preflight.preflight_project import Project, project_fixture

THREE = """\
[general]
shuffel_caption = true
[[datasets]]
resolution = "512"
  [[datasets.subsets]]
  image_dir = "a"
  num_repeats = "ten"
"""


SUBSET = '[[datasets]]\n[[datasets.subsets]]\nimage_dir = "a"\n'


def test_three_mistakes_are_three_with_their_lines() -> None:
    found = mistakes_in_text(THREE, "d.toml")
    assert [str(mistake) for mistake in found] == [
        "line 2: shuffel_caption is unknown in [general]; did you mean shuffle_caption?",
        'line 4: resolution is text "512" in [[datasets]]; it must be an integer or two of them',
        'line 7: num_repeats is text "ten" in [[datasets.subsets]]; it must be an integer',
    ]


def test_a_syntax_error_is_one_mistake_with_its_cure() -> None:
    found = mistakes_in_text('[general]\nenable_bucket = True\nresolution = "x\n', "d.toml")
    assert len(found) == 1
    assert found[0].line == 2
    assert "write true and false in lower case" in found[0].text


def test_a_byte_order_mark_is_named() -> None:
    (found,) = mistakes_in_text(f"\ufeff{THREE}", "d.toml")
    assert "save the file as UTF-8 without a byte order mark" in found.text


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("[[datasets]]\n[[datasets.subsets]]\nnum_repeats = 2\n", "without image_dir"),
        ("[train]\nx = 1\n", "train is unknown in the top level"),
        (
            "pretrained_model_name_or_path = 'a'\n",
            "this is a training config, not a dataset config",
        ),
        (
            "[[datasets]]\nimage_dir = 'a'\n",
            "unknown in [[datasets]]; set it in [[datasets.subsets]]",
        ),
        (
            f"{SUBSET}batch_size = 2\n",
            "batch_size is unknown in [[datasets.subsets]]; set it in [[d",
        ),
        ("batch_size = 2\n", "unknown in the top level; set it in [[datasets]] or [general]"),
        ("[general]\ncache_latents = true\n", "it is a flag of the trainer, not of a dataset"),
        (f"{SUBSET}caption_dir = 'c'\n", "captions are read only from files next to the images"),
        ("general = 3\n", "general must be a table"),
        ("datasets = 3\n", "datasets must be a list"),
        ("[[datasets]]\nsubsets = 3\n", "subsets must be a list"),
        ("datasets = [3]\n", "a dataset must be a table"),
        ("[[datasets]]\nsubsets = [3]\n", "a subset must be a table"),
        ("[general]\nvalidation_split = 0\n", "a number with a point"),
        ("[general]\nface_crop_aug_range = [1, 2]\n", "two numbers with a point"),
        ("[general]\nflip_aug = 'no'\n", "it must be true or false"),
        ("[general]\nresolution = [1, 2, 3]\n", "an integer or two of them"),
    ],
)
def test_every_kind_of_mistake_is_told(text: str, said: str) -> None:
    found = mistakes_in_text(text, "d.toml")
    assert len(found) == 1 and said in found[0].text, found


@pytest.mark.parametrize(
    "text",
    [
        "",
        "[general]\nresolution = [512, 768]\ncaption_dropout_rate = 1\n",
        "[general]\nnum_repeats = true\n",  # voluptuous takes true for an integer
        "[[datasets]]\n[[datasets.subsets]]\nmetadata_file = 'm.json'\nnum_repeats = 2\n",
        f"{SUBSET}conditioning_data_dir = 'c'\nnum_repeats = 2\n",
    ],
)
def test_what_sd_scripts_takes_is_no_mistake(text: str) -> None:
    assert list(mistakes(tomllib.loads(text))) == []


TRAINING = """\
[model_arguments]
pretrained_model_name_or_path = "m.safetensors"
v2 = false
[optimizer_arguments]
learning_rate = 1e-4
"""
FLAT = TRAINING.replace("[model_arguments]\n", "").replace("[optimizer_arguments]\n", "")


@pytest.mark.parametrize(
    ("text", "line", "kind", "said"),
    [
        (TRAINING, 2, "a training config", "(pretrained_model_name_or_path, v2 and 1 more are flags"),
        (FLAT, 1, "a training config", "give it as config_file"),
        (f"[general]\n{FLAT}", 2, "a training config", "v2 and 1 more are flags of the trainer"),
        (f"seed = 1\n{SUBSET}", 1, "flags of the trainer", "seed is a flag of the trainer"),
        ("[general]\nresolution = [9, 9]\n[[datasets]]\nvideo_directory = 'v'\nbad = 1\n", 4,
         "for musubi-tuner", "video_directory is a key of musubi-tuner"),
        ("[general]\ncache_directory = 'c'\n", 2, "for musubi-tuner", "train with musubi-tuner"),
        ("resolutions = [512]\n[[directory]]\npath = 'a'\n", 2, "for diffusion-pipe", "diffusion-pipe"),
        ("[[subsets]]\nimage_dir = 'a'\n[general_args.args]\nseed = 1\n", 1, "of Easy Scripts",
         "plasma-tui init --from"),
        ("[trainer]\nsd_scripts = 'x'\n[train]\nseed = 1\n", 1, "a plasma.toml", "this is a plasma.toml"),
        ("[dataset.general]\nflip_aug = true\n", 1, "inside [dataset]", "write [general]"),
        ("['a.png']\ncaption = 'x'\n['b.png']\ntags = 'y'\n", None, "a metadata file", "metadata_file"),
    ],
)  # fmt: skip
def test_a_file_of_another_kind_is_named_in_one_sentence(
    text: str, line: int | None, kind: str, said: str
) -> None:
    (found,) = mistakes_in_text(text, "d.toml")
    assert (found.line, found.kind) == (line, kind)
    assert said in found.text


@pytest.mark.parametrize(
    ("values", "kind"),
    [
        ([{"id": "a", "type": "local", "instance_data_dir": "a"}], "for SimpleTuner"),
        ([1], "no dataset config"),
        ({"LoRA_type": "Standard", "train_batch_size": 1}, "a training config"),
    ],
)
def test_json_of_another_kind_too(values: Any, kind: str, project: Project) -> None:
    (project.root / "dataset.json").write_text(json.dumps(values))
    found = project.find("dataset", dataset="dataset.json")
    assert (found.status, found.evidence) == ("fail", kind)
    assert "crash" not in found.detail


def test_all_mistakes_of_a_json_are_told(project: Project) -> None:
    (project.root / "dataset.json").write_text(json.dumps(tomllib.loads(THREE)))
    assert project.find("dataset", dataset="dataset.json").evidence == "3 mistakes"


project = project_fixture()


def test_the_check_tells_all_of_them(project: Project) -> None:
    (project.root / "dataset.toml").write_text(THREE)
    found = project.find("dataset")
    assert (found.status, found.evidence) == ("fail", "3 mistakes")
    for line in ("line 2:", "line 4:", "line 7:"):
        assert line in found.detail


SECTION = """
[dataset.general]
caption_extension = ".txt"
[[dataset.datasets]]
resolution = 64
[[dataset.datasets.subsets]]
image_dir = "train"
"""


def test_the_file_is_written_from_the_section_and_the_old_one_is_kept(project: Project) -> None:
    (project.root / "dataset.toml").write_text(THREE)
    (cure,) = project.find("dataset", rest=SECTION).cures
    assert cure.will_do == (
        f"write {project.root}/dataset.toml from [dataset] of {project.root}/plasma.toml",
        "a copy of the old dataset.toml is kept next to it",
    )
    told: list[str] = []
    cure.apply(told.append)
    assert told[-1] == f"wrote {project.root}/dataset.toml"
    kept = list(project.root.glob("dataset.toml.*.bak"))
    assert [file.read_text() for file in kept] == [THREE]
    assert project.find("dataset", rest=SECTION).status == "pass"
    values = tomllib.loads((project.root / "dataset.toml").read_text())
    assert values["datasets"][0]["subsets"][0]["image_dir"] == str(project.train)


def test_a_section_that_is_wrong_itself_is_not_written(project: Project) -> None:
    (project.root / "dataset.toml").unlink()
    found = project.find("dataset", rest=SECTION.replace("resolution", "resolusion"))
    assert (found.status, found.evidence) == ("fail", "1 mistake")
    assert found.cures == ()
    assert "did you mean resolution?" in found.detail


def test_the_trainers_own_toml_is_asked_too(project: Project, tmp_path: Path) -> None:
    """sd-scripts reads with the package `toml`; here one of that name refuses everything."""
    own = (
        f'sd_scripts = "sd"\npython = "{sys.executable}"\nenv = {{ PYTHONPATH = "{tmp_path}/lib" }}'
    )
    (tmp_path / "lib").mkdir()
    refuse = "def load(path):\n    raise ValueError('mixed array')\n"
    (tmp_path / "lib/toml.py").write_text(refuse)
    found = project.find("dataset", trainer=own)
    assert (found.status, found.evidence) == ("fail", "toml rejects it")
    assert "ValueError: mixed array" in found.detail
    (tmp_path / "lib/toml.py").write_text("def load(path):\n    return {}\n")
    assert project.find("dataset", trainer=own).status == "pass"
