"""Which kind of file it is, sd-scripts' TOML, and what is no configuration at all."""

from __future__ import annotations

from pathlib import Path

import pytest

from runner.trainers.sd_scripts.importers.files import MOST_BYTES, import_file
from runner.trainers.sd_scripts.importers.model import ImportRefused
from tests.unit.trainers.importers.import_context import Desk, arguments

CONFIG = """\
# made by hand
pretrained_model_name_or_path = "models/base.safetensors"
[training]
learning_rate = 1e-4
unet_lr = 0.0001
text_encoder_lr = [5e-5, 1e-5]
max_train_epochs = 4
network_module = "networks.lora"
network_args = ["conv_dim=4"]
cache_latents = true
flip_aug = false
optimizer_args = []
[other]
resolution = "512,512"
epoch = 4
max_token_length = 75
save_precision = "fp16"
output_name = "spyke"
when = 2026-01-01
"""


@pytest.fixture
def desk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Desk:
    home, project = tmp_path / "home", tmp_path / "home" / "project"
    project.mkdir(parents=True)
    monkeypatch.setenv("HOME", str(home))
    (home / "sd-scripts").mkdir()
    (home / "sd-scripts" / "train_network.py").write_text("x = 1\n")
    return Desk(home, project, {})


@pytest.mark.parametrize("name", ["config.toml", "config"])
def test_a_config_file_of_sd_scripts_becomes_the_same_flags(desk: Desk, name: str) -> None:
    made = desk.imported(CONFIG, name)
    assert sorted(arguments(desk.command(made))) == sorted(
        [
            f"--pretrained_model_name_or_path={desk.project}/models/base.safetensors",
            "--learning_rate=1e-4", "--unet_lr=0.0001", "--max_train_epochs=4",
            "--network_module=networks.lora", "--network_args=conv_dim=4", "--cache_latents",
            "--resolution=512,512", "--save_precision=fp16", "--output_name=spyke",
            "--text_encoder_lr", "5e-5", "1e-5",
        ]
    )  # fmt: skip
    assert made.unmapped == ("when = 2026-01-01: a date or time cannot be a flag",)
    assert desk.config(made).trainer.sd_scripts == desk.home / "sd-scripts"


def test_the_network_tells_the_script(desk: Desk) -> None:
    made = desk.imported('network_module = "networks.lora_flux"\n', "c.toml")
    assert Path(desk.config(made).trainer.script).name == "flux_train_network.py"
    assert any("does not set its script" in note for note in made.notes)


@pytest.mark.parametrize(
    ("text", "script"),
    [
        ('network_module = "networks.lora"\ncache_text_encoder_outputs = true\n', "sdxl_train_network.py"),
        ('network_module = "lycoris.kohya"\nt5xxl = "/t"\nae = "/a"\n', "flux_train_network.py"),
        ('network_module = "lycoris.kohya"\nseed = 1\n', "train_network.py"),
        ('network_module = "networks.lora"\nseed = 1\n', "train_network.py"),
    ],
)  # fmt: skip
def test_flags_that_one_script_has_name_it(desk: Desk, text: str, script: str) -> None:
    made = desk.imported(text, "c.toml")
    assert Path(desk.config(made).trainer.script).name == script


def test_a_toml_of_the_easy_scripts_describes_its_dataset(desk: Desk) -> None:
    made = desk.imported(
        "[[subsets]]\nimage_dir = '/a'\nname = 'x'\nnum_repeats = 2\n"
        "[general_args.args]\noutput_name = 'x'\nsdxl = true\n"
        "[general_args.dataset_args]\nresolution = 1024\n[bucket_args.dataset_args]\nenable_bucket = true\n"
        "[network_args.args.network_args]\nconv_dim = 4\n",
        "easy.toml",
    )
    config = desk.config(made)
    subsets = [{"image_dir": "/a", "num_repeats": 2}]
    dataset = {"resolution": 1024, "enable_bucket": True, "subsets": subsets}
    assert config.dataset == {"datasets": [dataset]}
    assert config.train["network_args"] == ("conv_dim=4",)
    assert Path(config.trainer.script).name == "sdxl_train_network.py"
    assert made.unmapped == ()


@pytest.mark.parametrize(
    "more",
    ["subsets = 3\n", "subsets = [1]\n", "x = 1\n[b]\ndataset_args = 2\n", "[b.args.x.y]\nz = 1\n"],
)
def test_a_broken_toml_of_the_easy_scripts_is_read_as_far_as_it_goes(desk: Desk, more: str) -> None:
    made = desk.imported(f"{more}[a.args]\noutput_name = 'n'\n", "easy.toml")
    assert desk.config(made).train["output_name"] == "n"


