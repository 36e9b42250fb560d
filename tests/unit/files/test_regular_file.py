"""Only regular files are read, and never more of them than the limit."""

import os
import socket
from pathlib import Path

import pytest

from runner.files.regular_file import read_bytes, read_text


def refusal(path: str | Path, limit_bytes: int = 1000) -> str:
    with pytest.raises(OSError) as caught:
        read_bytes(path, limit_bytes)
    return caught.value.strerror or ""


def test_a_regular_file_is_read_up_to_the_limit(tmp_path: Path) -> None:
    path = tmp_path / "x"
    path.write_bytes(b"a" * 1000)
    assert read_bytes(path, 1000) == b"a" * 1000
    assert refusal(path, 999) == "it is larger than 999 B"
    assert read_bytes(Path("/proc/self/cmdline") if Path("/proc").is_dir() else path)


def test_text_has_the_line_ends_of_python(tmp_path: Path) -> None:
    path = tmp_path / "x"
    path.write_bytes(b"\xef\xbb\xbfa\r\nb\rc\n")
    assert read_text(path, encoding="utf-8-sig") == "a\nb\nc\n"


def test_what_blocks_or_never_ends_is_refused_at_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)  # the path of a socket may have 108 bytes at most
    os.mkfifo(tmp_path / "fifo")
    (tmp_path / "link").symlink_to("fifo")
    (tmp_path / "zero").symlink_to("/dev/zero")
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind("socket")
    assert refusal(tmp_path / "fifo") == refusal(tmp_path / "link")
    assert refusal(tmp_path / "fifo") == "it is a FIFO, not a regular file"
    assert refusal(tmp_path / "zero") == "it is a device, not a regular file"
    assert refusal(tmp_path) == "it is a folder, not a regular file"
    assert refusal(tmp_path / "socket")


@pytest.mark.parametrize("name", ["a\0b", "a\ud800b"])
def test_a_name_that_no_file_can_have_is_an_error_of_the_system(name: str) -> None:
    assert refusal(name) == "not a possible file name"
