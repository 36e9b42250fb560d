"""The dataset part of a start: read the configuration, plan the batches, log everything in sd-scripts'
wording and order."""

from __future__ import annotations

import logging
import random
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from PIL import Image
from tqdm import tqdm

from runner.embedded.report import describe_datasets
from runner.trainers.sd_scripts.dataset import (
    DatasetError,
    DatasetPlan,
    DatasetSpec,
    DatasetSummary,
    FolderImages,
    SubsetSpec,
    plan_datasets,
    specs_from_flags,
)
from runner.trainers.sd_scripts.dataset.config import IGNORED_WITH_CONFIG, folder_repeats
from runner.trainers.sd_scripts.dataset.files import read_caption
from runner.trainers.sd_scripts.dataset.listing import Listing

logger = logging.getLogger(__name__)

SHOWN_MISSING = 5


class MultipleInvalid(Exception):
    """A dataset configuration with an unknown key or a wrong type."""


class TomlDecodeError(ValueError):
    """A dataset configuration that is not valid TOML."""


ERRORS: dict[str, type[Exception]] = {
    "AssertionError": AssertionError,
    "MultipleInvalid": MultipleInvalid,
    "TomlDecodeError": TomlDecodeError,
    "ZeroDivisionError": ZeroDivisionError,
}


@dataclass(frozen=True, slots=True)
class Prepared:
    """`captions` by image path, for the training and the validation images. `seed`: what shuffles
    the batches."""

    plan: DatasetPlan
    captions: dict[str, str]
    seed: int


REFUSED = (
    "the built-in trainer reads folders of images with caption files, no metadata_file and no "
    "conditioning_data_dir"
)


def prepare_dataset(args: Any) -> Prepared:
    """Plan the batches with the random numbers that `--seed` has set. Raises DatasetError."""
    flags = vars(args)
    if args.dataset_config is not None:
        logger.info("Loading dataset config from %s", args.dataset_config)
        if any(flags.get(name) is not None for name in IGNORED_WITH_CONFIG):
            logger.warning(
                "ignoring the following options because config file is found: %s",
                ", ".join(IGNORED_WITH_CONFIG),
            )
    else:
        logger.info("Using DreamBooth method.")
        _warn_of_folders(args.train_data_dir, args.reg_data_dir)
    specs: tuple[DatasetSpec, ...] = ()
    if args.dataset_config is not None or args.train_data_dir is not None:
        try:
            specs = specs_from_flags(flags, Path())
        except DatasetError as error:
            _explain(error, args.dataset_config)
            raise
        subsets = [subset for spec in specs for subset in spec.subsets]
        if any(subset.metadata_file or subset.conditioning_data_dir for subset in subsets):
            raise DatasetError(REFUSED)
    logger.info("prepare images.")
    plan = plan_datasets(specs, _Noted(Path()), random)
    captions: dict[str, str] = {}
    for dataset in (*plan.datasets, *plan.validation):
        captions |= _captions(dataset)
        _count_images(dataset, validation=dataset in plan.validation)
    for name, datasets in (("Dataset", plan.datasets), ("Validation Dataset", plan.validation)):
        if datasets:
            logger.info(describe_datasets(name, datasets))
    seed = random.randint(0, 2**31)
    for name, datasets in (("dataset", plan.datasets), ("validation dataset", plan.validation)):
        _tell_buckets(name, datasets)
    return Prepared(plan, captions, seed)


def _explain(error: DatasetError, file: str | None) -> None:
    """What the trainer logs before failing on a configuration."""
    if error.trainer_error == "MultipleInvalid":
        logger.error("Invalid user config / ユーザ設定の形式が正しくないようです")
    elif error.trainer_error == "TomlDecodeError":
        logger.error("Error on parsing TOML config file. Please check the format.: %s", file)


def as_trainer_error(error: DatasetError) -> Exception:
    """The exception that sd-scripts raises here, so that both fail alike."""
    if isinstance(error.__cause__, UnicodeDecodeError):
        return error.__cause__
    kind = ERRORS.get(error.trainer_error, ValueError)
    return kind(error.trainer_text)


