"""Datasets and flags made by chance. Standard library alone: the trainer's own Python imports this."""

from __future__ import annotations

import json
import random
from pathlib import Path
from typing import Any

from scripts.forecast_cases.pictures import CACHE_SUFFIX, write_image

FOLDERS = ("a", "b", "c", "r", "s")
SPELLINGS = ("{}", "{}", "{}", "{}", "./{}", "{}/")


def made_up(dice: random.Random, folder: Path) -> dict[str, Any]:
    """Folders with images, a dataset config or folder mode, and the flags for it."""
    sides = [dice.randint(60, 400) for _ in range(dice.randint(1, 6))]
    for name in FOLDERS[: dice.randint(1, 5)]:
        (folder / name).mkdir()
        for number in range(dice.choice([0, 1, 2, 5, 11])):
            ending = dice.choice([".png", ".png", ".jpg", ".PNG", ".Png", ".bmp"])
            size = (dice.choice(sides), dice.choice(sides))
            write_image(
                folder / name / f"{dice.choice(['', '1', 'x_'])}{number}{ending}", size, number
            )
            if dice.random() < 0.05:
                (folder / name / f"{number}_{size[1]:04d}x{size[0]:04d}{CACHE_SUFFIX}").touch()
    flags: dict[str, Any] = {"seed": 42}
    if dice.random() < 0.5:
        flags["train_batch_size"] = dice.randint(1, 5)
    if dice.random() < 0.3:
        flags["dataset_repeats"] = dice.randint(0, 4)
    if dice.random() < 0.2:
        flags["validation_split"] = dice.choice([0.1, 0.25, 0.5, 0.9, 1.0, 1.2, -0.1])
    if dice.random() < 0.3:
        flags["validation_seed"] = dice.randint(0, 9)
    for name in ("enable_bucket", "bucket_no_upscale", "cache_info"):
        if dice.random() < 0.3:
            flags[name] = True
    flags |= limits(dice)
    if dice.random() < 0.2:
        return flags | folder_mode(dice, folder)
    config = {
        "general": levels(dice),
        "datasets": [dataset(dice) for _ in range(dice.randint(1, 3))],
    }
    (folder / "d.json").write_text(json.dumps(config))
    return {**flags, "resolution": str(dice.choice([64, 128, 200])), "dataset_config": "d.json"}


def limits(dice: random.Random) -> dict[str, Any]:
    found = {}
    found["min_bucket_reso"] = dice.choice([64, 64, 64, 100, 128, 32])
    if dice.random() < 0.4:
        found["max_bucket_reso"] = dice.choice([256, 300, 512])
    if dice.random() < 0.2:
        found["bucket_reso_steps"] = dice.choice([64, 64, 128, 32])
    return found


def folder_mode(dice: random.Random, folder: Path) -> dict[str, Any]:
    (folder / "train").mkdir()
    (folder / "reg").mkdir()
    for name in FOLDERS:
        if (folder / name).is_dir():
            repeats = dice.choice(["3_", "1_", "0_", "", "12_", "-1_"])
            parent = "reg" if name in "rs" else "train"
            (folder / name).rename(folder / parent / f"{repeats}{name}")
    return {"train_data_dir": "train", "reg_data_dir": "reg", "resolution": "128"}


def levels(dice: random.Random) -> dict[str, Any]:
    found: dict[str, Any] = {}
    if dice.random() < 0.3:
        found["num_repeats"] = dice.randint(0, 5)
    if dice.random() < 0.3:
        found["batch_size"] = dice.randint(1, 6)
    if dice.random() < 0.4:
        found["enable_bucket"] = dice.random() < 0.8
    if dice.random() < 0.2:
        found["bucket_no_upscale"] = dice.random() < 0.5
    if dice.random() < 0.15:
        found["validation_split"] = dice.choice([0.2, 0.5])
    if dice.random() < 0.1:
        found["cache_info"] = dice.random() < 0.5
    return found | (limits(dice) if dice.random() < 0.15 else {})


