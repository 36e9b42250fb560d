"""Console logs from public threads: what `plasma-tui inspect` reports about each."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from tests.public_cases import Right, cases, input_of, wrong
from tui.cli.main import main


@pytest.mark.parametrize(("folder", "right"), cases("log"))
def test_a_public_log_is_read_right(
    folder: Path, right: Right, capsys: pytest.CaptureFixture[str]
) -> None:
    how = folder / "exit"
    ended = ["--exit", how.read_text("utf-8").strip()] if how.exists() else []
    main(["inspect", "--json", "--no-keep", *ended, str(input_of(folder))])
    assert wrong(right, _seen(json.loads(capsys.readouterr().out))) == {}


def _seen(report: dict[str, Any]) -> dict[str, Any]:
    cause = report["cause"] or {"key": None, "changes": [], "advice": "", "evidence": ""}
    said = [*report["reasons"], cause["evidence"]]
    return {
        **report,
        "cause": cause["key"],
        "fix": " ".join(cause["changes"]),
        "advice": cause["advice"],
        "evidence": cause["evidence"],
        "said": " ".join(said),
    }
