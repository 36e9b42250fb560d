"""Sizes that sd-scripts reads from the names of cached latents instead of the images.

`NAME_0512x0768_sd.npz` is the cache of an image of 512x768 pixels. Every LoRA script looks for such
files when it lists a folder, with or without `cache_latents` (`load_dreambooth_dir` in train_util.py,
v0.10), and matches them to images by the beginning of the name: a cache older than its image, or of
another image whose name begins alike, decides the bucket.
"""

from __future__ import annotations

import glob
import os
from collections.abc import Sequence

Size = tuple[int, int]


def sizes_from_names(
    image_dir: str, names: Sequence[str], paths: Sequence[str], suffix: str | None
) -> dict[str, Size]:
    """`names`: all files of the folder; `paths`: its images, sorted. Two sorted lists are walked side
    by side, never back, as the trainer does. `suffix` is that of the script's caches, None: it has none."""
    if suffix is None or glob.has_magic(image_dir):  # the trainer does not escape it here
        return {}
    caches = [
        os.path.join(image_dir, name)  # noqa: PTH118
        for name in names
        if name.endswith(suffix) and not name.startswith(".")
    ]
    caches.sort(key=lambda path: path.rsplit("_", 2)[0])
    sizes: dict[str, Size] = {}
    place = 0
    for path in paths:
        length = len(os.path.splitext(path)[0])  # noqa: PTH122
        while place < len(caches) and caches[place][:length] < path[:length]:
            place += 1
        if place < len(caches) and caches[place][:length] == path[:length]:
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
