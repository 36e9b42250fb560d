"""What preflight finds in files of weights: architecture, VAE, text encoders, tokenizers, sizes."""

from __future__ import annotations

import json
import zipfile
from pathlib import Path

import pytest

from runner.preflight import hub
from runner.preflight.checks import base_model
from runner.preflight.checks.network import judge_size
from runner.preflight.facts import Facts
from runner.preflight.header import kind_of, rank_in, read_model
from tests import DATA
from tests.unit.preflight import preflight_models as models
from tests.unit.preflight.preflight_project import Project, project_fixture

BASE = 'pretrained_model_name_or_path = "base.safetensors"'


def trainer(script: str = "train_network.py") -> str:
    return f'sd_scripts = "sd"\nscript = "{script}"'


project = project_fixture()


@pytest.mark.parametrize(
    ("shapes", "kind"),
    [
        (models.stable_diffusion("sd1"), "sd1"),
        (models.stable_diffusion("sd2"), "sd2"),
        (models.stable_diffusion("sdxl"), "sdxl"),
        (models.FLUX, "flux"),
        (models.CHROMA, "chroma"),
        (models.HUNYUAN, "hunyuan_image"),
        (models.SD3, "sd3"),
        (models.LUMINA, "lumina"),
        (models.ANIMA, "anima"),
        (models.lora(8), "lora"),
        (models.VAE, "vae"),
        (models.TEXT_ENCODER, "text_encoder"),
    ],
)
def test_the_tensors_tell_the_architecture(
    tmp_path: Path, shapes: models.Shapes, kind: str
) -> None:
    header = read_model(models.write(tmp_path / "m.safetensors", shapes))
    assert header is not None
    found = kind_of(header)
    assert found is not None and found.name == kind


def test_unknown_tensors_have_no_architecture(tmp_path: Path) -> None:
    header = read_model(models.write(tmp_path / "m.safetensors", {"a.weight": (4,)}))
    assert header is not None and kind_of(header) is None


@pytest.mark.parametrize(
    ("script", "kind"),
    [
        ("train_network.py", "sd1"),
        ("sdxl_train_network.py", "sdxl"),
    ],
)
def test_the_right_model_for_the_script_passes(project: Project, script: str, kind: str) -> None:
    models.write(project.root / "base.safetensors", models.stable_diffusion(kind))
    assert project.find("architecture", trainer=trainer(script), train=BASE).status == "pass"


def test_sdxl_under_the_sd_script_fails_and_the_cure_is_the_other_script(project: Project) -> None:
    models.write(project.root / "base.safetensors", models.stable_diffusion("sdxl"))
    found = project.find("architecture", trainer=trainer(), train=BASE)
    assert (found.status, found.evidence) == ("fail", "SDXL model")
    assert found.advice == 'script = "sdxl_train_network.py" in [trainer]'
    assert found.cures == (), "that script is not in this checkout"
    (project.root / "sd/sdxl_train_network.py").write_text("pass\n")
    (cure,) = project.find("architecture", trainer=trainer(), train=BASE).cures
    assert '[trainer] script = "sdxl_train_network.py"' in cure.will_do


@pytest.mark.parametrize(
    ("kind", "flag", "advice"),
    [("sd1", "v2 = true", "remove v2 from [train]"), ("sd2", "", "set v2 = true")],
)
def test_v2_must_fit_the_model(project: Project, kind: str, flag: str, advice: str) -> None:
    models.write(project.root / "base.safetensors", models.stable_diffusion(kind))
    found = project.find("architecture", trainer=trainer(), train=f"{BASE}\n{flag}")
    assert (found.status, found.evidence, found.advice) == ("fail", "v2 is wrong", advice)
    assert found.cures


def test_an_inpainting_model_fails_unless_it_is_asked_for(project: Project) -> None:
    models.write(project.root / "base.safetensors", models.stable_diffusion("sd1", channels=9))
    found = project.find("architecture", trainer=trainer(), train=BASE)
    assert (found.status, found.evidence) == ("fail", "inpainting model")
    assert "9 input channels" in found.detail
    train = f"{BASE}\ntrain_inpainting = true"
    assert project.find("architecture", trainer=trainer(), train=train).status == "pass"