def dataset(dice: random.Random) -> dict[str, Any]:
    found = levels(dice)
    if dice.random() < 0.6:
        found["resolution"] = dice.choice([64, 128, [128, 192], [200, 100], 256])
    subsets = []
    for _ in range(dice.randint(0, 4)):
        name = dice.choice(FOLDERS)
        one: dict[str, Any] = {"image_dir": dice.choice(SPELLINGS).format(name)}
        if dice.random() < 0.7:
            one["num_repeats"] = dice.choice([0, 1, 1, 2, 3, 7])
        if name in "rs" or dice.random() < 0.1:
            one["is_reg"] = True
        if dice.random() < 0.1:
            one["cache_info"] = True
        subsets.append(one)
    return {**found, "subsets": subsets}


def regularised(dice: random.Random, folder: Path) -> dict[str, Any]:
    """Two or three datasets in buckets, all with regularisation, one or two with a validation split."""
    sides = [64, 64, 128, dice.randint(60, 400)]
    for name in FOLDERS:
        (folder / name).mkdir()
        for number in range(dice.choice([1, 2, 3, 5, 8, 11])):
            size = (dice.choice(sides), dice.choice(sides))
            write_image(folder / name / f"{number}.png", size, number)
    flags: dict[str, Any] = {"seed": 42, "min_bucket_reso": 64}
    if dice.random() < 0.5:
        flags["train_batch_size"] = dice.randint(1, 5)
    if dice.random() < 0.3:
        flags["validation_seed"] = dice.randint(0, 9)
    if dice.random() < 0.1:
        flags["validation_split"] = 0.1
    if dice.random() < 0.8:
        flags["enable_bucket"] = True
    datasets = [_with_regularisation(dice) for _ in range(dice.choice([2, 2, 3]))]
    for one in [dice.choice(datasets) for _ in range(dice.choice([1, 1, 2]))]:
        one["validation_split"] = dice.choice([0.1, 0.2, 0.3, 0.5, 0.9, 1.0])
        if dice.random() < 0.3:
            one["validation_seed"] = dice.randint(0, 5)
    (folder / "d.json").write_text(json.dumps({"datasets": datasets}))
    return {**flags, "resolution": str(dice.choice([64, 128, 200])), "dataset_config": "d.json"}


def _with_regularisation(dice: random.Random) -> dict[str, Any]:
    folders = [(dice.choice("abc"), False) for _ in range(dice.randint(1, 2))]
    folders += [(dice.choice("rsrsa"), True) for _ in range(dice.randint(1, 2))]
    dice.shuffle(folders)
    subsets = []
    for name, is_reg in folders:
        one: dict[str, Any] = {"image_dir": dice.choice(SPELLINGS).format(name), "is_reg": is_reg}
        one["num_repeats"] = dice.choice([1, 1, 2, 3, 5])
        if dice.random() < 0.05:
            one["cache_info"] = True
        subsets.append(one)
    found: dict[str, Any] = {"subsets": subsets}
    if dice.random() < 0.6:
        found["batch_size"] = dice.randint(1, 5)
    if dice.random() < 0.3:
        found["resolution"] = dice.choice([64, 128, 256, [128, 192]])
    return found


