"""What preflight finds in image files, their names, repeats, buckets and cached latents."""

from __future__ import annotations

import os
import struct
import tracemalloc
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from runner.preflight import npz, whole_image
from runner.preflight.checks import image_files
from runner.preflight.checks.image_files import image_files as look_at_files
from runner.preflight.facts import Facts
from tests.unit.preflight.preflight_project import Project, look, png, project_fixture

SD = 'sd_scripts = "sd"'
BUCKETS = "enable_bucket = true\nmin_bucket_reso = 64\nmax_bucket_reso = 128"


project = project_fixture(3, "spyke, hat")


def jpeg(tail: bytes = b"\xff\xd9") -> bytes:
    """As little of a JPEG as a header reader wants."""
    size = struct.pack(">BHHB", 8, 64, 64, 1) + b"\x01\x11\x00"
    frame = b"\xff\xc0" + struct.pack(">H", len(size) + 2) + size
    return b"\xff\xd8\xff\xe0\x00\x10JFIF\x00\x01\x01\x00\x00\x01\x00\x01\x00\x00" + frame + tail


@pytest.mark.parametrize(
    ("content", "problem"),
    [
        (png(), None),
        (png()[:-1], "cut off"),
        (png()[:60], "cut off"),
        (png()[:50] + bytes([png()[50] ^ 1]) + png()[51:], "damaged"),
        (jpeg(), None),
        (jpeg() + b"a few bytes of a camera", None),
        (jpeg(tail=b""), "cut off"),
        (b"RIFF" + struct.pack("<I", 4) + b"WEBP", None),
        (b"RIFF" + struct.pack("<I", 400) + b"WEBP", "cut off"),
        (b"BM" + struct.pack("<I", 20) + b"\0" * 14, None),
        (b"BM" + struct.pack("<I", 90) + b"\0" * 14, "cut off"),
        (b"", "0 bytes"),
        (b"<!DOCTYPE html>", "a web page"),
        (b"version https://git-lfs.github.com/spec/v1\n", "a git-lfs pointer"),
        (b"hello", "no image"),
    ],
)
def test_an_image_is_whole_or_not(tmp_path: Path, content: bytes, problem: str | None) -> None:
    file = tmp_path / "a.png"
    file.write_bytes(content)
    assert whole_image.problem_of(file) == problem


