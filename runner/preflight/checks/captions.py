"""Captions: readable, with the trigger word in front, and true of a mirrored image."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

from runner.model.units import count
from runner.preflight.cures.captions import front_cure
from runner.preflight.cures.dataset_edit import dataset_cure
from runner.preflight.cures.model import Cure
from runner.preflight.cures.move import move_cure
from runner.preflight.cures.plasma_toml import REMOVED, flag_cure
from runner.preflight.facts import Facts
from runner.preflight.model import Finding, check, failed, passed, skipped, some, warned
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


@check(
    "captions", "Captions", order=170,
    foresees=("caption_empty", "caption_encoding", "caption_missing"), dataset=True,
)  # fmt: skip
def captions(facts: Facts) -> Finding:
    """Has every training image a caption that sd-scripts can read?

    sd-scripts main: an empty or non-UTF-8 caption stops the training, a missing one does not; without
    --caption_extension it looks for `.caption` files.
    """
    captions = read_captions(facts)
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


@check("trigger", "Trigger", order=180, dataset=True)
def trigger(facts: Facts) -> Finding:
    """Does every caption begin with the trigger word, and does shuffling leave it there?"""
    trigger = facts.config.expect.trigger
    if trigger is None:
        return skipped("no trigger set", "[expect] trigger is not set.")
    captions = read_captions(facts).found
    if not captions:
        return skipped("no captions")
    places = {path: position(text, subset, trigger) for path, (text, subset) in captions.items()}
    absent = [Path(path).name for path, place in places.items() if place is None]
    later = [Path(path).name for path, place in places.items() if place]
    wrong = [path for path, place in places.items() if place != 0]
    cure = front_cure(_caption_files(facts, captions, wrong), trigger)
    if absent:
        detail = f"{trigger} is not in the caption of {some(absent)}."
        evidence = f"not in {count(len(absent), 'caption')}"
        return failed(evidence, detail, f"write {trigger}, in front").curable(cure)
    if later:
        detail = f"{trigger} is not the first tag of {some(later)}."
        advice = f"move {trigger} to the front"
        return warned(f"not first in {len(later)}", detail, advice).curable(cure)
    detail = f"{trigger} is the first tag of all {len(captions)} captions."
    return passed(f"first in all {len(captions)}", detail)


def _caption_files(
    facts: Facts, captions: dict[str, tuple[str, SubsetSpec]], wrong: list[str]
) -> dict[Path, str]:
    """The files beside these images with their separator of tags."""
    found = {}
    for image in wrong:
        subset = captions[image][1]
        if subset.metadata_file is not None:
            continue
        file = (facts.config.trainer_cwd / image).with_suffix(
            subset.caption_extension or ".caption"
        )
        if file.is_file() and not subset.caption_prefix:
            found[file] = subset.caption_separator
    return found


def position(caption: str, subset: SubsetSpec, trigger: str) -> int | None:
    """Index of the tag that is or begins with the trigger word; None when there is none."""
    if subset.caption_prefix:
        caption = f"{subset.caption_prefix} {caption}"
    tags = [tag.strip() for tag in caption.split(subset.caption_separator)]
    fitting = (i for i, tag in enumerate(tags) if tag == trigger or tag.startswith(f"{trigger} "))
    return next(fitting, None)


@check("keep_tokens", "Keep tokens", order=190, dataset=True)
def keep_tokens(facts: Facts) -> Finding:
    """Does shuffling leave the trigger word in front? keep_tokens counts tags, from the front."""
    subsets = [subset for subset in facts.subsets() if not subset.is_reg]
    trigger = facts.config.expect.trigger
    if trigger is None:
        return skipped("no trigger set", "[expect] trigger is not set.")
    loose = [subset for subset in subsets if _loose(subset, trigger)]
    if loose:
        wanted = tags_in(trigger, loose[0])
        detail = f"{loose[0].name}: the tags are shuffled or dropped, and {trigger} with them."
        evidence = f"keep_tokens is {loose[0].keep_tokens}"
        return warned(evidence, detail, f"keep_tokens = {wanted}").curable(
            _cure_of_keep_tokens(facts, wanted)
        )
    if any(_varied(subset) for subset in subsets):
        return passed(f"keep_tokens = {min(s.keep_tokens for s in subsets)}", f"{trigger} stays.")
    return passed("tags stay in order", "The tags are neither shuffled nor dropped.")


def _cure_of_keep_tokens(facts: Facts, wanted: int) -> Cure | None:
    """In the dataset config, or as a flag where folders are given by flags."""
    title = "keep the trigger word in front"
    if facts.dataset_file() is not None or facts.config.dataset is not None:
        return dataset_cure(facts, "keep_tokens", title, {"keep_tokens": wanted})
    return flag_cure(facts.config, "keep_tokens", title, {"keep_tokens": wanted})


def tags_in(trigger: str, subset: SubsetSpec) -> int:
    return len(trigger.split(subset.caption_separator))


def _varied(subset: SubsetSpec) -> bool:
    return subset.shuffle_caption or subset.caption_tag_dropout_rate > 0


def _loose(subset: SubsetSpec, trigger: str) -> bool:
    kept = subset.keep_tokens >= tags_in(trigger, subset) or bool(subset.keep_tokens_separator)
    return _varied(subset) and not kept


@check("flip_aug", "Mirroring", order=200, dataset=True)
def flip_aug(facts: Facts) -> Finding:
    """Are images mirrored? What is only on one side of a character is then learnt on both."""
    subsets = facts.subsets()
    flipped = [subset for subset in subsets if subset.flip_aug and not subset.is_reg]
    if not flipped:
        return passed("no flip_aug", "No image is mirrored, so left stays left.")
    detail = (
        f"flip_aug mirrors half of the images of {flipped[0].name}: a one-sided costume, scar "
        "or parting is learnt on both sides."
    )
    finding = warned("flip_aug is on", detail, "flip_aug = false, unless all is symmetric")
    return finding.curable(_cure_of_flip_aug(facts))


def _cure_of_flip_aug(facts: Facts) -> Cure | None:
    if facts.dataset_file() is not None or facts.config.dataset is not None:
        return dataset_cure(facts, "flip_aug", "mirror nothing", {"flip_aug": False})
    return flag_cure(facts.config, "flip_aug", "mirror nothing", {"flip_aug": REMOVED})
