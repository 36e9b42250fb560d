"""The learning rate's schedule, held to rates that the real loop logged and to transformers' formulas."""

import math

import pytest

from runner.trainers.sd_scripts.lr_schedule import rate_factor, rate_words


@pytest.mark.parametrize(
    ("flags", "step", "factor"),
    [
        ({}, 400, 1.0),
        ({"lr_scheduler": "constant_with_warmup", "lr_warmup_steps": "100"}, 50, 0.5),
        ({"lr_scheduler": "constant_with_warmup", "lr_warmup_steps": "100"}, 500, 1.0),
        ({"lr_scheduler": "cosine"}, 0, 1.0),
        ({"lr_scheduler": "cosine"}, 460, 0.5),
        ({"lr_scheduler": "cosine"}, 920, 0.0),
        # run: sd-scripts' own loop, S = 920, at 400: 6.0e-5 of 1e-4
        ({"lr_scheduler": "cosine"}, 400, 0.602),
        ({"lr_scheduler": "cosine", "lr_warmup_steps": "0.1"}, 46, 0.5),
        ({"lr_scheduler": "cosine", "lr_warmup_steps": "10%"}, 46, 0.5),
        ({"lr_scheduler": "linear"}, 230, 0.75),
        ({"lr_scheduler": "cosine_with_restarts", "lr_scheduler_num_cycles": "2"}, 460, 1.0),
        ({"lr_scheduler": "cosine_with_restarts", "lr_scheduler_num_cycles": "2"}, 690, 0.5),
    ],
)
def test_factor(flags: dict[str, str], step: int, factor: float) -> None:
    found = rate_factor(flags, step, 920)
    assert found is not None and math.isclose(found, factor, abs_tol=1e-3)


@pytest.mark.parametrize(
    "flags",
    [
        {"lr_scheduler": "polynomial"},
        {"lr_scheduler_type": "CosineAnnealingLR"},
        {"optimizer_type": "AdamWScheduleFree", "lr_scheduler": "cosine"},
        {"optimizer_type": "Adafactor"},
    ],
)
def test_a_schedule_that_is_not_known_here_is_not_guessed(flags: dict[str, str]) -> None:
    assert rate_factor(flags, 100, 920) is None
    assert rate_words(flags, 100, 920) is None


def test_words() -> None:
    flags = {"lr_scheduler": "cosine", "learning_rate": "1e-4"}
    assert rate_words(flags, 400, 920) == "6.02e-05, 60% of 1.00e-04 (cosine)"
    assert rate_words({**flags, "unet_lr": "5e-5"}, 0, 920) == "5.00e-05, 100% of 5.00e-05 (cosine)"
    assert rate_words({"learning_rate": "fast"}, 0, 920) is None
