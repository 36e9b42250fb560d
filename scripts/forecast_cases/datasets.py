"""Folders, repeats, regularisation, buckets, batches."""

from __future__ import annotations

from scripts.forecast_cases.case import (
    BUCKETS,
    MIXED,
    ODD,
    SQUARE,
    TALL,
    WIDE,
    Case,
    dataset,
    squares,
    subset,
    toml,
)

REPEATS = [
    Case(
        "no regularisation",
        "--max_train_epochs 4 --save_every_n_steps 20",
        {"a": [SQUARE] * 9},
        toml(dataset(subset("a", 3))),
    ),
    Case(
        "folder mode",
        "--train_data_dir train --reg_data_dir reg --resolution 64 --caption_extension .txt "
        "--max_train_epochs 3 --save_every_n_epochs 2",
        {
            "train/3_a b": [SQUARE] * 4,
            "train/2": [SQUARE] * 2,
            "train/none": [SQUARE] * 2,
            "train/0_zero": [SQUARE],
            "reg/1_r": [SQUARE] * 3,
        },
    ),
    Case(
        "folder mode, batches and buckets by flags",
        "--train_data_dir ./train/ --resolution 128,96 --enable_bucket --min_bucket_reso 64 "
        "--max_bucket_reso 256 --train_batch_size 3 --dataset_repeats 7 --max_train_epochs 2",
        {"train/4_x_y": MIXED, "train/1_z": ODD[:5], "train/-2_w": [SQUARE]},
    ),
    Case(
        "folder mode, empty regularisation folder",
        "--train_data_dir train --reg_data_dir reg --resolution 64 --max_train_epochs 2",
        {"train/5_a": [SQUARE] * 3, "reg/2_r": []},
    ),
    Case(
        "repeats of general and of the dataset",
        "--max_train_epochs 2 --dataset_repeats 11",
        {"a": [SQUARE] * 2, "b": [SQUARE] * 3, "c": [SQUARE] * 2},
        toml(
            dataset(subset("a"), subset("b", 1), more="num_repeats = 4"),
            dataset(subset("c")),
            general="num_repeats = 6",
        ),
    ),
    Case(
        "the same folder twice",
        "--max_train_epochs 1",
        {"a": [SQUARE] * 5, "b": [SQUARE] * 2},
        toml(dataset(subset("a", 1), subset("a", 5), subset("b", 0), subset("missing", 1))),
    ),
    Case(
        "the same folder in two spellings",
        "--max_train_epochs 1",
        {"a": [SQUARE] * 5},
        toml(dataset(subset("a", 3), subset("a/", 2), subset("./a", 1))),
    ),
    Case(
        "the training folder as regularisation in another spelling",
        "--max_train_epochs 1",
        {"a": [SQUARE] * 5, "r": [SQUARE] * 2},
        toml(dataset(subset("a", 3), subset("a/", 2, True), subset("r", 1, True))),
    ),
    Case(
        "one folder in two datasets of two resolutions",
        "--max_train_epochs 1 --save_every_n_steps 4",
        {"a": MIXED},
        toml(
            dataset(subset("a", 1), more=f"batch_size = 4\n{BUCKETS}"),
            dataset(subset("a", 1), resolution="128", more=f"batch_size = 2\n{BUCKETS}"),
        ),
    ),
    Case(
        "a dataset without subsets",
        "--max_train_epochs 1 --train_batch_size 2",
        {"a": [SQUARE] * 5},
        "[general]\n[[datasets]]\nresolution = 64\nbatch_size = 3\n" + dataset(subset("a", 1)),
    ),
    Case(
        "a dataset in JSON",
        "--max_train_epochs 2 --dataset_config d.json",
        {"a": [SQUARE] * 4},
        also={
            "d.json": '{"datasets": [{"resolution": 64, "batch_size": 3, "subsets": '
            '[{"image_dir": "a", "num_repeats": 2}]}]}'
        },
    ),
    Case(
        "endings",
        "--max_train_epochs 1",
        {"a": [SQUARE] * 2, "a/deeper": [SQUARE] * 3},
        toml(dataset(subset("a", 1), resolution="128", more=f"batch_size = 2\n{BUCKETS}")),
        images={
            "a/x.PNG": WIDE, "a/y.Png": TALL, "a/z.jpg": TALL, "a/w.jpeg": WIDE, "a/v.webp": TALL,
            "a/u.bmp": (90, 64), "a/t.BMP": WIDE, "a/s.gif": WIDE, "a/.hidden.png": WIDE,
            "a/r.JPEG": (33, 99), "a/ü ñ.png": (77, 80), "a/q.tif": WIDE,
        },
    ),
]  # fmt: skip

