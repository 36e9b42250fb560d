"""Screens on real pseudo terminals, over real runs of the fake trainer."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest

from runner.store.rundir import RunDir
from scripts.bench.terminal import DEFAULT_SIZE, Size, Terminal, terminal_environment
from tests.process.helpers import clean_up, start

COMMAND = (sys.executable, "-m", "tui.cli")


class Desk:
    """The terminals and runs of one test; none of them outlives it."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.output = folder / "out"
        self._runs: list[RunDir] = []
        self._terminals: list[Terminal] = []

    def train(self, *flags: str, **more: object) -> RunDir:
        """Start the fake trainer as a run."""
        run = start(self.output, *flags, **more)  # type: ignore[arg-type]
        self._runs.append(run)
        return run

    def adopt(self, run: RunDir) -> RunDir:
        """Clean up after a run that a test has started by itself."""
        self._runs.append(run)
        return run

    def open(
        self,
        words: Sequence[str],
        size: Size = DEFAULT_SIZE,
        *,
        term: str = "xterm-256color",
        shell: str = "",
    ) -> Terminal:
        """`plasma-tui WORDS` on a terminal of its own; `shell`: a redirection, as typed."""
        command: Sequence[str] = (*COMMAND, *words)
        if shell:
            quoted = " ".join(f"'{word}'" for word in command)
            command = ("/bin/sh", "-c", f"exec {shell.replace('COMMAND', quoted)}")
        terminal = Terminal(
            command, size, environment=terminal_environment(term=term), folder=self.folder
        )
        self._terminals.append(terminal)
        return terminal

    def attach(self, run: RunDir, size: Size = DEFAULT_SIZE, *, shell: str = "") -> Terminal:
        """The screen on a run, once it shows a step."""
        terminal = self.open(("attach", run.id), size, shell=shell)
        terminal.wait_for(lambda text: "fake" in text and "step " in text, 30.0, "a step")
        return terminal

    def close(self) -> None:
        for terminal in self._terminals:
            terminal.close()
        for run in self._runs:
            clean_up(run, self.output)


@pytest.fixture
def desk(tmp_path: Path) -> Iterator[Desk]:
    made = Desk(tmp_path)
    yield made
    made.close()
