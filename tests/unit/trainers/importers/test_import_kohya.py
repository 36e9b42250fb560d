"""kohya_ss configurations: every field becomes the flag that kohya_ss would have made of it."""

from __future__ import annotations

import json
import math
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


def written(desk: Desk, fields: dict[str, Any]) -> dict[str, str]:
    made = desk.imported(json.dumps({"LoRA_type": "Standard", **fields}), "gui.json")
    words = " ".join(arguments(desk.command(made)))
    pairs = [word.partition(" ") for word in words.removeprefix("--").split(" --")]
    return {name.partition("=")[0]: name.partition("=")[2] + rest for name, _, rest in pairs}


def flags(desk: Desk, **fields: Any) -> dict[str, str | None]:
    """The script's flags that these fields change, None: taken away."""
    model = {name: on for name, on in fields.items() if name == "sdxl" or "_checkbox" in name}
    before, after = written(desk, model), written(desk, fields)
    names = [*after, *before.keys() - after.keys()]
    return {name: after.get(name) for name in names if before.get(name) != after.get(name)}


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
        "lr_scheduler_num_cycles": 1,
        "lr_scheduler_power": 1,
        "lr_warmup_steps": 0.1,
        "loss_type": "l2",
        "huber_c": 0.1,
        "huber_scale": 1,
        "huber_schedule": "snr",
        "max_grad_norm": 1,
        "prior_loss_weight": 1,
        "bucket_no_upscale": True,
        "min_bucket_reso": 256,
        "max_bucket_reso": 2048,
        "sample_sampler": "euler_a",
        "save_model_as": "safetensors",
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
        "dynamo_mode": "default",
        "gpu_ids": 0,
        "num_cpu_threads_per_process": 2,
        "num_machines": 1,
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
    assert known.config(made).train == {
        "some_new_field": 3,
        "network_module": "networks.lora",
        "max_train_steps": 1600,
    }
    assert "other = 1: not a flag of this trainer" in made.unmapped


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
        ({"seed": 0, "save_last_n_steps": 0, "max_timestep": 0, "clip_skip": 0},
         {"max_timestep": None, "clip_skip": None}),
        ({"vae": "", "v2": False, "resume": None}, {}),
        ({"max_token_length": "75"}, {}),
        ({"max_token_length": "150"}, {"max_token_length": "150"}),
        ({"max_train_epochs": 2, "max_train_steps": 9, "epoch": 3},
         {"max_train_epochs": "2", "max_train_steps": None}),
        ({"max_train_epochs": "", "max_train_steps": "9", "epoch": 1}, {"max_train_steps": "9"}),
        ({"epoch": 1, "dataset_config": "/d.toml"},
         {"dataset_config": "/d.toml", "lr_warmup_steps": "160"}),
        ({"lr_warmup": 10, "lr_warmup_steps": 7}, {"lr_warmup_steps": "7"}),
        ({"lr_warmup": "5"}, {"lr_warmup_steps": "0.05"}),
        ({"unet_lr": "1e-4", "text_encoder_lr": 0},
         {"unet_lr": "1e-4", "network_train_unet_only": "", "text_encoder_lr": None}),
        ({"unet_lr": 0, "text_encoder_lr": 1e-05},
         {"text_encoder_lr": "1e-05 1e-05", "network_train_text_encoder_only": "", "unet_lr": None}),
        ({"unet_lr": 0.1, "text_encoder_lr": 0.2, "t5xxl_lr": 0.3},
         {"unet_lr": "0.1", "text_encoder_lr": "0.2 0.3"}),
        ({"xformers": True}, {}),
        ({"xformers": "none"}, {"xformers": None}),
        ({"xformers": "xformers"}, {}),
        ({"xformers": "sdpa"}, {"xformers": None, "sdpa": ""}),
        ({"sdxl_no_half_vae": True}, {}),
        ({"sdxl": True, "sdxl_no_half_vae": True, "sdxl_cache_text_encoder_outputs": True},
         {"no_half_vae": "", "cache_text_encoder_outputs": ""}),
        ({"noise_offset_type": "Multires", "noise_offset": 0.1, "multires_noise_iterations": 6},
         {"multires_noise_iterations": "6", "multires_noise_discount": "0.3"}),
        ({"noise_offset": "0.1"}, {"noise_offset": "0.1"}),
        ({"use_8bit_adam": True, "use_wandb": True},
         {"optimizer_type": "AdamW8bit", "log_with": "wandb", "wandb_run_name": "last"}),
        ({"lora_network_weights": "/w.safetensors", "caption_extention": ".cap"},
         {"network_weights": "/w.safetensors", "caption_extension": ".cap"}),
        ({"flux1_checkbox": True, "clip_l": "/c", "guidance_scale": 1.0, "model_type": "flux",
          "flux1_cache_text_encoder_outputs": True, "max_token_length": 225},
         {"clip_l": "/c", "guidance_scale": "1", "cache_text_encoder_outputs": ""}),
        ({"flux1_checkbox": True, "model_type": "chroma", "guidance_scale": 0, "clip_l": "/c"},
         {"model_type": "chroma", "guidance_scale": "0", "apply_t5_attn_mask": ""}),
        ({"sd3_checkbox": True, "sd3_clip_l": "/c", "clip_l": "/no", "sd3_t5_dropout_rate": 0.1},
         {"clip_l": "/c", "t5_dropout_rate": "0.1"}),
        ({"anima_checkbox": True, "vae": "/no", "anima_vae": "/a", "anima_attn_mode": "torch",
          "clip_skip": 2}, {"vae": "/a"}),
        ({"lumina_checkbox": True, "lumina_ae": "/a", "ae": "/no"}, {"ae": "/a"}),
        ({"hunyuan_image_checkbox": True, "hunyuan_image_cache_text_encoder_outputs": True,
          "hunyuan_byt5": "/b"},
         {"cache_text_encoder_outputs": "", "byt5": "/b"}),
        ({"train_inpainting": True, "cache_latents": True},
         {"train_inpainting": "", "cache_latents": None}),
        ({"additional_parameters": "--seed 7 --lowram"}, {"seed": "7", "lowram": ""}),
        ({"sample_every_n_steps": 5}, {}),
        ({"sample_every_n_steps": 5, "additional_parameters": "--sample_prompts=/p.txt"},
         {"sample_every_n_steps": "5", "sample_prompts": "/p.txt"}),
        ({"network_dim": 8.5, "scale_weight_norms": 1.0},
         {"network_dim": "8.5", "scale_weight_norms": "1"}),
    ],
)  # fmt: skip
def test_a_special_field(desk: Desk, fields: dict[str, Any], told: dict[str, str | None]) -> None:
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
         ("ggpo_sigma=0.03", "ggpo_beta=0.01", "split_qkv=True", "img_attn_dim=4",
          "train_double_block_indices=all", "train_single_block_indices=all")),
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


