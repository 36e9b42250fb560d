"""Does shuffling leave the trigger word in front? keep_tokens counts tags, from the front."""

from __future__ import annotations

from runner.preflight.cures.dataset_edit import dataset_cure
from runner.preflight.cures.model import Cure
from runner.preflight.cures.plasma_toml import flag_cure
from runner.preflight.facts import Facts
from runner.preflight.model import Check, Finding, passed, skipped, warned
from runner.trainers.sd_scripts.dataset import DatasetError, SubsetSpec


def look(facts: Facts) -> Finding:
    try:
        subsets = [subset for subset in facts.subsets() if not subset.is_reg]
    except DatasetError as error:
        return skipped("dataset unread", str(error))
    trigger = facts.config.expect.trigger
    if trigger is None:
        return skipped("no trigger set", "[expect] trigger is not set.")
    loose = [subset for subset in subsets if _loose(subset, trigger)]
    if loose:
        wanted = tags_in(trigger, loose[0])
        detail = f"{loose[0].name}: the tags are shuffled or dropped, and {trigger} with them."
        evidence = f"keep_tokens is {loose[0].keep_tokens}"
        return warned(evidence, detail, f"keep_tokens = {wanted}").curable(_cure(facts, wanted))
    if any(_varied(subset) for subset in subsets):
        return passed(f"keep_tokens = {min(s.keep_tokens for s in subsets)}", f"{trigger} stays.")
    return passed("tags stay in order", "The tags are neither shuffled nor dropped.")


def _cure(facts: Facts, wanted: int) -> Cure | None:
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


CHECK = Check("keep_tokens", "Keep tokens", look)
