"""Weights files of kinds that people bring: what `plasma-tui verify` reports about each."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.public_cases import Right, cases, wrong
from tui.cli.main import main

SUFFIXES = (".safetensors", ".ckpt", ".pt")


@pytest.mark.parametrize(("folder", "right"), cases("weights"))
def test_public_weights_are_verified_right(
    folder: Path, right: Right, capsys: pytest.CaptureFixture[str]
) -> None:
    files = sorted(str(file) for file in folder.iterdir() if file.suffix in SUFFIXES)
    for file in files:  # each alone and together
        main(["verify", "--json", file])
        found = json.loads(capsys.readouterr().out)
        one = found["files"][0] if "files" in found else found
        assert wrong(right, {**one, "said": json.dumps(found)}) == {}, file
    main(["verify", *files])
    text = capsys.readouterr()
    assert "Traceback" not in text.out + text.err
