"""The configurations that scripts/check_forecast.py trains: datasets and flags as data."""

from __future__ import annotations

from dataclasses import dataclass, field

Size = tuple[int, int]

SQUARE: Size = (64, 64)
WIDE: Size = (128, 64)
TALL: Size = (64, 128)


@dataclass(frozen=True)
class Case:
    """`folders`: image folder -> sizes of its images. `config`: dataset TOML, None for folder mode.
    `flags`: the words of the command line."""

    name: str
    flags: str
    folders: dict[str, list[Size]]
    config: str | None = None
    processes: int = 1
    also: dict[str, str] = field(default_factory=dict)


def toml(*datasets: str, general: str = "") -> str:
    return f'[general]\ncaption_extension = ".txt"\n{general}\n' + "\n".join(datasets)


def dataset(*subsets: str, resolution: str = "64", more: str = "") -> str:
    return f"[[datasets]]\nresolution = {resolution}\n{more}\n" + "\n".join(subsets)


def subset(folder: str, repeats: int | None = None, reg: bool = False, more: str = "") -> str:
    lines = ["[[datasets.subsets]]", f'image_dir = "{folder}"', f"is_reg = {str(reg).lower()}"]
    if repeats is not None:
        lines.append(f"num_repeats = {repeats}")
    return "\n".join([*lines, more])


BUCKETS = "enable_bucket = true\nmin_bucket_reso = 64\nmax_bucket_reso = 512"
MIXED = [SQUARE] * 8 + [WIDE] * 8 + [TALL] * 7

CASES = [
    Case(
        "no regularisation",
        "--max_train_epochs 4 --save_every_n_steps 20",
        {"a": [SQUARE] * 9},
        toml(dataset(subset("a", 3))),
    ),
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
        "many sizes",
        "--max_train_epochs 1 --train_batch_size 2",
        {"a": [(60 + 37 * i % 400, 70 + 53 * i % 350) for i in range(30)]},
        toml(dataset(subset("a", 3), resolution="[256, 192]", more=BUCKETS)),
    ),
    Case(
        "accumulation",
        "--max_train_epochs 2 --gradient_accumulation_steps 4 --save_every_n_steps 3",
        {"a": [SQUARE] * 23},
        toml(dataset(subset("a", 1))),
    ),
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
        "epoch ratio, states kept apart",
        "--max_train_epochs 9 --save_n_epoch_ratio 4 --save_last_n_epochs 1 --save_state "
        "--save_last_n_epochs_state 2",
        {"a": [SQUARE] * 3},
        toml(dataset(subset("a", 1))),
    ),
    Case(
        "steps kept, states longer",
        "--max_train_steps 45 --save_every_n_steps 5 --save_last_n_steps 10 --save_state "
        "--save_last_n_steps_state 20",
        {"a": [SQUARE] * 6},
        toml(dataset(subset("a", 2))),
    ),
    Case(
        "default names, pickled files, state at the end only",
        "--max_train_steps 14 --save_every_n_steps 7 --save_every_n_epochs 1 --save_model_as pt "
        "--save_state_on_train_end",
        {"a": [SQUARE] * 5},
        toml(dataset(subset("a", 1))),
    ),
    Case(
        "the same folder twice",
        "--max_train_epochs 1",
        {"a": [SQUARE] * 5, "b": [SQUARE] * 2},
        toml(dataset(subset("a", 1), subset("a", 5), subset("b", 0), subset("missing", 1))),
    ),
]
