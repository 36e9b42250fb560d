"""Every number of every tensor is looked at: planted NaN is found, clean data is never accused."""

import json
import math
import struct
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from runner.checkpoints import weights_scan
from runner.checkpoints.verify import verify

BITS = {
    "F64": ("<u8", 0x7FF << 52, 0xFFFF_FFFF_FFFF_FFFF), "F32": ("<u4", 0x7F80_0000, 0xFFFF_FFFF),
    "F16": ("<u2", 0x7C00, 0xFFFF), "BF16": ("<u2", 0x7F80, 0xFFFF),
    "F8_E5M2": ("u1", 0x7C, 0xFF), "F8_E4M3": ("u1", 0x7F, 0xFF),
}  # fmt: skip
ODD = settings(
    deadline=None, max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture]
)


def write(path: Path, tensors: dict[str, tuple[str, list[int], bytes]], pad: int = 0) -> Path:
    """Header and bytes as they are given, in that order; `pad`: spaces after the header."""
    header, at = {}, 0
    for name, (dtype, shape, data) in tensors.items():
        header[name] = {"dtype": dtype, "shape": shape, "data_offsets": [at, at + len(data)]}
        at += len(data)
    text = json.dumps(header).encode() + b" " * pad
    body = b"".join(data for _, _, data in tensors.values())
    path.write_bytes(struct.pack("<Q", len(text)) + text + body)
    return path


def finite_bits(draw: st.DrawFn, dtype: str, count: int) -> np.ndarray:
    """Any bits but those of NaN and infinity: subnormals, -0 and the largest numbers among them."""
    kind, ones, every = BITS[dtype]
    seed = draw(st.integers(0, 2**32 - 1))
    bits = np.random.default_rng(seed).integers(0, every, count, np.uint64, endpoint=True)
    bits = bits.astype(kind)
    mask = bits.dtype.type(ones)
    low_bit = ones & -ones
    bits[(bits & mask) == mask] ^= bits.dtype.type(
        low_bit
    )  # the smallest change that makes them finite
    largest = (ones - low_bit) | (low_bit - 1)
    extremes = np.array([0, every ^ (every >> 1), 1, largest], np.uint64)
    bits[: min(count, 4)] = extremes[: min(count, 4)].astype(kind)
    return bits


@ODD
@given(st.data())
def test_clean_data_is_never_accused_and_planted_values_are_found(
    tmp_path: Path, data: st.DataObject
) -> None:
    dtype = data.draw(st.sampled_from(sorted(BITS)))
    count = data.draw(st.sampled_from([1, 2, 7, 64, 1000, 65535, 65536, 65537, 140_001]))
    bits = finite_bits(data.draw, dtype, count)
    pad = data.draw(st.integers(0, 9))
    path = write(tmp_path / "x", {"a": (dtype, [count], bits.tobytes())}, pad)
    found = verify(path)
    assert (found.complete, found.finite, found.problem) == (True, True, None)
    assert found.norm is not None
    assert math.isfinite(found.norm)

    kind, ones, _ = BITS[dtype]
    payload = data.draw(st.integers(0, (ones & -ones) - 1))
    sign = data.draw(st.booleans()) * (ones + (ones & -ones))
    place = data.draw(st.integers(0, count - 1))
    bits[place] = np.uint64(ones | payload | sign).astype(kind)
    found = verify(write(path, {"a": (dtype, [count], bits.tobytes())}, pad))
    assert (found.complete, found.finite, found.nonfinite_tensors) == (True, False, 1)
    assert found.norm is None


@ODD
@given(st.data())
def test_the_halves_of_a_lora_module_are_looked_at_as_closely(
    tmp_path: Path, data: st.DataObject
) -> None:
    dtype = data.draw(st.sampled_from(sorted(BITS)))
    rank = data.draw(st.sampled_from([1, 3, 8, 16]))
    wide, tall = data.draw(st.sampled_from([(5, 7), (300, 200), (40_000, 11), (9, 70_000)]))
    halves = {
        "m.lora_down.weight": (dtype, [rank, wide], finite_bits(data.draw, dtype, rank * wide)),
        "m.lora_up.weight": (dtype, [tall, rank], finite_bits(data.draw, dtype, rank * tall)),
    }
    path = tmp_path / "x"

    def file() -> Path:
        return write(path, {n: (d, s, bits.tobytes()) for n, (d, s, bits) in halves.items()})

    assert verify(file()).finite is True
    name = data.draw(st.sampled_from(sorted(halves)))
    bits = halves[name][2]
    bits[data.draw(st.integers(0, len(bits) - 1))] = np.uint64(BITS[dtype][1]).astype(bits.dtype)
    found = verify(file())
    assert (found.finite, found.nonfinite_tensors, found.bad_blocks) == (False, 1, ("m",))


def test_the_numbers_of_f8_e4m3_have_no_infinity(tmp_path: Path) -> None:
    values = [0.0, 2.0**-9, 448.0, -448.0, 240.0]
    found = verify(write(tmp_path / "x", {"a": ("F8_E4M3", [5], b"\x00\x01\x7e\xfe\x77")}))
    assert found.norm == pytest.approx(math.sqrt(sum(v * v for v in values)), rel=1e-6)


