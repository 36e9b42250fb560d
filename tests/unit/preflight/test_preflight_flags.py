"""What preflight finds in flags alone. Each refusal was seen with the real loop of sd-scripts."""

from __future__ import annotations

import sys

import pytest

from runner.preflight.checks.machine import judge_shared
from runner.preflight.facts import Facts
from tests.unit.preflight import preflight_models as models
from tests.unit.preflight.preflight_project import Project, project_fixture

SD = 'sd_scripts = "sd"'
RATE = "learning_rate = 1e-4"


project = project_fixture()


@pytest.mark.parametrize(
    ("check", "train", "evidence", "cure"),
    [
        ("combinations", "full_fp16 = true", "full_fp16 alone", "full_fp16 is removed"),
        ("combinations", "full_bf16 = true", "full_bf16 alone", "full_bf16 is removed"),
        ("combinations", "fp8_base = true", "fp8_base alone", "fp8_base is removed"),
        ("combinations", "adaptive_noise_scale = 0.1", "noise_offset missing", "adaptive_noise"),
        (
            "combinations", "scale_v_pred_loss_like_noise_pred = true", "v_parameterization",
            "scale_v_pred_loss_like_noise_pred is removed",
        ),
        (
            "combinations", "v_pred_like_loss = 0.5\nv_parameterization = true", "v_pred_like_loss",
            "v_pred_like_loss is removed",
        ),
        (
            "combinations", 'use_8bit_adam = true\noptimizer_type = "AdamW"', "two optimizers",
            "use_8bit_adam is removed",
        ),
        (
            "combinations", 'use_lion_optimizer = true\noptimizer_type = "AdamW"', "two optimizers",
            "use_lion_optimizer is removed",
        ),
        ("combinations", "fused_backward_pass = true", "fused_backward_pass", "fused_backward_pass"),
        (
            "combinations", "blocks_to_swap = 4\ncpu_offload_checkpointing = true", "blocks_to_swap",
            "cpu_offload_checkpointing is removed",
        ),
        (
            "combinations", "skip_until_initial_step = true\ngradient_accumulation_steps = 4",
            "skip + accumulation", "skip_until_initial_step is removed",
        ),
        ("combinations", "output_config = true", "output_config", "output_config is removed"),
        (
            "schedule", "lr_warmup_steps = 10", "warm-up ignored",
            'lr_scheduler = "constant_with_warmup"',
        ),
        (
            "schedule", 'lr_warmup_steps = 10\nlr_scheduler_type = "CosineAnnealingLR"',
            "warm-up ignored", "lr_warmup_steps is removed",
        ),
        (
            "schedule", 'lr_warmup_steps = 10\noptimizer_type = "Adafactor"\nlr_scheduler = "cosine"',
            "warm-up ignored", "lr_warmup_steps is removed",
        ),
        (
            "schedule", 'lr_scheduler = "adafactor"', "adafactor schedule",
            'lr_scheduler = "cosine"',
        ),
        (
            "learning_rate", "network_train_unet_only = true\nnetwork_train_text_encoder_only = true",
            "both left out", "network_train_text_encoder_only is removed",
        ),
        (
            "workers", "max_data_loader_n_workers = 0\npersistent_data_loader_workers = true",
            "no worker to keep", "persistent_data_loader_workers is removed",
        ),
        ("samples", "sample_every_n_steps = 10", "no prompts", "sample_every_n_steps is removed"),
        ("network", "", "no network_module", 'network_module = "networks.lora"'),
    ],
)  # fmt: skip
def test_flags_that_sd_scripts_refuses_fail_with_a_cure(
    project: Project, check: str, train: str, evidence: str, cure: str
) -> None:
    found = project.find(check, trainer=SD, train=train)
    assert found.status == "fail", found
    assert found.evidence.startswith(evidence)
    assert any(cure in line for line in found.cures[0].will_do), found.cures[0].will_do


