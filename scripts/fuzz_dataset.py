"""Compare our dataset arithmetic with sd-scripts' own dataset code on random configurations.

    <python of sd-scripts> scripts/fuzz_dataset.py <checkout> [--count 300] [--seed 1] [--made regularised]

Nothing is trained: folders of small images, a random dataset config and random flags go through both;
images, repeats, every bucket and the batches of an epoch are compared, and whether both refuse. Prints
what differs, with the seed that makes it again; exit code 1 then. `--record` writes what sd-scripts made of
the first RECORDED seeds of each kind to tests/data/expected/dataset_matrix.json, for the unit tests.
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
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

from runner.trainers.sd_scripts.dataset import FolderImages, plan_datasets, specs_from_flags  # noqa: E402
from scripts.forecast_cases.by_chance import described, made_up, regularised  # noqa: E402
from scripts.forecast_cases.pictures import CACHE_SUFFIX  # noqa: E402
from scripts.real_loop import define_missing_operators  # noqa: E402

RECORD = ROOT / "tests" / "data" / "expected" / "dataset_matrix.json"
RECORDED = 60
MADE = {"made_up": made_up, "regularised": regularised, "described": described}


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("checkout")
    parser.add_argument("--count", type=int, default=300)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--made", choices=[*MADE], default="made_up")
    parser.add_argument("--record", action="store_true", help=f"write {RECORD.name}")
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
    if args.record:
        kinds = {
            kind: [both_plans(kind, seed, words)[1] for seed in range(1, RECORDED + 1)]
            for kind in MADE
        }
        RECORD.write_text(json.dumps(kinds) + "\n")
        return 0
    wrong = trained = 0
    for seed in range(args.seed, args.seed + args.count):
        ours, theirs = both_plans(args.made, seed, words)
        trained += theirs is not None
        if ours != theirs:
            wrong += 1
            print(f"seed {seed}:\n  ours   {ours}\n  theirs {theirs}")
    print(f"{args.count - wrong} of {args.count} equal, {trained} of them not refused")
    del keep_alive
    return int(wrong > 0)


def both_plans(kind: str, seed: int, words: Any) -> tuple[Any, Any]:
    """(ours, theirs) of one dataset; None: refused, whatever the reason."""
    with tempfile.TemporaryDirectory() as name:
        os.chdir(name)
        flags = MADE[kind](random.Random(seed), Path(name))
        plans = own_plan(flags), trainers_plan(flags, words)
        os.chdir("/")
    return plans


def forget_caches() -> None:
    for file in Path().rglob("metadata_cache.json"):
        file.unlink()


def own_plan(flags: dict[str, Any]) -> Any:
    try:
        specs = specs_from_flags(flags, Path())
        if any(spec.masked and spec.subsets for spec in specs) and not flags.get("masked_loss"):
            return None  # the check `masks` says so
        plan = plan_datasets(specs, FolderImages(Path(), CACHE_SUFFIX), random.Random(42))
    except ValueError:
        return None
    return [
        [
            [d.train_images, d.reg_images, d.batches, [[*b.resolution, b.count] for b in d.buckets]]
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
        generator = BlueprintGenerator(ConfigSanitizer(True, True, args.masked_loss, True))
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
    except Exception:
        return None
    finally:
        forget_caches()
    return [[_told(one) for one in group.datasets] if group is not None else [] for group in groups]


def _told(dataset: Any) -> Any:
    manager = dataset.bucket_manager
    filled = [
        [*reso, len(bucket)]
        for reso, bucket in sorted(zip(manager.resos, manager.buckets, strict=True))
        if bucket
    ]
    return [dataset.num_train_images, dataset.num_reg_images, len(dataset), filled]


if __name__ == "__main__":
    sys.exit(main())
