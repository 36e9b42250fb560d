"""Which files are images, and their sizes."""

from __future__ import annotations

from pathlib import Path

import pytest

from runner.trainers.sd_scripts.dataset import DatasetError, FolderImages
from runner.trainers.sd_scripts.dataset.files import is_image
from tests.unit.trainers.dataset.dataset_images import write_png


@pytest.mark.parametrize(
    ("name", "taken"),
    [
        ("a.png", True),
        ("a.PNG", True),
        ("a.b.jpeg", True),
        ("a.webp", True),
        ("a.BMP", True),
        ("a.Jpg", False),
        ("a.gif", False),
        ("a.txt", False),
        (".hidden.png", False),
        ("png", False),
    ],
)
def test_image_endings_are_all_lower_or_all_upper(name: str, taken: bool) -> None:
    assert is_image(name) is taken


def test_a_listing_is_sorted_and_spelled_like_image_dir(tmp_path: Path) -> None:
    for name in ("b.png", "a.PNG", "c.Jpg", "notes.txt", "._b.png", "deep/d.png"):
        write_png(tmp_path / "set" / name)
    listing = FolderImages(tmp_path).listing("./set")
    assert listing is not None
    assert listing.paths == ("./set/a.PNG", "./set/b.png")
    assert listing.ignored == ("c.Jpg",)
    assert listing.below == 1


def test_a_missing_folder_has_no_listing(tmp_path: Path) -> None:
    assert FolderImages(tmp_path).listing("none") is None


def test_sizes_come_from_the_header(tmp_path: Path) -> None:
    write_png(tmp_path / "a.png", (123, 45))
    whole = (tmp_path / "a.png").read_bytes()
    (tmp_path / "cut.png").write_bytes(whole[:40])
    (tmp_path / "no.png").write_text("hello")
    images = FolderImages(tmp_path)
    assert images.size("a.png") == (123, 45)
    assert images.size("cut.png") == (123, 45)
    assert images.size("no.png") is None


@pytest.mark.torch
@pytest.mark.parametrize("ending", ["png", "jpg", "webp", "bmp"])
def test_a_stored_size_is_not_turned_by_exif(tmp_path: Path, ending: str) -> None:
    image = pytest.importorskip("PIL.Image").new("RGB", (90, 40))
    exif = image.getexif()
    exif[0x0112] = 6
    image.save(tmp_path / f"a.{ending}", **({} if ending == "bmp" else {"exif": exif}))
    images = FolderImages(tmp_path)
    assert images.size(f"a.{ending}") == (90, 40)
    if ending == "jpg":
        assert images.rotated("a.jpg")


def test_an_empty_name_is_no_folder(tmp_path: Path) -> None:
    assert FolderImages(tmp_path).listing("") is None
    assert FolderImages(tmp_path).remembered("") is None


def test_sizes_are_believed_from_the_names_of_cached_latents(tmp_path: Path) -> None:
    for name in ("1.png", "10.png", "b.png"):
        write_png(tmp_path / "t" / name)
    for name in ("1_0200x0100_sd.npz", "b_0300x0400_sd.npz", "b_0001x0001_sdxl.npz", "c_sd.npz"):
        (tmp_path / "t" / name).touch()
    listing = FolderImages(tmp_path, "_sd.npz").listing("t")
    assert listing is not None
    assert listing.sizes == {"t/1.png": (200, 100), "t/b.png": (300, 400)}
    plain = FolderImages(tmp_path).listing("t")
    assert plain is not None
    assert plain.sizes == {}


def test_a_cache_of_another_image_whose_name_begins_alike_is_taken(tmp_path: Path) -> None:
    write_png(tmp_path / "t" / "a.png")
    (tmp_path / "t" / "ab_0128x0064_sd.npz").touch()
    listing = FolderImages(tmp_path, "_sd.npz").listing("t")
    assert listing is not None
    assert listing.sizes == {"t/a.png": (128, 64)}


def test_what_cache_info_left_is_read_or_refused(tmp_path: Path) -> None:
    file = tmp_path / "metadata_cache.json"
    images = FolderImages(tmp_path.parent)
    assert images.remembered(tmp_path.name) is None
    file.write_text('{"x/a.png": {"caption": "a", "resolution": [3, 4]}}')
    found = images.remembered(tmp_path.name)
    assert found is not None
    assert (found.paths, found.sizes) == (("x/a.png",), {"x/a.png": (3, 4)})
    file.write_text('{"x/a.png": {"caption": "a"}}')
    with pytest.raises(DatasetError, match=r"metadata_cache\.json: cannot be read: .*delete it"):
        images.remembered(tmp_path.name)


def test_a_header_is_read_once(tmp_path: Path) -> None:
    path = write_png(tmp_path / "a.png", (30, 20))
    images = FolderImages(tmp_path)
    assert images.size("a.png") == (30, 20)
    path.unlink()
    assert images.size("a.png") == (30, 20)
    assert not images.rotated("a.png")
