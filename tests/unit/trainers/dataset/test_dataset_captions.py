"""Captions: which file, and what becomes of them in a batch."""

from __future__ import annotations

import random
from pathlib import Path

import pytest

from runner.embedded.captions import tag_frequency, vary_caption
from runner.trainers.sd_scripts.dataset import DatasetError, SubsetSpec
from runner.trainers.sd_scripts.dataset.files import read_caption

TAGS = "spyke, red hair, grin, standing, dusk"


def varied(caption: str = TAGS, epoch: int = 1, step: int = 0, **settings: object) -> str:
    subset = SubsetSpec("a", **settings)  # type: ignore[arg-type]
    return vary_caption(caption, subset, epoch, step, 100, random.Random(3))


def test_the_caption_is_the_first_line_beside_the_image(tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_text("  one, two \nsecond line\n")
    assert read_caption(tmp_path / "a.png", ".txt") == "one, two"
    assert read_caption(tmp_path / "a.png", ".txt", wildcard=True) == "one, two\nsecond line"
    assert read_caption(tmp_path / "a.png", ".caption") is None


def test_a_face_box_in_the_name_may_be_left_out_of_the_caption_file(tmp_path: Path) -> None:
    (tmp_path / "spyke.txt").write_text("shared")
    assert read_caption(tmp_path / "spyke_10_20_30_40.png", ".txt") == "shared"


def test_an_empty_caption_file_stops_the_trainer(tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_text("")
    with pytest.raises(DatasetError, match=r"a\.txt: the caption file is empty"):
        read_caption(tmp_path / "a.png", ".txt")


def test_a_caption_that_is_not_utf8_stops_the_trainer(tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_bytes("grün".encode("latin-1"))
    with pytest.raises(DatasetError, match="not UTF-8"):
        read_caption(tmp_path / "a.png", ".txt")


def test_kept_tokens_stay_in_front_of_shuffled_ones() -> None:
    seen = {varied(shuffle_caption=True, keep_tokens=1)}
    shuffled = seen.pop()
    assert shuffled.startswith("spyke, ")
    assert shuffled != TAGS
    assert sorted(shuffled.split(", ")) == sorted(TAGS.split(", "))


def test_a_separator_keeps_both_ends() -> None:
    caption = "spyke, man ||| a, b, c, d ||| best, last"
    changed = varied(caption, shuffle_caption=True, keep_tokens_separator="|||")
    assert changed.startswith("spyke, man, ")
    assert changed.endswith(", best, last")


def test_tags_come_in_one_after_the_other_while_warming_up() -> None:
    settings = {"token_warmup_step": 50, "token_warmup_min": 1, "keep_tokens": 1}
    assert varied(step=0, **settings) == "spyke, red hair"
    assert varied(step=25, **settings) == "spyke, red hair, grin"
    assert varied(step=50, **settings) == TAGS


def test_captions_drop_out_by_rate_and_by_epoch() -> None:
    assert varied(caption_dropout_rate=1.0) == ""
    assert varied(epoch=2, caption_dropout_every_n_epochs=2) == ""
    assert varied(epoch=3, caption_dropout_every_n_epochs=2) == TAGS
    assert varied(caption_tag_dropout_rate=1.0, keep_tokens=1) == "spyke"


def test_prefix_suffix_and_secondary_separator() -> None:
    changed = varied("a;;;b, c", caption_prefix="x", caption_suffix="y", secondary_separator=";;;")
    assert changed == "x a,b, c y"


def test_a_wildcard_chooses_one_and_doubled_braces_stay() -> None:
    changed = varied("{red|blue} hat, {{kept}}", enable_wildcard=True)
    assert changed in ("red hat, {kept}", "blue hat, {kept}")
    assert varied("first\nsecond") == "first"
    assert varied("first\nsecond", enable_wildcard=True) in ("first", "second")


def test_tag_frequency_counts_lower_case_tags() -> None:
    assert tag_frequency(["A, b", "a,, c "]) == {"a": 2, "b": 1, "c": 1}