def test_a_lora_is_no_base_model(project: Project) -> None:
    models.write(project.root / "base.safetensors", models.lora(4))
    found = project.find("architecture", trainer=trainer(), train=BASE)
    assert (found.status, found.evidence) == ("fail", "a LoRA")


def test_a_unet_without_its_text_encoder_is_not_complete(project: Project) -> None:
    shapes = {
        k: v for k, v in models.stable_diffusion("sd1").items() if k.startswith("model.diffusion")
    }
    models.write(project.root / "base.safetensors", shapes)
    found = project.find("architecture", trainer=trainer(), train=BASE)
    assert (found.status, found.evidence) == ("fail", "not complete")


def test_what_cannot_be_told_is_not_judged(project: Project) -> None:
    models.write(project.root / "base.safetensors", {"a": (4,)})
    found = project.find("architecture", trainer=trainer(), train=BASE)
    assert (found.status, found.evidence) == ("warn", "unknown kind")
    found = project.find("architecture", trainer=trainer("my_own.py"), train=BASE)
    assert (found.status, found.evidence) == ("skip", "unknown")
    models.write(project.root / "base.safetensors", models.FLUX, cut=1)
    assert project.find("architecture", trainer=trainer(), train=BASE).evidence == "header unread"


def test_a_folder_of_diffusers_tells_its_architecture(project: Project) -> None:
    folder = project.root / "model"
    (folder / "unet").mkdir(parents=True)
    (folder / "model_index.json").write_text('{"_class_name": "StableDiffusionPipeline"}')
    (folder / "unet/config.json").write_text('{"cross_attention_dim": 1024, "in_channels": 4}')
    train = 'pretrained_model_name_or_path = "model"'
    assert project.find("architecture", trainer=trainer(), train=train).evidence == "v2 is wrong"
    (folder / "model_index.json").write_text('{"_class_name": "StableDiffusionXLPipeline"}')
    assert project.find("architecture", trainer=trainer(), train=train).evidence == "SDXL model"


def test_chroma_wants_its_model_type(project: Project) -> None:
    models.write(project.root / "base.safetensors", models.CHROMA)
    (project.root / "sd/flux_train_network.py").write_text("pass\n")
    where = trainer("flux_train_network.py")
    found = project.find("architecture", trainer=where, train=BASE)
    assert (found.status, found.advice) == ("fail", 'model_type = "chroma"')
    train = f'{BASE}\nmodel_type = "chroma"'
    assert project.find("architecture", trainer=where, train=train).status == "pass"


def test_a_checkpoint_that_is_cut_off_fails(tmp_path: Path) -> None:
    file = tmp_path / "m.ckpt"
    with zipfile.ZipFile(file, "w") as archive:
        archive.writestr("archive/data.pkl", b"x" * 1000)
    assert base_model.inspect(file).status == "pass"
    file.write_bytes(file.read_bytes()[:-60])
    found = base_model.inspect(file)
    assert (found.status, found.evidence) == ("fail", "incomplete")
    file.write_bytes(b"<!doctype html><title>401</title>")
    assert "web page" in base_model.inspect(file).detail


def test_the_vae_must_be_whole_and_a_vae(project: Project) -> None:
    assert project.find("vae", trainer=trainer(), train=BASE).evidence == "in the base model"
    train = f'{BASE}\nvae = "vae.safetensors"'
    assert project.find("vae", trainer=trainer(), train=train).evidence == "not found"
    models.write(project.root / "vae.safetensors", models.VAE)
    assert project.find("vae", trainer=trainer(), train=train).status == "pass"
    models.write(project.root / "vae.safetensors", models.VAE, cut=3)
    assert project.find("vae", trainer=trainer(), train=train).evidence == "incomplete"
    models.write(project.root / "vae.safetensors", models.lora(4))
    assert project.find("vae", trainer=trainer(), train=train).evidence == "a LoRA"


