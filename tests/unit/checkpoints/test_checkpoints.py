"""Files of weights: whole, finite, or said what is wrong with them."""

import json
import math
import os
import struct
from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import save_file

from runner.checkpoints.verify import main, verify


def raw(path: Path, dtype: str, data: bytes, shape: list[int]) -> Path:
    header = json.dumps({"t": {"dtype": dtype, "shape": shape, "data_offsets": [0, len(data)]}})
    text = header.encode()
    path.write_bytes(struct.pack("<Q", len(text)) + text + data)
    return path


def good(path: Path) -> Path:
    weights = {"a": np.ones((4, 4), np.float32), "b": np.zeros(3, np.float16)}
    save_file(weights, path, metadata={"ss_steps": "200"})
    return path


def test_a_whole_finite_file(tmp_path: Path) -> None:
    found = verify(good(tmp_path / "x.safetensors"))
    assert (found.complete, found.finite, found.tensors, found.problem) == (True, True, 2, None)
    assert found.metadata == {"ss_steps": "200"}


def test_every_truncation_is_seen(tmp_path: Path) -> None:
    whole = good(tmp_path / "x.safetensors").read_bytes()
    path = tmp_path / "cut.safetensors"
    for length in range(len(whole)):
        path.write_bytes(whole[:length])
        found = verify(path)
        assert not found.complete
        assert found.problem


def test_the_sentence_says_how_a_file_is_broken(tmp_path: Path) -> None:
    path = tmp_path / "x.safetensors"
    assert verify(path).problem == "the file does not exist"
    path.write_bytes(b"")
    assert verify(path).problem == "the file is empty (0 bytes)"
    path.write_bytes(b"<!DOCTYPE html><html>")
    assert "not a safetensors file" in (verify(path).problem or "")
    path.write_bytes(good(tmp_path / "y").read_bytes() + b"more")
    assert "too long" in (verify(path).problem or "")


def headed(path: Path, header: str, data: bytes = b"\0" * 4) -> Path:
    text = header.encode()
    path.write_bytes(struct.pack("<Q", len(text)) + text + data)
    return path


ONE = '{"dtype":"F32","shape":[1],"data_offsets":[0,4]}'


@pytest.mark.parametrize(
    ("header", "problem"),
    [
        (f'{{"a":{ONE},"a":{ONE}}}', "the header contains 'a' twice"),
        (f'{{"a":{ONE},"\\u0061":{ONE}}}', "the header contains 'a' twice"),
        ('{"a":{"dtype":"F32","shape":[9],"shape":[1],"data_offsets":[0,4]}}', "'shape' twice"),
        (f'{{"__metadata__":{{"k":"1","k":"2"}},"a":{ONE}}}', "the header contains 'k' twice"),
        ("[" * 200_000, "nested too deeply"),
        ('{"a":' * 200_000, "nested too deeply"),
        (f'{{"__metadata__":{{"k":{"[" * 500 + "]" * 500}}},"a":{ONE}}}', "other than text"),
        ('{"a":{"dtype":["F32"],"shape":[1],"data_offsets":[0,4]}}', "tensor a is invalid"),
        ('{"a":{"dtype":"F32","shape":[NaN],"data_offsets":[0,4]}}', "is not JSON"),
        ("[]", "not a table of tensors"),
    ],
    ids=range(10),
)
def test_a_header_that_readers_would_refuse_or_understand_differently_is_broken(
    tmp_path: Path, header: str, problem: str
) -> None:
    found = verify(headed(tmp_path / "x.safetensors", header))
    assert not found.complete
    assert problem in (found.problem or "")


def test_a_fifo_with_the_name_of_weights_is_refused_without_waiting_for_a_writer(
    tmp_path: Path,
) -> None:
    os.mkfifo(tmp_path / "x.safetensors")
    (tmp_path / "y.safetensors").symlink_to("/dev/zero")
    assert verify(tmp_path / "x.safetensors").problem == (
        "cannot be read: it is a FIFO, not a regular file"
    )
    assert "a device" in (verify(tmp_path / "y.safetensors").problem or "")


@pytest.mark.parametrize(
    ("dtype", "bad", "fine"),
    [
        ("F32", struct.pack("<f", math.nan), struct.pack("<f", 3.4e38)),
        ("F32", struct.pack("<f", -math.inf), struct.pack("<f", -1e-40)),
        ("F16", struct.pack("<e", math.inf), struct.pack("<e", 65504.0)),
        ("F64", struct.pack("<d", math.nan), struct.pack("<d", 1e308)),
        ("BF16", b"\xc0\x7f", b"\x7f\x7f"),
        ("BF16", b"\x80\xff", b"\x7f\xff"),
        ("F8_E4M3", b"\x7f", b"\x7e"),
        ("F8_E5M2", b"\x7c", b"\x7b"),
    ],
)
def test_a_single_bad_number_is_found_in_every_format(
    tmp_path: Path, dtype: str, bad: bytes, fine: bytes
) -> None:
    path = raw(tmp_path / "x", dtype, fine * 1000, [1000])
    assert verify(path).finite is True
    path = raw(tmp_path / "x", dtype, fine * 999 + bad, [1000])
    found = verify(path)
    assert found.finite is False
    assert found.complete is True
    assert found.problem == "1 of 1 tensors contain NaN or Inf"


def test_the_command_form_prints_a_line_a_file_and_its_verdict(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("os.nice", lambda _: 0)
    one = good(tmp_path / "x.safetensors")
    assert main([str(one)]) == 0
    assert main([str(one), str(tmp_path / "missing")]) == 1
    lines = capsys.readouterr().out.splitlines()
    assert [json.loads(line)["complete"] for line in lines] == [True, True, False]


@pytest.mark.parametrize(
    ("start", "words"),
    [
        (b"PK\x03\x04\x00\x00\x08\x08", ".pt or .ckpt"),
        (b"\x80\x02}q\x00(X\x0d", ".pt or .ckpt"),
        (b"GGUF\x03\x00\x00\x00", "GGUF"),
        (b"<!DOCTYPE html><html>", "a web page"),
        (b"version https://git-lfs.github.com/spec/v1\n", "git lfs pull"),
        (b"\x07\x07\x07\x07\x07\x07\x07\x07", "begins with"),
    ],
)
def test_what_was_only_named_safetensors_is_called_by_its_name(
    tmp_path: Path, start: bytes, words: str
) -> None:
    path = tmp_path / "x.safetensors"
    path.write_bytes(start + b"\x00" * 100)
    found = verify(path)
    assert (found.complete, found.finite) == (False, None)
    assert words in (found.problem or "")


def test_weights_with_the_name_of_a_pickle_are_read_as_what_they_are(tmp_path: Path) -> None:
    path = tmp_path / "x.ckpt"
    save_file({"a": np.ones(4, np.float32)}, path)
    found = verify(path)
    assert (found.kind, found.complete, found.finite) == ("weights", True, True)
