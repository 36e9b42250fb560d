"""Sizes from the first bytes of a file."""

from __future__ import annotations

import os
import random
import struct
from pathlib import Path

import pytest
from PIL import Image

from runner.trainers.sd_scripts.dataset.files import FolderImages
from runner.trainers.sd_scripts.dataset.header import has_alpha, read_header
from scripts.forecast_cases.pictures import bmp
from tests.unit.trainers.dataset.dataset_images import write_png

SOI, EOI = b"\xff\xd8", b"\xff\xd9"


def jpeg(path: Path, *segments: bytes, size: tuple[int, int] = (40, 30), frame: int = 0xC0) -> Path:
    """Nothing but a JPEG's header."""
    start = struct.pack(">BBHBHHB", 0xFF, frame, 17, 8, size[1], size[0], 3) + bytes(9)
    path.write_bytes(SOI + b"".join(segments) + start + EOI)
    return path


def segment(marker: int, body: bytes) -> bytes:
    return struct.pack(">BBH", 0xFF, marker, len(body) + 2) + body


def exif(orientation: int, order: str = "<") -> bytes:
    mark = b"II" if order == "<" else b"MM"
    entries = struct.pack(order + "H", 2)
    entries += struct.pack(order + "HHLHH", 0x0100, 3, 1, 7, 0)
    entries += struct.pack(order + "HHLHH", 0x0112, 3, 1, orientation, 0)
    body = mark + struct.pack(order + "HL", 42, 8) + entries + struct.pack(order + "L", 0)
    return segment(0xE1, b"Exif\0\0" + body)


def test_a_png_and_a_bmp(tmp_path: Path) -> None:
    found = read_header(write_png(tmp_path / "a.jpg", (123, 45)))  # the name does not matter
    assert found is not None
    assert found.size == (123, 45)
    (tmp_path / "b.bmp").write_bytes(bmp((33, 44), 1))
    turned_over = read_header(tmp_path / "b.bmp")
    assert turned_over is not None
    assert turned_over.size == (33, 44)


@pytest.mark.parametrize("frame", [0xC0, 0xC1, 0xC2, 0xC9, 0xCF])
def test_a_jpeg_of_any_kind_of_frame(tmp_path: Path, frame: int) -> None:
    tables = segment(0xC4, bytes(30)) + segment(0xDB, bytes(65))
    found = read_header(jpeg(tmp_path / "a.jpg", tables, frame=frame))
    assert found is not None
    assert (found.size, found.turned) == ((40, 30), False)


def test_a_jpeg_whose_frame_comes_late(tmp_path: Path) -> None:
    long = segment(0xE1, b"http" + bytes(60_000)) + segment(0xE2, bytes(65_000))
    found = read_header(jpeg(tmp_path / "a.jpg", long, b"\xff", size=(5000, 4000)))
    assert found is not None
    assert found.size == (5000, 4000)


@pytest.mark.parametrize("order", ["<", ">"])
@pytest.mark.parametrize(("orientation", "turned"), [(1, False), (3, False), (6, True), (8, True)])
def test_the_orientation_is_told_and_the_stored_size_kept(
    tmp_path: Path, orientation: int, turned: bool, order: str
) -> None:
    found = read_header(jpeg(tmp_path / "a.jpg", exif(orientation, order)))
    assert found is not None
    assert (found.size, found.turned) == ((40, 30), turned)


def test_an_exif_block_of_nonsense_turns_nothing(tmp_path: Path) -> None:
    found = read_header(jpeg(tmp_path / "a.jpg", segment(0xE1, b"Exif\0\0XX" + bytes(20))))
    assert found is not None
    assert not found.turned


@pytest.mark.parametrize(
    "content",
    [b"", b"hello", SOI, SOI + b"\xff\xe0", b"BM", b"\x89PNG\r\n\x1a\n" + bytes(8) + b"IHDR",
     b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR\0\0\0\0\0\0\0\5", b"RIFF\0\0\0\0WEBPVP8X", SOI + bytes(50)],
)  # fmt: skip
def test_what_is_no_image_or_torn_has_no_size(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "a.png"
    path.write_bytes(content)
    assert read_header(path) is None


def test_bytes_by_chance_never_raise(tmp_path: Path) -> None:
    dice = random.Random(7)
    beginnings = (
        SOI + b"\xff\xe1",
        b"RIFF\0\0\0\0WEBPVP8 ",
        b"BM",
        b"GIF89a",
        exif(6),
        SOI + exif(6),
    )
    path = tmp_path / "a.png"
    for _ in range(400):
        path.write_bytes(dice.choice(beginnings) + dice.randbytes(dice.choice([0, 3, 20, 300])))
        read_header(path)


@pytest.mark.torch
@pytest.mark.parametrize(
    ("kind", "options"),
    [
        ("PNG", {}), ("BMP", {}), ("GIF", {}), ("TIFF", {}), ("JPEG", {}),
        ("JPEG", {"progressive": True}), ("WEBP", {}), ("WEBP", {"lossless": True}),
        ("WEBP", {"lossless": True, "exif": b"Exif\0\0II*\0\x08\0\0\0\0\0"}), ("JPEG2000", {}),
    ],
)  # fmt: skip
def test_sizes_are_those_that_pillow_sees(
    tmp_path: Path, kind: str, options: dict[str, object]
) -> None:
    images = pytest.importorskip("PIL.Image")
    for size in ((1, 1), (17, 300), (401, 33), (256, 256)):
        path = tmp_path / "image"
        images.new("RGB", size, (9, 99, 199)).save(path, kind, **options)
        found = read_header(path)
        assert found is not None, (kind, size)
        assert found.size == size


@pytest.mark.parametrize(
    ("mode", "name", "alpha", "white"),
    [
        ("RGB", "a.png", False, False),
        ("RGBA", "a.png", True, False),
        ("LA", "a.png", True, False),
        ("I;16", "a.png", False, True),
        ("L", "a.png", False, False),
        ("RGB", "a.jpg", False, False),
        ("RGB", "a.bmp", False, False),
        ("RGBA", "a.webp", True, False),
        ("RGB", "a.webp", False, False),
    ],
)
def test_transparency_and_16_bit_grey_are_known_from_the_header(
    tmp_path: Path, mode: str, name: str, alpha: bool, white: bool
) -> None:
    Image.new(mode, (8, 8)).save(tmp_path / name, lossless=True)
    header = read_header(tmp_path / name)
    assert header is not None
    assert (has_alpha(tmp_path / name), header.white) == (alpha, white)
    assert not FolderImages(tmp_path).turns_white("gone.png")


def test_a_jpeg_of_filler_bytes_is_given_up_soon(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    reads: list[int] = []
    pread = os.pread

    def counted(descriptor: int, count: int, offset: int) -> bytes:
        reads.append(offset)
        return pread(descriptor, count, offset)

    monkeypatch.setattr(os, "pread", counted)
    path = tmp_path / "a.jpg"
    path.write_bytes(b"\xff\xd8" + b"\xff" * 30_000)
    assert read_header(path) is None
    assert len(reads) <= 10_000
