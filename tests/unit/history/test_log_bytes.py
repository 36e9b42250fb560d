"""A packed log that is damaged is one sentence."""

from __future__ import annotations

import gzip
from pathlib import Path

import pytest

from runner.history.imported_runs.log_bytes import NoLog, copy_log


@pytest.mark.parametrize("damage", ["cut off", "other bytes", "no header"])
def test_a_damaged_archive_is_refused_with_a_sentence(tmp_path: Path, damage: str) -> None:
    packed = gzip.compress(b"steps: 1/4\n" * 500, mtime=0)
    data = {
        "cut off": packed[:-10],
        "other bytes": packed[:12] + b"\xff" * 8 + packed[20:],
        "no header": packed[:2] + b"\xff" * 20,
    }[damage]
    (tmp_path / "a.gz").write_bytes(data)
    with pytest.raises(NoLog, match="cannot decompress gzip"):
        copy_log(tmp_path / "a.gz", tmp_path / "copy")