def test_the_vae_of_sdxl_overflows_in_fp16(project: Project) -> None:
    (project.root / "sd/sdxl_train_network.py").write_text("pass\n")
    where, train = trainer("sdxl_train_network.py"), f'{BASE}\nmixed_precision = "fp16"'
    found = project.find("vae", trainer=where, train=train)
    assert (found.status, found.advice) == ("warn", "no_half_vae = true")
    assert found.cures
    train += "\nno_half_vae = true"
    assert project.find("vae", trainer=where, train=train).status == "pass"


def test_flux_wants_three_files_beside_the_model(project: Project) -> None:
    (project.root / "sd/flux_train_network.py").write_text("pass\n")
    where = trainer("flux_train_network.py")
    assert project.find("vae", trainer=where, train=BASE).evidence == "no ae"
    found = project.find("encoders", trainer=where, train=BASE)
    assert (found.status, found.evidence) == ("fail", "no clip_l")
    assert "clip_l, t5xxl" in found.detail
    for name in ("clip_l", "t5xxl"):
        models.write(project.root / f"{name}.safetensors", models.TEXT_ENCODER)
    train = f'{BASE}\nclip_l = "clip_l.safetensors"\nt5xxl = "t5xxl.safetensors"'
    assert project.find("encoders", trainer=where, train=train).status == "pass"
    models.write(project.root / "t5xxl.safetensors", models.TEXT_ENCODER, cut=2)
    assert project.find("encoders", trainer=where, train=train).evidence == "incomplete"


def tokenizer_folder(folder: Path) -> None:
    folder.mkdir(parents=True)
    (folder / "vocab.json").write_text("{}")
    (folder / "merges.txt").write_text("#version: 0.2\n")


def test_a_tokenizer_is_found_in_its_cache_folder(project: Project) -> None:
    tokenizer_folder(project.root / "tok" / "openai_clip-vit-large-patch14")
    train = f'{BASE}\ntokenizer_cache_dir = "tok"'
    found = project.find("tokenizer", trainer=trainer(), train=train)
    assert (found.status, found.evidence) == ("pass", "on this disk")
    (project.root / "tok/openai_clip-vit-large-patch14/merges.txt").unlink()
    assert project.find("tokenizer", trainer=trainer(), train=train).status != "pass"


