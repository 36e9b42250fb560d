"""What output_name becomes on the disk, before a training finds out at its first save."""

from __future__ import annotations

import os
import tempfile
import tomllib
from pathlib import Path

import pytest

from runner.preflight.checks import output_name as checked
from runner.preflight.model import Finding
from tests.unit.preflight.preflight_project import Project, project_fixture

project = project_fixture()


def named(project: Project, name: str, more: str = "") -> Finding:
    return project.find("output_name", train=f"save_every_n_epochs = 1\n{more}", name=name)


def out(project: Project) -> Path:
    folder = project.config().train["output_dir"]
    return project.root / str(folder)


@pytest.mark.parametrize(
    "name", ["spyke", "-rf", "~x", "..", "./spyke", "a b é 漢", "x.safetensors"]
)
def test_names_that_sd_scripts_can_write_pass(project: Project, name: str) -> None:
    assert named(project, name).status == "pass"


def test_a_folder_that_nobody_creates_fails_and_has_a_fix(project: Project) -> None:
    """The first save of sd-scripts crashes in it, after all the training before."""
    found = named(project, "loras/spyke")
    assert (found.status, found.evidence) == ("fail", "no such folder")
    assert str(out(project) / "loras") in found.detail
    found.cures[0].apply(lambda line: None)
    train = tomllib.loads((project.root / "plasma.toml").read_text())["train"]
    assert Path(train["output_dir"]).name == "loras" and train["output_name"] == "spyke"


def test_a_folder_that_exists_is_a_warning_that_names_it(project: Project) -> None:
    (out(project) / "loras").mkdir(parents=True)
    found = named(project, "loras/spyke")
    assert (found.status, found.evidence) == ("warn", "in another folder")
    found = named(project, "loras/spyke", "sample_every_n_steps = 10")
    assert (found.status, found.evidence) == ("fail", "no sample folder")
    assert str(out(project) / "sample" / "loras") in found.detail


@pytest.mark.parametrize("name", ["../spyke", "/tmp/spyke"])
def test_files_outside_of_output_dir_are_a_warning(project: Project, name: str) -> None:
    out(project).mkdir(parents=True)
    found = named(project, name)
    assert found.status == "warn"
    assert str(Path(os.path.normpath(out(project) / name)).parent) in found.detail


@pytest.mark.parametrize("name", ["loras/", "a/..", "a/."])
def test_the_name_of_a_folder_is_no_name(project: Project, name: str) -> None:
    assert (named(project, name).status, named(project, name).evidence) == (
        "fail",
        "names a folder",
    )


def test_an_empty_name_fails_and_is_taken_out(project: Project) -> None:
    found = named(project, "")
    assert (found.status, found.evidence) == ("fail", "empty")
    found.cures[0].apply(lambda line: None)
    assert "output_name" not in (project.root / "plasma.toml").read_text()


@pytest.mark.parametrize("name", ["a\nb", "a\x1b[2J"])
def test_control_characters_fail_before_the_start(project: Project, name: str) -> None:
    assert (named(project, name).status, named(project, name).evidence) == (
        "fail",
        "control character",
    )


@pytest.mark.parametrize(("length", "status"), [(220, "pass"), (240, "fail"), (300, "fail")])
def test_the_longest_of_all_file_names_counts(project: Project, length: int, status: str) -> None:
    """`NAME.safetensors` fits at 240, the file of an epoch does not."""
    found = named(project, "é" * (length // 2))
    assert found.status == status, found
    assert status == "pass" or found.evidence == "too long"


def test_a_disk_that_refuses_the_characters_is_named(
    project: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As exFAT refuses a colon."""

    def refused(**given: object) -> None:
        raise OSError(22, "Invalid argument")

    monkeypatch.setattr(tempfile, "NamedTemporaryFile", refused)
    found = named(project, "a:b")
    assert (found.status, found.evidence) == ("fail", "not allowed")
    assert "Invalid argument" in found.detail and checked.CHOOSE in found.advice


def test_no_check_fails_with_an_error_at_a_long_name(project: Project) -> None:
    name = f"{'x' * 300}/{'y' * 300}"
    for check in ("output", "output_name", "overwrite", "other_run", "disk", "saves"):
        assert "Error" not in project.find(check, name=name).evidence
