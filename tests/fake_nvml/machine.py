"""A machine with the fake driver: its library is built here, and what it answers changes while it is asked."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).parents[2]
SOURCE = Path(__file__).with_name("nvml.c")
MIB = 1 << 20
FIRST, SECOND = (f"GPU-00000000-0000-4000-8000-{n:012}" for n in (0, 1))


@pytest.fixture(scope="module")
def nvml_library(tmp_path_factory: pytest.TempPathFactory) -> Callable[..., Path]:
    """Compiles the fake library; the folder that it lies in."""
    compiler = next(filter(None, map(shutil.which, ("cc", "gcc", "clang"))), None)
    if compiler is None:
        pytest.skip("no C compiler on this machine (cc, gcc, clang)")
    built: dict[tuple[str, ...], Path] = {}

    def compiled(*flags: str) -> Path:
        if flags not in built:
            folder = tmp_path_factory.mktemp("nvml")
            out = str(folder / "libnvidia-ml.so.1")
            command = [compiler, "-std=c11", "-D_DEFAULT_SOURCE", "-shared", "-fPIC", *flags]
            subprocess.run([*command, "-o", out, str(SOURCE)], check=True)
            built[flags] = folder
        return built[flags]

    return compiled


class Machine:
    """A machine with the fake driver and somebody who asks it."""

    def __init__(self, folder: Path, library: Path | None, trusted: bool, pause_s: float) -> None:
        self.file = folder / "nvml.txt"
        self.says()
        (folder / "bin").mkdir()
        env = {
            **os.environ,
            "FAKE_NVML": str(self.file),
            "LD_LIBRARY_PATH": str(library or folder),
            "PATH": str(folder / "bin"),
            "PYTHONPATH": str(ROOT),
        }
        options = json.dumps({"trusted": trusted, "pause_s": pause_s})
        self.process = subprocess.Popen(
            [sys.executable, str(SOURCE.with_name("asker.py")), options],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            env=env,
        )

    def says(self, *lines: str) -> None:
        """What the driver answers from now on."""
        new = self.file.with_suffix(".new")
        new.write_text("".join(f"{line}\n" for line in lines))
        new.rename(self.file)

    def ask(self, **order: Any) -> dict[str, Any]:
        assert self.process.stdin is not None and self.process.stdout is not None
        self.process.stdin.write(json.dumps(order) + "\n")
        self.process.stdin.flush()
        answer: dict[str, Any] = json.loads(self.process.stdout.readline())
        return answer

    def cards(self, *run_pids: int) -> list[dict[str, Any]]:
        cards: list[dict[str, Any]] = self.ask(run_pids=run_pids)["reading"]["gpus"]
        return cards

    def end(self) -> str:
        """Ends the asking process as it would end itself; what it wrote to stderr."""
        return self.process.communicate(timeout=20)[1]


@pytest.fixture
def machine(tmp_path: Path, nvml_library: Callable[..., Path]) -> Iterator[Callable[..., Machine]]:
    made: list[Machine] = []

    def make(
        *flags: str, driver: bool = True, trusted: bool = True, pause_s: float = 0.0
    ) -> Machine:
        made.append(Machine(tmp_path, nvml_library(*flags) if driver else None, trusted, pause_s))
        return made[-1]

    yield make
    for one in made:
        # nothing that is met may write to stderr: it would land in the middle of the screen
        assert one.end() == ""
        assert one.process.returncode == 0
