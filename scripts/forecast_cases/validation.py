"""Validation splits, caches of image information, and what the trainer refuses."""

from __future__ import annotations

from scripts.forecast_cases.case import (
    BUCKETS,
    MIXED,
    ODD,
    SQUARE,
    Case,
    dataset,
    squares,
    subset,
    toml,
)

VALIDATION = [
    Case(
        "validation split",
        "--max_train_epochs 2 --validation_split 0.1 --validation_seed 7",
        {"a": [SQUARE] * 15, "r": [SQUARE] * 3},
        toml(dataset(subset("a", 2), subset("r", 1, True))),
    ),
    Case(
        "validation split by the seed, buckets",
        "--max_train_epochs 1 --validation_split 0.2 --train_batch_size 3",
        {"a": MIXED},
        toml(dataset(subset("a", 2), resolution="128", more=BUCKETS)),
    ),
    Case(
        "validation of one dataset only",
        "--max_train_epochs 2 --save_every_n_epochs 1",
        {"a": MIXED, "b": [SQUARE] * 5, "r": [SQUARE] * 2},
        toml(
            dataset(
                subset("a", 2),
                resolution="128",
                more=f"validation_split = 0.3\nvalidation_seed = 3\nbatch_size = 2\n{BUCKETS}",
            ),
            dataset(subset("b", 1), subset("r", 1, True)),
        ),
    ),
    Case(
        "validation of two datasets by the seed",
        "--max_train_epochs 1 --validation_split 0.5 --train_batch_size 2",
        {"a": MIXED, "b": ODD},
        toml(
            dataset(subset("a", 2), resolution="128", more=BUCKETS),
            dataset(subset("b", 1), resolution="256", more=BUCKETS),
        ),
    ),
    squares(
        "validation split above 1",
        "--max_train_epochs 1 --validation_split 1.5",
        10,
    ),
    squares(
        "validation split below 0",
        "--max_train_epochs 1 --validation_split -0.5",
        10,
    ),
    squares(
        "validation within epochs, accumulation",
        "--max_train_epochs 2 --validation_split 0.3 --validate_every_n_steps 2 "
        "--gradient_accumulation_steps 3 --validation_seed 1",
        16,
    ),
    squares(
        "validation cut short within epochs, accumulation",
        "--max_train_epochs 2 --validation_split 0.3 --validate_every_n_steps 2 "
        "--gradient_accumulation_steps 3 --max_validation_steps 2",
        18,
        surplus=True,
    ),
    squares(
        "validation without images to train",
        "--max_train_epochs 1 --validation_split 1.0",
        4,
    ),
    Case(
        "validation of an empty folder",
        "--max_train_epochs 1 --validation_split 0.2",
        {"a": [SQUARE] * 5, "b": []},
        toml(dataset(subset("a", 1), subset("b", 1))),
        stops=True,
    ),
    Case(
        "validation and the first cache_info",
        "--max_train_epochs 1 --validation_split 0.3 --validation_seed 5 --cache_info",
        {"a": MIXED},
        toml(dataset(subset("a", 1), resolution="128", more=f"batch_size = 2\n{BUCKETS}")),
    ),
    Case(
        "an old cache_info",
        "--max_train_epochs 1",
        {"a": [SQUARE] * 6},
        toml(
            dataset(
                subset("a", 2, more="cache_info = true"),
                resolution="128",
                more=f"batch_size = 3\n{BUCKETS}",
            )
        ),
        also={
            "a/metadata_cache.json": '{"a/001.png": {"caption": "x", "resolution": [128, 64]}, '
            '"a/003.png": {"caption": "y", "resolution": [64, 64]}, '
            '"a/002.png": {"caption": "z", "resolution": [64, 64]}}'
        },
    ),
]

REFUSED = [
    Case(
        "no image anywhere",
        "--train_data_dir train --resolution 64",
        {"train/spyke": [SQUARE] * 3},
    ),
    Case(
        "no resolution", "", {"a": [SQUARE]}, '[[datasets]]\n[[datasets.subsets]]\nimage_dir = "a"\n',
        stops=True,
    ),
    Case(
        "an image too small for bucket_no_upscale",
        "--max_train_epochs 1 --enable_bucket --bucket_no_upscale",
        {"a": [(256, 256), (300, 40)]},
        toml(dataset(subset("a"), resolution="256")),
        stops=True,
    ),
    Case(
        "an image too narrow for bucket_no_upscale",
        "--max_train_epochs 1 --enable_bucket --bucket_no_upscale",
        {"a": [(256, 256), (40, 300)]},
        toml(dataset(subset("a"), resolution="256")),
        stops=True,
    ),
    Case(
        "bucket steps that do not divide",
        "--max_train_epochs 1 --enable_bucket --bucket_reso_steps 32",
        {"a": [(256, 256)]},
        toml(dataset(subset("a"), resolution="256")),
        stops=True,
    ),
    Case(
        "smallest bucket above the resolution",
        "--max_train_epochs 1 --enable_bucket",
        {"a": [(256, 256)]},
        toml(dataset(subset("a"), resolution="[128, 512]")),
        stops=True,
    ),
    Case(
        "largest bucket below the resolution",
        "--max_train_epochs 1 --enable_bucket --max_bucket_reso 256 --bucket_no_upscale",
        {"a": [(256, 256)]},
        toml(dataset(subset("a"), resolution="512")),
        stops=True,
    ),
]  # fmt: skip
