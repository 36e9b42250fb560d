"""What `plasma-tui inspect` prints about logs of several kinds, as approved texts."""

from __future__ import annotations

from pathlib import Path

import pytest

from runner.history.inspect import inspect_log
from tests import DATA
from tests.goldens import approve
from tui.cli.inspect_text import inspect_lines

GOLDENS = Path(__file__).parent / "goldens"


@pytest.mark.parametrize(
    ("name", "log", "ended"),
    [
        ("succeeded", "runs/seed_full.log", "code:0"),
        ("failed", "public/14-triton-missing-torch-compile/input.log", None),
        ("diverged", "runs/nan_step1.log", "code:0"),
        ("many-files", "public/18-loss-exactly-zero/input.log", "code:0"),
    ],
)
def test_inspect_prints_the_verdict_and_the_figures(
    name: str, log: str, ended: str | None, pytestconfig: pytest.Config
) -> None:
    lines = inspect_lines(inspect_log(DATA / log, ended))
    approve(GOLDENS / f"inspect-{name}.txt", "\n".join([*lines, ""]), pytestconfig)


def test_text_of_the_log_cannot_control_the_terminal(tmp_path: Path) -> None:
    log = tmp_path / "a.log"
    log.write_bytes(b"prepare tokenizer\nTraceback (most recent call last):\n  File \"a\", line 1, in x\n"
                    b"ValueError: \x1b]0;title\x07bad\x1b[2J\n")  # fmt: skip
    assert "\x1b" not in "\n".join(inspect_lines(inspect_log(log)))
