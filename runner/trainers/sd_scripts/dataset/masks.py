"""The mask (masked_loss) or control image of each image, by its name.

Facts: `ControlNetDataset` in `train_util.py`, v0.10.1. It is asserted that each image that is trained has a
mask, and that each mask has such an image: a validation split leaves masks over.
"""

from __future__ import annotations

import os
from dataclasses import dataclass

from runner.model.units import count, some
from runner.trainers.sd_scripts.dataset.listing import ImageSource
from runner.trainers.sd_scripts.dataset.register import Registry
from runner.trainers.sd_scripts.dataset.spec import DatasetError, DatasetSpec


@dataclass(frozen=True, slots=True)
class MaskPairs:
    """`masks`: image -> its mask; `unpaired`: images without one; `unused`: masks without an image;
    `no_folder`: folders that do not exist. All paths as spelled in the configuration."""

    masks: dict[str, str]
    unpaired: tuple[str, ...]
    unused: tuple[str, ...]
    no_folder: tuple[str, ...]


def pair_masks(spec: DatasetSpec, registry: Registry, source: ImageSource) -> MaskPairs:
    """`registry`: what is trained of the dataset. Subsets that are ignored name masks, too."""
    folder_of: dict[str, str] = {}
    for subset in spec.subsets:
        folder_of.setdefault(subset.image_dir, subset.conditioning_data_dir or "")
    listings = {
        folder: source.listing(folder)
        for folder in dict.fromkeys(one.conditioning_data_dir or "" for one in spec.subsets)
    }
    by_stem = {
        folder: {_stem(path): path for path in reversed(listing.paths)}
        for folder, listing in listings.items()
        if listing is not None
    }
    masks, unpaired = {}, []
    for image in registry.images:
        own = by_stem.get(folder_of[registry.subsets[image.subset].spec.image_dir])
        if own is not None and (mask := own.get(_stem(image.path))) is not None:
            masks[image.path] = mask
        elif own is not None:
            unpaired.append(image.path)
    # a mask may be there twice, as PNG and as JPEG
    paired = {_place(mask) for mask in masks.values()}
    listed = [path for one in listings.values() if one is not None for path in one.paths]
    unused = tuple(path for path in listed if _place(path) not in paired)
    gone = tuple(folder for folder, listing in listings.items() if listing is None)
    return MaskPairs(masks, tuple(unpaired), unused, gone)


def check_masks(spec: DatasetSpec, pairs: MaskPairs) -> list[str]:
    """Warnings, a sentence each. Raises DatasetError for what the trainer asserts."""
    if pairs.unpaired:
        names = some([os.path.basename(path) for path in pairs.unpaired])  # noqa: PTH119
        raise DatasetError(
            f"{count(len(pairs.unpaired), 'image')} without a mask of the same name in conditioning_data_dir: "
            f"{names}; add the masks or remove the images.",
            f"missing conditioning data for {len(pairs.unpaired)} images",
            "AssertionError",
        )
    if pairs.unused:
        names = some([os.path.basename(path) for path in pairs.unused])  # noqa: PTH119
        split = spec.validation_split > 0.0
        why = "validation_split leaves their images out of the training" if split else ""
        raise DatasetError(
            f"{count(len(pairs.unused), 'mask')} without an image of the same name: {names}; "
            + (f"{why}: remove validation_split." if why else "remove them, or add the images."),
            f"extra conditioning data for {len(pairs.unused)} images",
            "AssertionError",
        )
    return [
        f"{folder}: conditioning_data_dir is not a directory; the training stops at its first batch"
        for folder in pairs.no_folder
    ]


def _stem(path: str) -> str:
    return os.path.splitext(os.path.basename(path))[0]  # noqa: PTH119, PTH122


def _place(path: str) -> str:
    """Without its ending, however its folder is spelled."""
    return os.path.splitext(os.path.normpath(path))[0]  # noqa: PTH122
