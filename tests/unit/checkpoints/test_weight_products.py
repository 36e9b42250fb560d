"""Norms of LyCORIS modules are those of what they add, not of their factors."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import save_file

from runner.checkpoints.checkpoint_facts import file_alone
from runner.checkpoints.verify import Verification, verify
from runner.checkpoints.weight_norms import NOTHING_LEARNT, remark_on

NAME = "lora_unet_down_blocks_0_attentions_0_proj_in"
RNG = np.random.default_rng(7)
Parts = dict[str, np.ndarray]


def some(*shape: int) -> np.ndarray:
    return RNG.standard_normal(shape)


def tucker(t: np.ndarray, a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """As LyCORIS has it (functional/general.py)."""
    return np.einsum("i j k l, i p, j r -> p r k l", t, a, b)


def found(path: Path, parts: Parts, alpha: float | None = None) -> Verification:
    tensors = {f"{NAME}.{name}": value.astype(np.float32) for name, value in parts.items()}
    if alpha is not None:
        tensors[f"{NAME}.alpha"] = np.array(alpha, np.float32)
    save_file(tensors, path / "x.safetensors")
    return verify(path / "x.safetensors")


def loha() -> tuple[Parts, np.ndarray, int]:
    p = {"hada_w1_a": some(30, 4), "hada_w1_b": some(4, 20)}
    p |= {"hada_w2_a": some(30, 4), "hada_w2_b": some(4, 20)}
    return p, (p["hada_w1_a"] @ p["hada_w1_b"]) * (p["hada_w2_a"] @ p["hada_w2_b"]), 4


def loha_tucker() -> tuple[Parts, np.ndarray, int]:
    p = {"hada_t1": some(4, 4, 3, 3), "hada_w1_a": some(4, 12), "hada_w1_b": some(4, 9)}
    p |= {"hada_t2": some(4, 4, 3, 3), "hada_w2_a": some(4, 12), "hada_w2_b": some(4, 9)}
    first = tucker(p["hada_t1"], p["hada_w1_a"], p["hada_w1_b"])
    return p, first * tucker(p["hada_t2"], p["hada_w2_a"], p["hada_w2_b"]), 4


def lokr_one_half() -> tuple[Parts, np.ndarray, int]:
    p = {"lokr_w1": some(4, 4), "lokr_w2_a": some(16, 8), "lokr_w2_b": some(8, 10)}
    return p, np.kron(p["lokr_w1"], p["lokr_w2_a"] @ p["lokr_w2_b"]), 8


def lokr_halves() -> tuple[Parts, np.ndarray, int]:
    p = {"lokr_w1_a": some(6, 3), "lokr_w1_b": some(3, 5)}
    p |= {"lokr_w2_a": some(7, 3), "lokr_w2_b": some(3, 4)}
    first = p["lokr_w1_a"] @ p["lokr_w1_b"]
    return p, np.kron(first, p["lokr_w2_a"] @ p["lokr_w2_b"]), 3


def lokr_tucker() -> tuple[Parts, np.ndarray, int]:
    p = {"lokr_w1": some(2, 2), "lokr_t2": some(4, 4, 3, 3)}
    p |= {"lokr_w2_a": some(4, 6), "lokr_w2_b": some(4, 5)}
    second = tucker(p["lokr_t2"], p["lokr_w2_a"], p["lokr_w2_b"])
    return p, np.kron(p["lokr_w1"].ravel(), second.ravel()), 4


def locon() -> tuple[Parts, np.ndarray, int]:
    p = {"lora_down.weight": some(8, 9, 1, 1), "lora_up.weight": some(12, 8, 1, 1)}
    p["lora_mid.weight"] = some(8, 8, 3, 3)
    up, down = p["lora_up.weight"][..., 0, 0], p["lora_down.weight"][..., 0, 0]
    return p, np.einsum("n m k l, i n, m j -> i j k l", p["lora_mid.weight"], up, down), 8


@pytest.mark.parametrize("alpha", [None, 1.0, 16.0])
@pytest.mark.parametrize(
    "made", [loha, loha_tucker, lokr_one_half, lokr_halves, lokr_tucker, locon]
)
def test_the_norm_is_that_of_the_product(tmp_path: Path, made: object, alpha: float | None) -> None:
    parts, product, rank = made()  # type: ignore[operator]
    report = found(tmp_path, parts, alpha)
    scale = 1.0 if alpha is None else alpha / rank
    assert report.norm == pytest.approx(float(np.linalg.norm(product)) * scale, rel=1e-4)
    assert (report.rank, report.finite, report.lora) == (rank, True, True)


def test_two_complete_matrices_of_lokr_are_not_scaled(tmp_path: Path) -> None:
    parts = {"lokr_w1": some(4, 4), "lokr_w2": some(8, 6)}
    report = found(tmp_path, parts, 10_000.0)
    expected = float(np.linalg.norm(np.kron(parts["lokr_w1"], parts["lokr_w2"])))
    assert report.norm == pytest.approx(expected, rel=1e-4)


def test_of_many_rows_a_part_is_computed(tmp_path: Path) -> None:
    parts = {"hada_w1_a": some(5000, 4), "hada_w1_b": some(4, 40)}
    parts |= {"hada_w2_a": some(5000, 4), "hada_w2_b": some(4, 40)}
    first = parts["hada_w1_a"] @ parts["hada_w1_b"]
    expected = np.linalg.norm(first * (parts["hada_w2_a"] @ parts["hada_w2_b"]))
    assert found(tmp_path, parts).norm == pytest.approx(float(expected), rel=0.15)


@pytest.mark.parametrize(
    "untrained",
    [
        {"lora_down.weight": some(4, 20), "lora_up.weight": np.zeros((30, 4))},
        {
            "lora_down.weight": some(4, 20),
            "lora_up.weight": np.zeros((30, 4)),
            "dora_scale": some(30, 1),
        },
        {
            "lora_down.weight": some(4, 9, 1, 1),
            "lora_up.weight": np.zeros((12, 4, 1, 1)),
            "lora_mid.weight": some(4, 4, 3, 3),
        },
        {**loha()[0], "hada_w2_a": np.zeros((30, 4))},
        {"lokr_w1": some(4, 4), "lokr_w2": np.zeros((16, 16))},
        {**lokr_one_half()[0], "lokr_w2_a": np.zeros((16, 8)), "dora_scale": some(30, 1)},
    ],
)
def test_a_network_before_its_first_step_adds_nothing(tmp_path: Path, untrained: Parts) -> None:
    report = found(tmp_path, untrained, 2.0)
    assert report.norm == 0
    assert remark_on(file_alone(report), report, None) == NOTHING_LEARNT


@pytest.mark.parametrize("part", ["hada_w1_a", "hada_w2_b"])
def test_a_bad_number_in_a_factor_is_found(tmp_path: Path, part: str) -> None:
    parts = loha()[0]
    parts[part][1, 1] = np.nan
    report = found(tmp_path, parts)
    assert (report.finite, report.nonfinite_tensors, report.norm) == (False, 1, None)


@pytest.mark.parametrize(
    "parts",
    [
        {"hada_w1_a": some(30, 4), "hada_w1_b": some(4, 20)},
        {**loha()[0], "hada_w2_b": some(5, 20)},
        {"lokr_w2_a": some(3, 4)},
        {"lora_mid.weight": some(4, 4, 3, 3)},
        {"lokr_w1": some(3), "lokr_w2": some(0, 3)},
    ],
)
def test_shapes_of_no_known_method_are_measured_by_their_tensors(
    tmp_path: Path, parts: Parts
) -> None:
    report = found(tmp_path, parts, 1.0)
    assert report.complete and report.finite and report.norm is not None


@pytest.mark.parametrize(
    ("down", "up"),
    [
        ("unet.a.lora_A.weight", "unet.a.lora_B.weight"),
        ("base_model.model.a.lora_A.default.weight", "base_model.model.a.lora_B.default.weight"),
        ("unet.a.processor.to_q_lora.down.weight", "unet.a.processor.to_q_lora.up.weight"),
        ("text_encoder.a.lora_linear_layer.down.weight", "text_encoder.a.lora_linear_layer.up.weight"),
        ("transformer.a.lora.down.weight", "transformer.a.lora.up.weight"),
    ],
)  # fmt: skip
def test_names_of_diffusers_and_peft_are_known(tmp_path: Path, down: str, up: str) -> None:
    parts = {down: some(4, 20).astype(np.float32), up: some(30, 4).astype(np.float32)}
    save_file(parts, tmp_path / "x.safetensors")
    report = verify(tmp_path / "x.safetensors")
    assert report.norm == pytest.approx(float(np.linalg.norm(parts[up] @ parts[down])), rel=1e-4)
    assert (report.rank, report.lora, len(report.norms)) == (4, True, 1)
