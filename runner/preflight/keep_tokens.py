"""Does shuffling leave the trigger word in front? keep_tokens counts tags, from the front."""

from __future__ import annotations

from runner.dataset import DatasetError, SubsetSpec
from runner.preflight.facts import Facts
from runner.preflight.model import Check, Finding, passed, skipped, warned


def look(facts: Facts) -> Finding:
    try:
        specs = facts.specs()
    except DatasetError as error:
        return skipped("dataset unread", str(error))
    subsets = [s for spec in specs for s in spec.subsets if not s.is_reg]
    trigger = facts.config.expect.trigger
    if trigger is None:
        return skipped("no trigger set", "[expect] trigger is not set.")
    loose = [subset for subset in subsets if _loose(subset, trigger)]
    if loose:
        wanted = tags_in(trigger, loose[0])
        detail = f"{loose[0].image_dir}: the tags are shuffled or dropped, and {trigger} with them."
        return warned(f"keep_tokens is {loose[0].keep_tokens}", detail, f"keep_tokens = {wanted}")
    if any(_varied(subset) for subset in subsets):
        return passed(f"keep_tokens = {min(s.keep_tokens for s in subsets)}", f"{trigger} stays.")
    return passed("tags stay in order", "The tags are neither shuffled nor dropped.")


def tags_in(trigger: str, subset: SubsetSpec) -> int:
    return len(trigger.split(subset.caption_separator))


def _varied(subset: SubsetSpec) -> bool:
    return subset.shuffle_caption or subset.caption_tag_dropout_rate > 0


def _loose(subset: SubsetSpec, trigger: str) -> bool:
    kept = subset.keep_tokens >= tags_in(trigger, subset) or bool(subset.keep_tokens_separator)
    return _varied(subset) and not kept


CHECK = Check("keep_tokens", "Keep tokens", look)
