"""Which cure is offered, given what the training ran with."""

from __future__ import annotations

import os
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from runner.analysis.diagnosis.catalogue import entries, entry_of
from runner.analysis.diagnosis.cures import (
    NOT_KNOWN,
    Cure,
    Setting,
    in_force,
    is_placeholder,
    next_cure,
    setting_of,
)
from runner.analysis.diagnosis.matcher import cause_of, diagnose
from runner.analysis.diagnosis.needs import Platform, needs_of, ruled_out
from runner.analysis.facts import RunFacts
from runner.analysis.machine_end import MachineEnd
from runner.analysis.outcome import judge
from runner.config.catalog import Effort
from runner.config.model import Trainer
from runner.control.changes import read_changes
from runner.model import AttemptPlan
from runner.model.events import ExceptionSeen
from runner.state.evidence import Evidence
from runner.trainers.registry import flag_report
from tests import DATA

NAMES = (DATA / "flag_names.txt").read_text().split("\n")
EVERY = entries()
CHANGES = sorted({change for entry in EVERY for one in entry.fixes for change in one.changes})
MAC = {"no_half_vae": True, "gradient_checkpointing": True, "optimizer_type": "AdamW"}


def offers(key: str, setting: Setting) -> list[tuple[str, ...]]:
    """All cures one after the other, each applied when it is offered."""
    found, flags, env = [], dict(setting.flags or {}), dict(setting.env)
    while len(found) < 20:
        now = Setting(flags, setting.launcher, env, setting.device)
        changes = next_cure(entry_of(key).fixes, now).changes
        if not changes:
            break
        found.append(changes)
        made = read_changes(changes)
        flags |= made.train
        env |= made.env
    return found


@pytest.mark.parametrize("change", CHANGES)
def test_every_change_is_a_setting_that_the_trainer_or_the_launcher_has(change: str) -> None:
    name = change.partition("=")[0]
    assert name.startswith("env.") or name in NAMES
    assert read_changes((change,)).words or is_placeholder(change)


@pytest.mark.skipif("PLASMA_SD_SCRIPTS" not in os.environ, reason="no checkout of sd-scripts")
def test_the_checkout_takes_every_change_that_it_has_a_flag_for() -> None:
    folder = Path(os.environ["PLASMA_SD_SCRIPTS"])
    python = os.environ.get("PLASMA_SD_PYTHON", sys.executable)
    catalog = flag_report(
        Trainer(folder, python, str(folder / "train_network.py")), Effort.FULL
    ).catalog
    assert catalog is not None
    only_sdxl = {"cache_text_encoder_outputs", "cache_text_encoder_outputs_to_disk"}
    flags = read_changes([change for change in CHANGES if not is_placeholder(change)]).train
    missing = flags.keys() - catalog.names - only_sdxl
    assert not missing - {"fp8_base_unet", "validation_split"}  # newer than v0.9.1
    for change in CHANGES:
        for name, value in read_changes((change,)).train.items():
            if name in catalog.names and not is_placeholder(change):
                assert catalog.problem(name, value) is None


def test_every_change_is_in_force_once_it_was_applied() -> None:
    for change in CHANGES:
        made = read_changes((change,))
        flags = {name: value for name, value in made.train.items() if value is not False}
        launcher = {name: value for name, value in made.accelerate.items() if value is not False}
        assert in_force(change, Setting(flags, launcher, made.env))


def test_nothing_known_gets_the_first_cure_whole() -> None:
    cause = cause_of(entry_of("bitsandbytes_missing"), "x")
    assert cause.fix == "optimizer_type=AdamW"
    assert cause.changes == ("optimizer_type=AdamW", "use_8bit_adam=false")


def test_nan_from_step_1_with_a_full_vae_is_retried_with_cached_latents() -> None:
    key = "nan_from_first_step"
    assert next_cure(entry_of(key).fixes, NOT_KNOWN).changes == ("no_half_vae=true",)
    assert offers(key, Setting(MAC, device="mps")) == [("cache_latents=true",)]
    facts = RunFacts(first_nonfinite_step=1, first_step=1, setting=Setting(MAC), device="mps")
    cause = judge(facts).cause
    assert cause is not None and cause.changes == ("cache_latents=true",)


