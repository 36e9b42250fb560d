"""From subsets to registered images: repeats, regularisation, the validation split.

Facts: `DreamBoothDataset.__init__` and `split_train_val` in `train_util.py`, v0.10.
"""

from __future__ import annotations

import math
import os
import random
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Protocol

from runner.trainers.sd_scripts.dataset.files import INFO_CACHE
from runner.trainers.sd_scripts.dataset.listing import ImageSource, Listing
from runner.trainers.sd_scripts.dataset.spec import DatasetError, DatasetSpec, Size, SubsetSpec


class Shuffler(Protocol):
    """The part of `random.Random` that the trainer uses; the module `random` works too."""

    def shuffle(self, x: Any) -> None: ...


@dataclass(frozen=True, slots=True)
class PlannedImage:
    """`size`, `bucket`, `resized` are (width, height) in pixels, known once it is placed; `subset` indexes
    the dataset's subsets; `repeats`: how often the image is used per epoch."""

    path: str
    subset: int
    is_reg: bool
    repeats: int
    size: Size = (0, 0)
    bucket: Size = (0, 0)
    resized: Size = (0, 0)


@dataclass(frozen=True, slots=True)
class SubsetSummary:
    """A subset that takes part. `image_count` is the number of its files (after the split)."""

    spec: SubsetSpec
    image_count: int
    listing: Listing


@dataclass(slots=True)
class Registry:
    """`train_images` and `reg_images` are the banner's numbers: files times repeats, the latter including
    unused ones."""

    images: list[PlannedImage] = field(default_factory=list)
    subsets: list[SubsetSummary] = field(default_factory=list)
    train_images: int = 0
    reg_images: int = 0
    warnings: list[str] = field(default_factory=list)


def register(
    spec: DatasetSpec,
    source: ImageSource,
    shuffler: Shuffler,
    validation: bool = False,
    written: dict[str, Listing] | None = None,
) -> Registry:
    """Register a dataset's images in the trainer's order: train subsets first, then regularisation.

    `validation`: the validation half, where every image of a folder counts once; a metadata file is in both
    halves with all its images, a folder with masks with its training half, both with their repeats.
    `written`: `cache_info` files in the folders so far; extended here. Raises DatasetError."""
    registry = Registry()
    images: dict[str, PlannedImage] = {}
    reg_images: list[PlannedImage] = []
    written = {} if written is None else written
    seen: set[str] = set()
    validation = validation and not spec.masked
    for subset in spec.subsets:
        if spec.masked and subset.random_crop:
            sentence = (
                f"{subset.name}: random_crop cannot be used with conditioning_data_dir; remove it."
            )
            said = "random_crop is not supported in ControlNetDataset"
            raise DatasetError(sentence, said, "AssertionError")
        in_folder = subset.metadata_file is None
        repeats = 1 if validation and in_folder else subset.num_repeats
        if repeats < 1 or subset.name in seen:
            why = f"num_repeats is {repeats}, the" if repeats < 1 else "given twice, the later"
            registry.warnings.append(f"{subset.name}: {why} subset is ignored")
            continue
        listing = _listing(subset, source, registry.warnings, written)
        if listing is None:
            continue
        if in_folder:
            listing = replace(
                listing, paths=_half(spec, subset, listing.paths, shuffler, validation)
            )
        if in_folder and subset.cache_info and not listing.remembered:
            # the rest of the folder is recorded, with sizes from the images themselves
            listing = replace(listing, sizes={}, remembered=True)
            written[os.path.normpath(subset.image_dir)] = listing
        if not listing.paths:
            empty = "no images found" if in_folder else "lists no images"
            deeper = f"; {listing.below} in deeper folders are never read" if listing.below else ""
            registry.warnings.append(f"{subset.name}: {empty}, the subset is ignored{deeper}")
            continue
        seen.add(subset.name)
        added = {
            key: PlannedImage(path, len(registry.subsets), subset.is_reg, repeats)
            for key, path in zip(listing.keys or listing.paths, listing.paths, strict=True)
        }
        registry.subsets.append(SubsetSummary(subset, len(added), listing))
        if subset.is_reg:
            registry.reg_images += repeats * len(added)
            reg_images += added.values()
        else:
            registry.train_images += repeats * len(added)
            images |= added
    # one image is one path: `a/1.png` of the folders "a" and "a/" is registered once, by the later
    used = spread_regularisation(reg_images, registry.train_images)
    registry.images = list((images | {image.path: image for image in used}).values())
    return registry


