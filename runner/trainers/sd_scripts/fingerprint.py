"""A fingerprint of a run's images and captions, to detect later changes.

sha256 over, for each subset in the order of the configuration, its own name, that of its folder or metadata
file, and the full metadata file; then for each image in the order of names: its name in the folder, its size
in bytes and the bytes of its caption. Images are not read: 10,000 of them would take minutes.
`docs/summary.md` has the format byte by byte.
"""

from __future__ import annotations

import hashlib
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path, PurePath
from typing import Any

from runner.files.regular_file import read_bytes
from runner.trainers.sd_scripts.dataset import FolderImages, SubsetSpec, specs_from_flags
from runner.trainers.sd_scripts.dataset.listing import Listing
from runner.trainers.sd_scripts.dataset.metadata_file import LIMIT_BYTES

#: time limit before a start
TIME_LIMIT_S = 3.0
CAPTION_LIMIT_BYTES = 1 << 20
NAMES = ("dataset", "dataset_images", "dataset_captions", "dataset_config", "dataset_cut")


@dataclass(frozen=True, slots=True)
class Fingerprint:
    """`images`, `captions`: number of files included. `cut`: there are more, skipped for lack of time."""

    digest: str
    images: int
    captions: int
    cut: bool = False


def dataset_fingerprints(
    flags: Mapping[str, Any], base_dir: Path, *, limit_s: float = TIME_LIMIT_S
) -> dict[str, str]:
    """For `RunSpec.fingerprints`: by the names of NAMES; empty if the dataset is unknown. `flags`: all that
    the trainer sees. Never raises for file contents."""
    found: dict[str, str] = {}
    config = flags.get("dataset_config")
    if isinstance(config, str) and config:
        try:
            found["dataset_config"] = hashlib.sha256(read_bytes(base_dir / config)).hexdigest()
        except OSError:
            pass
    try:
        taken = take(flags, base_dir, limit_s=limit_s)
    except (ValueError, OSError):
        return found
    found["dataset"] = taken.digest
    found["dataset_images"] = str(taken.images)
    found["dataset_captions"] = str(taken.captions)
    if taken.cut:
        found["dataset_cut"] = f"only the first {taken.images} images were read"
    return found


def take(
    flags: Mapping[str, Any],
    base_dir: Path,
    *,
    limit_s: float = TIME_LIMIT_S,
    most_images: int | None = None,
) -> Fingerprint:
    """Of all subsets; only of the first `most_images`, to compare with a cut one. Raises ValueError
    (DatasetError) if the configuration cannot be read, OSError."""
    deadline = time.monotonic() + limit_s
    digest = hashlib.sha256()
    images = captions = 0
    for subset, listing in _subsets(flags, base_dir):
        digest.update(b"subset\0" + _bytes(PurePath(subset.name).name) + b"\0")
        if subset.metadata_file is not None:  # captions, and sizes that the trainer trusts
            digest.update(
                b"metadata\0" + read_bytes(base_dir / subset.metadata_file, LIMIT_BYTES) + b"\0"
            )
        for path in sorted(listing.paths) if listing is not None else ():
            cut = time.monotonic() > deadline
            if images == most_images or cut:
                return Fingerprint(digest.hexdigest(), images, captions, images != most_images)
            image = base_dir / path
            caption = _caption(image, subset.caption_extension)
            digest.update(_bytes(image.name) + b"\0" + str(_size(image)).encode() + b"\0")
            digest.update(b"none\0" if caption is None else b"caption\0" + caption + b"\0")
            images += 1
            captions += caption is not None
    return Fingerprint(digest.hexdigest(), images, captions)


def _subsets(
    flags: Mapping[str, Any], base_dir: Path
) -> Iterator[tuple[SubsetSpec, Listing | None]]:
    source = FolderImages(base_dir)
    for subset in (one for spec in specs_from_flags(flags, base_dir) for one in spec.subsets):
        if subset.metadata_file is None:
            yield subset, source.listing(subset.image_dir)
        else:
            folder = None if subset.rootless else subset.image_dir
            yield subset, source.metadata(subset.metadata_file, folder)


def _bytes(name: str) -> bytes:
    return name.encode("utf-8", "surrogateescape")


def _size(image: Path) -> int:
    try:
        return image.stat().st_size
    except OSError:
        return -1


def _caption(image: Path, extension: str) -> bytes | None:
    try:
        with image.with_suffix(extension).open("rb") as stream:
            return stream.read(CAPTION_LIMIT_BYTES)
    except (OSError, ValueError):
        return None
