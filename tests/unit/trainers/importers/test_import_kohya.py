"""kohya_ss configurations: every field becomes the flag that kohya_ss would have made of it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from runner.config.catalog import Catalog, Flag
from runner.trainers.sd_scripts.importers.model import ImportRefused
from tests import DATA
from tests.unit.trainers.importers.import_context import Desk, arguments

DATA = DATA / "import"


@pytest.fixture
def desk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Desk:
    home, project = tmp_path / "home", tmp_path / "home" / "project"
    project.mkdir(parents=True)
    monkeypatch.setenv("HOME", str(home))
    checkout = home / "kohya_ss" / "sd-scripts"
    checkout.mkdir(parents=True)
    (checkout / "train_network.py").write_text("x = 1\n")
    (home / "kohya_ss" / "venv" / "bin").mkdir(parents=True)
    (home / "kohya_ss" / "venv" / "bin" / "python").touch()
    return Desk(home, project, {})


def flags(desk: Desk, **fields: Any) -> dict[str, str]:
    """The script's flags of a configuration with these fields, by name."""
    made = desk.imported(json.dumps({"LoRA_type": "Standard", **fields}), "gui.json")
    words = " ".join(arguments(desk.command(made)))
    pairs = [word.partition(" ") for word in words.removeprefix("--").split(" --")]
    return {
        name.partition("=")[0]: name.partition("=")[2] + rest
        for name, _, rest in pairs
        if not name.startswith("network_module")
    }


def test_a_whole_configuration(desk: Desk) -> None:
    made = desk.imported((DATA / "kohya.json").read_text(), "gui.json")
    config = desk.config(made)
    assert dict(config.train) == {
        "pretrained_model_name_or_path": "/models/base.safetensors",
        "train_data_dir": str(desk.project / "img"),
        "resolution": "512,512",
        "train_batch_size": 2,
        "enable_bucket": True,
        "bucket_reso_steps": 64,
        "cache_latents": True,
        "caption_extension": ".txt",
        "keep_tokens": 1,
        "output_dir": str(desk.home / "out"),
        "output_name": "spyke",
        "save_every_n_epochs": 1,
        "save_precision": "fp16",
        "max_train_epochs": 4,
        "gradient_accumulation_steps": 1,
        "seed": 1234,
        "network_alpha": 16,
        "network_dim": 32,
        "network_module": "networks.lora",
        "network_args": ("conv_dim=16", "conv_alpha=8", "down_lr_weight=1,0,1", "rank_dropout=0.1"),
        "learning_rate": 5e-05,
        "unet_lr": 0.0001,
        "text_encoder_lr": (5e-05, 5e-05),
        "lr_scheduler": "cosine",
        "lr_scheduler_num_cycles": 4,
        "lr_warmup_steps": 0.1,
        "optimizer_type": "AdamW8bit",
        "optimizer_args": ("weight_decay=0.1", "betas=.9,.99"),
        "noise_offset": 0.05,
        "adaptive_noise_scale": 0.005,
        "clip_skip": 2,
        "mixed_precision": "fp16",
        "sdpa": True,
        "max_data_loader_n_workers": 0,
        "max_timestep": 1000,
        "logging_dir": str(desk.project / "logs"),
        "sample_every_n_steps": 100,
        "sample_prompts": str(desk.project / "sample_prompts.txt"),
        "lowram": True,
        "log_prefix": "x_",
    }
    assert config.accelerate == {
        "dynamo_backend": "no",
        "gpu_ids": 0,
        "num_cpu_threads_per_process": 2,
        "num_processes": 1,
        "same_network": True,
    }
    kohya = desk.home / "kohya_ss"
    assert config.trainer.sd_scripts == kohya / "sd-scripts"
    assert config.trainer.python == str(kohya / "venv/bin/python")
    prompts = (desk.project / "sample_prompts.txt").read_text()
    assert prompts == "a knight --w 512\na mage\n"
    assert made.unmapped == ("some_new_field = x: not a known flag",)


def test_a_field_that_the_trainer_has_a_flag_for_is_taken_over(desk: Desk) -> None:
    names = ("some_new_field", "network_module", "max_train_steps")
    known = Desk(desk.home, desk.project, {}, Catalog(map(Flag, names)))
    made = known.imported('{"LoRA_type": "Standard", "some_new_field": 3, "other": 1}', "g.json")
    assert known.config(made).train == {"some_new_field": 3, "network_module": "networks.lora"}
    assert made.unmapped == ("other = 1: not a flag of this trainer",)


