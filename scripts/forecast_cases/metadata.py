"""Datasets whose images stand in a metadata file: sd-scripts' fine tuning method."""

from __future__ import annotations

import json

from scripts.forecast_cases.case import (
    BUCKETS,
    MIXED,
    SQUARE,
    TALL,
    WIDE,
    Case,
    Size,
    dataset,
    subset,
    toml,
)


def described(file: str, folder: str | None, repeats: int | None = None) -> str:
    lines = ["[[datasets.subsets]]", f'metadata_file = "{file}"']
    if folder is not None:
        lines.append(f'image_dir = "{folder}"')
    if repeats is not None:
        lines.append(f"num_repeats = {repeats}")
    return "\n".join(lines)


def entries(sizes: list[Size | None], folder: str = "") -> str:
    """000.png and so on; None: the file does not hold the size."""
    found = {}
    for number, size in enumerate(sizes):
        more = {} if size is None else {"image_size": list(size)}
        found[f"{folder}{number:03d}.png"] = {"caption": "x", **more}
    return json.dumps(found)


def lines(sizes: list[Size | None]) -> str:
    read = json.loads(entries(sizes)).items()
    return "".join(json.dumps({"image_path": key, **value}) + "\n" for key, value in read)


EPOCHS = "--max_train_epochs 2 --train_batch_size 2"

METADATA = [
    Case(
        "metadata with sizes that are not the files'",
        EPOCHS,
        {"a": [SQUARE] * 7},
        toml(dataset(described("m.json", "a", 3), resolution="128", more=BUCKETS)),
        also={"m.json": entries([SQUARE, WIDE, TALL, WIDE, WIDE, TALL, SQUARE])},
    ),
    Case(
        "metadata without sizes, of some of the images",
        EPOCHS,
        {"a": MIXED},
        toml(dataset(described("m.json", "a"), resolution="128", more=BUCKETS)),
        also={"m.json": entries([None] * 13)},
    ),
    Case(
        "metadata as lines of JSON",
        EPOCHS,
        {"a": [SQUARE] * 5},
        toml(dataset(described("m.jsonl", "a", 2), resolution="128", more=BUCKETS)),
        also={"m.jsonl": lines([None, WIDE, None, TALL, None])},
    ),
    Case(
        "metadata of two folders with the same names",
        EPOCHS,
        {"a": [SQUARE] * 6, "b": [SQUARE] * 4},
        toml(dataset(described("m.json", "a", 2), described("n.json", "b", 5))),
        also={"m.json": entries([None] * 6), "n.json": entries([None] * 4)},
    ),
    Case(
        "metadata given twice",
        EPOCHS,
        {"a": [SQUARE] * 6, "b": [SQUARE] * 6},
        toml(dataset(described("m.json", "a", 2), described("m.json", "b", 5))),
        also={"m.json": entries([None] * 6)},
    ),
    Case(
        "metadata and a validation split",
        f"{EPOCHS} --validation_split 0.25",
        {"a": [SQUARE] * 6},
        toml(dataset(described("m.json", "a", 3))),
        also={"m.json": entries([None] * 6)},
    ),
    Case(
        "metadata beside a dataset of folders",
        f"{EPOCHS} --save_every_n_epochs 1",
        {"a": [SQUARE] * 6, "b": [SQUARE] * 3, "r": [SQUARE] * 2},
        toml(dataset(described("m.json", "a", 3)), dataset(subset("b", 2), subset("r", 1, True))),
        also={"m.json": entries([None] * 6)},
    ),
    Case(
        "metadata by in_json",
        f"{EPOCHS} --in_json m.json --train_data_dir a --resolution 64 --dataset_repeats 3",
        {"a": [SQUARE] * 5},
        also={"m.json": entries([None] * 5)},
    ),
    Case(
        "metadata with num_repeats 0 in one",
        EPOCHS,
        {"a": [SQUARE] * 6, "b": [SQUARE] * 4},
        toml(dataset(described("m.json", "a", 0), described("n.json", "b", 2))),
        also={"m.json": entries([None] * 6), "n.json": entries([None] * 4)},
    ),
    Case(
        "metadata without an image",
        EPOCHS,
        {"a": [SQUARE] * 2},
        toml(dataset(described("m.json", "a"))),
        also={"m.json": "{}"},
    ),
    Case(
        "metadata that is not there",
        EPOCHS,
        {"a": [SQUARE] * 2},
        toml(dataset(described("m.json", "a"))),
        stops=True,
    ),
    Case(
        "metadata with relative names and no image_dir",
        EPOCHS,
        {"a": [SQUARE] * 2},
        toml(dataset(described("m.json", None))),
        also={"m.json": entries([SQUARE] * 2, "a/")},
        stops=True,
    ),
    Case(
        "metadata that names a file that is not there",
        EPOCHS,
        {"a": [SQUARE] * 2},
        toml(dataset(described("m.json", "a"))),
        also={"m.json": entries([None] * 3)},
        stops=True,
    ),
    Case(
        "metadata and folders in one dataset",
        EPOCHS,
        {"a": [SQUARE] * 2},
        toml(dataset(described("m.json", "a"), subset("a", 1))),
        also={"m.json": entries([None] * 2)},
        stops=True,
    ),
]
