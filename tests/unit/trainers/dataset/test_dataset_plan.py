"""Images, repeats, regularisation, validation, batches."""

from __future__ import annotations

import random
from typing import Any

import pytest

from runner.trainers.sd_scripts.dataset import (
    DatasetError,
    DatasetPlan,
    DatasetSpec,
    SubsetSpec,
    plan_datasets,
)
from runner.trainers.sd_scripts.dataset.listing import Listing
from runner.trainers.sd_scripts.dataset.register import split_sizes
from tests.unit.trainers.dataset.dataset_images import MadeUpImages, Size

SQUARE = (64, 64)


def plan(
    train: int = 23,
    reg: int | None = None,
    *,
    repeats: int = 10,
    reg_repeats: int = 1,
    **settings: Any,
) -> DatasetPlan:
    folders: dict[str, list[Size]] = {"t": [SQUARE] * train}
    subsets = [SubsetSpec("t", num_repeats=repeats)]
    if reg is not None:
        folders["r"] = [SQUARE] * reg
        subsets.append(SubsetSpec("r", is_reg=True, num_repeats=reg_repeats))
    spec = DatasetSpec(tuple(subsets), resolution=SQUARE, **settings)
    return plan_datasets([spec], MadeUpImages(folders))


@pytest.mark.parametrize(
    ("reg", "reg_repeats", "batches"),
    [
        (None, 1, 230),
        (0, 1, 230),
        (10, 1, 460),
        (100, 1, 460),
        (230, 1, 460),
        (300, 1, 460),
        (300, 7, 461),  # 33 whole images of 7 repeats are 231
    ],
)
def test_any_regularisation_image_doubles_the_epoch(
    reg: int | None, reg_repeats: int, batches: int
) -> None:
    planned = plan(reg=reg, reg_repeats=reg_repeats)
    assert planned.batches_per_epoch == batches
    assert planned.reg_images_with_repeats == (reg or 0) * reg_repeats
    assert (planned.images, planned.train_images_with_repeats) == (23, 230)


def test_regularisation_repeats_go_round_robin_from_the_first_image() -> None:
    planned = plan(train=1, repeats=10, reg=4)
    assert [image.repeats for image in planned.datasets[0].images] == [10, 3, 3, 2, 2]


def test_surplus_regularisation_images_are_left_out_and_said_so() -> None:
    planned = plan(train=1, repeats=10, reg=30)
    assert len(planned.datasets[0].images) == 11
    assert "30 regularisation images for 10 training images" in planned.warnings[0]


def test_regularisation_without_training_images_counts_nothing() -> None:
    images = MadeUpImages({"r": [SQUARE] * 5})
    spec = DatasetSpec((SubsetSpec("r", is_reg=True),), resolution=SQUARE)
    assert plan_datasets([spec], images).batches_per_epoch == 0


def test_each_bucket_rounds_its_batches_up() -> None:
    sizes: list[Size] = [(64, 64)] * 8 + [(256, 64)] * 8 + [(64, 256)] * 7
    spec = DatasetSpec(
        (SubsetSpec("t", num_repeats=10),),
        resolution=(128, 128),
        batch_size=3,
        enable_bucket=True,
        min_bucket_reso=64,
    )
    planned = plan_datasets([spec], MadeUpImages({"t": sizes}))
    assert sorted((bucket.count, bucket.batches) for bucket in planned.buckets) == [
        (70, 24),
        (80, 27),
        (80, 27),
    ]
    assert planned.batches_per_epoch == 78


def test_datasets_add_up_each_with_its_own_batch_size() -> None:
    images = MadeUpImages({"a": [SQUARE] * 5, "b": [SQUARE] * 7})
    specs = [
        DatasetSpec((SubsetSpec("a"),), resolution=SQUARE, batch_size=2),
        DatasetSpec((SubsetSpec("b", num_repeats=2),), resolution=SQUARE, batch_size=4),
    ]
    assert plan_datasets(specs, images).batches_per_epoch == 3 + 4


@pytest.mark.parametrize(
    ("count", "split", "sizes"), [(23, 0.1, (21, 2)), (15, 0.1, (14, 2)), (4, 0.5, (2, 2))]
)
def test_a_split_rounds_both_halves_for_itself(
    count: int, split: float, sizes: tuple[int, int]
) -> None:
    assert split_sizes(count, split) == sizes


