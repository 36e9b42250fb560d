"""What is cut off the images, and which ones stop the training for their size.

Facts: `trim_and_resize_if_required` and `BaseDataset.__getitem__` in `train_util.py`, v0.10.1. In buckets, and
whenever latents are cached, an image is resized to cover its bucket and its middle is used. Without both,
nothing is resized: an image must have the resolution, or be larger with random_crop, or with
face_crop_aug_range and a face's box in its name (`NAME_cx_cy_w_h.png`).
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Sequence

from runner.model.units import count, some
from runner.trainers.sd_scripts.dataset.register import PlannedImage, SubsetSummary
from runner.trainers.sd_scripts.dataset.spec import DatasetSpec


def lost(image: PlannedImage) -> float:
    """Share of the picture that is cut off, 0 to 1."""
    area = image.resized[0] * image.resized[1]
    return 1.0 - image.bucket[0] * image.bucket[1] / area if area else 0.0


def unfit(
    spec: DatasetSpec, subsets: Sequence[SubsetSummary], images: Iterable[PlannedImage]
) -> list[PlannedImage]:
    """Images that stop a batch if no latents are cached."""
    if spec.enable_bucket or spec.resolution is None:
        return []
    found = []
    for image in images:
        subset = subsets[image.subset].spec
        faces = subset.face_crop_aug_range is not None and _has_face(image.path)
        sides = list(zip(image.size, spec.resolution, strict=True))
        small, large = any(i < r for i, r in sides), any(i > r for i, r in sides)
        if small or (large and not subset.random_crop and not faces):
            found.append(image)
    return found


def crop_words(images: Iterable[PlannedImage], least: float = 0.0) -> str:
    """`2 images are cropped: 33% of 03.png is lost`; empty if no image loses more than `least`."""
    cropped = sorted((i for i in images if lost(i) > least), key=lambda i: (-lost(i), i.path))
    if not cropped:
        return ""
    most = "at most " if len(cropped) > 1 else ""
    share = f"{most}{max(1, round(100 * lost(cropped[0])))}% of {file_name(cropped[0])}"
    are = "are" if len(cropped) > 1 else "is"
    return f"{count(len(cropped), 'image')} {are} cropped: {share} ({_sides(cropped[0])}) is lost"


def size_warning(
    spec: DatasetSpec,
    subsets: Sequence[SubsetSummary],
    images: Sequence[PlannedImage],
    cached: bool,
) -> str | None:
    """Of a dataset without buckets. `cached`: latents are cached."""
    if spec.enable_bucket or spec.resolution is None:
        return None
    width, height = spec.resolution
    cropped = crop_words(images)
    if cached:
        return f"without enable_bucket {cropped}" if cropped else None
    bad = unfit(spec, subsets, images)
    if not bad:
        return None
    names = some([file_name(bad[0]), *(image.path for image in bad[1:])], 1)
    resized = f"; with cached latents {cropped}" if cropped else ""
    return (
        f"{names} {'are' if bad[1:] else 'is'} not {width}x{height}: without enable_bucket, and unless "
        f"latents are cached, sd-scripts stops at the first one{resized}"
    )


def file_name(image: PlannedImage) -> str:
    return os.path.basename(image.path)  # noqa: PTH119


def _sides(image: PlannedImage) -> str:
    return f"{image.size[0]}x{image.size[1]}"


def _has_face(path: str) -> bool:
    """`face_cx` above 0, the fourth part from the end."""
    parts = os.path.splitext(os.path.basename(path))[0].split("_")  # noqa: PTH119, PTH122
    return len(parts) >= 5 and parts[-4].isdecimal() and int(parts[-4]) > 0