WINDOW = json.loads((DATA / "kohya_window.json").read_text())


def as_window(value: object) -> object:
    """A flag's value as the window's table has it, numbers as such."""
    if isinstance(value, list | tuple):
        return sorted({str(as_window(one)) for one in value})  # use_tucker is there twice
    name, equals, text = str(value).partition("=")
    try:
        number = float(text if equals else name)
    except ValueError:
        return value if isinstance(value, bool) else str(value)
    return f"{name}={number}" if equals else number


@pytest.mark.parametrize("name", WINDOW["cases"])
def test_the_flags_are_those_that_the_window_of_kohya_ss_makes(desk: Desk, name: str) -> None:
    """`kohya_window.json` holds what `train_model` of kohya_ss v26 made of these fields, run with its own
    window: `empty` for an empty file, and per case what is different from it."""
    case = WINDOW["cases"][name]
    fields = {"LoRA_type": "Standard", **case["fields"]}
    config = desk.config(desk.imported(json.dumps(fields), "gui.json"))
    ours = {
        **config.train,
        **{f"accelerate {flag}": value for flag, value in config.accelerate.items()},
        "script": Path(config.trainer.script).name,
    }
    right = {k: v for k, v in {**WINDOW["empty"], **case["flags"]}.items() if v is not None}
    if "max_train_epochs" in ours and "max_train_epochs" not in right:
        # the window counted 7 images with 2 repeats each
        batch = int(right["train_batch_size"]) * int(right["gradient_accumulation_steps"])
        assert math.ceil(14 / batch * ours["max_train_epochs"]) == int(right["max_train_steps"])
        del ours["max_train_epochs"], right["max_train_steps"]
    names = right.keys() | ours.keys()
    wrong = {n: (right.get(n), ours.get(n)) for n in names}
    assert {n: v for n, v in wrong.items() if as_window(v[0]) != as_window(v[1])} == {}


def test_more_processes_train_more_epochs(desk: Desk) -> None:
    """max_train_steps of kohya_ss does not depend on them, but each step then takes more images."""
    fields = {"epoch": 10, "max_train_steps": 0, "num_processes": 2, "multi_gpu": True}
    made = desk.imported(json.dumps({"LoRA_type": "Standard", **fields}), "gui.json")
    assert desk.config(made).train["max_train_epochs"] == 20
    assert any("epoch = 10 x 2 processes" in note for note in made.notes)


def test_defaults_of_the_window_are_named(desk: Desk) -> None:
    made = desk.imported('{"LoRA_type": "Standard", "epoch": 3, "network_dim": 4}', "gui.json")
    told = " ".join(made.notes)
    assert "not in the file, set to the defaults of kohya_ss: bucket_no_upscale, " in told
    assert "network_alpha, " in told and "network_dim" not in told
    assert "kohya_ss then trains 1600 steps and ignores epoch = 3" in told
    assert "pretrained_model_name_or_path" not in desk.config(made).train