@pytest.mark.parametrize(
    ("check", "train"),
    [
        ("combinations", 'mixed_precision = "fp16"\nfull_fp16 = true'),
        ("combinations", "adaptive_noise_scale = 0.1\nnoise_offset = 0.05"),
        ("combinations", "use_8bit_adam = true"),
        ("combinations", 'optimizer_type = "Adafactor"\nfused_backward_pass = true'),
        ("schedule", 'lr_scheduler = "cosine"\nlr_warmup_steps = 10'),
        ("schedule", 'lr_scheduler = "constant"\nlr_warmup_steps = 0'),
        ("schedule", 'optimizer_type = "RAdamScheduleFree"\nlr_warmup_steps = 10'),
        (
            "schedule",
            'optimizer_type = "Adafactor"\noptimizer_args = ["relative_step=False"]\n'
            'lr_scheduler = "constant_with_warmup"\nlr_warmup_steps = 10',
        ),
        ("learning_rate", "learning_rate = 1e-4"),
        ("learning_rate", "unet_lr = 1e-4\ntext_encoder_lr = 0"),
        ("learning_rate", "network_train_unet_only = true\nunet_lr = 1e-4"),
        ("learning_rate", 'optimizer_type = "Prodigy"\nlearning_rate = 1.0'),
        ("samples", ""),
        ("network", 'network_module = "networks.lora"'),
    ],
)
def test_flags_that_fit_pass(project: Project, check: str, train: str) -> None:
    found = project.find(check, trainer=SD, train=train)
    assert found.status == "pass", found


@pytest.mark.parametrize(
    "train",
    [
        "learning_rate = 0",
        "learning_rate = 1e-4\nunet_lr = 0\ntext_encoder_lr = 0",
        "network_train_unet_only = true\nunet_lr = 0.0",
        "network_train_text_encoder_only = true\ntext_encoder_lr = [0, 0]",
    ],
)
def test_a_rate_of_zero_for_all_that_is_trained_fails(project: Project, train: str) -> None:
    found = project.find("learning_rate", trainer=SD, train=train)
    assert (found.status, found.evidence) == ("fail", "all rates are 0")


@pytest.mark.parametrize(
    ("train", "evidence"),
    [
        ("", "not set"),
        ("learning_rate = 1.0", "very high"),
        ('learning_rate = 1e-4\noptimizer_type = "Prodigy"', "too low for it"),
    ],
)
def test_a_strange_rate_is_a_warning(project: Project, train: str, evidence: str) -> None:
    found = project.find("learning_rate", trainer=SD, train=train)
    assert (found.status, found.evidence) == ("warn", evidence)


def test_several_broken_rules_are_all_told_and_cured_together(project: Project) -> None:
    found = project.find("combinations", trainer=SD, train="full_fp16 = true\nfp8_base = true")
    assert found.evidence == "full_fp16 alone +1"
    assert "full_fp16 needs" in found.detail and "fp8_base needs" in found.detail
    assert {"[train] full_fp16 is removed", "[train] fp8_base is removed"} <= set(
        found.cures[0].will_do
    )


def test_latents_of_moving_images_cannot_be_cached(project: Project) -> None:
    project.write_dataset(train="color_aug = true")
    assert project.find("caching", trainer=SD).evidence == "nothing cached"
    found = project.find("caching", trainer=SD, train="cache_latents = true")
    assert (found.status, found.evidence) == ("fail", "latents and crops")
    assert "color_aug = false" in found.cures[0].will_do
    project.write_dataset()
    train = "cache_latents_to_disk = true"
    assert project.find("caching", trainer=SD, train=train).evidence == "latents cached"


def test_text_outputs_of_varied_captions_cannot_be_cached(project: Project) -> None:
    (project.root / "sd/sdxl_train_network.py").write_text("pass\n")
    where = f'{SD}\nscript = "sdxl_train_network.py"'
    train = "cache_text_encoder_outputs = true"
    project.write_dataset(general="shuffle_caption = true")
    found = project.find("caching", trainer=where, train=train)
    assert (found.status, found.evidence) == ("fail", "captions vary")
    project.write_dataset()
    found = project.find("caching", trainer=where, train=train)
    assert (found.status, found.evidence) == ("fail", "text encoder trains")
    train += "\nnetwork_train_unet_only = true"
    assert project.find("caching", trainer=where, train=train).status == "pass"


@pytest.mark.parametrize(
    ("name", "text", "problem"),
    [
        ("p.txt", "a cat\n", None),
        ("p.txt", "# only a remark\n\n", "has no prompts"),
        ("p.TXT", "a cat\n", "must end in .txt"),
        ("p.json", '[{"prompt": "a cat"}]', None),
        ("p.json", "{", "has no prompts"),
        ("p.toml", '[prompt]\n[[prompt.subset]]\nprompt = "a cat"\n', None),
        ("p.toml", "[prompt]\n", "has no prompts"),
        ("p.txt", None, "no longer exists"),
    ],
)
def test_the_file_of_prompts_is_read(
    project: Project, name: str, text: str | None, problem: str | None
) -> None:
    if text is not None:
        (project.root / name).write_text(text)
    train = f'sample_every_n_epochs = 1\nsample_prompts = "{name}"'
    found = project.find("samples", trainer=SD, train=train)
    assert found.status == ("fail" if problem else "pass"), found
    assert (problem or "Samples are drawn") in found.detail


