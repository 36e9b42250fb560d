"""Images with masks (masked_loss), transparent ones, and one folder at several resolutions."""

from __future__ import annotations

from scripts.forecast_cases.case import BUCKETS, MIXED, SQUARE, WIDE, Case, dataset, subset, toml


def masked(folder: str, masks: str, repeats: int = 1) -> str:
    return (
        f'[[datasets.subsets]]\nimage_dir = "{folder}"\nconditioning_data_dir = "{masks}"\n'
        f"num_repeats = {repeats}"
    )


EPOCHS = "--max_train_epochs 2 --train_batch_size 2"
LOSS = f"{EPOCHS} --masked_loss"

MASKS = [
    Case(
        "masks of images in buckets",
        f"{LOSS} --save_every_n_epochs 1",
        {"a": MIXED, "m": MIXED},
        toml(dataset(masked("a", "m", 3), resolution="128", more=BUCKETS)),
    ),
    Case(
        "masks beside a dataset of folders with regularisation",
        LOSS,
        {"a": [SQUARE] * 5, "m": [SQUARE] * 5, "b": [SQUARE] * 3, "r": [SQUARE] * 2},
        toml(dataset(masked("a", "m", 2)), dataset(subset("b", 3), subset("r", 1, True))),
    ),
    Case(
        "masks, one is missing",
        LOSS,
        {"a": [SQUARE] * 5, "m": [SQUARE] * 4},
        toml(dataset(masked("a", "m"))),
        stops=True,
    ),
    Case(
        "masks, one too many",
        LOSS,
        {"a": [SQUARE] * 4, "m": [SQUARE] * 5},
        toml(dataset(masked("a", "m"))),
        stops=True,
    ),
    Case(
        "masks and a validation split",
        f"{LOSS} --validation_split 0.25",
        {"a": [SQUARE] * 8, "m": [SQUARE] * 8},
        toml(dataset(masked("a", "m"))),
        stops=True,
    ),
    Case(
        "masked_loss without masks",
        LOSS,
        {"a": [SQUARE] * 5},
        toml(dataset(subset("a", 2))),
    ),
    Case(
        "transparency as mask",
        EPOCHS,
        {"a": [SQUARE] * 5},
        toml(dataset(subset("a", 2, more="alpha_mask = true"))),
    ),
    Case(
        "one folder at three resolutions",
        EPOCHS,
        {"a": [SQUARE] * 3 + [WIDE] * 4},
        toml(
            *(
                dataset(subset("a", 3), resolution=side, more=BUCKETS)
                for side in ("64", "128", "192")
            )
        ),
    ),
    Case(
        "images of other sizes without buckets",
        EPOCHS,
        {"a": [SQUARE] * 3 + [WIDE] * 4},
        toml(dataset(subset("a", 3))),
    ),
]