def test_flags_of_a_configuration_come_in_groups(desk: Desk) -> None:
    text = desk.imported(CONFIG, "c.toml").config_text
    headings = [line for line in text.splitlines() if line.startswith("# ") and " " not in line[2:]]
    assert headings == ["# model", "# images", "# output", "# length", "# network", "# learning"]


def test_a_dataset_config_that_is_not_there_is_described(desk: Desk) -> None:
    folder = desk.project / "train" / "10_spyke"
    folder.mkdir(parents=True)
    (folder / "a.png").write_bytes(b"x")
    made = desk.imported('output_name = "x"\ndataset_config = "d.toml"\n', "c.toml")
    config = desk.config(made)
    assert config.dataset is not None
    assert config.dataset["datasets"][0]["subsets"] == [
        {"image_dir": "train/10_spyke", "num_repeats": 10}
    ]
    (desk.project / "d.toml").write_text("[[datasets]]\n")
    again = desk.imported('output_name = "x"\ndataset_config = "d.toml"\n', "c.toml")
    assert desk.config(again).dataset is None


@pytest.mark.parametrize(
    ("name", "data", "said"),
    [
        ("c.toml", b"a = True\n", "c.toml:1: not valid TOML"),
        ("c.toml", b"[[datasets]]\n", "is a dataset config, not a training; keep it"),
        ("c.toml", b"[trainer]\nsd_scripts='x'\n", "is already a plasma.toml"),
        ("c.toml", b"a = 1\n", "has no training flags"),
        ("c.sh", b"\x7fELF\0\0\1", "is a binary file; choose a shell script, JSON or TOML"),
        ("m.safetensors", b"\0" * 100, "is a binary file"),
        ("c.sh", b"a\n\xff\xfe b", "c.sh:2: is not UTF-8; save it as UTF-8"),
        ("big", b"a" * (MOST_BYTES + 1), "is not a script or configuration: it has over 500 kB"),
        ("notes.txt", "Übung macht den Meister\n".encode(), "has no training command"),
    ],
)
def test_what_is_no_configuration_is_refused_in_one_sentence(
    desk: Desk, name: str, data: bytes, said: str
) -> None:
    file = desk.project / name
    file.write_bytes(data)
    with pytest.raises(ImportRefused) as caught:
        import_file(file, context=desk.context())
    assert said in str(caught.value)
    assert str(file) in str(caught.value)
    assert "\n" not in str(caught.value)


def test_comments_may_have_any_encoding(desk: Desk) -> None:
    file = desk.project / "t.ps1"
    text = "# 训练\n$seed = 1  # 随机种子\npython /sd/train_network.py --seed=$seed # é\n"
    file.write_bytes(text.encode("gb18030"))
    assert arguments(desk.command(import_file(file, context=desk.context()))) == ["--seed=1"]
    file.write_bytes(text.replace("$seed = 1", "$seed = 1; $name = '训练'").encode("gb18030"))
    with pytest.raises(ImportRefused, match=r"t\.ps1:2: is not UTF-8"):
        import_file(file, context=desk.context())


def test_datasets_beside_flags_become_the_dataset(desk: Desk) -> None:
    made = desk.imported(
        "[general]\npretrained_model_name_or_path = '/m.safetensors'\nresolution = 512\n"
        "[training]\nmax_train_epochs = 2\n[[datasets]]\nbatch_size = 2\n"
        "[[datasets.subsets]]\nimage_dir = '/i'\ncaption_dropout_rate = 0.1\n",
        "c.toml",
    )
    config = desk.config(made)
    assert config.train["max_train_epochs"] == 2
    subset = {"image_dir": "/i", "caption_dropout_rate": 0.1}
    assert config.dataset == {"datasets": [{"batch_size": 2, "subsets": [subset]}]}


def test_what_is_not_there_or_no_file_is_refused(desk: Desk) -> None:
    with pytest.raises(ImportRefused, match=r"file not found: .*gone\.sh"):
        import_file(Path("gone.sh"), context=desk.context())
    with pytest.raises(
        ImportRefused, match="is a folder; choose the file that starts the training"
    ):
        import_file(desk.project, context=desk.context())


def test_a_file_of_powershell_is_read_in_its_encoding(desk: Desk) -> None:
    file = desk.project / "train.ps1"
    file.write_bytes("accelerate launch `\n /sd/train_network.py `\n --seed=1\n".encode("utf-16"))
    made = import_file(file, context=desk.context())
    assert arguments(desk.command(made)) == ["--seed=1"]
