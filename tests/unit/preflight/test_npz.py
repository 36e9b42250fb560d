"""An .npz is read within bounds, and whatever is wrong with it is one kind of error."""

from __future__ import annotations

import io
import tracemalloc
import zipfile
from pathlib import Path

import numpy as np
import pytest

from runner.preflight import npz
from runner.preflight.npz import NotNpz, read_npz


def saved(path: Path, *, packed: bool = False) -> bytes:
    save = np.savez_compressed if packed else np.savez
    save(path, latents=np.ones((4, 2, 3), np.float32), size=np.array([512, 512]))
    return path.read_bytes()


@pytest.mark.parametrize("packed", [False, True])
def test_arrays_are_read_by_name(tmp_path: Path, packed: bool) -> None:
    saved(tmp_path / "a.npz", packed=packed)
    found = read_npz(tmp_path / "a.npz")
    assert found["latents"] == npz.Array((4, 2, 3), True)
    assert found["size"] == npz.Array((2,), None)


def header(data: bytes, at: int, value: bytes, *, central: bool) -> bytes:
    """The first member's header with other bytes at this place."""
    start = data.index(b"PK\1\2") if central else 0
    return data[: start + at] + value + data[start + at + len(value) :]


@pytest.mark.parametrize(
    ("at", "value"),
    [(8, b"\x01\x00"), (10, b"\x63\x00"), (6, b"\xd2\x00"), (42, b"\xff\xff\xff\x7f")],
    ids=["encrypted", "other packing", "other version", "outside of the file"],
)
def test_a_damaged_directory_is_no_npz(tmp_path: Path, at: int, value: bytes) -> None:
    path = tmp_path / "a.npz"
    path.write_bytes(header(saved(path), at, value, central=True))
    with pytest.raises(NotNpz, match=r"truncated or damaged|never uses"):
        read_npz(path)


def test_damaged_packed_numbers_are_no_npz(tmp_path: Path) -> None:
    path = tmp_path / "a.npz"
    data = saved(path, packed=True)
    at = data.index(b"latents.npy") + 40
    path.write_bytes(data[:at] + b"\xff" * 10 + data[at + 10 :])
    with pytest.raises(NotNpz, match="truncated or damaged"):
        read_npz(path)


@pytest.mark.parametrize("method", [zipfile.ZIP_DEFLATED, zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA])
@pytest.mark.parametrize("told", [None, 100])
def test_what_unpacks_to_more_than_a_cache_has_is_not_unpacked(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, method: int, told: int | None
) -> None:
    monkeypatch.setattr(npz, "MOST_BYTES", 1 << 20)
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w", method) as archive:
        archive.writestr("latents.npy", bytes(100 << 20))
    data = packed.getvalue()
    if told is not None:  # the directory may state any size
        data = header(data, 24, told.to_bytes(4, "little"), central=True)
    path = tmp_path / "a.npz"
    path.write_bytes(data)
    tracemalloc.start()
    try:
        with pytest.raises(NotNpz):
            read_npz(path)
        assert tracemalloc.get_traced_memory()[1] < 8 << 20
    finally:
        tracemalloc.stop()