def described(dice: random.Random, folder: Path) -> dict[str, Any]:
    """Datasets of metadata files, of images with masks, and of folders, beside each other."""
    sides = [64, 64, 128, dice.randint(60, 400), dice.randint(60, 400)]
    files = {name: _pictures(dice, folder / name, sides) for name in FOLDERS}
    for name in "mn":  # masks of the images of a and b
        own = files["ab"["mn".index(name)]]
        for file in own if dice.random() < 0.95 else own[1:]:
            write_image(
                folder / name / f"{Path(file).stem}{dice.choice(['.png', '.bmp'])}", (64, 64), 1
            )
        if dice.random() < 0.05:
            write_image(folder / name / "surplus.png", (64, 64), 1)
    for number in range(2):
        _metadata(dice, folder, files, number)
    flags: dict[str, Any] = {"seed": 42, "min_bucket_reso": 64, "resolution": "128"}
    if dice.random() < 0.95:
        flags["masked_loss"] = True
    if dice.random() < 0.05:
        flags["validation_split"] = dice.choice([0.2, 0.5])
    for name in ("enable_bucket", "enable_bucket", "bucket_no_upscale", "alpha_mask"):
        if dice.random() < 0.4:
            flags[name] = True
    if dice.random() < 0.5:
        flags["train_batch_size"] = dice.randint(1, 5)
    kinds = [_of_metadata, _of_masks, _of_masks, dataset]
    datasets = [dice.choice(kinds)(dice) for _ in range(dice.randint(1, 3))]
    # with masked_loss an empty dataset has the keys of one with masks
    datasets = [one for one in datasets if one["subsets"] or not one.pop("cache_info", None)]
    (folder / "d.json").write_text(json.dumps({"general": levels(dice), "datasets": datasets}))
    return {**flags, "dataset_config": "d.json"}


def _pictures(dice: random.Random, folder: Path, sides: list[int]) -> list[str]:
    names = [
        f"{n}{dice.choice(['.png', '.png', '.bmp', '.PNG'])}" for n in range(dice.randint(1, 9))
    ]
    for number, name in enumerate(names):
        write_image(folder / name, (dice.choice(sides), dice.choice(sides)), number)
    return names


def _metadata(dice: random.Random, folder: Path, files: dict[str, list[str]], number: int) -> None:
    """`0.json` lists files of a folder, `1.jsonl` absolute paths; sizes of some."""
    name = dice.choice("ab")
    entries: dict[str, dict[str, Any]] = {}
    for file in files[name]:
        key = str(folder / name / file) if number or dice.random() < 0.1 else file
        entries[key] = {"caption": "x", "tags": "y"}
        if dice.random() < 0.4:
            entries[key]["image_size"] = [dice.randint(60, 300), dice.randint(60, 300)]
    if number == 0:
        (folder / "0.json").write_text(json.dumps(entries))
        return
    lines = (json.dumps({"image_path": key, **entry}) for key, entry in entries.items())
    (folder / "1.jsonl").write_text("".join(f"{line}\n" for line in lines))


def _of_metadata(dice: random.Random) -> dict[str, Any]:
    subsets = []
    for _ in range(dice.choice([1, 1, 2])):
        one: dict[str, Any] = {"metadata_file": dice.choice(["0.json", "0.json", "1.jsonl"])}
        if dice.random() < 0.97:
            one["image_dir"] = dice.choice("ab")
        if dice.random() < 0.6:
            one["num_repeats"] = dice.choice([0, 1, 2, 5])
        if dice.random() < 0.1:
            one["alpha_mask"] = True
        subsets.append(one)
    found = levels(dice)
    if dice.random() < 0.9:
        found.pop("cache_info", None)  # not of a metadata file
    return {**found, "subsets": subsets}


def _of_masks(dice: random.Random) -> dict[str, Any]:
    subsets = []
    for images, masks in dice.choice([["am"], ["bn"]] * 3 + [["am", "bn", "am"], ["an"]]):
        one = {"image_dir": dice.choice(SPELLINGS).format(images), "conditioning_data_dir": masks}
        if dice.random() < 0.6:
            one["num_repeats"] = dice.choice([1, 2, 5, 0]) if dice.random() < 0.3 else 3
        if dice.random() < 0.05:
            one |= dice.choice([{"random_crop": True}, {"is_reg": False}, {"class_tokens": "x"}])
        subsets.append(one)
    found = levels(dice)
    if dice.random() < 0.8:
        found["validation_split"] = 0.0
    return {**found, "subsets": subsets}
