"""Bytes of checkpoints and states by network and model."""

from __future__ import annotations

import json
from typing import Any

import pytest

from runner.trainers.sd_scripts.file_sizes import (
    METADATA_BYTES,
    file_sizes,
    model_of,
    trained_layers,
)
from tests import DATA

HEADERS = json.loads((DATA / "checkpoint_headers.json").read_text(encoding="utf-8"))
LORA = {"network_module": "networks.lora", "network_dim": 32, "network_alpha": 16.0}
FLOAT = {**LORA, "save_precision": "float"}


def checkpoint(flags: dict[str, Any], model: str = "sd1") -> int:
    found = file_sizes(flags, model)
    assert found is not None
    return found.checkpoint_bytes


def state(flags: dict[str, Any], model: str = "sd1") -> int:
    found = file_sizes(flags, model)
    assert found is not None
    assert found.state_bytes is not None
    return found.state_bytes


@pytest.mark.parametrize(
    ("name", "flags"),
    [
        ("spyke_plasma_v1-step00000010.safetensors", FLOAT),
        ("nanrun-step00000003.safetensors", FLOAT),
        ("r-step00000012.safetensors",
         {**FLOAT, "network_dim": 4, "network_train_unet_only": True}),
    ],
)  # fmt: skip
def test_recorded_checkpoints_but_for_what_they_say_of_the_training(
    name: str, flags: dict[str, Any]
) -> None:
    told = len(json.dumps(HEADERS[name]["metadata"], separators=(",", ":")))
    expected = HEADERS[name]["file_bytes"] - told + METADATA_BYTES
    assert checkpoint(flags) == pytest.approx(expected, abs=500)


def test_the_modules_are_those_that_sd_scripts_says_it_makes() -> None:
    def modules(model: str, **flags: object) -> dict[str, int]:
        found: dict[str, int] = {"text": 0, "unet": 0}
        for layers in trained_layers({**LORA, **flags}, model) or ():
            found[layers.part] += layers.modules
        return found

    assert modules("sd1") == {"text": 72, "unet": 192}
    assert modules("sd2") == {"text": 138, "unet": 192}
    assert modules("sdxl") == {"text": 264, "unet": 722}
    assert modules("sd1", network_args=("conv_dim=8",)) == {"text": 72, "unet": 278}
    assert modules("sd1", network_args=("conv_dim=0",)) == {"text": 72, "unet": 228}
    assert modules("sdxl", network_train_unet_only=True) == {"text": 0, "unet": 722}
    assert modules("sd1", network_train_text_encoder_only=True) == {"text": 72, "unet": 0}
    assert modules("flux", network_module="networks.lora_flux") == {"text": 72, "unet": 304}


def test_half_precision_halves_the_numbers_and_not_the_names() -> None:
    numbers = 32 * (165_888 + 423_936)
    assert checkpoint(FLOAT) - checkpoint({**LORA, "save_precision": "bf16"}) == pytest.approx(
        2 * numbers, abs=2000
    )
    assert checkpoint({**LORA, "full_fp16": True}) == checkpoint(
        {**LORA, "full_fp16": True, "save_precision": "fp16"}
    )


def test_an_alpha_that_nobody_gave_is_saved_as_a_whole_number() -> None:
    without = {**LORA, "network_alpha": None}
    assert checkpoint(without) - checkpoint(LORA) == 4 * 264
    assert checkpoint({**without, "save_precision": "float"}) == checkpoint(FLOAT)


def test_the_default_rank_is_4_and_a_pickled_file_has_no_header() -> None:
    assert checkpoint({"network_module": "networks.lora"}) < 11e6
    pickled = {"network_module": "networks.lora", "save_model_as": "pt", "save_precision": "float"}
    assert checkpoint(pickled) == pytest.approx(9_672_313, rel=0.001)  # measured with torch.save


def test_a_state_holds_weights_and_the_moments_of_the_optimizer() -> None:
    # weights 9,549,968, optimizer.bin 19,224,409 of AdamW, 9,551,153 of SGD (measured)
    four = {**FLOAT, "network_dim": 4}
    assert state(four) == pytest.approx(9_549_968 + 19_224_409 + 18_000, rel=0.001)
    assert state({**four, "optimizer_type": "sgdnesterov"}) == pytest.approx(
        9_549_968 + 9_551_153 + 18_000, rel=0.001
    )
    assert state({**FLOAT, "optimizer_type": "AdamW8bit"}) < 0.55 * state(FLOAT)
    assert state({**FLOAT, "use_8bit_adam": True}) == state(
        {**FLOAT, "optimizer_type": "AdamW8bit"}
    )


def test_eight_bits_do_not_help_small_tensors() -> None:
    small = {**FLOAT, "network_dim": 1, "optimizer_type": "AdamW8bit"}
    assert state(small) > 0.95 * state({**small, "optimizer_type": "AdamW"})


def test_a_part_without_learning_rate_is_not_in_the_optimizer() -> None:
    text = 32 * 165_888
    assert state(FLOAT) - state({**FLOAT, "text_encoder_lr": 0}) == pytest.approx(
        8 * text, rel=0.01
    )


@pytest.mark.parametrize("optimizer", ["Prodigy", "DAdaptAdam", "Adafactor", "my.Optimizer"])
def test_an_optimizer_that_is_not_known_makes_the_state_unknown(optimizer: str) -> None:
    found = file_sizes({**FLOAT, "optimizer_type": optimizer}, "sd1")
    assert found is not None
    assert found.state_bytes is None
    assert found.state_source == f"unknown for {optimizer}"
    assert found.checkpoint_source == "rank 32 on SD 1.x, float"


@pytest.mark.parametrize(
    ("flags", "model"),
    [
        ({**LORA, "network_module": "lycoris.kohya"}, "sd1"),
        ({**LORA, "network_args": ("block_dims=2,2",)}, "sd1"),
        ({**LORA, "network_args": ("down_lr_weight=1",)}, "sd1"),
        ({**LORA, "dim_from_weights": True}, "sd1"),
        (LORA, "flux"),
        (LORA, None),
        ({}, "sd1"),
    ],
)
def test_other_networks_are_not_guessed(flags: dict[str, Any], model: str | None) -> None:
    assert file_sizes(flags, model) is None


def test_the_script_tells_the_model() -> None:
    assert model_of("train_network.py", {}) == "sd1"
    assert model_of("train_network.py", {"v2": True}) == "sd2"
    assert model_of("sdxl_train_network.py", {}) == "sdxl"
    assert model_of("flux_train_network.py", {}) == "flux"
    assert model_of("flux_train_network.py", {"model_type": "chroma"}) is None
    assert model_of("my_train_network.py", {}) is None