REGULARISATION = [
    Case(
        "regularisation doubles",
        "--max_train_epochs 2 --save_every_n_steps 20 --save_state",
        {"a": [SQUARE] * 9, "r": [SQUARE] * 4},
        toml(dataset(subset("a", 3), subset("r", 1, True))),
    ),
    Case(
        "too many regularisation images",
        "--max_train_steps 70 --save_every_n_epochs 1",
        {"a": [SQUARE] * 9, "r": [SQUARE] * 40},
        toml(dataset(subset("a", 3), subset("r", 1, True))),
    ),
    Case(
        "regularisation with repeats of its own",
        "--max_train_epochs 1 --save_every_n_steps 5 --save_last_n_steps 10",
        {"a": [SQUARE] * 9, "r": [SQUARE] * 40},
        toml(dataset(subset("a", 3), subset("r", 7, True))),
    ),
    Case(
        "empty regularisation folder",
        "--max_train_epochs 3 --save_every_n_epochs 1",
        {"a": [SQUARE] * 5, "r": []},
        toml(dataset(subset("a", 2), subset("r", 1, True))),
    ),
    Case(
        "several subsets of both kinds",
        "--max_train_epochs 1 --train_batch_size 3",
        {"a": [SQUARE] * 4, "b": [SQUARE] * 3, "r": [SQUARE] * 2, "s": [SQUARE] * 5},
        toml(dataset(subset("r", 4, True), subset("a", 5), subset("s", 1, True), subset("b", 2))),
    ),
    Case(
        "the first regularisation folder is enough",
        "--max_train_epochs 1",
        {"a": [SQUARE] * 4, "r": [SQUARE] * 3, "s": [SQUARE] * 5},
        toml(dataset(subset("a", 2), subset("r", 3, True), subset("s", 1, True))),
    ),
    Case(
        "regularisation in buckets",
        "--max_train_epochs 2 --train_batch_size 4 --save_every_n_steps 6",
        {"a": MIXED, "r": [WIDE, TALL, SQUARE, WIDE, (100, 90)]},
        toml(dataset(subset("a", 2), subset("r", 1, True), resolution="128", more=BUCKETS)),
    ),
    Case(
        "regularisation alone beside a dataset to train",
        "--max_train_epochs 1",
        {"a": [SQUARE] * 4, "r": [SQUARE] * 3},
        toml(dataset(subset("r", 2, True)), dataset(subset("a", 2))),
    ),
    Case(
        "two datasets, each with regularisation",
        "--max_train_epochs 1",
        {"a": [SQUARE] * 4, "b": [SQUARE] * 3, "r": [SQUARE] * 20, "s": [SQUARE]},
        toml(
            dataset(subset("a", 2), subset("r", 1, True), more="batch_size = 3"),
            dataset(subset("b", 3), subset("s", 2, True), subset("r", 5, True)),
        ),
    ),
]