def test_prompts_without_a_time_are_a_warning(project: Project) -> None:
    found = project.find("samples", trainer=SD, train='sample_prompts = "p.txt"')
    assert (found.status, found.evidence) == ("warn", "never drawn")


def test_the_network_must_be_one_for_the_script(project: Project) -> None:
    (project.root / "sd/flux_train_network.py").write_text("pass\n")
    where = f'{SD}\nscript = "flux_train_network.py"'
    found = project.find("network", trainer=where, train='network_module = "networks.lora"')
    assert (found.status, found.advice) == ("warn", 'network_module = "networks.lora_flux"')
    assert project.find(
        "network", trainer=where, train='network_module = "lycoris.kohya"'
    ).status == ("pass")


def test_weights_to_begin_with_have_the_rank_of_the_network(project: Project) -> None:
    models.write(project.root / "old.safetensors", models.lora(8))
    train = 'network_module = "networks.lora"\nnetwork_weights = "old.safetensors"\n'
    found = project.find("network", trainer=SD, train=train + "network_dim = 4")
    assert (found.status, found.evidence) == ("fail", "rank 8, not 4")
    assert project.find("network", trainer=SD, train=train + "network_dim = 8").status == "pass"
    assert project.find("network", trainer=SD, train=train + "dim_from_weights = true").status == (
        "pass"
    )
    models.write(project.root / "old.safetensors", models.lora(8), cut=1)
    assert project.find("network", trainer=SD, train=train).evidence == "incomplete"


def test_little_shared_memory_is_a_warning(project: Project) -> None:
    facts = Facts(project.config(trainer=SD, train="persistent_data_loader_workers = true"))
    assert judge_shared(facts, 8, 10**9) is None
    found = judge_shared(facts, 8, 64_000_000)
    assert found is not None and (found.status, found.evidence) == ("warn", "little /dev/shm")
    assert "persistent_data_loader_workers is removed" in str(found.curable(facts, "workers").cures)


def test_flags_of_a_config_file_count_and_the_command_line_wins(project: Project) -> None:
    (project.root / "more.toml").write_text(
        "full_fp16 = true\n[optimizer]\nlearning_rate = 0.0\nunet_lr = 1e-4\n"
    )
    train = f'config_file = "{project.root}/more.toml"'
    assert project.find("combinations", trainer=SD, train=train).evidence == "full_fp16 alone"
    assert project.find("learning_rate", trainer=SD, train=train).status == "pass"
    found = project.find("learning_rate", trainer=SD, train=f"{train}\nunet_lr = 0")
    assert found.evidence == "all rates are 0"
    found = project.find("combinations", trainer=SD, train=train)
    assert found.cures == (), "it does not stand in plasma.toml, so it cannot be taken out there"


def test_a_config_file_that_is_not_there_fails(project: Project) -> None:
    found = project.find("flag_names", trainer=SD, train='config_file = "none"')
    assert (found.status, found.evidence) == ("fail", "no config_file")
    assert f"{project.root}/none.toml" in found.detail
    (project.root / "none.toml").write_text("a = \n")
    found = project.find("flag_names", trainer=SD, train='config_file = "none"')
    assert (found.status, found.evidence) == ("fail", "config_file unread")


ARGPARSE = """
import argparse
def setup_parser():
    parser = argparse.ArgumentParser()
    parser.add_argument("--max_train_epochs", type=int)
    parser.add_argument("--output_dir")
    parser.add_argument("--output_name")
    parser.add_argument("--dataset_config")
    parser.add_argument("--config_file")
    parser.add_argument("--seed", type=int)
    return parser
if __name__ == "__main__":
    setup_parser().parse_args()
"""


def test_every_flag_is_held_against_the_script(project: Project) -> None:
    (project.root / "sd/train_network.py").write_text(ARGPARSE)
    own = f'{SD}\npython = "{sys.executable}"'
    assert project.find("flag_names", trainer=own, train="seed = 1").status == "pass"
    found = project.find("flag_names", trainer=own, train="sed = 1")
    assert (found.status, found.evidence) == ("fail", "1 error")
    assert "sed is not a flag of this trainer; did you mean seed?" in found.detail
    (project.root / "more.toml").write_text("sede = 3\n")
    found = project.find("flag_names", trainer=own, train='config_file = "more"')
    assert (found.status, found.evidence) == ("warn", "1 ignored")
    (project.root / "more.toml").write_text('seed = "three"\n')
    found = project.find("flag_names", trainer=own, train='config_file = "more"')
    assert found.status == "fail" and "more.toml:1: seed is text" in found.detail