@pytest.mark.parametrize(
    ("fields", "said"),
    [
        ({"LoRA_type": "Standard", "flux1_checkbox": True}, "Standard with flux1_checkbox"),
        ({"LoRA_type": "Anima"}, "Anima for SD 1.x and 2.x"),
        ({"LoRA_type": "Kohya LoKr", "flux1_checkbox": True}, "Kohya LoKr with flux1_checkbox"),
        ({"LoRA_type": "LyCORIS/LoKr", "flux1_checkbox": True}, ""),
        ({"LoRA_type": "Kohya LoHa", "sdxl": True}, ""),
    ],
)
def test_what_the_window_refuses_to_start_is_said(
    desk: Desk, fields: dict[str, Any], said: str
) -> None:
    notes = desk.imported(json.dumps(fields), "gui.json").notes
    refused = [note for note in notes if "does not start" in note]
    assert refused == ([f"kohya_ss does not start LoRA_type = {said}"] if said else [])


def test_a_json_of_the_first_versions_has_no_lora_type(desk: Desk) -> None:
    fields = {"max_resolution": "512,512", "epoch": "1", "network_dim": 128, "use_8bit_adam": True}
    train = desk.config(desk.imported(json.dumps(fields), "gui.json")).train
    assert train["network_module"] == "networks.lora"
    assert train["optimizer_type"] == "AdamW8bit"
    assert train["resolution"] == "512,512"


def test_a_json_of_flags_gets_no_defaults_of_a_window(desk: Desk) -> None:
    fields = {"output_name": "x", "network_dim": 64, "epochs": 10, "resolution": "768,768"}
    made = desk.imported(json.dumps(fields), "flags.json")
    train = dict(desk.config(made).train)
    assert train.pop("epochs", 10) == 10  # not a flag of any trainer
    assert train == {"output_name": "x", "network_dim": 64, "resolution": "768,768"}
    assert '# network_module = "..."  # missing: ' in made.config_text


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
        (
            '{"network_dim": 4, "num_cpu_threads_per_process": 2, "prompts_file": "p.toml"}',
            "no LoRA_type in it); use the JSON saved by its LoRA tab",
        ),
        ('{"max_resolution": "512,512", "epoch": 1}', "use the JSON saved by its LoRA tab"),
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


#: as its window saves it beside the output
SAVED_TOML = """\
bucket_reso_steps = 64.0
dynamo_backend = "no"
epoch = 15
learning_rate = 0.0004
lr_scheduler_args = []
lr_scheduler_power = 1
max_data_loader_n_workers = 0
max_token_length = 75
max_train_epochs = 15
max_train_steps = 1600
network_args = ["preset=full", "conv_dim=8", "algo=loha"]
network_module = "lycoris.kohya"
noise_offset_type = "Original"
optimizer_args = []
persistent_data_loader_workers = 1
pretrained_model_name_or_path = "/m/%s.safetensors"
text_encoder_lr = [0.0004, 0.0004]
"""


@pytest.mark.parametrize(
    ("model", "script"),
    [
        ("base_v1-5", "train_network.py"),
        ("sd_xl_base_1.0", "sdxl_train_network.py"),
        ("ponyDiffusionV6XL", "sdxl_train_network.py"),
        ("xlsum", "train_network.py"),
    ],
)
def test_a_toml_that_the_window_saved(desk: Desk, model: str, script: str) -> None:
    made = desk.imported(SAVED_TOML % model, "config_lora-20240101-120000.toml")
    config = desk.config(made)
    assert Path(config.trainer.script).name == script
    assert dict(config.train) == {
        "bucket_reso_steps": 64,
        "learning_rate": 0.0004,
        "lr_scheduler_power": 1,
        "max_data_loader_n_workers": 0,
        "max_train_epochs": 15,
        "max_train_steps": 1600,
        "network_args": ("preset=full", "conv_dim=8", "algo=loha"),
        "network_module": "lycoris.kohya",
        "persistent_data_loader_workers": True,
        "pretrained_model_name_or_path": f"/m/{model}.safetensors",
        "text_encoder_lr": (0.0004, 0.0004),
    }
    assert made.unmapped == ()
    said = "saved by kohya_ss; dynamo_backend, epoch, max_token_length, noise_offset_type: of its window"
    assert any(said in note for note in made.notes)


def test_names_in_a_file_are_not_abbreviated(desk: Desk) -> None:
    """sd-scripts ignores `text_encoder` in a --config_file; as a flag it would be text_encoder_lr."""
    known = Desk(
        desk.home, desk.project, {}, Catalog(map(Flag, ("text_encoder_lr", "output_name")))
    )
    made = known.imported('output_name = "x"\ntext_encoder = "/t"\n', "c.toml")
    assert known.config(made).train == {"output_name": "x"}
    assert made.unmapped[0].startswith("text_encoder = /t: not a flag of this trainer")


@pytest.mark.parametrize(
    ("more", "script"),
    [("", "sdxl_train_network.py"), ('qwen3 = "/q"\n', "anima_train_network.py")],
)
def test_loha_and_lokr_of_sd_scripts_are_for_sdxl_and_anima(
    desk: Desk, more: str, script: str
) -> None:
    made = desk.imported(f'network_module = "networks.lokr"\n{more}', "c.toml")
    assert Path(desk.config(made).trainer.script).name == script
