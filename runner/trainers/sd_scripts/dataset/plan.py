"""The plan of one epoch: every image with its bucket, every bucket with its batches."""

from __future__ import annotations

import math
import random
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

from runner.model.units import some
from runner.trainers.sd_scripts.dataset.buckets import (
    Buckets,
    Placement,
    buckets_for,
    check_reso_steps,
)
from runner.trainers.sd_scripts.dataset.cropping import size_warning
from runner.trainers.sd_scripts.dataset.files import PLUGIN_EXTENSIONS
from runner.trainers.sd_scripts.dataset.listing import ImageSource, Listing
from runner.trainers.sd_scripts.dataset.masks import MaskPairs, check_masks, pair_masks
from runner.trainers.sd_scripts.dataset.register import (
    PlannedImage,
    Registry,
    Shuffler,
    SubsetSummary,
    register,
)
from runner.trainers.sd_scripts.dataset.spec import DatasetError, DatasetSpec, Size

#: more subsets with the same trouble are one sentence
MOST_ALIKE = 4


@dataclass(frozen=True, slots=True)
class Bucket:
    """`count` images with repeats make `batches` batches: the last one may be smaller."""

    resolution: Size
    count: int
    batches: int


@dataclass(frozen=True, slots=True)
class DatasetSummary:
    """One dataset. `train_images` and `reg_images` are the banner's: files times repeats. `masks`: None
    without conditioning_data_dir."""

    spec: DatasetSpec
    subsets: tuple[SubsetSummary, ...]
    images: tuple[PlannedImage, ...]
    buckets: tuple[Bucket, ...]
    train_images: int
    reg_images: int
    mean_aspect_error: float
    limits: Buckets
    masks: MaskPairs | None = None

    @property
    def batches(self) -> int:
        return sum(bucket.batches for bucket in self.buckets)


@dataclass(frozen=True, slots=True)
class DatasetPlan:
    """All datasets of a training.

    `images`, `reg_images`: image files, each counted once. `train_images_with_repeats`,
    `reg_images_with_repeats`: as in the banner (including unused regularisation images).
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
    cached: bool = False,
) -> DatasetPlan:
    """Plan one epoch. `shuffler` decides which images a validation split without validation_seed picks; the
    trainer seeds it with --seed. `cached`: latents are cached, so every image is resized. Raises DatasetError
    for errors that stop the trainer."""
    shuffler = shuffler or random.Random(0)
    warnings: list[str] = []
    limits = [buckets_for(spec) for spec in specs]
    held_out = [spec for spec in specs if 0.0 < spec.validation_split <= 1.0]
    # sd-scripts registers all training halves first, then all validation halves
    written: dict[str, Listing] = {}
    registries = [register(spec, source, shuffler, written=written) for spec in specs]
    validation_registries = [register(spec, source, shuffler, True, written) for spec in held_out]
    datasets = [
        _summary(spec, limit, registry, source, warnings, cached)
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
        warnings=grouped(warnings),
    )


def _summary(
    spec: DatasetSpec,
    limits: Buckets,
    registry: Registry,
    source: ImageSource,
    warnings: list[str],
    cached: bool = False,
) -> DatasetSummary:
    warnings += registry.warnings
    warnings += [text for subset in registry.subsets for text in _left_out(subset)]
    if 0 < registry.train_images < registry.reg_images:
        warnings.append(
            f"{registry.reg_images} regularisation images for {registry.train_images} training "
            "images: the surplus is never used"
        )
    pairs = None
    if spec.masked and spec.subsets:
        pairs = pair_masks(spec, registry, source)
        warnings += check_masks(spec, pairs)
    images = []
    error = 0.0
    places: dict[Size | None, Placement] = {}
    for image in registry.images:
        known = registry.subsets[image.subset].listing.sizes
        size = known.get(image.path) or source.size(image.path)
        if size not in places:
            places[size] = _place(limits, spec, image.path, size)
        place = places[size]
        error += abs(place.aspect_error)
        images.append(
            replace(image, size=size or (0, 0), bucket=place.bucket, resized=place.resized)
        )
    if turned := [image.path for image in images if source.rotated(image.path)]:
        warnings.append(
            f"{_are(turned)} rotated only in the EXIF header, which sd-scripts "
            "ignores: save the image upright"
        )
    if text := size_warning(spec, registry.subsets, images, cached):
        warnings.append(text)
    return DatasetSummary(
        spec=spec,
        subsets=tuple(registry.subsets),
        images=tuple(images),
        buckets=fill_buckets(images, spec.batch_size),
        train_images=registry.train_images,
        reg_images=registry.reg_images,
        mean_aspect_error=error / len(images) if images else 0.0,
        limits=limits,
        masks=pairs,
    )


def fill_buckets(images: Sequence[PlannedImage], batch_size: int) -> tuple[Bucket, ...]:
    """Buckets sorted by resolution; each rounds its own batches up."""
    counts: Counter[Size] = Counter()
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
        if placement.bucket[0] >= 1:
            return placement
    except ZeroDivisionError:
        pass
    sentence = f"{path}: cannot be read as an image: remove or replace it."
    if size is not None:
        sentence = (
            f"{path}: {size[0]}x{size[1]} is too small for bucket_no_upscale with "
            f"bucket_reso_steps {spec.bucket_reso_steps}: remove bucket_no_upscale or the image."
        )
    raise DatasetError(sentence, "division by zero", "ZeroDivisionError")


def _files(datasets: Sequence[DatasetSummary], is_reg: bool) -> int:
    return sum(
        subset.image_count
        for dataset in datasets
        for subset in dataset.subsets
        if subset.spec.is_reg is is_reg
    )


def grouped(warnings: Iterable[str]) -> tuple[str, ...]:
    """Each once, and one sentence for many names with the same trouble (`NAME: trouble`)."""
    by_trouble: dict[str, list[str]] = {}
    for text in dict.fromkeys(warnings):
        name, _, trouble = text.rpartition(": ")
        by_trouble.setdefault(trouble, []).append(name)
    return tuple(
        text
        for trouble, names in by_trouble.items()
        for text in (
            [f"{name}: {trouble}" if name else trouble for name in names]
            if len(names) <= MOST_ALIKE
            else [f"{some(names, 1)}: {trouble}"]
        )
    )


def _left_out(subset: SubsetSummary) -> list[str]:
    name, listing = subset.spec.image_dir, subset.listing
    plugin = [file for file in listing.ignored if file.endswith(PLUGIN_EXTENSIONS)]
    other = [file for file in listing.ignored if file not in plugin]
    texts = []
    if other:
        texts.append(
            f"{name}: {_are(other)} not read: sd-scripts reads .png .jpg .jpeg .webp .bmp, all "
            "lower or all upper case"
        )
    if plugin:
        texts.append(
            f"{name}: {_are(plugin)} not counted: read only if the trainer's Python has a plugin "
            "for the format"
        )
    if listing.below:
        texts.append(f"{name}: {listing.below} images in deeper folders are never read")
    return texts


def _are(paths: Sequence[str]) -> str:
    return some([paths[0].rpartition("/")[2], *paths[1:]], 1) + (" are" if paths[1:] else " is")
