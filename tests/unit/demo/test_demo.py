"""The demo's project folder."""

from __future__ import annotations

import tomllib
from pathlib import Path

import pytest

from runner.demo.project import MARK, DemoFolderError, project_text, write_demo
from runner.trainers.registry import load_config
from runner.trainers.sd_scripts.forecast import forecast

pytest.importorskip("PIL")
pytestmark = pytest.mark.torch


@pytest.fixture(scope="module")
def demo(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("demo") / "a folder"
    assert write_demo(folder, "/usr/bin/python3") == folder / "plasma.toml"
    return folder


def test_the_forecast_of_the_demo_is_what_it_expects(demo: Path) -> None:
    config = load_config(demo / "plasma.toml")
    told = forecast(config.flags(), config.trainer_cwd)
    assert (told.images, told.reg_images) == (config.expect.images, 30) == (23, 30)
    assert (told.batches_per_epoch, told.epochs) == (230, 4)
    assert told.steps == config.expect.steps == 920
    assert [c.step for c in told.checkpoints] == [200, 400, 600, 800, 920]
    assert all(c.state_name for c in told.checkpoints)
    assert [w for w in told.warnings if "regularisation subset doubles" not in w] == []


def test_the_demo_needs_no_approved_smoke_test(demo: Path) -> None:
    config = load_config(demo / "plasma.toml")
    assert config.smoke.gate is False
    assert config.flags(smoke=True)["max_train_steps"] == 5
    assert config.trainer.sd_scripts is None


def test_every_picture_has_a_caption_that_begins_with_its_name(demo: Path) -> None:
    train = sorted((demo / "dataset/train/10_spyke_plasma_v1").iterdir())
    reg = sorted((demo / "dataset/reg/1_anime_character").iterdir())
    assert [p.suffix for p in train].count(".png") == 23
    assert [p.suffix for p in reg].count(".png") == 30
    for paths, first in ((train, "spyke_plasma_v1, "), (reg, "anime character, ")):
        captions = [p.read_text() for p in paths if p.suffix == ".txt"]
        assert len(captions) == len(paths) / 2
        assert all(caption.startswith(first) for caption in captions)


def test_the_pictures_differ_and_are_asymmetric(demo: Path) -> None:
    from PIL import Image, ImageOps

    seen = set()
    for path in (demo / "dataset/train/10_spyke_plasma_v1").glob("*.png"):
        with Image.open(path) as image:
            assert image.size in ((384, 384), (320, 448))
            pixels = image.convert("RGB")
            assert pixels.tobytes() != ImageOps.mirror(pixels).tobytes()
            seen.add(pixels.tobytes())
    assert len(seen) == 23


def test_writing_again_keeps_what_the_user_changed(tmp_path: Path) -> None:
    write_demo(tmp_path, "python-a")
    picture = next((tmp_path / "dataset/train/10_spyke_plasma_v1").glob("*.png"))
    caption = picture.with_suffix(".txt")
    picture.write_bytes(b"mine")
    caption.write_text("mine")
    (tmp_path / "dataset.toml").write_text("# mine")
    edited = project_text("python-a").replace("network_dim = 32", "network_dim = 8")
    (tmp_path / "plasma.toml").write_text(edited)
    write_demo(tmp_path, "python-b")
    assert picture.read_bytes() == b"mine"
    assert caption.read_text() == "mine"
    assert (tmp_path / "dataset.toml").read_text() == "# mine"
    assert (tmp_path / "plasma.toml").read_text() == edited


def test_an_untouched_demo_follows_a_new_interpreter(tmp_path: Path) -> None:
    write_demo(tmp_path, "python-a")
    write_demo(tmp_path, 'C:\\odd "name"\\python')
    trainer = tomllib.loads((tmp_path / "plasma.toml").read_text())["trainer"]
    assert trainer["python"] == 'C:\\odd "name"\\python'


def test_a_project_of_the_users_own_is_not_touched(tmp_path: Path) -> None:
    (tmp_path / "plasma.toml").write_text('name = "mine"\n')
    with pytest.raises(DemoFolderError, match="is your own project: choose another folder"):
        write_demo(tmp_path, "python")
    assert [path.name for path in tmp_path.iterdir()] == ["plasma.toml"]


def test_the_demo_is_recognised_by_its_first_line() -> None:
    assert project_text("python").startswith(MARK)
