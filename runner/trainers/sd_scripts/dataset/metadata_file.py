"""Images in a metadata file (`metadata_file`, `--in_json`): sd-scripts' fine tuning method.

Facts: `FineTuningDataset.__init__` in `train_util.py`, v0.10.1. A name in the file is an image's identity:
the same name in a later file replaces it. A size in the file is trusted; else one in the name of a latents
cache (the longest name with the image's prefix); else the image is opened.
"""

from __future__ import annotations

import bisect
import json
import os
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from runner.files.json_text import parse_json
from runner.files.regular_file import read_text
from runner.trainers.sd_scripts.dataset.listing import Listing, cached_latents, size_in_name
from runner.trainers.sd_scripts.dataset.spec import DatasetError, Size

#: 100,000 images with long captions
LIMIT_BYTES = 256_000_000


def read_metadata(
    metadata_file: str, image_dir: str | None, base_dir: Path, cache_suffix: str | None
) -> Listing | None:
    """None: no such file. `keys` of the listing are the names in the file. Raises DatasetError for errors
    that stop the trainer."""
    file = base_dir / metadata_file
    if not file.exists():
        return None
    try:
        entries = _entries(read_text(file, LIMIT_BYTES), metadata_file.endswith(".jsonl"))
        paths = {key: _path(key, image_dir) for key in entries}
        sizes = {key: _size(entry) for key, entry in entries.items()}
    except OSError as error:
        raise DatasetError(f"{file}: cannot be read: {error.strerror}.", str(error)) from error
    except json.JSONDecodeError as error:
        sentence = f"{file}: not valid JSON: {error}."
        raise DatasetError(sentence, str(error), "JSONDecodeError") from error
    except KeyError as error:
        sentence = (
            f"{file}: is not a metadata file of sd-scripts: a line has no {error}, as in Hugging Face's "
            "format; each needs image_path and caption."
        )
        raise DatasetError(sentence, str(error), "KeyError") from error
    except (ValueError, TypeError, AttributeError, IndexError, OverflowError) as error:
        sentence = f"{file}: is not a metadata file of sd-scripts: {error}."
        raise DatasetError(sentence, str(error), type(error).__name__) from error
    except AssertionError as error:
        sentence = f"{file}: lists images without their folder ({error}): set image_dir."
        raise DatasetError(sentence, f"image_dir is required: {error}", "AssertionError") from error
    open_keys = [key for key, size in sizes.items() if size is None]
    if open_keys:
        caches = _caches(paths.values(), image_dir, base_dir, cache_suffix)
        sizes.update(_sizes_of_caches(open_keys, caches))
    return Listing(
        tuple(paths.values()),
        sizes={paths[key]: size for key, size in sizes.items() if size is not None},
        keys=tuple(paths),
        captions={paths[key]: _caption(entry) for key, entry in entries.items()},
    )


def _entries(text: str, by_line: bool) -> Mapping[str, Any]:
    if by_line:
        lines = text.removesuffix("\n").split("\n") if text else ()
        return {entry["image_path"]: entry for entry in map(parse_json, lines)}
    loaded = parse_json(text)
    if not isinstance(loaded, Mapping):
        raise TypeError("it has no object with an entry per image")
    return loaded


def _path(key: str, image_dir: str | None) -> str:
    """Not Path: the spelling is part of the path."""
    if image_dir is None and not os.path.isabs(key):  # noqa: PTH117
        raise AssertionError(key)
    return os.path.join(image_dir or "", key)  # noqa: PTH118


def _size(entry: Any) -> Size | None:
    given = entry.get("image_size")
    return None if given is None else (int(given[0]), int(given[1]))


def _caption(entry: Any) -> tuple[str, ...]:
    """Existing caption and tags; the trainer joins them with its separator."""
    return tuple(str(entry[name]) for name in ("caption", "tags") if entry.get(name))


def _caches(
    paths: Iterable[str], image_dir: str | None, base_dir: Path, suffix: str | None
) -> list[str]:
    """In the folder of the subset and in those of images with absolute names, in the folders' own order."""
    folders = {os.path.dirname(path) for path in paths if os.path.isabs(path)}  # noqa: PTH117, PTH120
    folders |= {image_dir} if image_dir is not None else set()
    return [
        cache
        for folder in folders
        if suffix is not None and (base_dir / folder).is_dir()
        for cache in cached_latents(folder, os.listdir(base_dir / folder), suffix)
    ]


def _sizes_of_caches(keys: Iterable[str], listed: list[str]) -> dict[str, Size]:
    """Longer names choose first: the cache with the same prefix and the longest name, of several the first in
    its folder."""
    free = {cache: -place for place, cache in enumerate(listed)}
    caches = sorted(listed)
    sizes: dict[str, Size] = {}
    for key in sorted(keys, key=len, reverse=True):
        stem = os.path.splitext(key)[0]  # noqa: PTH122
        alike = slice(bisect.bisect_left(caches, stem), bisect.bisect(caches, f"{stem}\U0010ffff"))
        fitting = [cache for cache in caches[alike] if cache in free]
        if not fitting:
            continue
        taken = max(fitting, key=lambda cache: (len(os.path.basename(cache)), free[cache]))  # noqa: PTH119
        del free[taken]
        size = size_in_name(taken)
        if size is not None:
            sizes[key] = size
    return sizes
