"""`start`, before its run."""

from __future__ import annotations

import pytest

from runner.model import CheckResult
from tui.cli.start import problems_by_severity


def test_failures_are_printed_before_warnings_whichever_was_found_first(
    capsys: pytest.CaptureFixture[str],
) -> None:
    with pytest.raises(RuntimeError), problems_by_severity() as on_check:
        for name, status in (("states", "warn"), ("config", "pass"), ("images", "fail")):
            on_check(CheckResult(name, status, f"{name} evidence"))
        raise RuntimeError("refused")
    lines = capsys.readouterr().err.splitlines()
    assert [line.split()[1] for line in lines] == ["images:", "states:"]