def test_half_precision_is_given_up_when_nan_stays() -> None:
    flags = {"no_half_vae": True, "cache_latents": True, "mixed_precision": "fp16"}
    key = "nan_from_first_step"
    assert offers(key, Setting(flags, device="cuda:0")) == [
        ("mixed_precision=bf16",),
        ("mixed_precision=no",),
    ]
    assert offers(key, Setting(flags, device="mps")) == [("mixed_precision=no",)]


def test_cures_of_graphics_memory_come_in_the_catalogues_order() -> None:
    flags = {"train_batch_size": "4", "optimizer_type": "AdamW"}
    assert offers("cuda_out_of_memory", Setting(flags, device="cuda")) == [
        ("gradient_checkpointing=true",),
        ("train_batch_size=1",),
        ("cache_latents=true",),
        ("sdpa=true",),
        ("optimizer_type=AdamW8bit",),
        ("env.PYTORCH_CUDA_ALLOC_CONF=expandable_segments:True",),
        ("network_train_unet_only=true",),
    ]


def test_the_last_advice_on_memory_needs_a_person() -> None:
    flags = {
        **MAC,
        "cache_latents_to_disk": True,
        "xformers": True,
        "network_train_unet_only": True,
        "optimizer_type": "AdamW8bit",
    }
    cause = cause_of(entry_of("cuda_out_of_memory"), "x", Setting(flags, device="cpu"))
    assert (cause.fix, cause.changes) == ("resolution=LOWER", ())


def test_a_mac_is_never_offered_what_only_cuda_has() -> None:
    assert offers("mps_out_of_memory", Setting(MAC, device="mps")) == [
        ("cache_latents=true",),
        ("max_data_loader_n_workers=0",),
        ("env.PYTORCH_MPS_HIGH_WATERMARK_RATIO=0.0",),
    ]
    assert ("lowram=true",) not in offers("host_out_of_memory", Setting({}, device="mps"))
    for entry in EVERY:
        for device in ("mps", "cpu", None):
            offered = [next_cure((one,), Setting({}, device=device)).changes for one in entry.fixes]
            words = " ".join(sum(offered, ()))
            assert not any(word in words for word in ("8bit", "CUDA_ALLOC", "bf16", "lowram"))


def test_latents_cannot_be_cached_under_random_images() -> None:
    setting = Setting({**MAC, "random_crop": True}, device="mps")
    assert ("cache_latents=true",) not in offers("mps_out_of_memory", setting)


def test_killed_outright_offers_to_save_memory_only_where_it_was_proven_short() -> None:
    facts = RunFacts(signal=9, last_step=5, setting=Setting({}))
    short = replace(facts, machine=MachineEnd(memory_short="50 MB of 16 GB main memory free"))
    killed = judge(short)
    assert killed.cause is not None and killed.cause.changes == ("cache_latents=true",)
    assert killed.cause.key == "host_out_of_memory"
    for machine in (MachineEnd(), MachineEnd(memory_free="9 GB of 16 GB main memory free")):
        cause = judge(replace(facts, machine=machine)).cause
        assert cause is not None
        assert (cause.key, cause.fix, cause.changes) == ("killed_by_signal", None, ())
        assert "Resume from the last saved state" in cause.advice
    asked = judge(RunFacts(signal=15, last_step=5, setting=Setting({})))
    assert asked.cause is not None and (asked.cause.fix, asked.cause.changes) == (None, ())


def test_a_loss_that_broke_on_the_way_gets_half_the_learning_rate() -> None:
    flags = {"learning_rate": "1e-4", "unet_lr": 1e-4, "text_encoder_lr": "5e-05"}
    cause = judge(RunFacts(first_nonfinite_step=7, setting=Setting(flags))).cause
    assert cause is not None
    assert cause.changes == ("learning_rate=5e-05", "unet_lr=5e-05", "text_encoder_lr=2.5e-05")
    unknown = judge(RunFacts(first_nonfinite_step=7)).cause
    assert unknown is not None
    assert (unknown.fix, unknown.changes) == ("learning_rate=LOWER", ())


