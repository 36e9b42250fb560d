"""Has every training image a caption that sd-scripts can read?

sd-scripts main: an empty or non-UTF-8 caption stops the training, a missing one does not; without
--caption_extension it looks for `.caption` files.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

from runner.preflight.cures.dataset_edit import dataset_cure
from runner.preflight.cures.model import Cure
from runner.preflight.cures.move import move_cure
from runner.preflight.cures.plasma_toml import flag_cure
from runner.preflight.facts import Facts
from runner.preflight.model import Check, Finding, failed, passed, skipped, some, warned
from runner.trainers.sd_scripts.dataset import DatasetError, SubsetSpec
from runner.trainers.sd_scripts.dataset.captions import read_caption


@dataclass(slots=True)
class Captions:
    """Captions of the training images (not of regularisation images), by path of the image."""

    found: dict[str, tuple[str, SubsetSpec]] = field(default_factory=dict)
    missing: list[str] = field(default_factory=list)
    #: what is wrong, by path of the caption file
    unreadable: dict[Path, str] = field(default_factory=dict)
    other_extension: str | None = None


def look(facts: Facts) -> Finding:
    try:
        captions = read_captions(facts)
    except DatasetError as error:
        return skipped("dataset unread", str(error))
    total = len(captions.found) + len(captions.missing) + len(captions.unreadable)
    if not total:
        return skipped("no images")
    if captions.unreadable:
        return _unreadable(captions.unreadable)
    if captions.missing:
        return _missing(facts, captions, total)
    return passed(f"{total} captions", f"Every one of {total} training images has a caption.")


def _unreadable(bad: dict[Path, str]) -> Finding:
    """An empty file is worse than none: without one the image is trained with an empty caption."""
    empty = [path for path in bad if path.is_file() and not path.stat().st_size]
    title = "train these images without a caption"
    advice = "write a caption as UTF-8, or delete the file"
    finding = failed(f"{len(bad)} unreadable", some(list(bad.values())), advice)
    return (
        finding.curable(move_cure("captions", title, empty)) if len(empty) == len(bad) else finding
    )


def _caption_path(image: Path, subset: SubsetSpec) -> Path:
    return image.with_name(image.stem + subset.caption_extension)


def _missing(facts: Facts, captions: Captions, total: int) -> Finding:
    number = len(captions.missing)
    names = some([Path(path).name for path in captions.missing])
    detail = f"{number} of {total} training images have no caption: {names}."
    other = captions.other_extension
    if other is not None:
        detail += f" There are {other} files beside them."
        finding = failed(f"{number} without caption", detail, f'caption_extension = "{other}"')
        return finding.curable(_extension_cure(facts, other))
    return warned(f"{number} without caption", detail, "write the caption files")


def _extension_cure(facts: Facts, extension: str) -> Cure | None:
    """In the dataset config, or as a flag where folders are given by flags."""
    title = f"read {extension} files"
    values = {"caption_extension": extension}
    if facts.dataset_file() is not None or facts.config.dataset is not None:
        return dataset_cure(facts, "captions", title, values)
    return flag_cure(facts.config, "captions", title, values)


def read_captions(facts: Facts) -> Captions:
    """Raises DatasetError when the dataset itself cannot be read."""
    return facts.once("captions", lambda: _read_captions(facts))


def _read_captions(facts: Facts) -> Captions:
    result = Captions()
    base = facts.config.trainer_cwd
    described: set[str] = set()
    for subset in facts.subsets():
        listing = facts.listing_of(subset)
        for path in listing.paths if listing else ():
            if facts.cancelled.is_set():
                return result
            if listing is not None and subset.metadata_file is not None:
                described.add(path)
                _take(result, path, subset.caption_separator.join(listing.captions[path]), subset)
            else:
                _read_one(result, base, path, subset)
    files = [path for path in result.missing if path not in described]
    result.other_extension = _other_extension(base, files)
    return result


def _read_one(result: Captions, base: Path, path: str, subset: SubsetSpec) -> None:
    try:
        text = read_caption(base / path, subset.caption_extension, subset.enable_wildcard)
    except (DatasetError, OSError) as error:
        result.unreadable[_caption_path(base / path, subset)] = str(error)
        return
    if not subset.is_reg:
        _take(result, path, text, subset)


def _take(result: Captions, path: str, text: str | None, subset: SubsetSpec) -> None:
    if not text and (text is None or subset.metadata_file is not None):
        result.missing.append(path)
    else:
        result.found[path] = (text, subset)


def _other_extension(base: Path, missing: list[str]) -> str | None:
    """The ending of the files that were probably meant for captions."""
    for ending in (".txt", ".caption"):
        if missing and (base / missing[0]).with_suffix(ending).is_file():
            return ending
    return None


CHECK = Check("captions", "Captions", look)
