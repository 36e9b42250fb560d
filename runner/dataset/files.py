"""Images in folders: which files sd-scripts takes, and their sizes from the headers alone."""

from __future__ import annotations

import fnmatch
import os
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

#: `IMAGE_EXTENSIONS` of train_util.py: all lower or all upper case, `.Jpg` is no image.
EXTENSIONS = (".png", ".jpg", ".jpeg", ".webp", ".bmp")
IMAGE_EXTENSIONS = EXTENSIONS + tuple(ending.upper() for ending in EXTENSIONS)
#: Read only when the trainer's interpreter has a plugin for them (pillow-avif, pillow-jxl).
PLUGIN_EXTENSIONS = (".avif", ".AVIF", ".jxl", ".JXL")
#: What a person takes for an image and the trainer leaves out.
OTHER_IMAGES = (".gif", ".tif", ".tiff", ".heic", *EXTENSIONS, ".avif", ".jxl")


@dataclass(frozen=True, slots=True)
class Listing:
    """One folder's images: `paths` in the trainer's order (sorted by the whole path), spelled as
    `image_dir` joined with the name. `ignored`: files that look like images but are not taken.
    `below`: images in deeper folders, which are never read."""

    paths: tuple[str, ...]
    ignored: tuple[str, ...] = ()
    below: int = 0


class ImageSource(Protocol):
    """Where the plan gets its images from; tests hand in their own."""

    def listing(self, image_dir: str) -> Listing | None:
        """None: not a directory."""

    def size(self, path: str) -> tuple[int, int] | None:
        """(width, height) as stored, None when the header cannot be read."""

    def rotated(self, path: str) -> bool:
        """The file asks viewers to turn it by 90 degrees (EXIF)."""


@dataclass(frozen=True, slots=True)
class FolderImages:
    """Images on disk; relative folders are relative to `base_dir`, the trainer's directory."""

    base_dir: Path

    def listing(self, image_dir: str) -> Listing | None:
        folder = self.base_dir / image_dir
        if not folder.is_dir():
            return None
        names = sorted(entry.name for entry in os.scandir(folder))
        taken = [name for name in names if is_image(name)]
        ignored = tuple(
            name
            for name in names
            if name not in taken and name.lower().endswith(OTHER_IMAGES) and name[0] != "."
        )
        below = sum(
            is_image(name)
            for entry in os.scandir(folder)
            if entry.is_dir()
            for name in os.listdir(entry.path)
        )
        # not Path: the spelling of image_dir stays, it is part of an image's identity
        paths = sorted(os.path.join(image_dir, name) for name in taken)  # noqa: PTH118
        return Listing(tuple(paths), ignored, below)

    def size(self, path: str) -> tuple[int, int] | None:
        import imagesize  # imports urllib and XML parsers: only when sizes are asked for

        # sd-scripts pins imagesize 1.4.1, which gives the stored size; from 2.0 on the library
        # turns it by the EXIF flag unless told not to. The trainer loads the pixels unturned.
        width, height = imagesize.get(self.base_dir / path, exif_rotation=False)
        return (int(width), int(height)) if width > 0 and height > 0 else None

    def rotated(self, path: str) -> bool:
        import imagesize

        stored = imagesize.get(self.base_dir / path, exif_rotation=False)
        return bool(stored != imagesize.get(self.base_dir / path))


def is_image(name: str) -> bool:
    """Does sd-scripts' glob take this name? `glob` leaves out names that begin with a dot, and
    ignores case where the file system does (Windows)."""
    if name.startswith("."):
        return False
    return any(fnmatch.fnmatch(name, "*" + ending) for ending in IMAGE_EXTENSIONS)
