"""Norms of LoRA modules as sd-scripts has them, by block, and what they say against the file before."""

import math
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from safetensors.numpy import load_file, save_file

from runner.checkpoints.checkpoint_facts import file_alone, of_one_training
from runner.checkpoints.verify import Verification, verify
from runner.checkpoints.weight_modules import block_of
from runner.checkpoints.weight_norms import change_of, growth_limit, remark_on
from runner.model import Checkpoint

DOWN = "lora_unet_down_blocks_0_attentions_0_proj_in"
MID = "lora_unet_mid_block_attentions_0_proj_in"


def lora(
    path: Path, seed: int = 0, *, up: float = 0.01, of: tuple[str, ...] = (DOWN, MID), rank: int = 4
) -> Path:
    rng = np.random.default_rng(seed)
    tensors = {}
    for name in of:
        tensors[f"{name}.lora_down.weight"] = rng.standard_normal((rank, 20)).astype(np.float32)
        tensors[f"{name}.lora_up.weight"] = up * rng.standard_normal((30, rank)).astype(np.float32)
        tensors[f"{name}.alpha"] = np.array(rank / 2, np.float32)
    save_file(tensors, path)
    return path


@settings(deadline=None, max_examples=40)
@given(
    st.integers(0, 2**32 - 1),
    st.sampled_from([1, 2, 5, 32]),
    st.integers(1, 60),
    st.integers(1, 60),
    st.sampled_from([1, 3]),
    st.sampled_from(["f2", "f4", "f8"]),
    st.sampled_from([None, 1.0, 0.5, 16.0]),
)
def test_the_norm_is_that_of_the_product(
    tmp_path_factory: pytest.TempPathFactory, seed: int, rank: int, wide: int, tall: int, kernel: int,
    kind: str, alpha: float | None,
) -> None:  # fmt: skip
    rng = np.random.default_rng(seed)
    down = rng.standard_normal((rank, wide, kernel, kernel)).astype(kind)
    up = rng.standard_normal((tall, rank, 1, 1)).astype(kind)
    tensors = {f"{DOWN}.lora_down.weight": down, f"{DOWN}.lora_up.weight": up}
    if alpha is not None:
        tensors[f"{DOWN}.alpha"] = np.array(alpha, kind)
    path = tmp_path_factory.mktemp("lora") / "x.safetensors"
    save_file(tensors, path)
    product = up.astype("f8").reshape(tall, rank) @ down.astype("f8").reshape(rank, -1)
    expected = float(np.linalg.norm(product)) * (alpha if alpha is not None else rank) / rank
    found = verify(path)
    assert found.norm == pytest.approx(expected, rel=1e-4)
    assert found.norm_largest == found.norm
    assert [b.block for b in found.norms] == ["down_blocks_0"]


