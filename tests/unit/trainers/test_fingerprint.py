"""The dataset's fingerprint: the same for the same files, another for every change that trains otherwise."""

from __future__ import annotations

import hashlib
from pathlib import Path

import pytest

from runner.trainers.sd_scripts.fingerprint import dataset_fingerprints, take
from tests.unit.trainers.dataset.dataset_images import write_png

CONFIG = """
[general]
caption_extension = ".txt"
[[datasets]]
resolution = 64
[[datasets.subsets]]
image_dir = "train"
num_repeats = 2
[[datasets.subsets]]
is_reg = true
image_dir = "reg"
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for name, number in (("train", 3), ("reg", 2)):
        for at in range(number):
            image = write_png(tmp_path / name / f"{at}.png", shade=40 + at)
            image.with_suffix(".txt").write_text(f"spyke, {at}")
    (tmp_path / "reg" / "1.txt").unlink()
    (tmp_path / "d.toml").write_text(CONFIG)
    return tmp_path


FLAGS = {"dataset_config": "d.toml"}


def test_it_is_what_the_documentation_says(folder: Path) -> None:
    digest = hashlib.sha256()
    for name in ("train", "reg"):
        digest.update(b"subset\0" + name.encode() + b"\0")
        for image in sorted((folder / name).glob("*.png")):
            caption = image.with_suffix(".txt")
            digest.update(image.name.encode() + b"\0" + str(image.stat().st_size).encode() + b"\0")
            digest.update(
                b"caption\0" + caption.read_bytes() + b"\0" if caption.exists() else b"none\0"
            )
    assert dataset_fingerprints(FLAGS, folder) == {
        "dataset": digest.hexdigest(),
        "dataset_images": "5",
        "dataset_captions": "4",
        "dataset_config": hashlib.sha256(CONFIG.encode()).hexdigest(),
    }


def test_every_change_of_a_file_changes_it(folder: Path) -> None:
    seen = {take(FLAGS, folder).digest}
    (folder / "train" / "0.txt").write_text("spyke, other")
    seen.add(take(FLAGS, folder).digest)
    (folder / "train" / "1.png").rename(folder / "train" / "9.png")
    seen.add(take(FLAGS, folder).digest)
    with (folder / "train" / "2.png").open("ab") as stream:
        stream.write(b"x")
    seen.add(take(FLAGS, folder).digest)
    (folder / "reg" / "0.png").unlink()
    seen.add(take(FLAGS, folder).digest)
    assert len(seen) == 5


def test_a_moved_dataset_is_the_same(folder: Path) -> None:
    before = take(FLAGS, folder).digest
    moved = folder.rename(folder.with_name("moved"))
    assert take(FLAGS, moved).digest == before


def test_where_time_ends_it_says_so_and_can_be_compared(folder: Path) -> None:
    cut = take(FLAGS, folder, limit_s=-1.0)
    assert cut.cut and cut.images == 0
    assert take(FLAGS, folder, most_images=0).digest == cut.digest
    assert "dataset_cut" in dataset_fingerprints(FLAGS, folder, limit_s=-1.0)


def test_what_cannot_be_read_gives_none(tmp_path: Path) -> None:
    assert dataset_fingerprints({}, tmp_path) == {}
    assert dataset_fingerprints(FLAGS, tmp_path) == {}
    (tmp_path / "d.toml").write_text("no [toml")
    assert set(dataset_fingerprints(FLAGS, tmp_path)) == {"dataset_config"}
