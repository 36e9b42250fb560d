"""Hold runner.dataset against sd-scripts' own dataset code on configurations made by chance.

    <python of sd-scripts> scripts/fuzz_dataset.py <checkout> [--count 300] [--seed 1]

Nothing is trained: folders of small images, a random dataset config and random flags go through both;
images, repeats, every bucket and the batches of an epoch are compared, and whether both refuse. Prints
what differs, with the seed that makes it again; exit code 1 then.
"""

from __future__ import annotations

import argparse
import io
import json
import logging
import os
import random
import sys
import tempfile
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

from runner.dataset import FolderImages, plan_datasets, specs_from_flags  # noqa: E402
from scripts.forecast_cases.folder import CACHE_SUFFIX, write_image  # noqa: E402
from scripts.real_loop import define_missing_operators  # noqa: E402

FOLDERS = ("a", "b", "c", "r", "s")
SPELLINGS = ("{}", "{}", "{}", "{}", "./{}", "{}/")


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("checkout")
    parser.add_argument("--count", type=int, default=300)
    parser.add_argument("--seed", type=int, default=1)
    args = parser.parse_args()
    keep_alive = define_missing_operators()
    sys.path.insert(0, args.checkout)
    import train_network
    from library import strategy_base, strategy_sd

    logging.disable(logging.CRITICAL)
    sys.stderr = io.StringIO()  # bars
    strategy_base.LatentsCachingStrategy.set_strategy(
        strategy_sd.SdSdxlLatentsCachingStrategy(True, False, 1, False)
    )
    words = train_network.setup_parser()
    wrong = 0
    for seed in range(args.seed, args.seed + args.count):
        with tempfile.TemporaryDirectory() as name:
            os.chdir(name)
            flags = made_up(random.Random(seed), Path(name))
            ours, theirs = own_plan(flags), trainers_plan(flags, words)
            os.chdir("/")
        if ours != theirs:
            wrong += 1
            print(f"seed {seed}: {flags}\n  ours   {ours}\n  theirs {theirs}")
    print(f"{args.count - wrong} of {args.count} equal")
    del keep_alive
    return int(wrong > 0)


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


@dataclass(frozen=True)
class Refused:
    """Nothing is planned; two refusals are equal, whatever they say."""

    why: str = field(compare=False)


def forget_caches() -> None:
    for file in Path().rglob("metadata_cache.json"):
        file.unlink()


def own_plan(flags: dict[str, Any]) -> Any:
    try:
        specs = specs_from_flags(flags, Path())
        plan = plan_datasets(specs, FolderImages(Path(), CACHE_SUFFIX), random.Random(42))
    except ValueError as error:
        return Refused(str(error)[:200])
    return [
        [
            (d.train_images, d.reg_images, d.batches, [(b.resolution, b.count) for b in d.buckets])
            for d in datasets
        ]
        for datasets in (plan.datasets, plan.validation)
    ]


def trainers_plan(flags: dict[str, Any], parser: Any) -> Any:
    from accelerate.utils import set_seed
    from library import config_util, train_util
    from library.config_util import BlueprintGenerator, ConfigSanitizer

    words = []
    for name, value in flags.items():
        words += [f"--{name}"] if value is True else [f"--{name}={value}"]
    args = parser.parse_args(words)
    try:
        train_util.prepare_dataset_args(args, True)
        set_seed(args.seed)
        generator = BlueprintGenerator(ConfigSanitizer(True, True, False, True))
        if args.dataset_config:
            config = config_util.load_user_config(args.dataset_config)
        else:
            subsets = config_util.generate_dreambooth_subsets_config_by_subdirs(
                args.train_data_dir, args.reg_data_dir
            )
            config = {"datasets": [{"subsets": subsets}]}
        blueprint = generator.generate(config, args)
        groups = config_util.generate_dataset_group_by_blueprint(blueprint.dataset_group)
        for group in groups:
            if group is not None:
                group.verify_bucket_reso_steps(64)
    except Exception as error:
        return Refused(f"{type(error).__name__}: {error}"[:200])
    finally:
        forget_caches()
    return [[_told(one) for one in group.datasets] if group is not None else [] for group in groups]


def _told(dataset: Any) -> Any:
    manager = dataset.bucket_manager
    filled = [
        (tuple(reso), len(bucket))
        for reso, bucket in sorted(zip(manager.resos, manager.buckets, strict=True))
        if bucket
    ]
    return dataset.num_train_images, dataset.num_reg_images, len(dataset), filled


if __name__ == "__main__":
    sys.exit(main())