def test_a_tokenizer_is_found_in_the_hubs_cache(
    project: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HF_HOME", str(project.root / "hf"))
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    found = project.find("tokenizer", trainer=trainer(), train=BASE)
    assert (found.status, found.evidence) == ("fail", "missing, offline")
    assert "HF_HUB_OFFLINE forbids the download" in found.detail
    cache = project.root / "hf/hub/models--openai--clip-vit-large-patch14"
    tokenizer_folder(cache / "snapshots" / "abc123")
    (cache / "refs").mkdir()
    (cache / "refs/main").write_text("abc123")
    assert project.find("tokenizer", trainer=trainer(), train=BASE).status == "pass"
    found = project.find("tokenizer", trainer=trainer(), train=f"{BASE}\nv2 = true")
    assert "stabilityai/stable-diffusion-2" in found.detail


def test_lumina_takes_the_folder_for_a_cache_of_the_hub(
    project: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HF_HOME", str(project.root / "hf"))
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    where = trainer("lumina_train_network.py")
    train = f'{BASE}\ntokenizer_cache_dir = "tok"'
    assert project.find("tokenizer", trainer=where, train=train).status == "fail"
    cache = project.root / "tok/models--google--gemma-2-2b"
    (cache / "snapshots/abc").mkdir(parents=True)
    (cache / "snapshots/abc/tokenizer.json").write_text("{}")
    (cache / "refs").mkdir()
    (cache / "refs/main").write_text("abc\n")
    assert project.find("tokenizer", trainer=where, train=train).status == "pass"


def test_a_tokenizer_that_must_be_loaded_needs_the_hub(
    project: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HF_HOME", str(project.root / "hf"))
    monkeypatch.delenv("HF_HUB_OFFLINE", raising=False)
    for answer, status in ((True, "warn"), (None, "warn"), (False, "fail")):
        monkeypatch.setattr(hub, "reachable", lambda env, answer=answer: answer)
        assert project.find("tokenizer", trainer=trainer(), train=BASE).status == status


def test_a_closed_port_is_no_hub() -> None:
    assert hub.reachable({"HF_ENDPOINT": "http://127.0.0.1:9"}) is False
    assert hub.reachable({"HTTPS_PROXY": "http://proxy:3128"}) is None


RECORDED = json.loads((DATA / "checkpoint_headers.json").read_text())


def test_the_size_of_a_lora_is_that_of_a_real_one(project: Project) -> None:
    """Rank 32 in float32 of SD 1, as recorded from a run of sd-scripts."""
    models.write(project.root / "base.safetensors", models.stable_diffusion("sd1"))
    train = f'{BASE}\nnetwork_module = "networks.lora"\nnetwork_dim = 32\nsave_precision = "float"'
    size = Facts(project.config(trainer=trainer(), train=train)).forecast().checkpoint_bytes
    real = RECORDED["spyke_plasma_v1-step00000010.safetensors"]["file_bytes"]
    assert size is not None and abs(size - real) < 0.001 * real
    train += "\nnetwork_train_unet_only = true"
    size = Facts(project.config(trainer=trainer(), train=train)).forecast().checkpoint_bytes
    real = 4 * (32 * 423_936 + 192) + RECORDED["r-step00000012.safetensors"]["header_bytes"]
    assert size is not None and abs(size - real) < 0.001 * real


@pytest.mark.parametrize(
    ("flags", "known"),
    [
        ('network_module = "lycoris.kohya"', False),
        ('network_module = "networks.lora"\nnetwork_args = ["block_dims=1,2"]', False),
        ('network_module = "networks.lora"\nnetwork_args = ["conv_dim=4", "conv_alpha=1"]', True),
    ],
)
def test_a_size_that_cannot_be_told_is_not_guessed(
    project: Project, flags: str, known: bool
) -> None:
    models.write(project.root / "base.safetensors", models.stable_diffusion("sd1"))
    found = project.find("size", trainer=trainer(), train=f"{BASE}\n{flags}")
    assert (found.status == "pass") is known


def test_a_script_of_ones_own_has_the_size_of_its_base_model(project: Project) -> None:
    train = f'{BASE}\nnetwork_module = "networks.lora"'
    assert project.find("size", trainer=trainer("mine.py"), train=train).status == "skip"
    models.write(project.root / "base.safetensors", models.stable_diffusion("sd1"))
    assert project.find("size", trainer=trainer("mine.py"), train=train).status == "pass"


def test_half_precision_halves_the_file_and_convolutions_enlarge_it(project: Project) -> None:
    models.write(project.root / "base.safetensors", models.stable_diffusion("sd1"))
    module = f'{BASE}\nnetwork_module = "networks.lora"\nnetwork_dim = 64\n'

    def size(extra: str) -> int:
        found = (
            Facts(project.config(trainer=trainer(), train=module + extra))
            .forecast()
            .checkpoint_bytes
        )
        assert found is not None
        return found

    whole = size("")
    assert size('save_precision = "fp16"') == pytest.approx(whole / 2, rel=0.01)
    assert size('network_args = ["conv_dim=64"]') > 1.9 * whole


def test_the_size_is_held_against_the_expectation() -> None:
    assert judge_size(75_600_000, (50.0, 200.0)).status == "pass"
    found = judge_size(9_000_000, (50.0, 200.0))
    assert (found.status, found.evidence) == ("warn", "about 9.0 MB")
    assert "not 50 to 200 MB" in found.detail


def test_the_rank_of_a_lora_file_is_read(tmp_path: Path) -> None:
    header = read_model(models.write(tmp_path / "l.safetensors", models.lora(16)))
    assert header is not None and rank_in(header) == 16
    other = read_model(models.write(tmp_path / "v.safetensors", models.VAE))
    assert other is not None and rank_in(other) is None