def test_of_a_large_set_only_the_ends_are_read(
    project: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(image_files, "THOROUGH_BYTES", 100)
    damaged = png()[:50] + bytes([png()[50] ^ 1]) + png()[51:]
    (project.train / "0001.png").write_bytes(damaged)
    assert project.find("image_files").status == "pass"
    (project.train / "0001.png").write_bytes(png()[:-1])
    assert project.find("image_files").status == "fail"
    (project.train / "0001.png").write_bytes(png() + b"a trailing note")
    assert project.find("image_files").status == "pass"


def test_images_that_cannot_be_read_are_named_and_moved_away_on_request(project: Project) -> None:
    (project.train / "0001.png").write_bytes(png()[:40])
    (project.train / "0002.png").write_bytes(b"")
    found = project.find("image_files")
    assert (found.status, found.evidence) == ("fail", "2 unreadable")
    assert "0001.png is cut off, 0002.png is 0 bytes" in found.detail
    found.cures[0].apply(lambda line: None)
    assert sorted(p.name for p in project.train.glob("*.png")) == ["0000.png"]
    moved = sorted(p.name for p in (project.root / "plasma-removed").rglob("*.png"))
    assert moved == ["0001.png", "0002.png"]
    assert project.find("image_files").status == "pass"


def test_a_file_that_was_good_is_not_read_again(
    project: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert project.find("image_files").status == "pass"

    def unexpected(path: Path, **how: bool) -> str | None:
        raise AssertionError(f"{path} was read again")

    monkeypatch.setattr("runner.preflight.checks.image_files.problem_of", unexpected)
    assert look_at_files(Facts(project.config())).status == "pass"
    (project.train / "0001.png").write_bytes(png(32, 32))
    with pytest.raises(AssertionError, match=r"0001\.png was read again"):
        look_at_files(Facts(project.config()))


def test_a_mixed_case_ending_is_not_read_and_can_be_renamed(project: Project) -> None:
    (project.train / "0001.png").rename(project.train / "0001.Png")
    found = project.find("extensions")
    assert (found.status, found.evidence) == ("warn", "1 not read")
    assert "0001.Png" in found.detail
    assert project.find("images").evidence == "2 images"
    assert found.cures[0].will_do == (f"rename {project.train}/0001.Png to 0001.png",)
    found.cures[0].apply(lambda line: None)
    assert project.find("extensions").status == "pass"
    assert project.find("images").evidence == "3 images"


def test_renaming_never_covers_another_file(project: Project) -> None:
    (project.train / "0001.Png").write_bytes(png(32, 32))
    found = project.find("extensions")
    assert found.status == "warn" and found.cures == ()


def test_a_gif_is_not_read_and_has_no_cure(project: Project) -> None:
    (project.train / "a.gif").write_bytes(b"GIF89a")
    found = project.find("extensions")
    assert (found.status, found.advice, found.cures) == ("warn", "save them as PNG", ())


def test_images_in_deeper_folders_are_told(project: Project) -> None:
    (project.train / "more").mkdir()
    (project.train / "more/a.png").write_bytes(png())
    found = project.find("extensions")
    assert (found.status, found.evidence) == ("warn", "1 in deeper")


def test_only_mixed_case_images_are_no_images(project: Project) -> None:
    for file in project.train.glob("*.png"):
        file.rename(file.with_suffix(".PnG"))
    found = project.find("images")
    assert (found.status, found.evidence) == ("fail", "no images")
    assert "3 have an unsupported extension" in found.detail


def test_the_same_bytes_twice_are_a_warning(project: Project) -> None:
    for index, size in enumerate((64, 63, 62)):
        (project.train / f"{index:04}.png").write_bytes(png(size, size))
    assert project.find("duplicates").status == "pass"
    (project.train / "copy.png").write_bytes(png(63, 63))
    (project.train / "copy.txt").write_text("x")
    found = project.find("duplicates")
    assert (found.status, found.evidence) == ("warn", "1 copy")
    assert "0001.png = copy.png" in found.detail
    found.cures[0].apply(lambda line: None)
    assert not (project.train / "copy.txt").exists(), "its caption goes with it"
    assert (project.train / "0001.png").exists()
    assert project.find("duplicates").status == "pass"


def test_two_images_of_one_name_share_a_caption(project: Project) -> None:
    for index, size in enumerate((64, 63, 62)):
        (project.train / f"{index:04}.png").write_bytes(png(size, size))
    (project.train / "0001.jpg").write_bytes(jpeg())
    found = project.find("duplicates")
    assert (found.status, found.evidence) == ("warn", "1 share a name")


def test_mirroring_is_a_warning_with_its_reason(project: Project) -> None:
    assert project.find("flip_aug").status == "pass"
    project.write_dataset(train="flip_aug = true")
    found = project.find("flip_aug")
    assert (found.status, found.evidence) == ("warn", "flip_aug is on")
    assert "both sides" in found.detail
    found.cures[0].apply(lambda line: None)
    assert project.find("flip_aug").status == "pass"
    assert "flip_aug = false" in (project.root / "dataset.toml").read_text()


def test_the_number_in_a_folders_name_means_nothing_to_a_dataset_config(project: Project) -> None:
    project.train.rename(project.root / "4_spyke")
    text = (project.root / "dataset.toml").read_text().replace("/train", "/4_spyke")
    (project.root / "dataset.toml").write_text(text)
    found = project.find("repeats")
    assert (found.status, found.evidence) == ("warn", "10, not 4")
    found.cures[0].apply(lambda line: None)
    assert project.find("repeats").status == "pass"
    assert "num_repeats = 4" in (project.root / "dataset.toml").read_text()


def look_by_folders(project: Project, check: str, folder: str) -> tuple[str, str, str]:
    config = project.config().changed(
        {
            "dataset_config": False,
            "train_data_dir": str(project.root / folder),
            "caption_extension": ".txt",
        }
    )
    found = look(check, config)
    return found.status, found.evidence, found.advice


def test_folders_by_flags_need_a_number_in_front(project: Project) -> None:
    status, evidence, advice = look_by_folders(project, "repeats", ".")
    assert (status, evidence) == ("fail", "no number in front")
    assert advice.startswith("rename them, for example to 10_")
    assert look_by_folders(project, "images", ".")[:2] == ("fail", "no image folder")
    (project.root / "set").mkdir()
    project.train.rename(project.root / "set" / "10_spyke")
    assert look_by_folders(project, "repeats", "set")[0] == "pass"
    assert look_by_folders(project, "images", "set")[1] == "3 images"
    (project.root / "set/notes").mkdir()
    assert look_by_folders(project, "repeats", "set")[:2] == ("warn", "1 left out")


def test_the_folder_of_the_images_in_the_place_of_its_parent(project: Project) -> None:
    project.train.rename(project.root / "10_spyke")
    status, evidence, advice = look_by_folders(project, "images", "10_spyke")
    assert (status, evidence) == ("fail", "no image folder")
    assert advice == f'train_data_dir = "{project.root}"'


def test_an_image_of_another_size_needs_buckets(project: Project) -> None:
    assert project.find("buckets").evidence == "all of one size"
    (project.train / "0001.png").write_bytes(png(100, 64))
    found = project.find("buckets")
    assert (found.status, found.evidence) == ("fail", "1 image unfit")
    assert "0001.png is not 64x64 (100x64)" in found.detail
    found.cures[0].apply(lambda line: None)
    found = project.find("buckets")
    assert (found.status, found.evidence) == ("pass", "1 bucket")


def test_cached_latents_and_cropping_need_no_buckets(project: Project) -> None:
    (project.train / "0001.png").write_bytes(png(100, 100))
    assert project.find("buckets").status == "fail"
    assert project.find("buckets", train="cache_latents = true").status == "pass"
    project.write_dataset(train="random_crop = true")
    assert project.find("buckets").status == "pass"
    (project.train / "0001.png").write_bytes(png(32, 32))
    assert project.find("buckets").status == "fail", "cropping enlarges nothing"


def test_16_bit_grey_becomes_white(project: Project) -> None:
    Image.new("I;16", (64, 64), 40000).save(project.train / "0001.png")
    found = project.find("image_files")
    assert (found.status, found.evidence) == ("warn", "1 in 16-bit grey")


def test_one_cache_does_not_hold_latents_of_two_resolutions(project: Project) -> None:
    both = "[[datasets]]\nresolution = {}\n[[datasets.subsets]]\nimage_dir = '{}'\n"
    text = both.format(64, project.train) + both.format(128, project.train)
    (project.root / "dataset.toml").write_text(text)
    own = 'sd_scripts = "sd"'
    assert project.find("latents", trainer=own, train="cache_latents = true").status == "pass"
    on_disk = "cache_latents_to_disk = true"
    found = project.find("latents", trainer=own, train=on_disk)
    assert (found.status, found.evidence) == ("fail", "3 shared")
    assert "0000_0064x0064_sd.npz" in found.detail
    flux = f'{own}\nscript = "flux_train_network.py"'
    assert project.find("latents", trainer=flux, train=on_disk).status == "pass"


def test_cached_latents_crop_without_buckets(project: Project) -> None:
    for name in ("0001.png", "0002.png"):
        (project.train / name).write_bytes(png(64, 96))
    found = project.find("buckets", train="cache_latents = true")
    assert (found.status, found.evidence) == ("warn", "2 images cropped")
    assert "2 images are cropped: at most 33% of 0001.png (64x96) is lost" in found.detail


def test_an_image_much_longer_than_every_bucket_is_cropped(project: Project) -> None:
    project.write_dataset("enable_bucket = true\nmin_bucket_reso = 64\nmax_bucket_reso = 64")
    assert project.find("buckets").status == "pass"
    (project.train / "0001.png").write_bytes(png(64, 256))
    found = project.find("buckets")
    assert (found.status, found.evidence) == ("warn", "1 image cropped")
    assert "1 image is cropped: 75% of 0001.png (64x256) is lost" in found.detail


def test_an_image_smaller_than_a_step_stops_no_upscale(project: Project) -> None:
    (project.train / "0001.png").write_bytes(png(20, 20))
    project.write_dataset(general=f"{BUCKETS}\nbucket_no_upscale = true")
    found = project.find("buckets")
    assert (found.status, found.evidence) == ("fail", "image too small")
    found.cures[0].apply(lambda line: None)
    assert project.find("buckets").status == "pass"


@pytest.mark.parametrize(
    ("general", "evidence"),
    [
        ("enable_bucket = true", "bucket limits"),
        (f"{BUCKETS}\nbucket_reso_steps = 16", "bucket_reso_steps"),
    ],
)
def test_bucket_settings_that_contradict_are_cured(
    project: Project, general: str, evidence: str
) -> None:
    project.write_dataset(general=general)
    found = project.find("buckets")
    assert (found.status, found.evidence) == ("fail", evidence)
    found.cures[0].apply(lambda line: None)
    assert project.find("buckets").status == "pass", (project.root / "dataset.toml").read_text()


def test_a_limit_below_the_resolution_is_raised(project: Project) -> None:
    project.write_dataset(
        general="enable_bucket = true\nmin_bucket_reso = 64\nmax_bucket_reso = 64"
    )
    file = project.root / "dataset.toml"
    file.write_text(file.read_text().replace("resolution = 64", "resolution = 128"))
    found = project.find("buckets")
    assert (found.evidence, found.advice) == ("bucket limits", "max_bucket_reso = 128")
    found.cures[0].apply(lambda line: None)
    assert project.find("buckets").status == "pass"


def test_without_a_resolution_nothing_can_be_sorted(project: Project) -> None:
    file = project.root / "dataset.toml"
    file.write_text(file.read_text().replace("resolution = 64\n", ""))
    found = project.find("buckets")
    assert (found.status, found.evidence) == ("fail", "no resolution")


def test_the_divisor_is_the_scripts(project: Project) -> None:
    (project.root / "sd/sdxl_train_network.py").write_text("pass\n")
    project.write_dataset(general=f"{BUCKETS}\nbucket_reso_steps = 32")
    assert project.find("buckets", trainer=SD).evidence == "bucket_reso_steps"
    where = f'{SD}\nscript = "sdxl_train_network.py"'
    assert project.find("buckets", trainer=where).status == "pass"


# ----------------------------------------------------------------------------- cached latents

DISK = "cache_latents_to_disk = true"


def cache(project: Project, name: str, latents: np.ndarray, **more: np.ndarray) -> Path:
    path = project.train / f"{name}_0064x0064_sd.npz"
    np.savez(path, latents=latents, original_size=np.array([64, 64]), **more)
    return path


def test_caches_that_fit_pass(project: Project) -> None:
    assert project.find("latents", trainer=SD).evidence == "not used"
    assert project.find("latents", trainer=SD, train=DISK).evidence == "none yet"
    cache(project, "0000", np.zeros((4, 8, 8), "<f4"))
    assert project.find("latents", trainer=SD, train=DISK).evidence == "1 fit"


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
@pytest.mark.parametrize("kind", ["<f2", "<f4", "<f8"])
def test_a_cache_with_not_a_number_fails_and_is_moved_away(
    project: Project, value: float, kind: str
) -> None:
    latents = np.ones((4, 8, 8), kind)
    latents[3, 7, 7] = value
    bad = cache(project, "0001", latents)
    good = cache(project, "0000", np.full((4, 8, 8), 3e4, kind))
    found = project.find("latents", trainer=SD, train=DISK)
    assert (found.status, found.evidence) == ("fail", "1 NaN")
    assert bad.name in found.detail
    found.cures[0].apply(lambda line: None)
    assert not bad.exists() and good.exists()
    assert [p.name for p in (project.root / "plasma-removed").rglob("*.npz")] == [bad.name]
    assert project.find("latents", trainer=SD, train=DISK).evidence == "1 fit"


def test_flipped_latents_count_too(project: Project) -> None:
    flipped = np.full((4, 8, 8), np.nan, "<f4")
    cache(project, "0001", np.zeros((4, 8, 8), "<f4"), latents_flipped=flipped)
    assert project.find("latents", trainer=SD, train=DISK).evidence == "1 NaN"


def test_a_cache_of_another_resolution_is_stale(project: Project) -> None:
    cache(project, "0001", np.zeros((4, 16, 16), "<f4"))
    found = project.find("latents", trainer=SD, train=DISK)
    assert (found.status, found.evidence) == ("warn", "1 stale")
    assert "made for 16x16 latents, not 8x8" in found.detail


def test_a_cache_older_than_its_image_is_stale(project: Project) -> None:
    path = cache(project, "0001", np.zeros((4, 8, 8), "<f4"))
    now = path.stat().st_mtime
    os.utime(path, (now, now - 3600))
    found = project.find("latents", trainer=SD, train=DISK)
    assert (found.status, found.evidence) == ("warn", "1 stale")
    assert "older than its image" in found.detail


def test_a_cache_that_is_cut_off_fails(project: Project) -> None:
    path = cache(project, "0001", np.zeros((4, 8, 8), "<f4"))
    path.write_bytes(path.read_bytes()[:-30])
    found = project.find("latents", trainer=SD, train=DISK)
    assert (found.status, found.evidence) == ("fail", "1 damaged")


def test_a_cache_keyed_by_size_is_looked_at_by_its_key(project: Project) -> None:
    (project.root / "sd/flux_train_network.py").write_text("pass\n")
    where = f'{SD}\nscript = "flux_train_network.py"'
    path = project.train / "0001_0064x0064_flux.npz"
    np.savez(path, latents_32x32=np.zeros((16, 32, 32), "<f4"))
    assert project.find("latents", trainer=where, train=DISK).evidence == "1 fit"
    np.savez(path, latents_8x8=np.full((16, 8, 8), np.nan, "<f4"))
    assert project.find("latents", trainer=where, train=DISK).evidence == "1 NaN"


def test_cached_text_outputs_older_than_their_caption_are_stale(project: Project) -> None:
    (project.root / "sd/sdxl_train_network.py").write_text("pass\n")
    where = f'{SD}\nscript = "sdxl_train_network.py"'
    train = "cache_text_encoder_outputs_to_disk = true"
    path = project.train / "0001_te_outputs.npz"
    np.savez(path, hidden_state1=np.zeros((77, 8), "<f4"))
    assert project.find("latents", trainer=where, train=train).evidence == "1 fit"
    now = path.stat().st_mtime
    os.utime(path, (now, now - 3600))
    found = project.find("latents", trainer=where, train=train)
    assert (found.status, found.evidence) == ("warn", "1 stale")
    assert "older than its caption" in found.detail
    np.savez(path, hidden_state1=np.full((77, 8), np.nan, "<f4"))
    assert project.find("latents", trainer=where, train=train).evidence == "1 NaN"


@pytest.mark.parametrize("kind", ["<f2", "<f4", "<f8"])
def test_finite_agrees_with_numpy(kind: str) -> None:
    random = np.random.default_rng(7)
    for _ in range(200):
        raw = random.integers(0, 256, 64 * int(kind[2]), dtype="u1").tobytes()
        numbers = np.frombuffer(raw, kind)
        assert npz.finite(raw, int(kind[2])) == bool(np.isfinite(numbers).all())
    large = np.array([np.finfo(kind).max, -np.finfo(kind).max], kind)
    assert npz.finite(large.tobytes(), int(kind[2]))


def test_a_chunk_as_large_as_the_file_is_checked_in_little_memory(tmp_path: Path) -> None:
    size, path = 64 << 20, tmp_path / "a.png"
    with path.open("wb") as stream:
        stream.write(b"\x89PNG\r\n\x1a\n" + struct.pack(">I4s", size, b"IDAT"))
        stream.truncate(16 + size + 4)
    tracemalloc.start()
    try:
        assert whole_image.problem_of(path) == "damaged"
        assert tracemalloc.get_traced_memory()[1] < 8 << 20
    finally:
        tracemalloc.stop()
