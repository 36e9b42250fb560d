"""Small files that would unpack, or nest, beyond all bounds: each is answered in little time and memory."""

from __future__ import annotations

import ast
import gzip
import json
import os
import resource
import struct
import subprocess
import sys
import tomllib
import zipfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from runner.checkpoints.state_folder import whole_archive
from runner.files import zip_archive
from runner.files.header import Broken, read_header
from runner.files.json_text import parse_json
from runner.files.toml_text import parse_toml
from runner.history.imported_runs import log_bytes
from runner.ingest.tfevents import RECORD_BYTES, EventFile
from runner.preflight import npz
from runner.preflight.whole_image import problem_of
from runner.store.journal import LineTail, Row, step_row, step_rows
from runner.trainers.sd_scripts.dataset.header import read_header as read_image_header
from runner.trainers.sd_scripts.importers.safe_yaml import YamlError, parse_yaml
from tests import ROOT
from tests.sample_runs import png
from tui.images.decode import NoPicture, decode

GIB = 1 << 30
#: address space that a reader of such a file may use on top of what the interpreter has
ROOM_BYTES = 600 << 20


@contextmanager
def little_memory() -> Iterator[None]:
    """What asks for more gets a MemoryError."""
    before = resource.getrlimit(resource.RLIMIT_AS)
    with open("/proc/self/statm", encoding="ascii") as stream:
        used = int(stream.read().split()[0]) * resource.getpagesize()
    resource.setrlimit(resource.RLIMIT_AS, (used + ROOM_BYTES, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_AS, before)


linux = pytest.mark.skipif(sys.platform != "linux", reason="needs /proc and a limit of memory")


def chunk(kind: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


def picture_bomb(path: Path, side: int) -> None:
    """A PNG of side x side pixels in a few kilobytes."""
    head = struct.pack(">IIBBBBB", side, side, 8, 2, 0, 0, 0)
    rows = zlib.compress(bytes(1 << 20))
    path.write_bytes(b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + chunk(b"IDAT", rows))


def member(head: str, zeros: int) -> Iterator[bytes]:
    text = head.encode().ljust(117) + b"\n"
    yield b"\x93NUMPY\1\0" + len(text).to_bytes(2, "little") + text
    while zeros > 0:
        yield bytes(min(zeros, 1 << 20))
        zeros -= 1 << 20


def latents_bomb(path: Path, size_bytes: int, method: int = zipfile.ZIP_DEFLATED) -> None:
    head = f"{{'descr': '<f4', 'fortran_order': False, 'shape': ({size_bytes // 4},), }}"
    with zipfile.ZipFile(path, "w", method) as archive, archive.open("latents.npy", "w") as out:
        for block in member(head, size_bytes):
            out.write(block)


# --------------------------------------------------------------------------- pictures


@pytest.mark.parametrize(("side", "words"), [(10_000, ": 10000x10000"), (100_000, ".")])
def test_a_picture_with_too_many_pixels_is_not_decoded(
    tmp_path: Path, side: int, words: str
) -> None:
    """Pillow refuses the larger one by itself."""
    picture_bomb(tmp_path / "x.png", side)
    with pytest.raises(NoPicture, match=f"too large to show{words}"):
        decode(tmp_path / "x.png")


@linux
def test_a_chunk_of_gigabytes_is_not_read_at_once(tmp_path: Path) -> None:
    path = tmp_path / "x.png"
    path.write_bytes(png()[:33] + struct.pack(">I4s", (1 << 30) - 1, b"IDAT"))
    os.truncate(path, 2 * GIB)
    with little_memory():
        assert problem_of(path, thorough=False) == "damaged"


@pytest.mark.parametrize("name", ["x.png", "x.jpg", "x.webp", "x.avif"])
def test_a_fifo_named_like_an_image_is_no_image(tmp_path: Path, name: str) -> None:
    os.mkfifo(tmp_path / name)
    source = (
        "import sys; from runner.trainers.sd_scripts.dataset.header import read_header; "
        "print(read_header(sys.argv[1]))"
    )
    done = subprocess.run(
        [sys.executable, "-c", source, str(tmp_path / name)],
        cwd=ROOT, env={**os.environ, "PYTHONPATH": str(ROOT)}, capture_output=True, text=True, timeout=60,
        check=True,
    )  # fmt: skip
    assert done.stdout == "None\n"


def test_an_svg_that_doubles_itself_is_no_image(tmp_path: Path) -> None:
    lines = ['<!ENTITY a0 "lol">'] + [
        f'<!ENTITY a{n} "{f"&a{n - 1};" * 10}">' for n in range(1, 30)
    ]
    path = tmp_path / "x.png"
    path.write_text(
        f"<?xml version='1.0'?><!DOCTYPE svg [{''.join(lines)}]><svg width='&a29;' height='1'/>"
    )
    try:
        read_image_header(path)
    except Exception as error:  # the parser's own protection
        assert "amplification" in str(error) or "svg" in str(error).lower(), error


# --------------------------------------------------------------------------- archives


def test_latents_that_unpack_to_too_much_are_refused_unread(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(npz, "MOST_BYTES", 50 << 20)
    latents_bomb(tmp_path / "x.npz", 60 << 20)
    assert (tmp_path / "x.npz").stat().st_size < 100_000
    with pytest.raises(npz.NotNpz, match="larger"):
        npz.read_npz(tmp_path / "x.npz")


@linux
def test_large_latents_are_read_in_blocks(tmp_path: Path) -> None:
    latents_bomb(tmp_path / "x.npz", npz.MOST_BYTES - (1 << 20))
    with little_memory():
        found = npz.read_npz(tmp_path / "x.npz")
    assert found["latents"].finite is True


@pytest.mark.parametrize("method", [zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA])
def test_a_packing_that_unpacks_without_bounds_is_refused(tmp_path: Path, method: int) -> None:
    latents_bomb(tmp_path / "x.npz", 1 << 20, method)
    with pytest.raises(npz.NotNpz, match="packed"):
        npz.read_npz(tmp_path / "x.npz")


@pytest.mark.parametrize(
    "head", ["(" * 9000, "-" * 9000 + "1", "[" * 90 + "]" * 90, "{'shape': 1}", "[]", "{'shape': ('x',)}"]
)  # fmt: skip
def test_a_header_of_latents_that_is_none_is_damage(tmp_path: Path, head: str) -> None:
    with zipfile.ZipFile(tmp_path / "x.npz", "w") as archive:
        archive.writestr("latents.npy", b"".join(member(head, 0)))
    with pytest.raises(npz.NotNpz):
        npz.read_npz(tmp_path / "x.npz")


@pytest.mark.parametrize("number", [1, 70_000])
def test_an_archive_with_a_huge_directory_is_not_opened(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, number: int
) -> None:
    """70,000: with the 64-bit record at the end."""
    path = tmp_path / "optimizer.bin"
    with zipfile.ZipFile(path, "w") as archive:
        for index in range(number):
            archive.writestr(f"x/{index}", b"")
    assert whole_archive(path)
    monkeypatch.setattr(zip_archive, "DIRECTORY_LIMIT_BYTES", 48 * number)
    assert not whole_archive(path)


def test_a_small_log_that_unpacks_for_days_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(log_bytes, "MOST_UNPACKED_BYTES", 8 << 20)
    for size, fine in ((4 << 20, True), (9 << 20, False)):
        (tmp_path / "x.log.gz").write_bytes(gzip.compress(bytes(size)))
        if fine:
            assert log_bytes.copy_log(tmp_path / "x.log.gz", tmp_path / "out").size_bytes == size
        else:
            with pytest.raises(log_bytes.NoLog, match="unpacks to more than"):
                log_bytes.copy_log(tmp_path / "x.log.gz", tmp_path / "out")


# --------------------------------------------------------------------------- lengths and depths


@linux
def test_lengths_in_a_file_are_not_believed(tmp_path: Path) -> None:
    path = tmp_path / "x.safetensors"
    for length in (99_999_999, (1 << 64) - 1):
        path.write_bytes(length.to_bytes(8, "little") + b"{}")
        with little_memory(), pytest.raises(Broken):
            read_header(path)
    path.write_bytes((1 << 30).to_bytes(8, "little"))
    os.truncate(path, 2 * GIB)  # really has as many bytes, all of them holes
    with little_memory(), pytest.raises(Broken):
        read_header(path)
    (tmp_path / "events").write_bytes(struct.pack("<QI", 1 << 62, 0) + bytes(100))
    with little_memory():
        assert list(EventFile(tmp_path / "events").records()) == []
    assert RECORD_BYTES <= 1 << 23


@linux
def test_a_line_of_a_journal_that_never_ends_is_read_in_pieces(tmp_path: Path) -> None:
    path = tmp_path / "steps.jsonl"
    path.touch()
    os.truncate(path, GIB)
    with path.open("ab") as stream:
        stream.write(b"\n" + step_row(7, 1.0, 0.1, 0.1, None, 1))
    found: list[Row] = []
    tail = LineTail(path)
    with little_memory():
        for block in tail.read(600.0):
            found += step_rows(block)[0]
    assert [row[0] for row in found] == [7]


def test_a_header_of_many_names_is_checked_in_one_pass(tmp_path: Path) -> None:
    """A quadratic search for the repeated one of a million names takes hours."""
    names = ",".join(f'"{number}":0' for number in range(1_000_000))
    text = f'{{{names},"999999":0}}'.encode()
    (tmp_path / "x.safetensors").write_bytes(len(text).to_bytes(8, "little") + text)
    source = (
        "import sys; from pathlib import Path; from runner.files.header import Broken, read_header\n"
        "try: read_header(Path(sys.argv[1]))\nexcept Broken as error: print(error)"
    )
    done = subprocess.run(
        [sys.executable, "-c", source, str(tmp_path / "x.safetensors")],
        cwd=ROOT, env={**os.environ, "PYTHONPATH": str(ROOT)}, capture_output=True, text=True, timeout=120,
        check=True,
    )  # fmt: skip
    assert done.stdout == "the header contains '999999' twice\n"


DEEP = 100_000


def test_deeply_nested_json_toml_and_yaml_are_one_error() -> None:
    for text in ("[" * DEEP, "[" * DEEP + "]" * DEEP, '{"a":' * 60 + "1" + "}" * 60):
        with pytest.raises(json.JSONDecodeError, match="Nested too deeply"):
            parse_json(text)
    for text in ("a = " + "[" * DEEP, "a = " + "[" * 60 + "]" * 60, "a" + ".a" * 5000 + " = 1"):
        with pytest.raises(tomllib.TOMLDecodeError):
            parse_toml(text)
    with pytest.raises(YamlError):
        parse_yaml("[" * DEEP)
    bomb = "a0: &a0 [x, x]\n" + "".join(
        f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 10)}]\n" for n in range(1, 30)
    )
    with pytest.raises(YamlError):
        parse_yaml(bomb)
    assert parse_json('{"a": [1, {"b": []}]}') == {"a": [1, {"b": []}]}


#: files of ours, or text that has been parsed before
TRUSTED = {
    "keeper.py", "interpreter.py", "import_probe.py", "hiding.py", "reading.py", "positions.py", "changes.py",
    "flag_edit.py", "fields.py", "other_formats.py", "flag_dialects.py", "write.py", "flag_table.py",
    "memory_figures.py", "titles.py", "catalogue.py", "themes.py", "project.py", "common.py", "run_settings.py",
    "usual_pace.py", "header.py", "json_text.py", "toml_text.py", "queue.py", "queue_times.py", "slot_locks.py",
    "turn.py", "handing_over.py",
}  # fmt: skip


def test_foreign_json_and_toml_are_read_by_the_bounded_readers() -> None:
    for folder in ("runner", "tui"):
        for path in sorted((ROOT / folder).rglob("*.py")):
            if "embedded" in path.parts or path.name in TRUSTED:
                continue
            names = {
                ast.unparse(node)
                for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
                if isinstance(node, ast.Attribute)
            }
            assert not names & {"json.loads", "json.load", "tomllib.loads", "tomllib.load"}, path
