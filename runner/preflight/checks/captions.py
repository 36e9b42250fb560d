"""Captions: readable, with the trigger word in front, and true of a mirrored image."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

from runner.model.units import count
from runner.preflight.cures.files import front_cure, move_cure
from runner.preflight.cures.model import REMOVED, Fix
from runner.preflight.facts import Facts
from runner.preflight.model import Finding, check, failed, passed, skipped, some, warned
from runner.trainers.sd_scripts.dataset import DatasetError, SubsetSpec
from runner.trainers.sd_scripts.dataset.files import read_caption


@dataclass(slots=True)
class Captions:
    """Captions of the training images (not of regularisation images), by path of the image."""

    found: dict[str, tuple[str, SubsetSpec]] = field(default_factory=dict)
    missing: list[str] = field(default_factory=list)
    #: what is wrong, by path of the caption file
    unreadable: dict[Path, str] = field(default_factory=dict)
    #: images without a caption beside them
    bare: list[Path] = field(default_factory=list)


@check(
    "captions", "Captions", 170,
    foresees=("caption_empty", "caption_encoding", "caption_missing"),
)  # fmt: skip
def captions(facts: Facts) -> Finding:
    """Has every training image a caption that sd-scripts can read?

    sd-scripts main: an empty or non-UTF-8 caption stops the training, a missing one does not; without
    --caption_extension it looks for `.caption` files.
    """
    captions = read_captions(facts)
    bad, number = captions.unreadable, len(captions.missing)
    total = len(captions.found) + number + len(bad)
    if not total:
        return skipped("no images")
    if bad:
        # an empty file is worse than none: without one the image is trained with an empty caption
        empty = [path for path in bad if path.is_file() and not path.stat().st_size]
        cure = move_cure("captions", "train these images without a caption", empty)
        advice = "write a caption as UTF-8, or delete the file"
        possible = cure if len(empty) == len(bad) else None
        return failed(f"{len(bad)} unreadable", some(list(bad.values())), advice, possible)
    if not number:
        return passed(f"{total} captions", f"Every one of {total} training images has a caption.")
    evidence = f"{number} without caption"
    names = some([Path(path).name for path in captions.missing])
    detail = f"{number} of {total} training images have no caption: {names}."
    # the files that were probably meant for captions
    endings = (e for e in (".txt", ".caption") for image in captions.bare[:1] if _beside(image, e))
    if (other := next(endings, None)) is None:
        return warned(evidence, detail, "write the caption files")
    detail += f" There are {other} files beside them."
    fix = Fix(f"read {other} files", {"caption_extension": other}, "dataset")
    return failed(evidence, detail, "", fix)


def _beside(image: Path, ending: str) -> bool:
    return image.with_suffix(ending).is_file()


def read_captions(facts: Facts) -> Captions:
    """Raises DatasetError when the dataset itself cannot be read."""
    return facts.once("captions", lambda: _read_captions(facts))


def _read_captions(facts: Facts) -> Captions:
    result = Captions()
    for subset in facts.subsets():
        listing = facts.listing_of(subset)
        for path in listing.paths if listing else ():
            if facts.cancelled.is_set():
                return result
            if listing is not None and subset.metadata_file is not None:
                text = subset.caption_separator.join(listing.captions[path]) or None
            else:
                image = facts.config.trainer_cwd / path
                try:
                    text = read_caption(image, subset.caption_extension, subset.enable_wildcard)
                except (DatasetError, OSError) as error:
                    file = image.with_name(image.stem + subset.caption_extension)
                    result.unreadable[file] = str(error)
                    continue
                if subset.is_reg:
                    continue
                if text is None:
                    result.bare.append(image)
            if text is None:
                result.missing.append(path)
            else:
                result.found[path] = (text, subset)
    return result


@check("trigger", "Trigger", 180)
def trigger(facts: Facts) -> Finding:
    """Does every caption begin with the trigger word, and does shuffling leave it there?"""
    trigger = facts.config.expect.trigger
    if trigger is None:
        return skipped("no trigger set", "[expect] trigger is not set.")
    captions = read_captions(facts).found
    if not captions:
        return skipped("no captions")
    places = {path: _position(text, subset, trigger) for path, (text, subset) in captions.items()}
    absent = [Path(path).name for path, place in places.items() if place is None]
    later = [Path(path).name for path, place in places.items() if place]
    wrong = [path for path, place in places.items() if place != 0]
    cure = front_cure(_caption_files(facts, captions, wrong), trigger)
    if absent:
        detail = f"{trigger} is not in the caption of {some(absent)}."
        evidence = f"not in {count(len(absent), 'caption')}"
        return failed(evidence, detail, f"write {trigger}, in front", cure)
    if later:
        detail = f"{trigger} is not the first tag of {some(later)}."
        return warned(f"not first in {len(later)}", detail, f"move {trigger} to the front", cure)
    detail = f"{trigger} is the first tag of all {len(captions)} captions."
    return passed(f"first in all {len(captions)}", detail)


def _caption_files(
    facts: Facts, captions: dict[str, tuple[str, SubsetSpec]], wrong: list[str]
) -> dict[Path, str]:
    """The files beside these images with their separator of tags."""
    found = {}
    for image in wrong:
        subset = captions[image][1]
        file = facts.config.trainer_cwd / image
        file = file.with_suffix(subset.caption_extension or ".caption")
        if subset.metadata_file is None and file.is_file() and not subset.caption_prefix:
            found[file] = subset.caption_separator
    return found


def _position(caption: str, subset: SubsetSpec, trigger: str) -> int | None:
    """Index of the tag that is or begins with the trigger word; None when there is none."""
    if subset.caption_prefix:
        caption = f"{subset.caption_prefix} {caption}"
    tags = [tag.strip() for tag in caption.split(subset.caption_separator)]
    fitting = (i for i, tag in enumerate(tags) if f"{tag} ".startswith(f"{trigger} "))
    return next(fitting, None)


@check("keep_tokens", "Keep tokens", 190)
def keep_tokens(facts: Facts) -> Finding:
    """Does shuffling leave the trigger word in front? keep_tokens counts tags, from the front."""
    subsets = [subset for subset in facts.subsets() if not subset.is_reg]
    trigger = facts.config.expect.trigger
    if trigger is None:
        return skipped("no trigger set", "[expect] trigger is not set.")
    varied = [s for s in subsets if s.shuffle_caption or s.caption_tag_dropout_rate > 0]
    for subset in varied:
        wanted = len(trigger.split(subset.caption_separator))
        if subset.keep_tokens < wanted and not subset.keep_tokens_separator:
            detail = f"{subset.name}: the tags are shuffled or dropped, and {trigger} with them."
            fix = Fix("keep the trigger word in front", {"keep_tokens": wanted}, "dataset")
            return warned(f"keep_tokens is {subset.keep_tokens}", detail, "", fix)
    if varied:
        return passed(f"keep_tokens = {min(s.keep_tokens for s in subsets)}", f"{trigger} stays.")
    return passed("tags stay in order", "The tags are neither shuffled nor dropped.")


@check("flip_aug", "Mirroring", 200)
def flip_aug(facts: Facts) -> Finding:
    """Are images mirrored? What is only on one side of a character is then learnt on both."""
    flipped = [subset for subset in facts.subsets() if subset.flip_aug and not subset.is_reg]
    if not flipped:
        return passed("no flip_aug", "No image is mirrored, so left stays left.")
    detail = (
        f"flip_aug mirrors half of the images of {flipped[0].name}: a one-sided costume, scar "
        "or parting is learnt on both sides."
    )
    fix = Fix("mirror nothing", {"flip_aug": REMOVED}, "dataset")
    return warned("flip_aug is on", detail, "flip_aug = false, unless all is symmetric", fix)
