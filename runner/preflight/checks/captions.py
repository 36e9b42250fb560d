"""Captions: readable, with the trigger word first, and valid for mirrored images."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from runner.files.regular_file import read_text
from runner.model.units import count
from runner.preflight.cures.files import front_cure, move_cure
from runner.preflight.cures.model import REMOVED, Fix
from runner.preflight.facts import Facts
from runner.preflight.model import Finding, check, failed, passed, skipped, some, warned
from runner.trainers.sd_scripts.dataset import DatasetError, SubsetSpec
from runner.trainers.sd_scripts.dataset.files import read_caption


class Caption(NamedTuple):
    """One image's caption. `text` None: none; `problem`: why it cannot be read."""

    image: Path
    subset: SubsetSpec
    text: str | None
    problem: str | None = None

    @property
    def file(self) -> Path:
        extension = self.subset.caption_extension or ".caption"
        return self.image.with_name(self.image.stem + extension)


def read_captions(facts: Facts) -> list[Caption]:
    """Captions of every training image, and unreadable ones of regularisation images. Raises DatasetError if
    the dataset itself cannot be read."""
    return facts.once("captions", lambda: list({one.image: one for one in _read(facts)}.values()))


def _read(facts: Facts) -> Iterator[Caption]:
    for subset in facts.subsets():
        listing = facts.listing_of(subset)
        for path in listing.paths if listing else ():
            if facts.cancelled.is_set():
                return
            image = facts.config.trainer_cwd / path
            if listing is not None and subset.metadata_file is not None:
                text = subset.caption_separator.join(listing.captions[path])
                yield Caption(image, subset, text or None)
                continue
            try:
                read = read_caption(image, subset.caption_extension, subset.enable_wildcard)
            except (DatasetError, OSError) as error:
                yield Caption(image, subset, None, str(error))
            else:
                if not subset.is_reg:
                    yield Caption(image, subset, read)


@check(
    "captions", "Captions", 170,
    foresees=("caption_empty", "caption_encoding", "caption_missing"),
)  # fmt: skip
def captions(facts: Facts) -> Finding:
    """Does every training image have a caption that sd-scripts can read?

    sd-scripts main: an empty or non-UTF-8 caption stops the training, a missing one does not: class_tokens
    replace it, in folder mode the folder's name; without --caption_extension it reads `.caption` files.
    """
    captions = read_captions(facts)
    total = len(captions)
    if not total:
        return skipped("no images")
    if bad := [one for one in captions if one.problem]:
        # an empty file is worse than none: without a file the image is trained with an empty caption
        empty = [one.file for one in bad if one.file.is_file() and not one.file.stat().st_size]
        cure = move_cure("captions", "train these images without a caption", empty)
        advice = "write a caption as UTF-8, or delete the file"
        possible = cure if len(empty) == len(bad) else None
        return failed(
            f"{len(bad)} unreadable", some([str(one.problem) for one in bad]), advice, possible
        )
    missing = [one for one in captions if one.text is None]
    if not missing and (longer := _several_lines(facts, captions)):
        detail = f"Only the first line is read of {some(longer)}; with enable_wildcard one line is chosen."
        evidence = f"{len(longer)} of more lines"
        return warned(evidence, detail, "write each caption on one line, or set enable_wildcard")
    if not missing:
        return passed(f"{total} captions", f"Every one of {total} training images has a caption.")
    evidence = f"{len(missing)} without caption"
    names = some([one.image.name for one in missing])
    detail = f"{len(missing)} of {total} training images have no caption: {names}."
    # probably meant as captions
    bare = [one.image for one in missing if one.subset.metadata_file is None][:1]
    endings = [e for e in (".txt", ".caption") for image in bare if image.with_suffix(e).is_file()]
    tokens = {one.subset.class_tokens for one in missing}
    if all(tokens):
        detail += f" They are trained with their class_tokens: {some(sorted(map(str, tokens)))}."
    if not endings:
        if all(tokens) and len(missing) == total:
            return passed("class_tokens", detail)
        return warned(evidence, detail, "write the caption files")
    detail += f" There are {endings[0]} files next to them."
    fix = Fix(f"read {endings[0]} files", {"caption_extension": endings[0]}, "dataset")
    return failed(evidence, detail, "", fix)