@pytest.mark.parametrize(
    ("fields", "script"),
    [
        ({}, "train_network.py"),
        ({"sdxl": True}, "sdxl_train_network.py"),
        ({"flux1_checkbox": True}, "flux_train_network.py"),
        ({"sd3_checkbox": True}, "sd3_train_network.py"),
        ({"hunyuan_image_checkbox": True}, "hunyuan_image_train_network.py"),
        ({"anima_checkbox": True}, "anima_train_network.py"),
        ({"lumina_checkbox": True}, "lumina_train_network.py"),
    ],
)
def test_the_model_chooses_the_script(desk: Desk, fields: dict[str, Any], script: str) -> None:
    made = desk.imported(json.dumps({"LoRA_type": "Standard", **fields}), "gui.json")
    assert Path(desk.config(made).trainer.script).name == script


@pytest.mark.parametrize(
    ("fields", "told"),
    [
        ({"seed": 0, "save_last_n_steps": 0, "max_timestep": 0, "clip_skip": 0}, {}),
        ({"vae": "", "v2": False, "resume": None}, {}),
        ({"max_token_length": "75"}, {}),
        ({"max_token_length": "150"}, {"max_token_length": "150"}),
        ({"max_train_epochs": 2, "max_train_steps": 9, "epoch": 3},
         {"max_train_epochs": "2", "lr_scheduler_num_cycles": "3"}),
        ({"max_train_epochs": "", "max_train_steps": "9", "epoch": 1}, {"max_train_steps": "9"}),
        ({"epoch": 1, "dataset_config": "/d.toml"}, {"dataset_config": "/d.toml"}),
        ({"lr_warmup": 10, "lr_warmup_steps": 7}, {"lr_warmup_steps": "7"}),
        ({"lr_warmup": "5"}, {"lr_warmup_steps": "0.05"}),
        ({"unet_lr": "1e-4", "text_encoder_lr": 0},
         {"unet_lr": "1e-4", "network_train_unet_only": ""}),
        ({"unet_lr": 0, "text_encoder_lr": 1e-05},
         {"text_encoder_lr": "1e-05 1e-05", "network_train_text_encoder_only": ""}),
        ({"unet_lr": 0.1, "text_encoder_lr": 0.2, "t5xxl_lr": 0.3},
         {"unet_lr": "0.1", "text_encoder_lr": "0.2 0.3"}),
        ({"xformers": True}, {"xformers": ""}),
        ({"xformers": "none"}, {}),
        ({"xformers": "xformers"}, {"xformers": ""}),
        ({"sdxl_no_half_vae": True}, {}),
        ({"sdxl": True, "sdxl_no_half_vae": True, "sdxl_cache_text_encoder_outputs": True},
         {"no_half_vae": "", "cache_text_encoder_outputs": ""}),
        ({"noise_offset_type": "Multires", "noise_offset": 0.1, "multires_noise_iterations": 6},
         {"multires_noise_iterations": "6"}),
        ({"noise_offset": "0.1"}, {"noise_offset": "0.1"}),
        ({"use_8bit_adam": True, "use_wandb": True},
         {"optimizer_type": "AdamW8bit", "log_with": "wandb"}),
        ({"lora_network_weights": "/w.safetensors", "caption_extention": ".cap"},
         {"network_weights": "/w.safetensors", "caption_extension": ".cap"}),
        ({"flux1_checkbox": True, "clip_l": "/c", "guidance_scale": 1.0, "model_type": "flux",
          "flux1_cache_text_encoder_outputs": True, "max_token_length": 225},
         {"clip_l": "/c", "guidance_scale": "1", "cache_text_encoder_outputs": ""}),
        ({"flux1_checkbox": True, "model_type": "chroma"}, {"model_type": "chroma"}),
        ({"sd3_checkbox": True, "sd3_clip_l": "/c", "clip_l": "/no", "sd3_t5_dropout_rate": 0.1},
         {"clip_l": "/c", "t5_dropout_rate": "0.1"}),
        ({"anima_checkbox": True, "vae": "/no", "anima_vae": "/a", "anima_attn_mode": "torch",
          "clip_skip": 2}, {"vae": "/a"}),
        ({"lumina_checkbox": True, "lumina_ae": "/a", "ae": "/no"}, {"ae": "/a"}),
        ({"hunyuan_image_checkbox": True, "hunyuan_image_cache_text_encoder_outputs": True,
          "hunyuan_byt5": "/b"},
         {"cache_text_encoder_outputs": "", "byt5": "/b", "network_train_unet_only": ""}),
        ({"train_inpainting": True, "cache_latents": True}, {"train_inpainting": ""}),
        ({"additional_parameters": "--seed 7 --lowram"}, {"seed": "7", "lowram": ""}),
        ({"network_dim": 8.5, "scale_weight_norms": 1.0},
         {"network_dim": "8.5", "scale_weight_norms": "1"}),
    ],
)  # fmt: skip
def test_a_special_field(desk: Desk, fields: dict[str, Any], told: dict[str, str]) -> None:
    assert flags(desk, **fields) == told


