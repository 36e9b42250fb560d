"""Whether a training fits into the memory of its device, as the check says it."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from runner.analysis.diagnosis.needs import Platform
from runner.model import GpuSample
from runner.preflight.checks import memory_need as check
from runner.preflight.checks.memory_need import Room, judge_need, learnt, less
from runner.preflight.driver import Card, Driver
from runner.preflight.facts import Facts
from runner.preflight.forecast import estimate
from runner.preflight.header import stored_in_8_bits
from runner.preflight.model import EVIDENCE_LIMIT, Finding
from runner.preflight.prior_runs import PriorRun
from runner.preflight.probe import Device
from runner.preflight.registry import BY_NAME
from runner.trainers.sd_scripts.memory import Load, Need, memory_need
from tests.unit.preflight import preflight_models as models
from tests.unit.preflight.preflight_project import Project, look, project_fixture

GB = 1 << 30
SDXL = (
    'network_module = "networks.lora"\nnetwork_dim = 16\nmixed_precision = "bf16"\n'
    'optimizer_type = "AdamW"\nmax_data_loader_n_workers = 0\n'
)
TRAINER = 'sd_scripts = "sd"\nscript = "sdxl_train_network.py"'

project = project_fixture()


@pytest.fixture
def card(project: Project, monkeypatch: pytest.MonkeyPatch) -> Any:
    """A machine with one NVIDIA card; gives what the check finds there."""
    monkeypatch.setattr(check, "_probed", lambda facts: Device())
    (project.root / "sd/sdxl_train_network.py").write_text("pass\n")
    text = (project.root / "dataset.toml").read_text()
    (project.root / "dataset.toml").write_text(text.replace("resolution = 64", "resolution = 1024"))

    def found(train: str, free_gb: float, total_gb: float = 24, **parts: Any) -> Finding:
        gpu = GpuSample(
            "GPU-1", "nvml", "NVIDIA GeForce RTX 3090", 0,
            memory_used_bytes=int((total_gb - free_gb) * GB), memory_total_bytes=int(total_gb * GB),
        )  # fmt: skip
        driver = Driver("570.1", "12.8", (Card(gpu.name, "8.6", gpu.key, 0),))
        monkeypatch.setattr(check, "read_once", lambda sources, wait_s: (gpu,))
        monkeypatch.setattr(Facts, "driver", lambda self: driver)
        parts.setdefault("expect", 'device = "cuda"')
        return project.find("memory_need", trainer=TRAINER, train=train, **parts)

    return found


def test_it_fits_or_may_not_or_cannot(card: Any) -> None:
    lean = f"{SDXL}gradient_checkpointing = true\ncache_latents = true\nsdpa = true"
    fits = card(lean, 22)
    assert fits.status == "pass"
    assert fits.evidence.endswith(" of 24 GB"), fits.evidence
    assert "22 of 24 GB are free on the NVIDIA GeForce RTX 3090" in fits.detail
    assert "model 4.8 GB, text encoders 1.5 GB" in fits.detail
    tight = card(lean, 8, 8)
    assert tight.status == "warn" and tight.evidence.endswith(", 8 free")
    assert len(tight.evidence) <= EVIDENCE_LIMIT
    never = card(lean, 5, 6)
    assert never.status == "fail"
    assert "Weights and optimizer alone are" in never.detail
    assert never.advice and never.cures


def test_a_run_that_is_queued_while_the_card_is_in_use_needs_the_empty_card(
    card: Any, project: Project
) -> None:
    """That training will have ended; the check is repeated when it has."""
    lean = f"{SDXL}gradient_checkpointing = true\ncache_latents = true\nsdpa = true"
    assert card(lean, 2).status == "fail", "a start now"
    config = project.config(trainer=TRAINER, train=lean, expect='device = "cuda"')
    queued = BY_NAME["memory_need"].look(Facts(config, waits=True))
    assert queued.status == "pass"
    assert "; the NVIDIA GeForce RTX 3090 has 24 GB." in queued.detail
    card(lean, 2, 6)
    assert BY_NAME["memory_need"].look(Facts(config, waits=True)).status == "fail", "never"


def test_the_fix_is_what_helps_most_and_changes_no_result_first(
    card: Any, project: Project
) -> None:
    found = card(SDXL, 12, 12)
    assert found.status == "warn"
    assert "gradient_checkpointing = true" in found.advice
    assert "fp8_base" not in found.advice, "not needed, and it costs precision"
    found.cures[0].apply(lambda line: None)
    text = (project.root / "plasma.toml").read_text()
    assert "gradient_checkpointing = true" in text
    assert card(f"{SDXL}gradient_checkpointing = true", 12, 12).status == "pass"


def test_augmentation_and_moving_captions_keep_their_caches_off(
    card: Any, project: Project
) -> None:
    train = f"{SDXL}sdpa = true\ngradient_checkpointing = true\nnetwork_train_unet_only = true"
    assert "cache_latents" in card(train, 4.5, 8).advice
    text = (project.root / "dataset.toml").read_text()
    (project.root / "dataset.toml").write_text(f"{text}color_aug = true\nshuffle_caption = true\n")
    advice = card(train, 4.5, 8).advice
    assert "cache_latents" not in advice and "cache_text_encoder_outputs" not in advice
    assert "fp8_base" in advice


def test_large_batches_can_be_made_smaller(card: Any, project: Project) -> None:
    text = (project.root / "dataset.toml").read_text()
    (project.root / "dataset.toml").write_text(
        text.replace("[[datasets]]", "[[datasets]]\nbatch_size = 8", 1)
    )
    found = card(f"{SDXL}sdpa = true", 16, 16)
    assert "batch_size = 1" in found.advice


def test_a_base_model_is_counted_by_its_header(project: Project, card: Any) -> None:
    shapes = dict(models.stable_diffusion("sdxl"))
    shapes["model.diffusion_model.all_the_rest"] = (4000, 1_000_000)
    models.write(project.root / "base.safetensors", shapes)
    train = f'{SDXL}pretrained_model_name_or_path = "base.safetensors"\nsdpa = true\n'
    found = card(f"{train}gradient_checkpointing = true\ncache_latents = true", 22)
    assert "model 7.5 GB" in found.detail, "4 billion numbers of 2 bytes"


def test_an_unknown_architecture_is_unknown(card: Any, project: Project) -> None:
    (project.root / "sd/anima_train_network.py").write_text("pass\n")
    trainer = 'sd_scripts = "sd"\nscript = "anima_train_network.py"'
    found = project.find("memory_need", trainer=trainer, train=SDXL)
    assert (found.status, found.evidence) == ("skip", "unknown")
    assert "no estimate" in found.detail


def test_without_a_reading_the_need_is_still_told(
    card: Any, project: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    card(SDXL, 20)
    monkeypatch.setattr(check, "read_once", lambda sources, wait_s: ())
    found = project.find("memory_need", trainer=TRAINER, train=SDXL, expect='device = "cuda"')
    assert found.status == "skip" and found.evidence.startswith("about ")


def test_a_mac_and_a_cpu_use_main_memory(
    card: Any, monkeypatch: pytest.MonkeyPatch, project: Project
) -> None:
    memory = SimpleNamespace(available=6 * GB, total=16 * GB)
    monkeypatch.setattr(check.psutil, "virtual_memory", lambda: memory)
    for device in ("mps", "cpu"):
        found = card(SDXL.replace("bf16", "no"), 20, expect=f'device = "{device}"')
        assert found.status == "warn", "it swaps"
        assert "6 of 16 GB are free." in found.detail
        assert "fp8_base" not in found.advice and "AdamW8bit" not in found.advice
    memory.total = 8 * GB
    assert card(SDXL.replace("bf16", "no"), 20, expect='device = "mps"').status == "fail"


def test_a_run_with_these_settings_knows_better() -> None:
    guess = Need(8 * GB, 16 * GB, 7 * GB, ())
    smoke = PriorRun("s1", True, memory_bytes=10 * GB, memory_of="GPU memory")
    run = PriorRun("r1", False, memory_bytes=10 * GB, memory_of="GPU memory")
    assert learnt(guess, smoke).low_bytes == 10 * GB
    assert learnt(guess, run).high_bytes < learnt(guess, smoke).high_bytes < guess.high_bytes
    assert learnt(guess, PriorRun("x", False)) == guess
    found = judge_need(learnt(guess, run), Room("GPU", 11 * GB, 12 * GB), run.source)
    assert found.status == "pass"
    assert "The run r1 with these settings used 10 GB" in found.detail


def test_the_check_uses_what_an_earlier_run_showed(
    card: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    prior = PriorRun("20261130-1", True, memory_bytes=9 * GB, memory_of="GPU memory")
    monkeypatch.setattr(Facts, "prior", lambda self: prior)
    found = card(SDXL, 12, 12)
    assert found.status == "pass"
    assert "The smoke test 20261130-1 with these settings used 9-10 GB" in found.detail
    monkeypatch.setattr(Facts, "prior", lambda self: PriorRun("r", True, memory_bytes=GB))
    assert card(SDXL, 12, 12).status == "warn", "main memory says nothing about the GPU"


def test_the_last_run_that_ran_out_of_memory_is_a_warning(
    card: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Facts, "ran_out_of_memory", lambda self: "20261130-2")
    found = card(f"{SDXL}sdpa = true", 23)
    assert (found.status, found.evidence) == ("warn", "ran out before")
    assert "ran out of memory (20261130-2)" in found.detail and found.advice


def test_several_processes_count_on_the_fullest_card(
    card: Any, project: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    cards = [
        GpuSample(f"GPU-{n}", "nvml", "A", n, memory_used_bytes=n * GB, memory_total_bytes=24 * GB)
        for n in (1, 20)
    ]
    card(SDXL, 20)
    monkeypatch.setattr(check, "read_once", lambda sources, wait_s: tuple(cards))
    monkeypatch.setattr(Facts, "driver", lambda self: Driver())
    monkeypatch.setattr(check, "_probed", lambda facts: Device("cuda", keys=("GPU-1", "GPU-20")))
    one = check.room_of(Facts(project.config(trainer=TRAINER, train=SDXL)), True)
    assert one is not None and one.free_bytes == 23 * GB
    two = f'{TRAINER}\nlauncher = "accelerate"'
    rest = "[accelerate]\nnum_processes = 2\nmulti_gpu = true\n"
    several = Facts(project.config(trainer=two, train=SDXL, rest=rest))
    room = check.room_of(several, True)
    assert room is not None and room.free_bytes == 4 * GB


FLUX = {
    "mixed_precision": "bf16", "network_module": "networks.lora_flux", "network_dim": 16,
    "gradient_checkpointing": True, "cache_latents": True, "cache_text_encoder_outputs": True,
    "network_train_unet_only": True, "optimizer_type": "AdamW8bit",
}  # fmt: skip


def test_flux_on_a_small_card_swaps_blocks() -> None:
    load = Load("flux", FLUX, 1 << 20, 1)
    changes = less(load, 10 * GB, Platform("cuda"), lambda name: True)
    assert changes["fp8_base"] is True and changes["blocks_to_swap"] in (16, 22, 28)
    after = memory_need(Load("flux", {**FLUX, **changes}, 1 << 20, 1))
    assert after is not None and after.low_bytes < 10 * GB
    old = Platform("cuda", flags=frozenset(("fp8_base",)))
    assert "blocks_to_swap" not in less(load, 10 * GB, old, lambda name: True), "an older checkout"


def test_weights_in_8_bits(tmp_path: Path) -> None:
    path = models.write(tmp_path / "t5.safetensors", models.TEXT_ENCODER)
    assert stored_in_8_bits(path) is False
    small = path.read_bytes().replace(b'"F32"', b'"F8_E4M3"')
    assert stored_in_8_bits(tmp_path / "no.safetensors") is None
    assert stored_in_8_bits(None) is None
    assert small


@pytest.mark.parametrize(
    "flag", ['network_dim = "x"', 'blocks_to_swap = "x"', 'vae_batch_size = "x"']
)
def test_a_flag_that_is_no_number_is_left_to_its_own_check(project: Project, flag: str) -> None:
    train = (
        f'pretrained_model_name_or_path = "b.safetensors"\nnetwork_module = "networks.lora"\n{flag}'
    )
    config = project.config(train, trainer='sd_scripts = "sd"')
    assert estimate(config).memory_bytes is None
    assert look("memory_need", config).status == "skip"
