"""The plan of one epoch: every image with its bucket, every bucket with its batches."""

from __future__ import annotations

import math
import random
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from runner.trainers.sd_scripts.dataset.buckets import (
    Buckets,
    Placement,
    buckets_for,
    check_reso_steps,
)
from runner.trainers.sd_scripts.dataset.files import PLUGIN_EXTENSIONS, ImageSource, Listing, Size
from runner.trainers.sd_scripts.dataset.register import Registry, Shuffler, UsedSubset, register
from runner.trainers.sd_scripts.dataset.spec import DatasetError, DatasetSpec, SubsetSpec


@dataclass(frozen=True, slots=True)
class PlannedImage:
    """`size`, `bucket`, `resized` are (width, height) in pixels; `subset` indexes the summary's
    subsets; `repeats` is how often the image comes in an epoch."""

    path: str
    subset: int
    is_reg: bool
    repeats: int
    size: tuple[int, int]
    bucket: tuple[int, int]
    resized: tuple[int, int]


@dataclass(frozen=True, slots=True)
class Bucket:
    """`count` images with repeats make `batches` batches: the last one may be smaller."""

    resolution: tuple[int, int]
    count: int
    batches: int


@dataclass(frozen=True, slots=True)
class SubsetSummary:
    """A subset that takes part, with the number of its image files."""

    spec: SubsetSpec
    image_count: int


@dataclass(frozen=True, slots=True)
class DatasetSummary:
    """One dataset. `train_images` and `reg_images` are the banner's: files times repeats."""

    spec: DatasetSpec
    subsets: tuple[SubsetSummary, ...]
    images: tuple[PlannedImage, ...]
    buckets: tuple[Bucket, ...]
    train_images: int
    reg_images: int
    mean_aspect_error: float
    limits: Buckets

    @property
    def batches(self) -> int:
        return sum(bucket.batches for bucket in self.buckets)


@dataclass(frozen=True, slots=True)
class DatasetPlan:
    """All datasets of a training.

    `images`, `reg_images`: image files, each counted once. `train_images_with_repeats`,
    `reg_images_with_repeats`: what the banner prints (of regularisation images also the unused).
    `batches_per_epoch`: of one process. `warnings`: one sentence each.
    """

    datasets: tuple[DatasetSummary, ...]
    validation: tuple[DatasetSummary, ...]
    images: int
    reg_images: int
    train_images_with_repeats: int
    reg_images_with_repeats: int
    validation_images: int
    batches_per_epoch: int
    validation_batches: int
    warnings: tuple[str, ...]

    @property
    def buckets(self) -> tuple[Bucket, ...]:
        return tuple(bucket for dataset in self.datasets for bucket in dataset.buckets)


def plan_datasets(
    specs: Sequence[DatasetSpec],
    source: ImageSource,
    shuffler: Shuffler | None = None,
    reso_divisor: int = 64,
) -> DatasetPlan:
    """Plan one epoch. `shuffler` decides which images a validation split without validation_seed
    takes; the trainer seeds it with --seed. Raises DatasetError for what stops the trainer."""
    shuffler = shuffler or random.Random(0)
    warnings: list[str] = []
    limits = [buckets_for(spec) for spec in specs]
    held_out = [spec for spec in specs if 0.0 < spec.validation_split <= 1.0]
    # sd-scripts registers all training halves first, then all validation halves
    written: dict[str, Listing] = {}
    registries = [register(spec, source, shuffler, written=written) for spec in specs]
    validation_registries = [register(spec, source, shuffler, True, written) for spec in held_out]
    datasets = [
        _summary(spec, limit, registry, source, warnings)
        for spec, limit, registry in zip(specs, limits, registries, strict=True)
    ]
    validation = [
        _summary(spec, buckets_for(spec), registry, source, [])
        for spec, registry in zip(held_out, validation_registries, strict=True)
    ]
    check_reso_steps(specs, reso_divisor)
    return DatasetPlan(
        datasets=tuple(datasets),
        validation=tuple(validation),
        images=_files(datasets, is_reg=False),
        reg_images=_files(datasets, is_reg=True),
        train_images_with_repeats=sum(dataset.train_images for dataset in datasets),
        reg_images_with_repeats=sum(dataset.reg_images for dataset in datasets),
        validation_images=sum(dataset.train_images for dataset in validation),
        batches_per_epoch=sum(dataset.batches for dataset in datasets),
        validation_batches=sum(dataset.batches for dataset in validation),
        warnings=tuple(dict.fromkeys(warnings)),
    )