@pytest.mark.parametrize(
    ("fields", "module", "arguments_"),
    [
        ({"LoRA_type": "Standard", "rank_dropout": 0}, "networks.lora", ()),
        ({"LoRA_type": "Standard", "sd3_checkbox": True}, "networks.lora_sd3", ()),
        ({"LoRA_type": "Standard", "block_dims": "2,4", "loraplus_lr_ratio": 16},
         "networks.lora", ("block_dims=2,4", "loraplus_lr_ratio=16")),
        ({"LoRA_type": "LoRA-FA", "module_dropout": 0.2}, "networks.lora_fa", ("module_dropout=0.2",)),
        ({"LoRA_type": "Kohya DyLoRA", "conv_dim": 4, "conv_alpha": 1, "unit": 2}, "networks.dylora",
         ("conv_dim=4", "conv_alpha=1", "unit=2")),
        ({"LoRA_type": "Kohya LoHa", "sdxl": True, "conv_dim": 0, "use_tucker": True},
         "networks.loha", ("use_tucker=True",)),
        ({"LoRA_type": "Kohya LoKr", "conv_dim": 4, "conv_alpha": 2, "factor": 8},
         "networks.lokr", ("conv_dim=4", "conv_alpha=2", "factor=8")),
        ({"LoRA_type": "Flux1", "flux1_checkbox": True, "split_qkv": True, "img_attn_dim": "4",
          "train_lora_ggpo": True, "ggpo_sigma": 0.03}, "networks.lora_flux",
         ("ggpo_sigma=0.03", "split_qkv=True", "img_attn_dim=4")),
        ({"LoRA_type": "LoCon", "conv_dim": 4}, "lycoris.kohya",
         ("preset=full", "conv_dim=4", "conv_alpha=1", "use_tucker=False", "rank_dropout=0",
          "bypass_mode=False", "dora_wd=False", "module_dropout=0", "use_scalar=False",
          "rank_dropout_scale=False", "train_norm=False", "algo=locon")),
        ({"LoRA_type": "LyCORIS/iA3", "LyCORIS_preset": "attn-mlp", "train_on_input": False},
         "lycoris.kohya",
         ("preset=attn-mlp", "conv_dim=1", "conv_alpha=1", "train_on_input=False", "algo=ia3")),
        ({"LoRA_type": "LyCORIS/iA3"}, "lycoris.kohya",
         ("preset=full", "conv_dim=1", "conv_alpha=1", "train_on_input=True", "algo=ia3")),
    ],
)  # fmt: skip
def test_the_lora_type_chooses_module_and_arguments(
    desk: Desk, fields: dict[str, Any], module: str, arguments_: tuple[str, ...]
) -> None:
    train = desk.config(desk.imported(json.dumps(fields), "gui.json")).train
    assert train["network_module"] == module
    assert train.get("network_args", ()) == arguments_


def test_an_unknown_lora_type_is_listed(desk: Desk) -> None:
    made = desk.imported('{"LoRA_type": "New", "network_dim": 4}', "gui.json")
    assert made.unmapped == ("LoRA_type = New: unknown; set network_module yourself",)


def test_relative_paths_are_looked_for_beside_the_file_and_in_kohya_ss(desk: Desk) -> None:
    (desk.home / "kohya_ss" / "test" / "img").mkdir(parents=True)
    made = desk.imported('{"LoRA_type": "Standard", "train_data_dir": "./test/img"}', "gui.json")
    assert desk.config(made).train["train_data_dir"] == str(desk.home / "kohya_ss/test/img")


def test_an_existing_prompt_file_is_left_alone(desk: Desk) -> None:
    (desk.project / "sample_prompts.txt").write_text("mine\n")
    desk.config(desk.imported((DATA / "kohya.json").read_text(), "gui.json"))
    assert (desk.project / "sample_prompts.txt").read_text() == "mine\n"


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ('{"a": 1}', "is not a LoRA configuration of kohya_ss (no LoRA_type in it)"),
        ("[1, 2]", "is not a LoRA configuration of kohya_ss"),
        (
            '{"LoRA_type": "x",\n "a": }',
            "gui.json:2: not valid JSON (Expecting value); save it again",
        ),
        ("", "gui.json:1: not valid JSON"),
        ("[" * 100_000, "not valid JSON"),
    ],
)
def test_another_json_is_refused_in_one_sentence(desk: Desk, text: str, said: str) -> None:
    with pytest.raises(ImportRefused) as caught:
        desk.imported(text, "gui.json")
    assert said in str(caught.value)
    assert "\n" not in str(caught.value)
