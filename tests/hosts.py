"""Other machines for tests: `tests/fake_ssh.py` as the `ssh` of PATH, with a home for each host."""

from __future__ import annotations

import json
import os
import sys
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from tests import ROOT


@dataclass
class FakeSsh:
    folder: Path
    homes: dict[str, Path] = field(default_factory=dict)

    def host(self, name: str, **how: Any) -> Path:
        """A machine of that name; returns its PLASMA_HOME."""
        home = self.homes.setdefault(name, self.folder / f"home-{len(self.homes)}")
        home.mkdir(mode=0o700, exist_ok=True)
        (self.folder / f"{name}.json").write_text(json.dumps({"home": str(home), **how}))
        return home

    @property
    def calls(self) -> list[tuple[list[str], str, str]]:
        """(options, host, command line) of each call so far."""
        path = self.folder / "calls"
        lines = path.read_text().splitlines() if path.exists() else []
        return [tuple(json.loads(line)) for line in lines]


@pytest.fixture
def fake_ssh(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> FakeSsh:
    folder = tmp_path / "fake-ssh"
    (folder / "bin").mkdir(parents=True)
    lines = {
        "ssh": f'exec "{sys.executable}" "{ROOT}/tests/fake_ssh.py" "$@"',
        "plasma-tui": f'exec "{sys.executable}" -m tui.cli "$@"',
    }
    for name, line in lines.items():
        script = folder / "bin" / name
        script.write_text(f"#!/bin/sh\nPYTHONPATH='{ROOT}' {line}\n")
        script.chmod(0o755)
    monkeypatch.setenv("FAKE_SSH", str(folder))
    monkeypatch.setenv("PATH", f"{folder / 'bin'}:{os.environ['PATH']}")
    return FakeSsh(folder)
