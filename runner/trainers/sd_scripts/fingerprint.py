"""A fingerprint of the images and captions that a run trains on, so that a change of them can be told later.

sha256 over, for each subset in the order of the configuration, its own name, that of its folder or metadata
file, and all of the metadata file; then for each image in
the order of names: its name in the folder, its size in bytes and the bytes of its caption. Images are not
read: 10,000 of them would take minutes. `docs/summary.md` has the format byte by byte.
"""

from __future__ import annotations

import hashlib
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path, PurePath
from typing import Any

from runner.files.regular_file import read_bytes
from runner.trainers.sd_scripts.dataset import FolderImages, specs_from_flags
from runner.trainers.sd_scripts.dataset.metadata_file import LIMIT_BYTES

#: longer than this nobody waits before a start
TIME_LIMIT_S = 3.0
CAPTION_LIMIT_BYTES = 1 << 20
NAMES = ("dataset", "dataset_images", "dataset_captions", "dataset_config", "dataset_cut")


@dataclass(frozen=True, slots=True)
class Fingerprint:
    """`images`, `captions`: how many files went in. `cut`: there are more, which time did not allow."""

    digest: str
    images: int
    captions: int
    cut: bool = False


def dataset_fingerprints(
    flags: Mapping[str, Any], base_dir: Path, *, limit_s: float = TIME_LIMIT_S
) -> dict[str, str]:
    """For `RunSpec.fingerprints`: by the names of NAMES; empty where the dataset cannot be told. `flags`: all
    that the trainer sees. Never raises for what lies there."""
    found: dict[str, str] = {}
    config = flags.get("dataset_config")
    if isinstance(config, str) and config:
        try:
            found["dataset_config"] = hashlib.sha256((base_dir / config).read_bytes()).hexdigest()
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
        found["dataset_cut"] = f"only the first {taken.images} images were looked at"
    return found


def take(
    flags: Mapping[str, Any],
    base_dir: Path,
    *,
    limit_s: float = TIME_LIMIT_S,
    most_images: int | None = None,
) -> Fingerprint:
    """Of all subsets; of the first `most_images` alone, to be held against a cut one. Raises ValueError
    (DatasetError) where the configuration cannot be read, OSError."""
    deadline = time.monotonic() + limit_s
    digest = hashlib.sha256()
    images = captions = 0
    for kind, value in _parts(flags, base_dir):
        if kind == "subset":
            digest.update(b"subset\0" + value.encode("utf-8", "surrogateescape") + b"\0")
            continue
        if kind == "metadata":  # captions, and sizes that the trainer believes
            digest.update(b"metadata\0" + read_bytes(value, LIMIT_BYTES) + b"\0")
            continue
        if images == most_images:
            return Fingerprint(digest.hexdigest(), images, captions)
        if time.monotonic() > deadline:
            return Fingerprint(digest.hexdigest(), images, captions, cut=True)
        image = Path(value)
        caption = _caption(image, kind)
        digest.update(image.name.encode("utf-8", "surrogateescape") + b"\0")
        digest.update(str(_size(image)).encode() + b"\0")
        digest.update(b"none\0" if caption is None else b"caption\0" + caption + b"\0")
        images += 1
        captions += caption is not None
    return Fingerprint(digest.hexdigest(), images, captions)


def _parts(flags: Mapping[str, Any], base_dir: Path) -> Iterator[tuple[str, str]]:
    """("subset", name of its folder), then (ending of its captions, path) for each of its images."""
    source = FolderImages(base_dir)
    for dataset in specs_from_flags(flags, base_dir):
        for subset in dataset.subsets:
            yield "subset", PurePath(subset.name).name
            listing = source.listing(subset.image_dir)
            if subset.metadata_file is not None:
                folder = None if subset.rootless else subset.image_dir
                listing = source.metadata(subset.metadata_file, folder)
                yield "metadata", str(base_dir / subset.metadata_file)
            for path in sorted(listing.paths) if listing is not None else ():
                yield subset.caption_extension, str(base_dir / path)


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
