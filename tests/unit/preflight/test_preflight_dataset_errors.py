"""All mistakes of a dataset config at once, each with its line; and the cure from [dataset]."""

from __future__ import annotations

import sys
import tomllib
from pathlib import Path

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


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("[[datasets]]\n[[datasets.subsets]]\nnum_repeats = 2\n", "without image_dir"),
        ("[train]\nx = 1\n", "train is unknown in the top level"),
        ("pretrained_model_name_or_path = 'a'\n", "is unknown in the top level"),
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
        "[[datasets]]\n[[datasets.subsets]]\nconditioning_data_dir = 'c'\nanything = 1\n",
    ],
)
def test_what_sd_scripts_takes_is_no_mistake(text: str) -> None:
    assert list(mistakes(tomllib.loads(text))) == []


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