def test_a_placeholder_is_advice_and_no_change() -> None:
    cause = cause_of(entry_of("model_not_found"), "x")
    assert cause.fix == "pretrained_model_name_or_path=PATH"
    assert cause.changes == ()


def test_a_flag_is_compared_by_what_it_means() -> None:
    setting = Setting({"min_bucket_reso": "64", "max_grad_norm": 1, "optimizer_type": "adamw"})
    for change in (
        *("min_bucket_reso=64", "max_grad_norm=1.0", "optimizer_type=AdamW", "xformers=false"),
        *("train_batch_size=1", "accelerate.num_processes=1"),
    ):
        assert in_force(change, setting)
    for change in ("sdpa=true", "env.A=1", "max_data_loader_n_workers=0", "min_bucket_reso=32"):
        assert not in_force(change, setting)
    assert not in_force("train_batch_size=1", NOT_KNOWN)


def test_what_an_attempt_ran_with_is_read_from_its_command() -> None:
    command = (
        *("python", "-m", "accelerate.commands.launch", "--num_processes=2"),
        *("train.py", "--cache_latents", "--network_dim=4"),
    )
    plan = AttemptPlan(1, command, {"A": "1"}, "/", None, None)
    setting = setting_of(plan, "cuda:0")
    assert setting.flags == {"cache_latents": True, "network_dim": "4"}
    assert setting.launcher == {"num_processes": "2"}
    assert (setting.device_kind, in_force("env.A=1", setting)) == ("cuda", True)
    assert setting_of(AttemptPlan(1, ("sleep", "1"), {}, "/", None, None)).flags is None


def test_the_launchers_gpu_is_only_touched_where_one_was_named() -> None:
    seen = (ExceptionSeen(0, "RuntimeError", "CUDA error: invalid device ordinal", ()),)
    chosen = Setting({}, {"gpu_ids": "3"})
    cause = diagnose(Evidence(seen), chosen)
    assert cause is not None and cause.changes == ("accelerate.gpu_ids=0",)
    cause = diagnose(Evidence(seen), Setting({}))
    assert cause is not None and cause.changes == ()


def test_a_cure_that_needs_another_flag_is_passed_over_without_it() -> None:
    one = Cure(("dim_from_weights=true",), only_with=("network_weights",))
    assert next_cure((one,), Setting({})).changes == ()
    assert next_cure((one,), Setting({"network_weights": "a"})).changes == one.changes
    assert next_cure((one,), NOT_KNOWN).changes == one.changes


def test_a_console_that_cannot_show_japanese_gets_another_character_set() -> None:
    said = "'ascii' codec can't encode characters in position 19-22: ordinal not in range(128)"
    seen = (ExceptionSeen(0, "UnicodeEncodeError", said, ()),)
    cause = diagnose(Evidence(seen), Setting({}))
    assert cause is not None
    assert (cause.key, cause.changes) == ("unknown", ("env.PYTHONUTF8=1",))


def test_no_cure_is_offered_that_the_platform_rules_out() -> None:
    """Every change of every cure, on every device, launcher and trainer: the table of needs decides."""
    for device in ("cuda", "mps", "cpu", None):
        for launcher in ("accelerate", "python"):
            platform = Platform(device, launcher, frozenset() if device is None else None)
            setting = Setting({}, device=device, runs_on=platform)
            for entry in EVERY:
                for one in entry.fixes:
                    for change in next_cure((one,), setting).changes:
                        assert not ruled_out(change, platform), (entry.key, change, platform)
                        assert all(map(platform.meets, needs_of(change)))


