"""Images listed in a dataset's folder or metadata file, and sizes that sd-scripts trusts without opening
images.

`NAME_0512x0768_sd.npz` is the cache of an image of 512x768 pixels. Every LoRA script searches such files when
it lists a folder, with or without `cache_latents` (`load_dreambooth_dir` in train_util.py, v0.10), and
matches them to images by a prefix of the name: a cache older than its image, or of another image with the
same prefix, decides the bucket.
"""

from __future__ import annotations

import glob
import os
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol

from runner.trainers.sd_scripts.dataset.spec import Size


@dataclass(frozen=True, slots=True)
class Listing:
    """One folder's images: `paths` in the trainer's order (sorted by full path), spelled as `image_dir`
    joined with the name. `ignored`: files that look like images but are skipped. `below`: images in deeper
    folders, which are never read. `sizes`: image sizes the trainer uses without opening images, from the
    names of cached latents or its own cache. `remembered`: the listing itself is that cache, whatever the
    folder contains now. `keys`: identities of the images, if not their paths. `captions`: by path, the parts
    of each caption, if not in caption files."""

    paths: tuple[str, ...]
    ignored: tuple[str, ...] = ()
    below: int = 0
    sizes: Mapping[str, Size] = field(default_factory=dict)
    remembered: bool = False
    keys: tuple[str, ...] = ()
    captions: Mapping[str, tuple[str, ...]] = field(default_factory=dict)


class ImageSource(Protocol):
    """Where the plan gets its images from; replaceable in tests."""

    def listing(self, image_dir: str) -> Listing | None:
        """None: not a directory."""

    def remembered(self, image_dir: str) -> Listing | None:
        """The listing that `cache_info` left in the folder; None: there is none."""

    def metadata(self, metadata_file: str, image_dir: str | None) -> Listing | None:
        """The images in a metadata file; None: no such file. Raises DatasetError."""

    def size(self, path: str) -> Size | None:
        """(width, height) as stored, None if the header is unreadable."""

    def rotated(self, path: str) -> bool:
        """The file asks viewers to turn it by 90 degrees (EXIF)."""


def cached_latents(folder: str, names: Iterable[str], suffix: str | None) -> list[str]:
    """Paths of the caches among the files of a folder. `suffix`: of the script's caches, None: none. The
    trainer does not escape the folder's name for glob here."""
    if suffix is None or glob.has_magic(folder):
        return []
    found = (name for name in names if name.endswith(suffix) and not name.startswith("."))
    return [os.path.join(folder, name) for name in found]  # noqa: PTH118


def sizes_from_names(paths: Sequence[str], caches: list[str]) -> dict[str, Size]:
    """`paths`: images, sorted. Two sorted lists are walked in parallel, only forward, as in the trainer."""
    caches = sorted(caches, key=lambda path: path.rsplit("_", 2)[0])
    sizes: dict[str, Size] = {}
    place = 0
    for path in paths:
        stem = os.path.splitext(path)[0]  # noqa: PTH122
        while place < len(caches) and caches[place][: len(stem)] < stem:
            place += 1
        if place < len(caches) and caches[place].startswith(stem):
            size = size_in_name(caches[place])
            if size is not None:
                sizes[path] = size
    return sizes


def size_in_name(cache: str) -> Size | None:
    """The last but one of the parts between underscores."""
    width, sign, height = os.path.splitext(cache)[0].split("_")[-2].partition("x")  # noqa: PTH122
    try:
        return (int(width), int(height)) if sign else None
    except ValueError:
        return None
