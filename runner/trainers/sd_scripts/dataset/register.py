"""From subsets to registered images: repeats, regularisation, the validation split.

Facts: `DreamBoothDataset.__init__` and `split_train_val` in `train_util.py`, v0.10.
"""

from __future__ import annotations

import math
import os
import random
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Protocol

from runner.trainers.sd_scripts.dataset.files import INFO_CACHE, ImageSource, Listing
from runner.trainers.sd_scripts.dataset.spec import DatasetError, DatasetSpec, SubsetSpec


class Shuffler(Protocol):
    """The part of `random.Random` that the trainer uses; the module `random` fits as well."""

    def shuffle(self, x: Any) -> None: ...


@dataclass(slots=True)
class Registered:
    """One image with the repeats it ends up with; `subset` is the index in the dataset."""

    path: str
    subset: int
    is_reg: bool
    repeats: int


@dataclass(frozen=True, slots=True)
class UsedSubset:
    """A subset that takes part. `image_count` is the number of its files (after the split)."""

    spec: SubsetSpec
    image_count: int
    listing: Listing


@dataclass(slots=True)
class Registry:
    """`train_images` and `reg_images` are the banner's numbers: files times repeats, the latter
    whether they are used or not."""

    images: list[Registered] = field(default_factory=list)
    subsets: list[UsedSubset] = field(default_factory=list)
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
    """Register a dataset's images in the trainer's order: train subsets first, then
    regularisation. `validation`: the validation half, where every image counts once. `written`: what
    `cache_info` has written into the folders by then; added to. Raises DatasetError."""
    registry = Registry()
    images: dict[str, Registered] = {}
    reg_images: list[Registered] = []
    written = {} if written is None else written
    seen: set[str] = set()
    for subset in spec.subsets:
        if subset.metadata_file is not None:
            images |= _described(subset, seen, source, registry)
            continue
        repeats = 1 if validation else subset.num_repeats
        listing = _accept(subset, repeats, seen, source, registry, written)
        if listing is None:
            continue
        paths = _half(spec, subset, listing.paths, shuffler, validation)
        if subset.cache_info and not listing.remembered:
            # what is left of the folder is written down, with sizes from the images themselves
            listing = replace(listing, paths=tuple(paths), sizes={}, remembered=True)
            written[_folder(subset.image_dir)] = listing
        if not paths:
            registry.warnings.append(f"{subset.image_dir}: no images found, the subset is ignored")
            continue
        seen.add(subset.image_dir)
        index = len(registry.subsets)
        registry.subsets.append(UsedSubset(subset, len(paths), listing))
        added = [Registered(path, index, subset.is_reg, repeats) for path in paths]
        if subset.is_reg:
            registry.reg_images += repeats * len(paths)
            reg_images += added
        else:
            registry.train_images += repeats * len(paths)
            images |= {image.path: image for image in added}
    used = spread_regularisation(reg_images, registry.train_images)
    # one image is one path: `a/1.png` of the folders "a" and "a/" is registered once, by the later
    images |= {image.path: image for image in used}
    registry.images = list(images.values())
    return registry


def _described(
    subset: SubsetSpec, seen: set[str], source: ImageSource, registry: Registry
) -> dict[str, Registered]:
    """The images of a metadata file, by their names in it. A validation split leaves them all in both halves,
    with their repeats."""
    name, repeats = subset.name, subset.num_repeats
    if repeats < 1:
        registry.warnings.append(f"{name}: num_repeats is {repeats}, the subset is ignored")
        return {}
    if name in seen:
        registry.warnings.append(f"{name}: given twice, the later subset is ignored")
        return {}
    listing = source.metadata(name, None if subset.rootless else subset.image_dir)
    if listing is None:
        sentence = f"{name}: the metadata file does not exist; correct metadata_file."
        raise DatasetError(sentence, f"no metadata / メタデータファイルがありません: {name}")
    if not listing.keys:
        registry.warnings.append(f"{name}: names no image, the subset is ignored")
        return {}
    seen.add(name)
    index = len(registry.subsets)
    registry.subsets.append(UsedSubset(subset, len(listing.keys), listing))
    registry.train_images += repeats * len(listing.keys)
    return {
        key: Registered(path, index, False, repeats)
        for key, path in zip(listing.keys, listing.paths, strict=True)
    }


def spread_regularisation(images: Sequence[Registered], train_images: int) -> list[Registered]:
    """Give regularisation images repeats until together they match the train images.

    First each image comes with its own repeats, one after the other, until the sum reaches
    `train_images`; the rest of the folder is never used. If the whole folder is not enough, one
    repeat is added to each in turn. So any regularisation image doubles the epoch.
    """
    used: list[Registered] = []
    total = 0
    for image in images:
        if total >= train_images:
            return used
        used.append(image)
        total += image.repeats
    missing = train_images - total
    if used and missing > 0:
        each, rest = divmod(missing, len(used))
        for position, image in enumerate(used):
            image.repeats += each + (position < rest)
    return used


def split_sizes(count: int, split: float) -> tuple[int, int]:
    """(train, validation) images of `count`; rounding may let one image be in both."""
    return math.ceil(count * (1 - split)), round(count * split)


def _accept(
    subset: SubsetSpec,
    repeats: int,
    seen: set[str],
    source: ImageSource,
    registry: Registry,
    written: dict[str, Listing],
) -> Listing | None:
    name = subset.image_dir
    if repeats < 1:
        registry.warnings.append(f"{name}: num_repeats is {repeats}, the subset is ignored")
        return None
    if name in seen:
        registry.warnings.append(f"{name}: given twice, the later subset is ignored")
        return None
    listing = source.listing(name)
    if listing is None:
        hint = "; ~ is not expanded here" if name.startswith("~") else ""
        registry.warnings.append(f"{name}: not a directory, the subset is ignored{hint}")
        return None
    if not subset.cache_info:
        return listing
    if _folder(name) in written:
        return written[_folder(name)]
    remembered = source.remembered(name)
    if remembered is None:
        return listing
    if set(remembered.paths) != set(listing.paths):
        registry.warnings.append(
            f"{name}: cache_info takes the {len(remembered.paths)} images of {INFO_CACHE}, not the "
            f"{len(listing.paths)} in the folder; delete that file"
        )
    return remembered


def _folder(image_dir: str) -> str:
    """One folder under all its spellings: what one has written down, the others read."""
    return os.path.normpath(image_dir)


def _half(
    spec: DatasetSpec,
    subset: SubsetSpec,
    paths: tuple[str, ...],
    shuffler: Shuffler,
    validation: bool,
) -> list[str]:
    if spec.validation_split <= 0.0:
        return list(paths)
    if subset.is_reg:
        return [] if validation else list(paths)
    if not paths:
        raise DatasetError(
            f"{subset.image_dir}: holds no images, and with validation_split the trainer stops at an "
            "empty folder: take the subset out.",
            "not enough values to unpack (expected 2, got 0)",
        )
    shuffled = list(paths)
    if spec.validation_seed is not None:
        random.Random(spec.validation_seed).shuffle(shuffled)
    else:
        shuffler.shuffle(shuffled)
    train, held_out = split_sizes(len(shuffled), spec.validation_split)
    if validation:
        return shuffled[len(shuffled) - held_out :]
    return shuffled[:train]