BUCKETING = [
    Case(
        "three buckets, batch 3",
        "--max_train_epochs 2 --save_every_n_steps 25",
        {"a": MIXED},
        toml(dataset(subset("a", 10), resolution="128", more=f"batch_size = 3\n{BUCKETS}")),
    ),
    Case(
        "buckets without upscaling",
        "--max_train_epochs 1 --train_batch_size 4",
        {"a": [(400, 180), (180, 400), (600, 600), (128, 128), (260, 140), (600, 260)]},
        toml(
            dataset(subset("a", 5), resolution="256", more=f"bucket_no_upscale = true\n{BUCKETS}")
        ),
    ),
    Case(
        "buckets without upscaling, odd sizes",
        "--max_train_epochs 1 --train_batch_size 3 --bucket_no_upscale",
        {"a": [(64 + 31 * i % 300, 64 + 47 * i % 280) for i in range(25)]},
        toml(
            dataset(
                subset("a", 2),
                resolution="[192, 128]",
                more="enable_bucket = true\nmin_bucket_reso = 1\nmax_bucket_reso = 200",
            )
        ),
    ),
    Case(
        "many sizes",
        "--max_train_epochs 1 --train_batch_size 2",
        {"a": ODD},
        toml(dataset(subset("a", 3), resolution="[256, 192]", more=BUCKETS)),
    ),
    Case(
        "bucket steps of 128, limits between them",
        "--max_train_epochs 1 --train_batch_size 2",
        {"a": ODD},
        toml(
            dataset(
                subset("a", 1),
                resolution="320",
                more="enable_bucket = true\nmin_bucket_reso = 200\nmax_bucket_reso = 500\n"
                "bucket_reso_steps = 128",
            )
        ),
    ),
    Case(
        "default limits of buckets",
        "--max_train_epochs 1 --train_batch_size 3 --enable_bucket",
        {"a": [(700, 300), (300, 700), (512, 512), (900, 100), (640, 480), (50, 60), (511, 513)]},
        toml(dataset(subset("a", 4), resolution="512")),
    ),
    Case(
        "no buckets, odd sizes, latents cached",
        "--max_train_epochs 1 --train_batch_size 7 --bucket_reso_steps 1",
        {"a": ODD},
        toml(dataset(subset("a", 1), resolution="[128, 192]")),
    ),
    Case(
        "buckets off in the dataset against the flag",
        "--max_train_epochs 1 --train_batch_size 4 --enable_bucket --min_bucket_reso 64",
        {"a": MIXED, "b": MIXED},
        toml(
            dataset(subset("a", 1), resolution="128", more="enable_bucket = false"),
            dataset(subset("b", 1), resolution="128"),
        ),
    ),
    Case(
        "sizes from the names of cached latents",
        "--max_train_epochs 1 --train_batch_size 2",
        {"a": [SQUARE] * 6},
        toml(dataset(subset("a", 1), resolution="128", more=BUCKETS)),
        also={
            "a/001_0128x0064_sd.npz": "", "a/003_0064x0128_sd.npz": "", "a/004_0128x0064_sdxl.npz": "",
            "a/00_0256x0064_sd.npz": "", "a/0055_0064x0256_sd.npz": "",
        },
    ),
]  # fmt: skip

BATCHES = [
    Case(
        "two datasets, fallbacks",
        "--max_train_epochs 1 --train_batch_size 4 --dataset_repeats 3 --save_every_n_steps 4",
        {"a": [SQUARE] * 5, "b": [SQUARE] * 7, "r": [SQUARE] * 3},
        toml(
            dataset(subset("a"), more="batch_size = 2"),
            dataset(subset("b", 2), subset("r", 1, True)),
        ),
    ),
    Case(
        "batch size of general wins over the flag",
        "--max_train_epochs 2 --train_batch_size 5",
        {"a": [SQUARE] * 7, "b": [SQUARE] * 9},
        toml(
            dataset(subset("a", 1), more="batch_size = 2"),
            dataset(subset("b", 1)),
            general="batch_size = 4",
        ),
    ),
    squares(
        "a batch larger than the dataset",
        "--max_train_epochs 5 --train_batch_size 64 --save_every_n_epochs 2",
        7,
        3,
    ),
    squares(
        "accumulation",
        "--max_train_epochs 2 --gradient_accumulation_steps 4 --save_every_n_steps 3",
        23,
    ),
    squares(
        "accumulation longer than the epoch",
        "--max_train_steps 3 --gradient_accumulation_steps 10 --save_every_n_epochs 1",
        4,
    ),
    squares(
        "accumulation, stopped within an epoch",
        "--max_train_steps 11 --gradient_accumulation_steps 3 --save_every_n_steps 4 --save_state",
        8,
        2,
    ),
    squares(
        "two processes",
        "--max_train_epochs 2 --save_every_n_steps 5",
        8,
        2,
        processes=2,
    ),
    squares(
        "two processes, odd batches, accumulation",
        "--max_train_epochs 3 --save_every_n_epochs 1 --gradient_accumulation_steps 3",
        23,
        processes=2,
    ),
    Case(
        "two processes, regularisation, batches, states",
        "--max_train_steps 20 --save_every_n_steps 8 --save_state --save_last_n_steps 8",
        {"a": MIXED, "r": [WIDE] * 3},
        toml(
            dataset(
                subset("a", 2),
                subset("r", 1, True),
                resolution="128",
                more=f"batch_size = 3\n{BUCKETS}",
            )
        ),
        processes=2,
    ),
    squares(
        "two processes, one batch",
        "--max_train_steps 3 --save_every_n_epochs 1",
        1,
        processes=2,
    ),
]
