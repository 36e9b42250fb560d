"""File names as sd-scripts makes them."""

import pytest

from runner.trainers.names import KOHYA_NAMES


@pytest.mark.parametrize(
    ("name", "base", "step", "epoch", "final"),
    [
        ("spyke-step00000200.safetensors", "spyke", 200, None, False),
        ("a-b.c-step00012345.ckpt", "a-b.c", 12345, None, False),
        ("spyke-000003.safetensors", "spyke", None, 3, False),
        ("spyke.safetensors", "spyke", None, None, True),
        ("at-step00000100.safetensors", "at", 100, None, False),
        ("epoch-000002.safetensors", "epoch", None, 2, False),
        ("last.safetensors", "last", None, None, True),
        ("v1.5-lora.safetensors", "v1.5-lora", None, None, True),
        ("zed-step-0000900.safetensors", "zed-step-0000900", None, None, True),
    ],
)
def test_names_tell_step_epoch_or_end(
    name: str, base: str, step: int | None, epoch: int | None, final: bool
) -> None:
    found = KOHYA_NAMES.parse(name)
    assert (found.base, found.step, found.epoch, found.final) == (base, step, epoch, final)


def test_a_step_name_is_made_as_sd_scripts_makes_it() -> None:
    assert KOHYA_NAMES.step("spyke", 430, ".safetensors") == "spyke-step00000430.safetensors"


@pytest.mark.parametrize(
    ("name", "step", "per_epoch", "origin", "placed"),
    [
        ("x-step00000200.safetensors", 430, 230, 0, "x-step00000430.safetensors"),
        ("x-000002.safetensors", 460, 230, 0, "x-000002.safetensors"),
        ("x.safetensors", 920, 230, 0, "x.safetensors"),
        ("x-step00000100.safetensors", 560, 230, 460, "x-step00000560.safetensors"),
        ("x-000001.safetensors", 690, 230, 460, "x-000003.safetensors"),
        # an epoch that began in the middle of one has no number of the whole training
        ("x-000001.safetensors", 630, 230, 400, "x-step00000630.safetensors"),
        ("x-step00000100.safetensors", None, 230, 0, "x-step00000100.safetensors"),
    ],
)
def test_a_resumed_attempts_file_is_placed_under_its_true_step(
    name: str, step: int | None, per_epoch: int, origin: int, placed: str
) -> None:
    assert KOHYA_NAMES.placed(name, step, per_epoch, origin) == placed