def test_validation_takes_training_images_once_each_and_no_regularisation() -> None:
    planned = plan(reg=5, validation_split=0.1, validation_seed=3)
    assert planned.images == 21
    assert planned.train_images_with_repeats == 210
    assert planned.validation_images == 2
    assert planned.validation_batches == 2
    assert planned.reg_images == 5


def test_the_shuffler_decides_which_images_are_held_out() -> None:
    spec = DatasetSpec((SubsetSpec("t"),), resolution=SQUARE, validation_split=0.2)
    images = MadeUpImages({"t": [SQUARE] * 20})

    def held_out(seed: int) -> set[str]:
        planned = plan_datasets([spec], images, random.Random(seed))
        return {image.path for image in planned.validation[0].images}

    assert held_out(1) == held_out(1)
    assert held_out(1) != held_out(2)


def test_subsets_that_the_trainer_drops_are_dropped_with_a_warning() -> None:
    images = MadeUpImages({"a": [SQUARE], "empty": [], "b": [SQUARE]})
    spec = DatasetSpec(
        (
            SubsetSpec("a"),
            SubsetSpec("a", num_repeats=9),
            SubsetSpec("empty"),
            SubsetSpec("b", num_repeats=0),
            SubsetSpec("~/missing"),
        ),
        resolution=SQUARE,
    )
    planned = plan_datasets([spec], images)
    assert planned.batches_per_epoch == 1
    assert planned.warnings == (
        "a: given twice, the later subset is ignored",
        "empty: no images found, the subset is ignored",
        "b: num_repeats is 0, the subset is ignored",
        "~/missing: not a directory, the subset is ignored; ~ is not expanded here",
    )


def test_an_unreadable_image_is_named() -> None:
    spec = DatasetSpec((SubsetSpec("t"),), resolution=SQUARE)
    with pytest.raises(DatasetError, match=r"t/001\.png: cannot be read as an image"):
        plan_datasets([spec], MadeUpImages({"t": [SQUARE, None]}))


def test_a_picture_too_small_for_no_upscale_is_named() -> None:
    spec = DatasetSpec(
        (SubsetSpec("t"),), resolution=(512, 512), enable_bucket=True, bucket_no_upscale=True
    )
    with pytest.raises(DatasetError, match="40x40 is too small for bucket_no_upscale"):
        plan_datasets([spec], MadeUpImages({"t": [(40, 40)]}))


def test_sizes_that_will_stop_the_trainer_are_told() -> None:
    spec = DatasetSpec((SubsetSpec("t"),), resolution=(512, 512))
    planned = plan_datasets([spec], MadeUpImages({"t": [(512, 512), (600, 512), (100, 100)]}))
    assert "001.png and 1 more are not 512x512: without enable_bucket" in planned.warnings[0]


def test_images_turned_by_exif_are_told() -> None:
    images = MadeUpImages({"t": [SQUARE, SQUARE]}, turned={"t/001.png"})
    planned = plan_datasets([DatasetSpec((SubsetSpec("t"),), resolution=SQUARE)], images)
    assert planned.warnings[0].startswith("001.png is rotated only in the EXIF header")


def test_files_that_only_look_like_images_are_told() -> None:
    images = MadeUpImages({"t": [SQUARE]}, ignored=("a.Jpg", "b.gif", "c.avif"))
    planned = plan_datasets([DatasetSpec((SubsetSpec("t"),), resolution=SQUARE)], images)
    assert planned.warnings[0].startswith("t: a.Jpg and 1 more are not read")
    assert planned.warnings[1].startswith("t: c.avif is not counted")


def test_a_picture_without_width_in_its_bucket_is_named() -> None:
    spec = DatasetSpec(
        (SubsetSpec("t"),), resolution=(256, 256), enable_bucket=True, bucket_no_upscale=True
    )
    with pytest.raises(DatasetError, match="40x300 is too small for bucket_no_upscale"):
        plan_datasets([spec], MadeUpImages({"t": [(40, 300)]}))


def test_one_image_under_two_spellings_is_registered_once_by_the_later() -> None:
    images = MadeUpImages({"a": [SQUARE] * 2, "a/": [SQUARE] * 2})
    spec = DatasetSpec((SubsetSpec("a", num_repeats=3), SubsetSpec("a/")), resolution=SQUARE)
    planned = plan_datasets([spec], Joined(images))
    assert planned.batches_per_epoch == 2
    assert (planned.images, planned.train_images_with_repeats) == (4, 8)


