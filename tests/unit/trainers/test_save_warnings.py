"""Flags of saving that stop the training or have no effect."""

from __future__ import annotations

from typing import Any

import pytest

from runner.trainers.sd_scripts.saves import save_warnings

EPOCHS = {"save_every_n_epochs": 10}
STEPS = {"save_every_n_steps": 100}


@pytest.mark.parametrize(
    ("flags", "said"),
    [
        ({"save_every_n_epochs": 0}, "save_every_n_epochs is 0: use 1 or more, or remove it; sd-scripts"),
        ({"save_every_n_steps": 0}, "divides by it and stops at the first step"),
        ({"validate_every_n_epochs": 0}, "divides by it and stops at the end of the first epoch"),
        ({**EPOCHS, "save_last_n_steps": 3},
         "save_last_n_steps has no effect without save_every_n_steps: every checkpoint stays; set "
         "save_last_n_epochs to delete older ones"),
        ({**STEPS, "save_last_n_epochs": 2}, "without save_every_n_epochs: every checkpoint stays; set "
         "save_last_n_steps"),
        ({**EPOCHS, "save_last_n_epochs": 2, "save_last_n_steps": 3}, "use save_last_n_epochs alone"),
        ({"save_last_n_epochs": 2}, "without save_every_n_epochs: only the final file is written"),
        ({**EPOCHS, "save_state": True, "save_last_n_steps_state": 1},
         "save_last_n_steps_state has no effect without save_every_n_steps: every state stays; set "
         "save_last_n_epochs_state"),
        ({**EPOCHS, "save_last_n_epochs_state": 1}, "save_last_n_epochs_state has no effect without save_s"),
        ({**STEPS, "save_last_n_steps": 3},
         "counts steps, not files: 3 keeps only the newest of the files that are saved every 100 steps; 3 "
         "files need 200"),
        ({"save_state": True}, "save_state only saves together with a checkpoint"),
    ],
)  # fmt: skip
def test_one_sentence_says_why(flags: dict[str, Any], said: str) -> None:
    (text,) = save_warnings(flags)
    assert said in text


@pytest.mark.parametrize(
    "flags",
    [
        {},
        {**EPOCHS, "save_last_n_epochs": 2},
        {"save_n_epoch_ratio": 4, "save_last_n_epochs": 2, "save_every_n_epochs": 0},
        {**STEPS, "save_last_n_steps": 200, "save_state": True, "save_last_n_steps_state": 100},
        {**EPOCHS, "save_last_n_epochs": "two"},  # reported where it is used
    ],
)
def test_flags_that_do_what_they_seem_to_say_nothing(flags: dict[str, Any]) -> None:
    assert save_warnings(flags) == []