def spread_regularisation(images: Sequence[PlannedImage], train_images: int) -> list[PlannedImage]:
    """Repeat regularisation images until they match the training images. Images are added with their own
    repeats, in order, until the sum reaches `train_images`; the rest of the folder is never used. If the full
    folder is not enough, one repeat is added to each in turn. So any regularisation image doubles the epoch.
    """
    used: list[PlannedImage] = []
    missing = train_images
    for image in images:
        if missing <= 0:
            return used
        used.append(image)
        missing -= image.repeats
    if not used or missing <= 0:
        return used
    each, rest = divmod(missing, len(used))
    return [
        replace(image, repeats=image.repeats + each + (position < rest))
        for position, image in enumerate(used)
    ]


def split_sizes(count: int, split: float) -> tuple[int, int]:
    """(train, validation) images of `count`; rounding may let one image be in both."""
    return math.ceil(count * (1 - split)), round(count * split)


def _listing(
    subset: SubsetSpec, source: ImageSource, warnings: list[str], written: Mapping[str, Listing]
) -> Listing | None:
    """Everything its folder or metadata file lists; None: not a directory. Raises DatasetError."""
    name = subset.name
    if subset.metadata_file is not None:
        found = source.metadata(name, None if subset.rootless else subset.image_dir)
        if found is None:
            sentence = f"{name}: the metadata file does not exist; correct metadata_file."
            raise DatasetError(sentence, f"no metadata / メタデータファイルがありません: {name}")
        return found
    listing = source.listing(name)
    if listing is None:
        hint = "; ~ is not expanded here" if name.startswith("~") else ""
        if of_windows(name):
            hint = "; a path of Windows"
        warnings.append(f"{name}: not a directory, the subset is ignored{hint}")
    if listing is None or not subset.cache_info:
        return listing
    # one folder under all its spellings: they share one record
    if os.path.normpath(name) in written:
        return written[os.path.normpath(name)]
    remembered = source.remembered(name)
    if remembered is not None and set(remembered.paths) != set(listing.paths):
        warnings.append(
            f"{name}: cache_info uses the {len(remembered.paths)} images of {INFO_CACHE}, not the "
            f"{len(listing.paths)} in the folder; delete that file"
        )
    return remembered or listing


def of_windows(path: str) -> bool:
    """Is it written for Windows, and this is another system?"""
    return os.sep == "/" and (path[1:3] in (":\\", ":/") or ("\\" in path and "/" not in path))


def _half(
    spec: DatasetSpec,
    subset: SubsetSpec,
    paths: tuple[str, ...],
    shuffler: Shuffler,
    validation: bool,
) -> tuple[str, ...]:
    if spec.validation_split <= 0.0:
        return paths
    if subset.is_reg:
        return () if validation else paths
    if not paths:
        raise DatasetError(
            f"{subset.image_dir}: has no images, and with validation_split the trainer stops at "
            "an empty folder: remove the subset.",
            "not enough values to unpack (expected 2, got 0)",
        )
    shuffled = list(paths)
    if spec.validation_seed is not None:
        random.Random(spec.validation_seed).shuffle(shuffled)
    else:
        shuffler.shuffle(shuffled)
    train, held_out = split_sizes(len(shuffled), spec.validation_split)
    return tuple(shuffled[len(shuffled) - held_out :] if validation else shuffled[:train])
