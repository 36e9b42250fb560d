"""Captions as sd-scripts changes them for every batch (`train_util.py`, `process_caption`, v0.10)."""

from __future__ import annotations

import math
import re
from collections import Counter
from collections.abc import Iterable
from typing import Any, Protocol

from runner.trainers.sd_scripts.dataset import SubsetSpec


class Chance(Protocol):
    """The part of `random.Random` that captions draw from; the module `random` fits as well."""

    def random(self) -> float: ...

    def shuffle(self, x: Any) -> None: ...

    def choice(self, seq: Any) -> Any: ...


def tag_frequency(captions: Iterable[str]) -> dict[str, int]:
    """How often each comma-separated tag occurs, lower case, in order of appearance."""
    tags = (tag.strip().lower() for caption in captions for tag in caption.split(","))
    return dict(Counter(tag for tag in tags if tag))


def vary_caption(
    caption: str, subset: SubsetSpec, epoch: int, step: int, max_train_steps: int, chance: Chance
) -> str:
    """The caption of one batch: prefix and suffix, dropout, wildcards, shuffled tags after the kept ones,
    warm-up of tags, secondary separator; in this order. `epoch` counts from 1."""
    if subset.caption_prefix:
        caption = f"{subset.caption_prefix} {caption}"
    if subset.caption_suffix:
        caption = f"{caption} {subset.caption_suffix}"
    if _dropped(subset, epoch, chance):
        return ""
    first_line = caption.split("\n")[0]
    caption = _choose_wildcards(caption, chance) if subset.enable_wildcard else first_line
    if (
        subset.shuffle_caption
        or subset.token_warmup_step > 0
        or subset.caption_tag_dropout_rate > 0
    ):
        caption = _vary_tags(caption, subset, step, max_train_steps, chance)
    if subset.secondary_separator:
        caption = caption.replace(subset.secondary_separator, subset.caption_separator)
    return caption


def _dropped(subset: SubsetSpec, epoch: int, chance: Chance) -> bool:
    by_chance = subset.caption_dropout_rate > 0 and chance.random() < subset.caption_dropout_rate
    every = subset.caption_dropout_every_n_epochs
    return by_chance or (every > 0 and epoch % every == 0)


def _choose_wildcards(caption: str, chance: Chance) -> str:
    if "\n" in caption:
        caption = chance.choice(caption.split("\n"))
    open_brace, close_brace = "\0open\0", "\0close\0"
    caption = caption.replace("{{", open_brace).replace("}}", close_brace)
    caption = re.sub(
        r"\{([^}]+)\}", lambda match: str(chance.choice(match.group(1).split("|"))), caption
    )
    return caption.replace(open_brace, "{").replace(close_brace, "}")


def _vary_tags(
    caption: str, subset: SubsetSpec, step: int, max_train_steps: int, chance: Chance
) -> str:
    kept, free, last = _split_tags(caption, subset)
    warmup = subset.token_warmup_step
    if warmup < 1:
        warmup = math.floor(warmup * max_train_steps)
    if warmup and step < warmup:
        shown = math.floor(step * ((len(free) - subset.token_warmup_min) / warmup))
        free = free[: shown + subset.token_warmup_min]
    if subset.shuffle_caption:
        chance.shuffle(free)
    if subset.caption_tag_dropout_rate > 0:
        free = [tag for tag in free if chance.random() >= subset.caption_tag_dropout_rate]
    return ", ".join(kept + free + last)


def _split_tags(caption: str, subset: SubsetSpec) -> tuple[list[str], list[str], list[str]]:
    """(kept at the front, free to move, kept at the end)."""
    separator = subset.keep_tokens_separator
    if separator and separator in caption:
        first, rest = caption.split(separator, 1)
        middle, _, last = rest.partition(separator)
        comma = subset.caption_separator
        tags = [
            [tag.strip() for tag in part.split(comma) if tag.strip()]
            for part in (first, middle, last)
        ]
        return tags[0], tags[1], tags[2]
    all_tags = [tag.strip() for tag in caption.strip().split(subset.caption_separator)]
    kept = max(subset.keep_tokens, 0)
    return all_tags[:kept], all_tags[kept:], []