class Joined:
    """Paths as sd-scripts spells them: `a/` and `a` give the same."""

    def __init__(self, images: MadeUpImages) -> None:
        self.images = images

    def listing(self, image_dir: str) -> Listing | None:
        return self.images.listing(image_dir.rstrip("/"))

    def remembered(self, image_dir: str) -> Listing | None:
        return self.images.remembered(image_dir)

    def size(self, path: str) -> Size | None:
        return self.images.size(path)

    def rotated(self, path: str) -> bool:
        return self.images.rotated(path)


def test_an_empty_folder_stops_a_validation_split() -> None:
    images = MadeUpImages({"a": [SQUARE], "b": []})
    spec = DatasetSpec((SubsetSpec("a"), SubsetSpec("b")), resolution=SQUARE, validation_split=0.2)
    with pytest.raises(DatasetError, match="b: has no images, and with validation_split"):
        plan_datasets([spec], images)


def test_cache_info_takes_its_own_list_and_sizes() -> None:
    cached = Listing(("t/001.png",), sizes={"t/001.png": (256, 64)}, remembered=True)
    images = MadeUpImages({"t": [SQUARE] * 3}, caches={"t": cached})
    spec = DatasetSpec(
        (SubsetSpec("t", num_repeats=2, cache_info=True),),
        resolution=(128, 128),
        enable_bucket=True,
        min_bucket_reso=64,
    )
    planned = plan_datasets([spec], images)
    assert [(b.resolution, b.count) for b in planned.buckets] == [((256, 64), 2)]
    assert (
        "t: cache_info uses the 1 images of metadata_cache.json, not the 3" in planned.warnings[0]
    )


def test_the_first_cache_info_leaves_the_validation_half_only_what_is_trained() -> None:
    images = MadeUpImages({"t": [SQUARE] * 10})
    subset = SubsetSpec("t", cache_info=True)
    spec = DatasetSpec((subset,), resolution=SQUARE, validation_split=0.5, validation_seed=1)
    planned = plan_datasets([spec], images)
    trained = {image.path for image in planned.datasets[0].images}
    held_out = {image.path for image in planned.validation[0].images}
    assert (len(trained), len(held_out)) == (5, 2)
    assert held_out < trained


def test_without_buckets_it_says_what_is_cut_off() -> None:
    images = MadeUpImages({"t": [SQUARE, (64, 96), (96, 64), (128, 128)]})
    spec = DatasetSpec((SubsetSpec("t"),), resolution=SQUARE)
    cut = "2 images are cropped: at most 33% of 001.png (64x96) is lost"
    (warning,) = plan_datasets([spec], images, cached=True).warnings
    assert warning == f"without enable_bucket {cut}"
    (warning,) = plan_datasets([spec], images).warnings
    assert warning.startswith("001.png and 2 more are not 64x64: without enable_bucket, and unless")
    assert warning.endswith(f"stops at the first one; with cached latents {cut}")


def test_what_is_cropped_at_random_or_around_a_face_needs_no_buckets() -> None:
    large = MadeUpImages({"t": [(128, 96)]})
    random_crop = DatasetSpec((SubsetSpec("t", random_crop=True),), resolution=SQUARE)
    assert plan_datasets([random_crop], large).warnings == ()
    # without a face's box in its name, an image is not cropped
    faces = DatasetSpec((SubsetSpec("t", face_crop_aug_range=(1.0, 2.0)),), resolution=SQUARE)
    assert "sd-scripts stops at the first one" in plan_datasets([faces], large).warnings[0]


def test_many_folders_with_the_same_trouble_are_one_sentence() -> None:
    subsets = tuple(SubsetSpec(f"/none/{number}") for number in range(400))
    planned = plan_datasets([DatasetSpec(subsets, resolution=SQUARE)], MadeUpImages({}))
    assert planned.warnings == ("/none/0 and 399 more: not a directory, the subset is ignored",)


def test_a_path_of_windows_is_named_as_one() -> None:
    subsets = (SubsetSpec(r"C:\Users\a"), SubsetSpec(r".\img"), SubsetSpec("D:/a"))
    planned = plan_datasets([DatasetSpec(subsets, resolution=SQUARE)], MadeUpImages({}))
    assert len(planned.warnings) == 3
    assert all(text.endswith("ignored; a path of Windows") for text in planned.warnings)