class _Noted(FolderImages):
    """Logs what the trainer logs while it lists folders."""

    def listing(self, image_dir: str) -> Listing | None:
        found = super().listing(image_dir)
        if found is None:
            logger.warning("not directory: %s", image_dir)
        if found is None or not found.paths:
            logger.warning("ignore subset with image_dir='%s': no images found", image_dir)
        return found

    def size(self, path: str) -> tuple[int, int] | None:
        found = super().size(path)
        if found is not None:
            return found
        try:  # sd-scripts falls back to Pillow if the header reader fails
            with Image.open(self.base_dir / path) as image:
                size: tuple[int, int] = image.size
                return size
        except OSError as error:
            logger.warning("failed to get image size: %s, error: %s", path, error)
            return None


def _warn_of_folders(*parents: str | None) -> None:
    for parent in parents:
        if parent is None or not Path(parent).is_dir():
            continue
        for folder in Path(parent).iterdir():
            if folder.is_dir() and folder_repeats(folder.name)[0] is None:
                logger.warning(
                    "ignore directory without repeats / "
                    "繰り返し回数のないディレクトリを無視します: %s",
                    folder.name,
                )


def _captions(dataset: DatasetSummary) -> dict[str, str]:
    captions: dict[str, str] = {}
    for index, subset in enumerate(dataset.subsets):
        spec = subset.spec
        paths = [image.path for image in dataset.images if image.subset == index]
        logger.info(
            "found directory %s contains %d image files", spec.image_dir, subset.image_count
        )
        missing = []
        for path in tqdm(paths, desc="read caption"):
            caption = _caption(path, spec)
            if caption is None:
                missing.append(path)
                if spec.class_tokens is None:
                    logger.warning(
                        "neither caption file nor class tokens are found. use empty caption for %s",
                        path,
                    )
            captions[path] = spec.class_tokens or "" if caption is None else caption
        _warn_missing(missing)
    return captions


def _caption(path: str, spec: SubsetSpec) -> str | None:
    try:
        return read_caption(Path(path), spec.caption_extension, spec.enable_wildcard)
    except DatasetError as error:
        if isinstance(error.__cause__, UnicodeDecodeError):
            logger.error("illegal char in file (not UTF-8): caption of %s", path)
        raise


def _warn_missing(missing: Sequence[str]) -> None:
    if not missing:
        return
    logger.warning(
        "No caption file found for %d images. Training will continue without captions for these "
        "images. If class token exists, it will be used.",
        len(missing),
    )
    for path in missing[:SHOWN_MISSING]:
        logger.warning(path)
    if len(missing) > SHOWN_MISSING:
        logger.warning("%s... and %d more", missing[SHOWN_MISSING], len(missing) - SHOWN_MISSING)


def _count_images(dataset: DatasetSummary, validation: bool) -> None:
    kind = "validation" if validation else "train"
    logger.info("%d %s images with repeats.", dataset.train_images, kind)
    logger.info("%d reg images with repeats.", dataset.reg_images)
    if dataset.train_images < dataset.reg_images:
        logger.warning(
            "some of reg images are not used / "
            "正則化画像の数が多いので、一部使用されない正則化画像があります"
        )
    if not dataset.reg_images:
        logger.warning("no regularization images / 正則化画像が見つかりませんでした")


def _tell_buckets(name: str, datasets: Sequence[DatasetSummary]) -> None:
    for index, dataset in enumerate(datasets):
        logger.info("[Prepare %s %d]", name, index)
        logger.info("loading image sizes.")
        for _ in tqdm(dataset.images):
            pass
        if not dataset.spec.enable_bucket:
            logger.info("prepare dataset")
            continue
        logger.info("make buckets")
        if dataset.spec.bucket_no_upscale:
            logger.warning(
                "min_bucket_reso and max_bucket_reso are ignored if bucket_no_upscale is set, "
                "because bucket reso is defined by image size automatically"
            )
        logger.info(
            "number of images (including repeats) / 各bucketの画像枚数（繰り返し回数を含む）"
        )
        for number, bucket in enumerate(dataset.buckets):
            logger.info(
                "bucket %d: resolution %s, count: %d", number, bucket.resolution, bucket.count
            )
        logger.info("mean ar error (without repeats): %s", dataset.mean_aspect_error)
