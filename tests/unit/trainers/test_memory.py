"""The estimate of memory against published measurements, and its arithmetic."""

from __future__ import annotations

from typing import Any

import pytest

from runner.trainers.sd_scripts.memory import Load, memory_need, trained_numbers
from runner.trainers.sd_scripts.memory_figures import figures_of, published

GIB = 1 << 30
#: of a card's memory, what its driver leaves to programs (11.76 of 12 GB)
USABLE = 0.98
#: a reading that the range does not reach
OUTSIDE = {"fluxgym issue 135, 512 on a 4090"}


def load_of(row: dict[str, Any]) -> Load:
    return Load(
        row["kind"], row["flags"], row.get("pixels", 1 << 20), row.get("batch", 1),
        small_encoders=row.get("small_encoders"),
    )  # fmt: skip


@pytest.mark.parametrize("row", published(), ids=lambda row: row["source"])
def test_what_others_measured_lies_in_the_range(row: dict[str, Any]) -> None:
    need = memory_need(load_of(row))
    assert need is not None
    low, high = need.low_bytes / GIB, need.high_bytes / GIB
    if "fits" in row:
        inside = low <= row["fits"]
    elif "fails" in row:
        inside = high >= row["fails"] * USABLE
    else:
        inside = low <= row["used"] <= high
    assert inside is (row["source"] not in OUTSIDE), (row["source"], low, high)


def test_there_are_many_and_each_says_where_it_comes_from() -> None:
    rows = published()
    assert len(rows) >= 30
    assert len({row["source"] for row in rows}) == len(rows)
    assert {row["kind"] for row in rows} >= {"sd1", "sdxl", "flux"}


SDXL = {
    "mixed_precision": "bf16", "network_module": "networks.lora", "network_dim": 16, "sdpa": True,
    "optimizer_type": "AdamW",
}  # fmt: skip


def need(kind: str = "sdxl", batch: int = 1, **changes: Any) -> Any:
    found = memory_need(Load(kind, {**SDXL, **changes}, 1 << 20, batch))
    assert found is not None
    return found


def part(found: Any, name: str) -> Any:
    return next(one for one in found.parts if one.name == name)


def test_weights_and_optimizer_are_exact() -> None:
    found = need(network_train_unet_only=True)
    numbers = trained_numbers(
        Load("sdxl", {**SDXL, "network_train_unet_only": True}, 1, 1),
        figures_of("sdxl") or 1,  # type: ignore[arg-type]
    )
    assert numbers[0] == numbers[1] == 42_557_440, "722 layers of rank 16"
    lora = part(found, "LoRA and optimizer")
    assert lora.low == lora.high == numbers[0] * (4 + 4 + 8 + 2)
    assert part(found, "model").low == pytest.approx(2567.5e6 * 2)
    assert part(need(fp8_base=True), "model").low == pytest.approx(2567.5e6)
    assert part(need(mixed_precision="no"), "model").low == pytest.approx(2567.5e6 * 4)
    assert found.certain_bytes == pytest.approx(
        2567.5e6 * 2 + (123.1e6 + 694.7e6 + 83.7e6) * 2 + lora.low, rel=1e-6
    )


@pytest.mark.parametrize(
    "saves",
    [
        {"gradient_checkpointing": True},
        {"cache_latents": True, "cache_text_encoder_outputs": True},
        {"optimizer_type": "AdamW8bit"},
        {"network_dim": 4},
        {"full_bf16": True},
        {"network_train_unet_only": True},
        {"gradient_checkpointing": True, "fp8_base": True},
    ],
    ids=str,
)
def test_what_saves_memory_lowers_the_range(saves: dict[str, Any]) -> None:
    before, after = need(), need(**saves)
    assert after.high_bytes < before.high_bytes
    assert after.low_bytes <= before.low_bytes


def test_more_images_and_no_small_attention_raise_it() -> None:
    assert need(batch=4).low_bytes > need().low_bytes
    assert need(sdpa=False).high_bytes > need().high_bytes + GIB


def test_fp8_without_checkpointing_keeps_a_copy_of_every_weight() -> None:
    kept = part(need(fp8_base=True), "activations").low - part(need(), "activations").low
    assert kept == pytest.approx(2567.5e6 * 2 * 0.85, rel=0.01)


def test_swapped_blocks_are_not_on_the_gpu() -> None:
    flags = {"network_module": "networks.lora_flux", "fp8_base": True, "sdpa": False}
    whole, swapped = need("flux", **flags), need("flux", blocks_to_swap=20, **flags)
    saved = part(whole, "model").low - part(swapped, "model").low
    assert saved == pytest.approx(19 * 311.5e6, rel=0.01)


def test_text_encoders_pass_over_the_gpu_while_they_are_cached() -> None:
    """T5 in half precision is larger than FLUX.1 in fp8 with most blocks swapped."""
    flags = {
        "network_module": "networks.lora_flux", "fp8_base": True, "blocks_to_swap": 28,
        "cache_latents": True, "cache_text_encoder_outputs": True, "gradient_checkpointing": True,
        "network_train_unet_only": True, "optimizer_type": "Adafactor",
    }  # fmt: skip
    assert need("flux", **flags).when == "caching text encoder outputs"
    load = Load("flux", {**SDXL, **flags}, 1 << 20, 1, small_encoders=True)
    small = memory_need(load)
    assert small is not None and small.when == "training"


def test_another_network_is_a_wider_range() -> None:
    found = part(need(network_module="lycoris.kohya"), "LoRA and optimizer")
    own = part(need(), "LoRA and optimizer")
    assert found.low < own.low < found.high


@pytest.mark.parametrize(
    ("arguments", "most_gb"),
    [
        (["algo=lokr", "factor=8"], 1.0),
        (["algo=lokr", "factor=-1"], 1.5),
        (["algo=ia3"], 1.5),
        (["algo=full"], 60.0),
        (["algo=loha", "conv_dim=8"], 60.0),
        (None, 60.0),
    ],
)
def test_lycoris_at_any_rank_is_not_larger_than_the_model(
    arguments: list[str] | None, most_gb: float
) -> None:
    """kohya_ss gives LoKr the rank 100000 for full matrices."""
    found = need(network_module="lycoris.kohya", network_dim=100_000, network_args=arguments)
    lora = part(found, "LoRA and optimizer")
    assert lora.low == 0.0
    assert lora.high <= most_gb * 1e9


def test_an_unknown_kind_or_launcher_is_unknown() -> None:
    assert memory_need(Load("anima", SDXL, 1 << 20, 1)) is None
    assert memory_need(Load("sdxl", {**SDXL, "deepspeed": True}, 1 << 20, 1)) is None