def test_a_matrix_larger_than_a_panel_has_the_same_norm(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = verify(lora(tmp_path / "x", rank=7))
    for items in (1, 40, 64, 130):
        monkeypatch.setattr("runner.checkpoints.weights_scan.PANEL_ITEMS", items)
        monkeypatch.setattr("runner.checkpoints.weights_scan.CHUNK_ITEMS", items)
        found = verify(tmp_path / "x")
        assert found.norm == pytest.approx(whole.norm, rel=1e-5)


def test_a_module_too_large_for_memory_has_the_norm_of_its_tensors(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("runner.checkpoints.weights_scan.MATRIX_LIMIT_BYTES", 400)
    path = lora(tmp_path / "x", of=(DOWN,))
    tensors = load_file(path)
    halves = [v for name, v in tensors.items() if "alpha" not in name]
    expected = math.sqrt(sum(float((half.astype("f8") ** 2).sum()) for half in halves))
    assert verify(path).norm == pytest.approx(expected, rel=1e-5)


def test_other_modules_have_the_norm_of_their_tensors(tmp_path: Path) -> None:
    save_file(
        {
            "lora_unet_up_blocks_1_x.hada_w1_a": np.full((2, 2), 2.0, np.float32),
            "lora_unet_up_blocks_1_x.hada_w1_b": np.full((3, 3), 1.0, np.float32),
            "lora_unet_up_blocks_1_y.lora_down.weight": np.full((1, 4), 1.0, np.float32),
            "lora_unet_up_blocks_1_y.lora_mid.weight": np.full((1, 4), 1.0, np.float32),
            "lora_unet_up_blocks_1_y.lora_up.weight": np.full((1, 1), 1.0, np.float32),
        },
        tmp_path / "x",
    )
    found = verify(tmp_path / "x")
    (block,) = found.norms
    assert (block.block, block.modules) == ("up_blocks_1", 2)
    assert block.largest == pytest.approx(5.0)
    assert block.mean == pytest.approx((5.0 + 3.0) / 2)


def test_rank_and_alpha_come_from_the_metadata_else_from_the_tensors(tmp_path: Path) -> None:
    found = verify(lora(tmp_path / "x", rank=6))
    assert (found.rank, found.alpha) == (6, 3.0)
    one = {f"{DOWN}.lora_down.weight": np.ones((6, 2), np.float32)}
    save_file(one, tmp_path / "y", metadata={"ss_network_dim": "8", "ss_network_alpha": "4.0"})
    found = verify(tmp_path / "y")
    assert (found.rank, found.alpha) == (8, 4.0)


@pytest.mark.parametrize(
    ("module", "block"),
    [
        ("lora_te_text_model_encoder_layers_0_mlp_fc1", "text encoder"),
        ("lora_te2_text_model_encoder_layers_0_mlp_fc1", "text encoder 2"),
        ("lora_unet_down_blocks_2_attentions_0_proj_in", "down_blocks_2"),
        ("lora_unet_mid_block_attentions_0_proj_in", "mid_block"),
        ("lora_unet_input_blocks_4_1_transformer_blocks_0_attn1_to_k", "input_blocks_4"),
        ("lora_unet_middle_block_1_proj_in", "middle_block"),
        ("lora_unet_output_blocks_0_1_proj_in", "output_blocks_0"),
        ("lora_unet_double_blocks_12_img_attn_proj", "double_blocks"),
        ("lora_unet_single_blocks_37_linear1", "single_blocks"),
        ("lora_unet_joint_blocks_3_context_block_attn_qkv", "joint_blocks"),
        ("lora_unet_time_embed_0", "time_embed"),
        ("transformer.single_transformer_blocks.0.attn.to_q", "single_transformer_blocks"),
        ("model.diffusion_model.input_blocks.1.0.in_layers.0", "input_blocks_1"),
        ("cond_stage_model.transformer.text_model", "text encoder"),
        ("emb_params", "emb_params"),
        ("x", "x"),
    ],
)
def test_modules_are_told_by_their_block(module: str, block: str) -> None:
    assert block_of(module) == block


# --------------------------------------------------------------------------- remarks


def at(step: int, found: Verification) -> Verification:
    import dataclasses

    return dataclasses.replace(found, path=f"/x/a-step{step:08d}.safetensors")


def remark(before: Verification, now: Verification, steps: tuple[int, int] = (100, 200)) -> str:
    return alone(at(steps[1], now), file_alone(at(steps[0], before))) or ""


def alone(found: Verification, before: Checkpoint | None = None) -> str | None:
    return remark_on(file_alone(found), found, before)


def test_a_young_lora_may_grow_many_fold(tmp_path: Path) -> None:
    first = verify(lora(tmp_path / "a", up=1e-4))
    assert remark(first, verify(lora(tmp_path / "b", 1, up=4e-4))) == ""
    assert remark(first, verify(lora(tmp_path / "c", 1, up=5e-3)), (10, 100)) == ""
    assert alone(at(1, first)) is None


def test_a_blow_up_of_one_block_is_told_by_its_name(tmp_path: Path) -> None:
    before = lora(tmp_path / "a")
    tensors = {k: v if "alpha" in k else v * np.float32(1.1) for k, v in load_file(before).items()}
    tensors[f"{MID}.lora_up.weight"] = tensors[f"{MID}.lora_up.weight"] * 100
    save_file(tensors, tmp_path / "b")
    text = remark(verify(before), verify(tmp_path / "b"), (800, 1000))
    assert text.startswith("blow-up in mid_block: its norm grew 121 times since step 800")


def test_a_blow_up_of_everything_is_one_sentence(tmp_path: Path) -> None:
    text = remark(verify(lora(tmp_path / "a")), verify(lora(tmp_path / "b", up=1.0)))
    assert text.startswith("blow-up: the norms of all blocks grew 100 times since step 100")


def test_an_optimizer_that_finds_its_own_rate_may_start_from_next_to_nothing(
    tmp_path: Path,
) -> None:
    import dataclasses

    first, later = verify(lora(tmp_path / "a", up=1e-5)), verify(lora(tmp_path / "b", up=1e-2))
    assert remark(first, later).startswith("blow-up")
    told = {"ss_optimizer": "prodigyopt.prodigy.Prodigy(decouple=True)"}
    assert remark(first, dataclasses.replace(later, metadata=told)) == ""


def test_a_network_that_adds_nothing_is_dead(tmp_path: Path) -> None:
    found = verify(lora(tmp_path / "a", up=0.0))
    assert found.norm_largest == 0.0
    assert "learned nothing" in (alone(found) or "")


def test_weights_that_did_not_change_are_told(tmp_path: Path) -> None:
    found = verify(lora(tmp_path / "a"))
    assert remark(found, found) == "same weights as step 100: nothing learned since"


def test_blocks_that_hold_nan_are_named_and_have_no_norm(tmp_path: Path) -> None:
    tensors = load_file(lora(tmp_path / "a"))
    tensors[f"{MID}.lora_up.weight"][0, 0] = math.nan
    save_file(tensors, tmp_path / "b")
    found = verify(tmp_path / "b")
    assert [b.block for b in found.norms] == ["down_blocks_0"]
    assert found.norm is None
    assert alone(found) == "NaN or Inf in mid_block"


def test_a_lora_that_outweighs_any_base_weight_is_told_even_alone(tmp_path: Path) -> None:
    found = verify(lora(tmp_path / "a", up=1000.0))
    assert (alone(found) or "").startswith("far too large")


def test_the_limit_follows_the_steps() -> None:
    assert growth_limit(200, 100) == pytest.approx(12)
    assert growth_limit(1000, 800) == pytest.approx(4.6875)
    assert growth_limit(None, None) == growth_limit(200, 100)
    assert change_of(2.0, 1.0) == 1.0
    assert change_of(2.0, 0.0) is None
    assert change_of(None, 1.0) is None


def test_a_part_that_was_never_trained_is_named(tmp_path: Path) -> None:
    text = "lora_te_text_model_encoder_layers_0_mlp_fc1"
    path = lora(tmp_path / "x.safetensors", of=(text, DOWN))
    tensors = load_file(path)
    tensors[f"{text}.lora_up.weight"][:] = 0
    save_file(tensors, path)
    found = verify(path)
    assert (
        remark_on(file_alone(found), found, None) == "adds nothing in text encoder: never trained"
    )


def test_only_files_of_one_training_are_compared(tmp_path: Path) -> None:
    first, other = (
        (file_alone(found), found)
        for found in (
            verify(lora(tmp_path / "a-000001.safetensors")),
            verify(lora(tmp_path / "b.safetensors", seed=1)),
        )
    )
    later = verify(lora(tmp_path / "a-000002.safetensors", seed=2))
    wider = verify(lora(tmp_path / "a.safetensors", of=(DOWN,)))
    assert of_one_training(first, (file_alone(later), later))
    assert not of_one_training(first, other)
    assert not of_one_training(first, (file_alone(wider), wider))


def test_a_file_without_tensors_is_remarked(tmp_path: Path) -> None:
    save_file({}, tmp_path / "x.safetensors")
    found = verify(tmp_path / "x.safetensors")
    assert (found.complete, found.finite) == (True, True)
    assert "no tensor in the file" in (remark_on(file_alone(found), found, None) or "")


@pytest.mark.parametrize(
    ("up", "words"),
    [((30, 3), "rank 4 in lora_down, 3 in lora_up"), (None, "has no lora_up"), ((30,), "none in")],
)
def test_halves_that_do_not_fit_are_remarked(
    tmp_path: Path, up: tuple[int, ...] | None, words: str
) -> None:
    path = lora(tmp_path / "x.safetensors")
    tensors = load_file(path)
    del tensors[f"{MID}.lora_up.weight"]
    if up is not None:
        tensors[f"{MID}.lora_up.weight"] = np.ones(up, np.float32)
    save_file(tensors, path)
    found = verify(path)
    remark = remark_on(file_alone(found), found, None) or ""
    assert remark.startswith("cannot be loaded: ") and words in remark
