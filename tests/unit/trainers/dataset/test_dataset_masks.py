"""Masks by the names of their images, as sd-scripts' ControlNetDataset pairs them."""

from __future__ import annotations

import pytest

from runner.trainers.sd_scripts.dataset import DatasetError, DatasetSpec, SubsetSpec, plan_datasets
from tests.unit.trainers.dataset.dataset_images import MadeUpImages, Size

SQUARE: Size = (64, 64)


def masked(images: str = "a", masks: str = "m", **more: object) -> SubsetSpec:
    return SubsetSpec(images, conditioning_data_dir=masks, **more)  # type: ignore[arg-type]


def spec(*subsets: SubsetSpec, **more: object) -> DatasetSpec:
    return DatasetSpec(subsets, resolution=SQUARE, batch_size=2, **more)  # type: ignore[arg-type]


def test_images_with_masks_are_counted_like_others() -> None:
    images = MadeUpImages({"a": [SQUARE] * 5, "m": [SQUARE] * 5})
    planned = plan_datasets([spec(masked(num_repeats=3))], images)
    assert (planned.images, planned.batches_per_epoch) == (5, 8)
    (dataset,) = planned.datasets
    assert dataset.masks is not None and dataset.masks.masks["a/000.png"] == "m/000.png"


@pytest.mark.parametrize(
    ("images", "masks", "said"),
    [
        (3, 2, "1 image without a mask of the same name in conditioning_data_dir: 002.png"),
        (2, 4, "2 masks without an image of the same name: 002.png, 003.png"),
    ],
)
def test_names_must_match_one_to_one(images: int, masks: int, said: str) -> None:
    with pytest.raises(DatasetError) as refused:
        plan_datasets(
            [spec(masked())], MadeUpImages({"a": [SQUARE] * images, "m": [SQUARE] * masks})
        )
    assert said in str(refused.value)
    assert refused.value.trainer_error == "AssertionError"


def test_a_validation_split_leaves_masks_over() -> None:
    images = MadeUpImages({"a": [SQUARE] * 5, "m": [SQUARE] * 5})
    with pytest.raises(DatasetError, match="remove validation_split"):
        plan_datasets([spec(masked(), validation_split=0.5)], images)


def test_masks_and_random_crops_exclude_each_other() -> None:
    images = MadeUpImages({"a": [SQUARE], "m": [SQUARE]})
    with pytest.raises(DatasetError, match="random_crop cannot be used with conditioning_data_dir"):
        plan_datasets([spec(masked(random_crop=True))], images)


def test_a_missing_folder_of_masks_stops_only_the_first_batch() -> None:
    planned = plan_datasets([spec(masked(masks="none"))], MadeUpImages({"a": [SQUARE] * 2}))
    assert planned.batches_per_epoch == 1
    assert planned.warnings == (
        "none: conditioning_data_dir is not a directory; the training stops at its first batch",
    )


def test_the_steps_of_buckets_are_not_verified_with_masks() -> None:
    images = MadeUpImages({"a": [SQUARE], "m": [SQUARE]})
    odd = {"enable_bucket": True, "bucket_reso_steps": 32, "min_bucket_reso": 64}
    assert plan_datasets([spec(masked(), **odd)], images).batches_per_epoch == 1
    with pytest.raises(DatasetError, match="bucket_reso_steps"):
        plan_datasets([spec(SubsetSpec("a"), **odd)], images)