@pytest.mark.parametrize(
    ("change", "platform"),
    [
        ("optimizer_type=AdamW8bit", Platform("cpu")),
        ("optimizer_type=PagedAdamW", Platform("mps")),
        ("optimizer_type=AdamW8bit", Platform("cuda", failures=frozenset())),
        ("xformers=true", Platform("mps")),
        ("install.bitsandbytes", Platform("cpu")),
        ("install.xformers", Platform("mps")),
        ("mixed_precision=fp16", Platform("cpu")),
        ("lowram=true", Platform(None)),
        ("env.PYTORCH_MPS_HIGH_WATERMARK_RATIO=0.0", Platform("cuda")),
        ("accelerate.num_processes=1", Platform(launcher="python")),
        ("no_half_vae=true", Platform(flags=frozenset({"vae"}))),
        ("network_module=networks.lora", Platform(script="flux_train_network.py")),
    ],
)
def test_what_rules_a_change_out(change: str, platform: Platform) -> None:
    assert ruled_out(change, platform)


def test_what_is_not_known_rules_out_no_more_than_a_device() -> None:
    for change in ("sdpa=true", "accelerate.num_processes=1", "network_module=networks.lora"):
        assert not ruled_out(change, Platform())
    assert not ruled_out("v2=false", Platform(flags=frozenset()))
    assert not ruled_out("network_module=networks.lora", Platform(script="own_wrapper.py"))


def test_a_cause_that_names_its_device_needs_no_line_of_the_trainer() -> None:
    cause = cause_of(entry_of("mps_operator_missing"), "x")
    assert cause.changes == ("env.PYTORCH_ENABLE_MPS_FALLBACK=1",)
    assert cause_of(entry_of("mps_operator_missing"), "x", Setting({}, device="cpu")).changes == ()


def test_advice_for_one_device_is_left_out_on_another() -> None:
    on_cuda = cause_of(entry_of("bitsandbytes_cuda_mismatch"), "x", Setting({}, device="cuda"))
    on_cpu = cause_of(entry_of("bitsandbytes_cuda_mismatch"), "x", Setting({}, device="cpu"))
    assert "reinstall bitsandbytes" in on_cuda.advice
    assert "reinstall" not in on_cpu.advice


def test_a_port_in_use_is_answered_with_the_next_one_never_with_0() -> None:
    """Port 0 makes the processes of accelerate 1.6 wait for each other for ever."""
    entry = entry_of("port_in_use")
    assert next_cure(entry.fixes, NOT_KNOWN).changes == ("accelerate.main_process_port=29501",)
    chosen = Setting({}, {"main_process_port": "40000"})
    assert next_cure(entry.fixes, chosen).changes == ("accelerate.main_process_port=40001",)
    assert next_cure(entry.fixes, Setting({}, runs_on=Platform(launcher="python"))).changes == ()


def test_a_vae_in_full_precision_already_is_not_offered_again() -> None:
    assert next_cure(entry_of("nan_latents").fixes, Setting({})).changes == ()
    half = Setting({"mixed_precision": "fp16"})
    assert next_cure(entry_of("nan_latents").fixes, half).changes == ("no_half_vae=true",)


@pytest.mark.parametrize(
    ("script", "module"),
    [
        ("train_network.py", "networks.lora"),
        ("flux_train_network.py", "networks.lora_flux"),
        ("sd3_train_network.py", "networks.lora_sd3"),
    ],
)
def test_a_network_that_does_not_know_the_base_model_has_a_cause(script: str, module: str) -> None:
    text = (
        "Cannot auto-detect architecture for LyCORIS. Module classes found: ['Attention', 'Conv2d']"
    )
    seen = (ExceptionSeen(0, "ValueError", text, ("detect_arch_config",)),)
    command = ("python", script, "--network_module=networks.loha")
    cause = diagnose(Evidence(seen), setting_of(AttemptPlan(1, command, {}, "/", None, None)))
    assert cause is not None and cause.key == "base_model_architecture_mismatch"
    assert cause.changes == (f"network_module={module}",)
    assert "LoHa and LoKr" in cause.advice


def test_gradient_checkpointing_saves_main_memory_only_where_the_model_lies_in_it() -> None:
    change = ("gradient_checkpointing=true",)
    for device, helps in (("cpu", True), ("mps", True), ("cuda", False), (None, False)):
        assert (change in offers("host_out_of_memory", Setting({}, device=device))) is helps
