"""Images in folders: which files sd-scripts reads, their sizes from headers only, the captions next to them
(`read_caption` of train_util.py, v0.10)."""

from __future__ import annotations

import os
from dataclasses import dataclass, field
from pathlib import Path

from runner.files.json_text import parse_json
from runner.files.regular_file import read_text
from runner.trainers.sd_scripts.dataset.header import ImageHeader, read_header
from runner.trainers.sd_scripts.dataset.listing import Listing, cached_latents, sizes_from_names
from runner.trainers.sd_scripts.dataset.metadata_file import read_metadata
from runner.trainers.sd_scripts.dataset.spec import DatasetError, Size

#: `IMAGE_EXTENSIONS` of train_util.py: all lower or all upper case, `.Jpg` is skipped.
EXTENSIONS = (".png", ".jpg", ".jpeg", ".webp", ".bmp")
IMAGE_EXTENSIONS = EXTENSIONS + tuple(ending.upper() for ending in EXTENSIONS)
#: Read only when the trainer's interpreter has a plugin for them (pillow-avif, pillow-jxl).
PLUGIN_EXTENSIONS = (".avif", ".AVIF", ".jxl", ".JXL")
#: Image files that the trainer skips.
OTHER_IMAGES = (".gif", ".tif", ".tiff", ".heic", *EXTENSIONS, ".avif", ".jxl")
#: What `cache_info` writes into an image folder: captions and sizes by the images' paths.
INFO_CACHE = "metadata_cache.json"


@dataclass(frozen=True, slots=True)
class FolderImages:
    """Images on disk; relative folders are relative to `base_dir`, the trainer's directory. Headers are read
    once. `cache_suffix`: how the trainer's cached latents end (`_sd.npz`); their names contain sizes that it
    trusts."""

    base_dir: Path
    cache_suffix: str | None = None
    _headers: dict[str, ImageHeader | None] = field(default_factory=dict, compare=False, repr=False)
    _listings: dict[str, Listing | None] = field(default_factory=dict, compare=False, repr=False)
    _metadata: dict[tuple[str, str | None], Listing | None] = field(
        default_factory=dict, compare=False, repr=False
    )

    def listing(self, image_dir: str) -> Listing | None:
        if image_dir not in self._listings:
            self._listings[image_dir] = self._list(image_dir)
        return self._listings[image_dir]

    def remembered(self, image_dir: str) -> Listing | None:
        file = self.base_dir / image_dir / INFO_CACHE
        if not image_dir or not file.is_file():
            return None
        try:
            loaded = parse_json(read_text(file))
            sizes = {
                str(path): (int(entry["resolution"][0]), int(entry["resolution"][1]))
                for path, entry in loaded.items()
            }
        except (
                OSError, ValueError, KeyError, TypeError, AttributeError, IndexError, OverflowError,
            ) as error:  # fmt: skip
            raise DatasetError(
                f"{file}: cannot be read: {error}: delete it.", str(error)
            ) from error
        return Listing(tuple(sizes), sizes=sizes, remembered=True)

    def metadata(self, metadata_file: str, image_dir: str | None) -> Listing | None:
        asked = (metadata_file, image_dir)
        if asked not in self._metadata:
            self._metadata[asked] = read_metadata(*asked, self.base_dir, self.cache_suffix)
        return self._metadata[asked]

    def size(self, path: str) -> Size | None:
        header = self._header(path)
        return None if header is None else header.size

    def rotated(self, path: str) -> bool:
        header = self._header(path)
        return header is not None and header.turned

    def turns_white(self, path: str) -> bool:
        header = self._header(path)
        return header is not None and header.white

    def _header(self, path: str) -> ImageHeader | None:
        if path not in self._headers:
            try:
                # no Path: 10,000 of them take longer than reading the headers
                found = read_header(os.path.join(self.base_dir, path))  # noqa: PTH118
            except OSError:
                found = None
            self._headers[path] = found
        return self._headers[path]

    def _list(self, image_dir: str) -> Listing | None:
        folder = self.base_dir / image_dir
        if not image_dir or not folder.is_dir():
            return None
        names, below = [], 0
        with os.scandir(folder) as entries:
            for entry in entries:
                names.append(entry.name)
                if entry.is_dir():
                    below += _images_in(entry.path)
        names.sort()
        # not Path: the spelling of image_dir is kept, it is part of an image's identity
        paths = sorted(os.path.join(image_dir, name) for name in names if is_image(name))  # noqa: PTH118
        return Listing(
            tuple(paths),
            tuple(name for name in names if _looks_like_image(name)),
            below,
            sizes_from_names(paths, cached_latents(image_dir, names, self.cache_suffix)),
        )


def _images_in(folder: str) -> int:
    try:
        return sum(map(is_image, os.listdir(folder)))
    except OSError:
        return 0


def is_image(name: str) -> bool:
    """Does sd-scripts' glob match this name? `glob` skips names starting with a dot, and ignores case if the
    file system does (Windows)."""
    return not name.startswith(".") and os.path.normcase(name).endswith(IMAGE_EXTENSIONS)


def _looks_like_image(name: str) -> bool:
    return name[0] != "." and name.lower().endswith(OTHER_IMAGES) and not is_image(name)


def read_caption(image: Path, extension: str, wildcard: bool = False) -> str | None:
    """The caption of an image: the first line, or with wildcards all non-empty lines.

    None: no caption file. An empty or non-UTF-8 file stops the trainer: DatasetError.
    """
    names = [image.stem + extension]
    parts = image.stem.split("_")
    if len(parts) >= 5:  # names that end in a detected face's box share one caption
        names.append("_".join(parts[:-4]) + extension)
    for name in names:
        path = image.with_name(name)
        if path.is_file():
            return _first_line(path, wildcard)
    return None


def _first_line(path: Path, wildcard: bool) -> str:
    try:
        text = read_text(path)
    except OSError as error:
        raise DatasetError(f"{path}: cannot be read: {error.strerror}.", str(error)) from error
    except UnicodeDecodeError as error:
        raise DatasetError(
            f"{path}: the caption is not UTF-8: save it as UTF-8.", str(error), "UnicodeDecodeError"
        ) from error
    if not text:
        raise DatasetError(
            f"{path}: the caption file is empty: write a caption or delete the file.",
            f"caption file is empty / キャプションファイルが空です: {path}",
            "AssertionError",
        )
    if wildcard:
        return "\n".join(line.strip() for line in text.split("\n") if line.strip())
    return text.split("\n")[0].strip()
