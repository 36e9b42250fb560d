"""Does every caption begin with the trigger word, and does shuffling leave it there?"""

from __future__ import annotations

from pathlib import Path

from runner.model.units import count
from runner.preflight.captions import read_captions
from runner.preflight.cures.captions import front_cure
from runner.preflight.facts import Facts
from runner.preflight.model import Check, Finding, failed, passed, skipped, some, warned
from runner.trainers.sd_scripts.dataset import DatasetError, SubsetSpec


def look(facts: Facts) -> Finding:
    trigger = facts.config.expect.trigger
    if trigger is None:
        return skipped("no trigger set", "[expect] trigger is not set.")
    try:
        captions = read_captions(facts).found
    except DatasetError as error:
        return skipped("dataset unread", str(error))
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


CHECK = Check("trigger", "Trigger", look)
