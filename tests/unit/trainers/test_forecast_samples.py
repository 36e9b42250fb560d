"""Sample images: how often, how many."""

from __future__ import annotations

from pathlib import Path

import pytest

from runner.trainers.sd_scripts.sample_prompts import (
    expected_samples,
    sampling_times,
)
from runner.trainers.sd_scripts.steps import count_steps

STEPS = count_steps({"max_train_steps": 23}, 5)  # 5 epochs, the last of 3 steps


@pytest.mark.parametrize(
    ("flags", "times"),
    [
        ({}, 0),
        ({"sample_every_n_steps": 4}, 5),
        ({"sample_every_n_steps": 24}, 0),
        ({"sample_every_n_epochs": 1}, 5),
        ({"sample_every_n_epochs": 2}, 2),
        ({"sample_every_n_epochs": 2, "sample_every_n_steps": 1}, 2),
        ({"sample_every_n_epochs": 0, "sample_every_n_steps": 10}, 2),
        ({"sample_every_n_epochs": -3}, 0),
        ({"sample_at_first": True}, 1),
        ({"sample_at_first": True, "sample_every_n_steps": 23}, 2),
    ],
)
def test_epochs_win_over_steps_and_the_last_epoch_counts(
    flags: dict[str, object], times: int
) -> None:
    assert sampling_times(flags, STEPS) == times


def test_a_training_that_goes_on_draws_only_what_is_left() -> None:
    later = count_steps(
        {"max_train_steps": 25, "initial_step": 12, "skip_until_initial_step": True}, 5
    )
    assert sampling_times({"sample_every_n_epochs": 1}, later) == 3
    assert sampling_times({"sample_every_n_steps": 1}, later) == 13


def test_prompts_are_counted_as_the_trainer_reads_them(tmp_path: Path) -> None:
    (tmp_path / "p.txt").write_text("one\n\n# no\n  # yes\n   \ntwo --w 5", encoding="utf-8")
    (tmp_path / "p.json").write_text('["a", {"prompt": "b"}]')
    (tmp_path / "p.toml").write_text('[prompt]\nwidth = 5\n[[prompt.subset]]\nprompt = "x"\n')
    counted = [
        expected_samples(
            {"sample_every_n_epochs": 1, "sample_prompts": f"p.{kind}"}, tmp_path, STEPS
        ).prompts
        for kind in ("txt", "json", "toml")
    ]
    assert counted == [3, 2, 1]


@pytest.mark.parametrize(
    ("name", "count", "words"),
    [
        (None, None, "sample_prompts is missing: sd-scripts fails at the first sample"),
        ("none.txt", 0, "none.txt: file not found, so no sample is drawn"),
        ("p.md", None, "p.md: unreadable prompts: it must end in .txt, .toml or .json"),
        ("bad.json", None, "bad.json: unreadable prompts"),
    ],
)
def test_prompts_that_cannot_be_counted_say_why(
    tmp_path: Path, name: str | None, count: int | None, words: str
) -> None:
    (tmp_path / "p.md").write_text("a")
    (tmp_path / "bad.json").write_text("{")
    found = expected_samples({"sample_every_n_steps": 5, "sample_prompts": name}, tmp_path, STEPS)
    assert found.count == count
    assert found.problem is not None
    assert words in found.problem


def test_prompts_do_not_matter_when_nothing_is_drawn(tmp_path: Path) -> None:
    found = expected_samples({"sample_prompts": "none.txt"}, tmp_path, STEPS)
    assert (found.count, found.problem) == (0, None)