@pytest.mark.parametrize("dtype", ["F16", "F8_E5M2", "BF16"])
def test_small_floats_are_read_as_what_they_are(tmp_path: Path, dtype: str) -> None:
    kind, ones, every = BITS[dtype]
    bits = np.arange(every + 1, dtype=np.uint64).astype(kind)
    bits = bits[(bits & bits.dtype.type(ones)) != ones]
    shift = {"F16": 0, "F8_E5M2": 8, "BF16": 16}[dtype]
    wide = (bits.astype(np.uint32) << shift).astype(np.uint16 if dtype != "BF16" else np.uint32)
    values = wide.view(np.float16 if dtype != "BF16" else np.float32).astype(np.float64)
    found = verify(write(tmp_path / "x", {"a": (dtype, [len(bits)], bits.tobytes())}))
    expected = min(math.sqrt(float(np.dot(values, values))), 1e300)
    assert found.norm == pytest.approx(expected, rel=1e-5)


def test_values_that_are_huge_or_tiny_but_finite_keep_their_norm(tmp_path: Path) -> None:
    for value in (3e38, 1e30, 1e-30, 1e-42):
        numbers = np.full(100, value, np.float32)
        found = verify(write(tmp_path / "x", {"a": ("F32", [100], numbers.tobytes())}))
        assert found.finite is True
        assert found.norm == pytest.approx(10 * float(np.float32(value)), rel=1e-5)


def test_what_cannot_be_looked_at_is_no_silent_yes(tmp_path: Path) -> None:
    path = write(tmp_path / "x", {"a": ("F4", [4], b"\x00\x00"), "b": ("F32", [1], bytes(4))})
    found = verify(path)
    assert (found.complete, found.finite) == (True, None)
    assert "1 tensor not checked" in (found.problem or "")
    assert "F4" in (found.problem or "")


def test_whole_numbers_are_finite_and_have_no_norm(tmp_path: Path) -> None:
    found = verify(write(tmp_path / "x", {"a": ("I64", [2], bytes(16)), "b": ("BOOL", [1], b"\1")}))
    assert (found.finite, found.norm, found.norms) == (True, None, ())


def test_empty_tensors_and_a_header_without_any(tmp_path: Path) -> None:
    found = verify(write(tmp_path / "x", {"a": ("F32", [0, 4], b""), "b": ("BF16", [0], b"")}))
    assert (found.complete, found.finite) == (True, True)
    text = b'{"__metadata__":{"ss_network_dim":"4","ss_network_alpha":"None"}}'
    (tmp_path / "y").write_bytes(struct.pack("<Q", len(text)) + text)
    found = verify(tmp_path / "y")
    assert (found.complete, found.finite, found.tensors, found.rank) == (True, True, 0, 4)
    assert found.alpha is None


@pytest.mark.parametrize(
    ("header", "words"),
    [
        ({"a": {"dtype": "F32", "shape": [2], "data_offsets": [0, 4]}}, "room for 4 bytes"),
        ({"a": {"dtype": "F32", "shape": [1], "data_offsets": [4, 8]}}, "gap"),
        (
            {
                "a": {"dtype": "U8", "shape": [6], "data_offsets": [0, 6]},
                "b": {"dtype": "U8", "shape": [4], "data_offsets": [4, 8]},
            },
            "overlaps",
        ),
        ({"a": {"dtype": "F32", "shape": [-1], "data_offsets": [0, 4]}}, "is invalid"),
        ({"a": {"dtype": "F32", "shape": "x", "data_offsets": [0, 4]}}, "is invalid"),
        ({"a": [1]}, "no offsets"),
        ({"a": {"dtype": "F32", "shape": [1], "data_offsets": [4, 0]}}, "room for"),
    ],
)
def test_a_header_that_contradicts_itself_is_said_to(
    tmp_path: Path, header: dict[str, object], words: str
) -> None:
    text = json.dumps(header).encode()
    end = max((t["data_offsets"][1] for t in header.values() if isinstance(t, dict)), default=0)
    (tmp_path / "x").write_bytes(struct.pack("<Q", len(text)) + text + bytes(end))
    found = verify(tmp_path / "x")
    assert not found.complete
    assert words in (found.problem or "")


def test_a_file_that_shrinks_while_it_is_read_is_not_called_finite(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = write(tmp_path / "x", {"a": ("F32", [1 << 21], bytes(1 << 23))})
    read = weights_scan.Reader._read

    def cut(self: weights_scan.Reader, raw: np.ndarray) -> None:
        with path.open("r+b") as stream:
            stream.truncate(1 << 22)
        read(self, raw)

    monkeypatch.setattr(weights_scan.Reader, "_read", cut)
    found = verify(path)
    assert (found.complete, found.finite) == (False, None)
    assert "shorter" in (found.problem or "")


def test_pickles_are_not_looked_into(tmp_path: Path) -> None:
    import zipfile

    path = tmp_path / "x.ckpt"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("archive/data.pkl", b"boom" * 100)
    found = verify(path)
    assert (found.kind, found.complete, found.finite) == ("pickle", True, None)
    assert "pickle" in (found.problem or "")
    path.write_bytes(path.read_bytes()[:-1])
    assert verify(path).complete is False