def _summary(
    spec: DatasetSpec,
    limits: Buckets,
    registry: Registry,
    source: ImageSource,
    warnings: list[str],
) -> DatasetSummary:
    warnings += registry.warnings
    warnings += [text for subset in registry.subsets for text in _left_out(subset)]
    if 0 < registry.train_images < registry.reg_images:
        warnings.append(
            f"{registry.reg_images} regularisation images for {registry.train_images} training "
            "images: the surplus is never used"
        )
    images = []
    errors = []
    places: dict[Size, Placement] = {}
    for image in registry.images:
        known = registry.subsets[image.subset].listing.sizes
        size = known.get(image.path) or source.size(image.path)
        placement = places.get(size) if size is not None else None
        if placement is None:
            placement = _place(limits, spec, image.path, size)
            places[size or (0, 0)] = placement
        errors.append(abs(placement.aspect_error))
        images.append(
            PlannedImage(
                image.path,
                image.subset,
                image.is_reg,
                image.repeats,
                size or (0, 0),
                placement.bucket,
                placement.resized,
            )
        )
    warnings += _size_warnings(spec, images, source)
    return DatasetSummary(
        spec=spec,
        subsets=tuple(
            SubsetSummary(subset.spec, subset.image_count) for subset in registry.subsets
        ),
        images=tuple(images),
        buckets=fill_buckets(images, spec.batch_size),
        train_images=registry.train_images,
        reg_images=registry.reg_images,
        mean_aspect_error=sum(errors) / len(errors) if errors else 0.0,
        limits=limits,
    )


def fill_buckets(images: Sequence[PlannedImage], batch_size: int) -> tuple[Bucket, ...]:
    """Buckets sorted by resolution; each rounds its own batches up."""
    counts: Counter[tuple[int, int]] = Counter()
    for image in images:
        counts[image.bucket] += image.repeats
    return tuple(
        Bucket(resolution, count, math.ceil(count / batch_size))
        for resolution, count in sorted(counts.items())
    )


def _place(limits: Buckets, spec: DatasetSpec, path: str, size: Size | None) -> Placement:
    """A bucket without height stops the trainer when the image is placed, one without width when it is
    encoded."""
    try:
        placement = limits.place(size or (0, 0))
    except ZeroDivisionError as error:
        raise _unplaceable(spec, path, size) from error
    if placement.bucket[0] < 1:
        raise _unplaceable(spec, path, size)
    return placement


def _unplaceable(spec: DatasetSpec, path: str, size: Size | None) -> DatasetError:
    if size is None:
        sentence = f"{path}: cannot be read as an image: remove or replace it."
    else:
        sentence = (
            f"{path}: {size[0]}x{size[1]} is too small for bucket_no_upscale with "
            f"bucket_reso_steps {spec.bucket_reso_steps}: drop bucket_no_upscale or the image."
        )
    return DatasetError(sentence, "division by zero", "ZeroDivisionError")


def _files(datasets: Sequence[DatasetSummary], is_reg: bool) -> int:
    return sum(
        subset.image_count
        for dataset in datasets
        for subset in dataset.subsets
        if subset.spec.is_reg is is_reg
    )


def _left_out(subset: UsedSubset) -> list[str]:
    texts = []
    name, listing = subset.spec.image_dir, subset.listing
    plugin = [file for file in listing.ignored if file.endswith(PLUGIN_EXTENSIONS)]
    other = [file for file in listing.ignored if file not in plugin]
    if other:
        texts.append(
            f"{name}: {_some(other)} not read: sd-scripts takes .png .jpg .jpeg .webp .bmp, all "
            "lower or all upper case"
        )
    if plugin:
        texts.append(
            f"{name}: {_some(plugin)} not counted: read only if the trainer's Python has a plugin "
            "for the format"
        )
    if listing.below:
        texts.append(f"{name}: {listing.below} images in deeper folders are never read")
    return texts


def _size_warnings(
    spec: DatasetSpec, images: Sequence[PlannedImage], source: ImageSource
) -> list[str]:
    turned = [image.path for image in images if source.rotated(image.path)]
    texts = []
    if turned:
        texts.append(
            f"{_some(turned)} turned by 90 degrees only in the EXIF header, which sd-scripts "
            "ignores: save the image upright"
        )
    if spec.enable_bucket:
        return texts
    unlike = [image.path for image in images if image.size != spec.resolution]
    if unlike and spec.resolution is not None:
        width, height = spec.resolution
        texts.append(
            f"{_some(unlike)} not {width}x{height}: without enable_bucket, and unless latents are "
            "cached or cropping is on, sd-scripts stops at the first of them"
        )
    return texts


def _some(paths: Sequence[str]) -> str:
    name = paths[0].rpartition("/")[2]
    if len(paths) == 1:
        return f"{name} is"
    return f"{name} and {len(paths) - 1} more are"
