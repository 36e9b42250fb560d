"""The command `demo` opens the screen with the demo's own plasma.toml."""

from __future__ import annotations

import argparse
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from tui.cli import demo as verb
from tui.cli import screen


def test_the_demos_screen_has_the_demos_plasma_toml(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    opened: dict[str, Any] = {}
    monkeypatch.setattr(screen, "need_terminal", lambda *_: None)
    monkeypatch.setattr(screen, "open_app", lambda _, **how: opened.update(how) or 0)
    monkeypatch.setattr(verb, "start_demo", lambda _: SimpleNamespace(path=tmp_path / "run"))
    verb.demo(argparse.Namespace(dir=str(tmp_path / "d"), headless=False))
    assert opened == {"run_path": tmp_path / "run", "config_path": tmp_path / "d" / "plasma.toml"}
