"""Approved texts: what people see, in files that a change of it changes too."""

from __future__ import annotations

import difflib
from pathlib import Path

import pytest

MOST_LINES = 60


def approve(file: Path, found: str, config: pytest.Config) -> None:
    """Fails with the difference; with `--update-goldens` the file is written instead."""
    if config.getoption("--update-goldens"):
        file.parent.mkdir(exist_ok=True)
        file.write_text(found, encoding="utf-8")
        return
    approved = file.read_text(encoding="utf-8") if file.exists() else ""
    if found == approved:
        return
    lines = difflib.unified_diff(
        approved.splitlines(),
        found.splitlines(),
        f"approved/{file.name}",
        "found",
        lineterm="",
        n=1,
    )
    shown = [line for line, _ in zip(lines, range(MOST_LINES), strict=False)]
    text = "\n".join([*shown, "", "Right? Run the same tests with --update-goldens."])
    pytest.fail(text, pytrace=False)
