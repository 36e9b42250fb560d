"""Masks: used, one for each image, of its size; and what cannot be masked."""

from __future__ import annotations

from pathlib import Path

from tests.unit.preflight.preflight_project import Project, png, project_fixture

project = project_fixture(checkout=False)
MASKED = 'conditioning_data_dir = "{}/masks"'
ON = "masked_loss = true"


def with_masks(project: Project, number: int = 2) -> Path:
    project.write_dataset(train=MASKED.format(project.root))
    project.add_images("masks", number, None)
    return project.root / "masks"


def test_without_masks_nothing_is_asked(project: Project) -> None:
    assert project.find("masks").status == "pass"
    found = project.find("masks", train=ON)
    assert (found.status, found.evidence) == ("warn", "no masks")


def test_masks_need_masked_loss(project: Project) -> None:
    with_masks(project)
    found = project.find("masks")
    assert (found.status, found.evidence) == ("fail", "masked_loss not set")
    assert project.find("masks", train=ON).evidence == "2 masks"


def test_a_mask_for_each_image(project: Project) -> None:
    with_masks(project, 3)
    found = project.find("masks", train=ON)
    assert (found.status, found.evidence) == ("fail", "masks do not match")
    assert "1 mask without an image of the same name: 0002.png" in found.detail


def test_the_folder_of_the_masks_must_exist(project: Project) -> None:
    project.write_dataset(train=MASKED.format(project.root))
    found = project.find("masks", train=ON)
    assert (found.status, found.evidence) == ("fail", "1 folder missing")


def test_in_buckets_a_mask_has_its_images_size(project: Project) -> None:
    masks = with_masks(project)
    (masks / "0001.png").write_bytes(png(128, 64))
    assert project.find("masks", train=ON).status == "pass", "resized without buckets"
    project.write_dataset(
        "enable_bucket = true\nmin_bucket_reso = 64", train=MASKED.format(project.root)
    )
    found = project.find("masks", train=ON)
    assert (found.status, found.evidence) == ("fail", "1 of another size")


def test_an_alpha_mask_needs_an_alpha_channel(project: Project) -> None:
    project.write_dataset(train="alpha_mask = true")
    found = project.find("masks")
    assert (found.status, found.evidence) == ("warn", "2 without alpha")
    for file in project.train.glob("*.png"):
        file.write_bytes(
            file.read_bytes().replace(b"\x08\x00\x00\x00\x00", b"\x08\x06\x00\x00\x00", 1)
        )
    assert project.find("masks").status == "pass"


def test_the_built_in_trainer_has_no_masks(project: Project) -> None:
    with_masks(project)
    found = project.find("dataset", train=ON)
    assert (found.status, found.evidence) == ("fail", "condition…g_data_dir")
