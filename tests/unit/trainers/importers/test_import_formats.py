"""Configurations of windows around sd-scripts, and files of other programs, which are named."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from runner.trainers.sd_scripts.importers.files import import_file
from runner.trainers.sd_scripts.importers.model import ImportRefused
from runner.trainers.sd_scripts.importers.safe_yaml import YamlError, parse_yaml
from tests.unit.trainers.importers.import_context import Desk


@pytest.fixture
def desk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Desk:
    home, project = tmp_path / "home", tmp_path / "home" / "project"
    project.mkdir(parents=True)
    monkeypatch.setenv("HOME", str(home))
    (home / "sd-scripts").mkdir()
    (home / "sd-scripts" / "train_network.py").write_text("x = 1\n")
    return Desk(home, project, {})


def flags(desk: Desk, text: str, name: str) -> tuple[str, dict[str, Any]]:
    config = desk.config(desk.imported(text, name))
    here = f"{desk.project}/"
    train = {n: v.removeprefix(here) if isinstance(v, str) else v for n, v in config.train.items()}
    return Path(config.trainer.script).name, train


LORA_SCRIPTS = {
    "model_train_type": "sdxl-lora", "pretrained_model_name_or_path": "./sd-models/a.safetensors",
    "resume": "", "vae": "", "train_data_dir": "./train/aki", "reg_data_dir": "", "resolution": "1024,1024",
    "output_name": "aki", "output_dir": "./output", "max_train_epochs": 10, "learning_rate": "1e-4",
    "unet_lr": "1e-4", "lr_warmup_steps": 0, "optimizer_type": "Prodigy", "prodigy_d0": "",
    "prodigy_d_coef": "2.0", "optimizer_args_custom": ["decouple=True"], "network_module": "lycoris.kohya",
    "network_dim": 16, "network_args_custom": [], "enable_block_weights": False,
    "down_lr_weight": "1,1", "lycoris_algo": "lokr", "conv_dim": 4, "lokr_factor": 8, "train_norm": False,
    "enable_preview": False, "positive_prompts": "a girl", "sample_sampler": "euler_a", "sample_width": 512,
    "enable_base_weight": True, "base_weights": "/a.safetensors\n/b.safetensors\n", "gpu_ids": ["0", "1"],
    "xformers": True, "lowram": False, "ui_custom_params": "",
}  # fmt: skip
IMPORTED = {
    "pretrained_model_name_or_path": "sd-models/a.safetensors", "train_data_dir": "train/aki",
    "resolution": "1024,1024", "output_name": "aki", "output_dir": "output", "max_train_epochs": 10,
    "learning_rate": "1e-4", "unet_lr": "1e-4", "lr_warmup_steps": 0, "optimizer_type": "Prodigy",
    "optimizer_args": ("d_coef=2.0", "decouple=True"), "network_module": "lycoris.kohya", "network_dim": 16,
    "network_args": ("algo=lokr", "conv_dim=4", "factor=8"), "xformers": True,
    "base_weights": ("/a.safetensors", "/b.safetensors"),
}  # fmt: skip


def test_a_configuration_of_lora_scripts_is_read_by_its_own_rules(desk: Desk) -> None:
    script, train = flags(desk, json.dumps(LORA_SCRIPTS), "aki.json")
    assert (script, train) == ("sdxl_train_network.py", IMPORTED)
    made = desk.imported(json.dumps(LORA_SCRIPTS), "aki.json")
    assert desk.config(made).accelerate == {"gpu_ids": "0,1"}
    assert any("a configuration of lora-scripts" in note for note in made.notes)


def test_prompts_of_lora_scripts_become_a_file(desk: Desk) -> None:
    values = {**LORA_SCRIPTS, "enable_preview": True, "negative_prompts": "bad"}
    made = desk.imported(json.dumps(values), "aki.json")
    assert [(file.name, file.text) for file in made.files] == [
        ("sample_prompts.txt", "a girl --n bad --w 512\n")
    ]
    train = desk.config(made).train
    assert train["sample_prompts"] == str(desk.project / "sample_prompts.txt")
    assert train["sample_sampler"] == "euler_a"


def test_the_json_of_the_first_easy_scripts_is_renamed(desk: Desk) -> None:
    values = {"pretrained_model_name_or_path": "/m.ckpt", "img_folder": "/img", "net_dim": 32, "alpha": 16.0,
              "scheduler": "cosine", "warmup_lr_ratio": 0.05, "num_epochs": 3, "save_json_folder": None,
              "buckets": True, "reg_img_folder": None, "unet_only": False}  # fmt: skip
    script, train = flags(desk, json.dumps(values), "easy.json")
    assert script == "train_network.py"
    assert train == {
        "pretrained_model_name_or_path": "/m.ckpt", "train_data_dir": "/img", "network_dim": 32,
        "network_alpha": 16.0, "lr_scheduler": "cosine", "lr_warmup_steps": 0.05, "max_train_epochs": 3,
        "enable_bucket": True,
    }  # fmt: skip


@pytest.mark.parametrize(
    ("text", "script", "module", "arguments"),
    [
        ("[a.args]\noutput_name = 'x'\nfa = true\n", "train_network.py", "networks.lora_fa", None),
        ("[a.args]\nsdxl = true\n[n.args.network_args]\nconv_dim = 4\nalgo = 'loha'\npreset = ''\n",
         "sdxl_train_network.py", "lycoris.kohya", ("conv_dim=4", "algo=loha")),
        ("[a.args]\nseed = 1\n[n.args.network_args]\nunit = 4\ndown_lr_weight = [1, 0.5]\n",
         "train_network.py", "networks.dylora", ("unit=4", "down_lr_weight=1,0.5")),
        ("[flux_args.args]\nguidance_scale = 1.0\nae = '/a'\n[o.args.optimizer_args]\nx = 'true'\n",
         "flux_train_network.py", "networks.lora_flux", None),
        ("[anima_args.args]\nqwen3 = '/q'\n[o.args.optimizer_args]\nx = 'true'\n",
         "anima_train_network.py", "networks.lora_anima", None),
    ],
)  # fmt: skip
def test_the_easy_scripts_choose_script_and_network(
    desk: Desk, text: str, script: str, module: str, arguments: object
) -> None:
    found, train = flags(desk, text, "easy.toml")
    assert (found, train["network_module"], train.get("network_args")) == (
        script,
        module,
        arguments,
    )
    assert train.get("optimizer_args") in (None, ("x=True",))


def test_the_easy_scripts_warm_up_over_a_share_of_all_steps(desk: Desk) -> None:
    start = "[a.args]\noptimizer_type='Came'\nwarmup_ratio = 0.1\nlr_scheduler_num_cycles=2\nlowram=false\n"
    _, train = flags(desk, start, "easy.toml")
    assert (train["lr_warmup_steps"], train["lr_scheduler_num_cycles"]) == (0.1, 2)
    assert train["optimizer_type"] == "LoraEasyCustomOptimizer.came.CAME"
    assert "lowram" not in train
    made = desk.imported(f"{start}lr_scheduler_type = 'a.Rex'\n", "easy.toml")
    assert [text.partition(":")[0] for text in made.unmapped] == [
        "warmup_ratio = 0.1", "lr_scheduler_num_cycles = 2",
    ]  # fmt: skip


def test_settings_of_civitai_are_renamed(desk: Desk) -> None:
    values = {
        "engine": "kohya",
        "unetLR": 0.0005,
        "networkDim": 32,
        "numRepeats": 3,
        "enableBucket": True,
    }
    _, train = flags(desk, json.dumps(values), "civitai.json")
    assert train == {"unet_lr": 0.0005, "network_dim": 32, "enable_bucket": True}


def test_flags_in_json_or_yaml_are_those_of_a_toml(desk: Desk) -> None:
    values = {"network_module": "networks.lora", "network_dim": 8, "learning_rate": 0.0001, "v2": False,
              "network_args": ["a=1"], "resume": None, "vae": "", "training": {"seed": 3}}  # fmt: skip
    told = {"network_module": "networks.lora", "network_dim": 8, "learning_rate": 0.0001,
            "network_args": ("a=1",), "seed": 3}  # fmt: skip
    made = desk.imported(json.dumps(values), "args.json")
    assert dict(desk.config(made).train) == told
    assert "empty, left out: vae" not in made.unmapped
    text = (
        "network_module: networks.lora  # the usual\nnetwork_dim: 8\nlearning_rate: 0.0001\nv2: no\n"
        "network_args:\n  - a=1\nresume: null\nvae: ''\ntraining:\n  seed: 3\n"
    )
    assert flags(desk, text, "args.yaml")[1] == told


@pytest.mark.parametrize(
    ("name", "text", "what"),
    [
        ("o.json", '{"training_method": "LORA", "model_type": "SDXL", "base_model_name": "x"}', "OneTrainer"),
        ("a.yaml", "job: extension\nconfig:\n  name: x\n  process:\n    - type: 'sd_trainer'\n", "ai-toolkit"),
        ("d.toml", "output_dir='x'\ndataset='d.toml'\nmicro_batch_size_per_gpu=1\n[model]\ntype='flux'\n",
         "diffusion-pipe"),
        ("e.toml", "resolutions = [512]\n[[directory]]\npath='/x'\n", "a dataset of diffusion-pipe"),
        ("m.toml", "dit='/d'\nvae='/v'\nnetwork_module='networks.lora_wan'\n", "musubi-tuner"),
        ("s.json", '{"--data_backend_config": "b.json", "--model_type": "lora"}', "SimpleTuner"),
        ("b.json", '[{"id": "x", "type": "local", "crop": true}]', "a dataset of SimpleTuner"),
        ("acc.yaml", "compute_environment: X\nnum_processes: 1\n", "config_file in \\[accelerate\\]"),
        ("w.json", '{"1": {"class_type": "KSampler", "inputs": {}}}', "ComfyUI workflow"),
        ("meta.json", '{"/a.png": {"caption": "x"}, "/b.png": {"caption": "y", "tags": "z"}}', "its in_json"),
        ("y.yaml", "a: |\n  block\n", "y.yaml has no training flags"),
        ("z.yaml", "network_module: &a x\nb: *a\n", "z.yaml:2: this YAML is not a list of settings"),
        ("m.bat", "python src\\musubi_tuner\\ltx2_train_network.py ^\n --network_dim 4\n", "for musubi-tuner"),
        ("m.sh", "accelerate launch wan_train_network.py --dit /d --network_module networks.lora_wan",
         "for musubi-tuner, another trainer"),
        ("d.py", "subprocess.run(['accelerate', 'launch', 'train_dreambooth_lora_sdxl.py',"
         " '--instance_data_dir=/i'])", "the command in .* is for a script of diffusers"),
        ("e.sh", "accelerate launch /x/examples/dreambooth/train_dreambooth.py --seed 1", "diffusers"),
        ("l.json", "[1, 2]", "not a LoRA configuration of kohya_ss"),
    ],
)  # fmt: skip
def test_another_format_is_named_with_what_to_give(
    desk: Desk, name: str, text: str, what: str
) -> None:
    with pytest.raises(ImportRefused, match=what) as caught:
        desk.imported(text, name)
    assert "; use " in str(caught.value)


def lora(desk: Desk, metadata: dict[str, str]) -> Path:
    tensor = {"dtype": "F16", "shape": [1], "data_offsets": [0, 2]}
    header = json.dumps({"__metadata__": metadata, "x": tensor}).encode()
    file = desk.project / "girl.safetensors"
    file.write_bytes(len(header).to_bytes(8, "little") + header + b"\0\0")
    return file


def test_a_lora_gives_the_settings_it_was_trained_with(desk: Desk) -> None:
    file = lora(
        desk,
        {
            "ss_network_module": "lycoris.kohya", "ss_network_dim": "16", "ss_network_alpha": "8.0",
            "ss_network_args": '{"algo": "lokr", "factor": "8"}', "ss_base_model_version": "sdxl_base_v1-0",
            "ss_optimizer": "bitsandbytes.optim.adamw.AdamW8bit(weight_decay=0.1,betas=(0.9, 0.99))",
            "ss_learning_rate": "0.0001", "ss_text_encoder_lr": "[1e-05, 1e-05]",
            "ss_resolution": "(1024, 1024)",
            "ss_num_epochs": "10", "ss_max_train_steps": "500", "ss_batch_size_per_device": "2",
            "ss_cache_latents": "True", "ss_full_fp16": "False", "ss_seed": "None", "ss_output_name": "girl",
            "ss_sd_model_name": "pony.safetensors", "ss_training_comment": "None", "ss_steps": "500",
            "ss_dataset_dirs": '{"5_girl": {"n_repeats": 5, "img_count": 20}}',
        },
    )  # fmt: skip
    made = import_file(file, context=desk.context())
    for name, value in (
        ("pretrained_model_name_or_path", "/m.safetensors"),
        ("dataset_config", "/d.toml"),
    ):
        assert f'# {name} = "..."  # missing: ' in made.config_text
        made = replace(
            made, config_text=made.config_text.replace(f'# {name} = "..."', f'{name} = "{value}"')
        )
    assert "5_girl (20 images, 5 repeats)" in made.config_text
    assert "trained on pony.safetensors" in made.config_text
    config = desk.config(made)
    assert Path(config.trainer.script).name == "sdxl_train_network.py"
    assert dict(config.train) == {
        "pretrained_model_name_or_path": "/m.safetensors", "dataset_config": "/d.toml",
        "network_module": "lycoris.kohya", "network_dim": 16, "network_alpha": 8,
        "network_args": ("algo=lokr", "factor=8"), "optimizer_type": "AdamW8bit",
        "optimizer_args": ("weight_decay=0.1", "betas=(0.9,0.99)"), "learning_rate": 0.0001,
        "text_encoder_lr": (1e-05, 1e-05), "resolution": "1024,1024", "max_train_epochs": 10,
        "train_batch_size": 2, "cache_latents": True, "output_name": "girl",
        "output_dir": str(desk.project / "output"),
    }  # fmt: skip


def test_weights_without_settings_are_named(desk: Desk) -> None:
    with pytest.raises(
        ImportRefused, match="holds no settings of a training with sd-scripts; use the script"
    ):
        import_file(lora(desk, {"format": "pt"}), context=desk.context())


def test_yaml_keeps_numbers_as_written_and_refuses_what_can_do_harm() -> None:
    text = "a: 1\nb:\n- x: 1e-4\n  y: [1, 'z']\nc: \"#no\" # yes\n'd e': ~\nf: 2024-01-01\n"
    assert parse_yaml(text) == {
        "a": 1, "b": [{"x": "1e-4", "y": [1, "z"]}], "c": "#no", "d e": None, "f": "2024-01-01"
    }  # fmt: skip
    nested = "".join(" " * level + "a:\n" for level in range(5000))
    for wrong, line in (
        ("a: 1\n b: 2\n", 2),
        ("a:\n\t- 1\n", 2),
        ("a: &x [1]\nb: [*x, *x]\n", 2),
        ("a: !!python/object/apply:os.system [ls]\n", 1),
        (nested, 1),
    ):
        with pytest.raises(YamlError) as caught:
            parse_yaml(wrong)
        assert caught.value.line == line
