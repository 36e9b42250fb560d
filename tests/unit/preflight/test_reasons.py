"""Why a forecast differs from [expect]."""

from __future__ import annotations

from pathlib import Path

import pytest

from runner.preflight.forecast import estimate
from tests.unit.preflight.preflight_project import Project
from tests.unit.trainers.dataset.dataset_images import write_png


@pytest.fixture
def project(tmp_path: Path) -> Project:
    project = Project(tmp_path)
    project.add_images("train", 23, "a")
    project.write_dataset()
    return project


def told(project: Project, train: str = "", expect: str = "steps = 460") -> tuple[str, ...]:
    return estimate(project.config(train, expect)).warnings


def test_no_word_when_all_is_as_expected(project: Project) -> None:
    assert told(project, expect="steps = 460\nimages = 23") == ()


def test_regularisation(project: Project) -> None:
    project.add_images("reg", 30, "b")
    project.write_dataset(reg=True)
    assert told(project) == ("920 steps, not 460: the regularisation subset doubles each epoch",)


@pytest.mark.parametrize(
    ("train", "general", "expect", "sentence"),
    [
        ("max_train_steps = 77", "", 77, "460 steps, not 77: max_train_epochs overrides max_train_steps"),
        ("gradient_accumulation_steps = 4", "", 460,
         "116 steps, not 460: 4 batches are accumulated per step"),
        ("train_batch_size = 2", "", 460, "230 steps, not 460: batches have several images"),
        ("train_batch_size = 2", "batch_size = 4", 230,
         "116 steps, not 230: batch_size of the dataset config wins over train_batch_size 2"),
        ("validation_split = 0.1\nseed = 1", "", 460,
         "420 steps, not 460: some images are used for validation"),
        ("", "", 46, "460 steps, not 46: num_repeats repeats the images"),
        ("", "", 459, "460 steps, not 459: 2 epochs x 230 steps per epoch"),
    ],
)  # fmt: skip
def test_one_setting_less_would_give_the_expected_number(
    project: Project, train: str, general: str, expect: int, sentence: str
) -> None:
    project.write_dataset(general)
    assert told(project, train, f"steps = {expect}")[0] == sentence


def test_the_number_in_front_of_a_folder_does_not_count(project: Project) -> None:
    project.train.rename(project.root / "7_hero")
    text = (project.root / "dataset.toml").read_text()
    (project.root / "dataset.toml").write_text(text.replace(str(project.train), "7_hero"))
    assert told(project, expect="steps = 322")[0] == (
        "460 steps, not 322: num_repeats is used, not the folder names"
    )


def test_buckets_that_round_up(project: Project) -> None:
    write_png(project.train / "9.png", (256, 64))
    project.write_dataset("enable_bucket = true\nmin_bucket_reso = 64\nbatch_size = 6")
    file = project.root / "dataset.toml"
    file.write_text(file.read_text().replace("resolution = 64", "resolution = 128"))
    assert told(project, expect="steps = 80")[0] == (
        "82 steps, not 80: each bucket rounds its batches up"
    )


def test_several_processes(project: Project) -> None:
    rest = "[accelerate]\nnum_processes = 2\nmulti_gpu = true\n"
    config = project.config(expect="steps = 460", rest=rest)
    assert estimate(config).warnings[0] == "230 steps, not 460: 2 processes share the batches"


def test_a_smoke_test_is_held_to_nothing(project: Project) -> None:
    assert estimate(project.config(expect="steps = 1\nimages = 7"), smoke=True).warnings == ()


# ------------------------------------------------------------------ images, sizes


def test_a_file_that_is_no_image_to_sd_scripts(project: Project) -> None:
    (project.train / "0000.png").rename(project.train / "0000.Png")
    assert told(project, expect="images = 23")[0] == (
        "22 images, not 23: 0000.Png is ignored by sd-scripts (.png .jpg .jpeg .webp .bmp, one case)"
    )


def test_images_held_out_for_validation(project: Project) -> None:
    found = told(project, "validation_split = 0.1\nseed = 1", "images = 23")
    assert found[0] == "21 images, not 23: some images are used for validation"


def test_images_below_and_regularisation(project: Project) -> None:
    project.add_images("train/more", 4, "c")
    assert told(project, expect="images = 27")[0] == (
        "23 images, not 27: images in deeper folders are never read"
    )
    project.add_images("reg", 5, "b")
    project.write_dataset(reg=True)
    assert told(project, expect="images = 28")[0] == (
        "23 images, not 28: regularisation images are not counted"
    )


def test_a_difference_without_a_reason_tells_the_source(project: Project) -> None:
    assert told(project, expect="images = 40")[0] == (
        "23 images, not 40: dataset.toml: 23 files x 10 repeats"
    )


def test_a_checkpoint_of_another_size(project: Project) -> None:
    trainer = f'sd_scripts = "{project.checkout()}"\npython = "python3"'
    flags = 'network_module = "networks.lora"\nnetwork_dim = 32'
    config = project.config(flags, "checkpoint_mb = [10, 50]", trainer)
    assert estimate(config).warnings == (
        "a checkpoint takes 75.6 MB, not 10 to 50 MB: rank 32 on SD 1.x, float",
    )