def _several_lines(facts: Facts, captions: list[Caption]) -> list[str]:
    """Names of caption files with lines that are never read."""
    found = []
    for one in captions:
        in_file = one.subset.metadata_file is None and not one.subset.enable_wildcard
        if not in_file or facts.cancelled.is_set():
            continue
        try:
            text = read_text(one.file)
        except (OSError, UnicodeDecodeError):
            continue
        if "\n" in text.rstrip():
            found.append(one.file.name)
    return found


@check("trigger", "Trigger", 180)
def trigger(facts: Facts) -> Finding:
    """Does every caption start with the trigger word, and does shuffling keep it there?"""
    trigger = facts.config.expect.trigger
    if trigger is None:
        return skipped("no trigger set", "[expect] trigger is not set.")
    captions = [one for one in read_captions(facts) if one.text is not None]
    if not captions:
        return skipped("no captions")
    places = [(one, _position(one.text or "", one.subset, trigger)) for one in captions]
    absent = [one.image.name for one, place in places if place is None]
    later = [one.image.name for one, place in places if place]
    wrong = (one for one, place in places if place != 0)
    own = (w for w in wrong if w.subset.metadata_file is None and not w.subset.caption_prefix)
    files = {one.file: one.subset.caption_separator for one in own if one.file.is_file()}
    cure = front_cure(files, trigger)
    if absent:
        detail = f"{trigger} is not in the caption of {some(absent)}."
        evidence = f"not in {count(len(absent), 'caption')}"
        return failed(evidence, detail, f"write {trigger}, in front", cure)
    if later:
        detail = f"{trigger} is not the first tag of {some(later)}."
        return warned(f"not first in {len(later)}", detail, f"move {trigger} to the front", cure)
    detail = f"{trigger} is the first tag of all {len(captions)} captions."
    return passed(f"first in all {len(captions)}", detail)


def _position(caption: str, subset: SubsetSpec, trigger: str) -> int | None:
    """Index of the tag that is or starts with the trigger word; None if there is none. Of several lines, one
    of which is chosen at random (enable_wildcard), the last one counts."""
    places = [_place_in(line, subset, trigger) for line in caption.split("\n")]
    known = [place for place in places if place is not None]
    return max(known) if len(known) == len(places) else None


def _place_in(line: str, subset: SubsetSpec, trigger: str) -> int | None:
    if subset.caption_prefix:
        line = f"{subset.caption_prefix} {line}"
    for separator in (subset.keep_tokens_separator, subset.secondary_separator):
        line = line.replace(separator, subset.caption_separator) if separator else line
    tags = [tag.strip() for tag in line.split(subset.caption_separator)]
    fitting = (i for i, tag in enumerate(tags) if f"{tag} ".startswith(f"{trigger} "))
    return next(fitting, None)


@check("keep_tokens", "Keep tokens", 190)
def keep_tokens(facts: Facts) -> Finding:
    """Does shuffling keep the trigger word first? keep_tokens counts tags from the front."""
    subsets = [subset for subset in facts.subsets() if not subset.is_reg]
    trigger = facts.config.expect.trigger
    if trigger is None:
        return skipped("no trigger set", "[expect] trigger is not set.")
    varied = [s for s in subsets if s.shuffle_caption or s.caption_tag_dropout_rate > 0]
    for subset in varied:
        wanted = len(trigger.split(subset.caption_separator))
        if subset.keep_tokens < wanted and not subset.keep_tokens_separator:
            detail = f"{subset.name}: the tags are shuffled or dropped, including {trigger}."
            fix = Fix("keep the trigger word first", {"keep_tokens": wanted}, "dataset")
            return warned(f"keep_tokens is {subset.keep_tokens}", detail, "", fix)
    if varied:
        return passed(f"keep_tokens = {min(s.keep_tokens for s in subsets)}", f"{trigger} stays.")
    return passed("tags stay in order", "Tags are not shuffled or dropped.")


@check("flip_aug", "Mirroring", 200)
def flip_aug(facts: Facts) -> Finding:
    """Are images mirrored? Features on one side of a character are then learned on both."""
    flipped = [subset for subset in facts.subsets() if subset.flip_aug and not subset.is_reg]
    if not flipped:
        return passed("no flip_aug", "No image is mirrored, so left stays left.")
    detail = (
        f"flip_aug mirrors half of the images of {flipped[0].name}: a one-sided costume, scar "
        "or parting is learned on both sides."
    )
    fix = Fix("turn mirroring off", {"flip_aug": REMOVED}, "dataset")
    return warned("flip_aug is on", detail, "flip_aug = false, unless everything is symmetric", fix)
