"""Asking another Python what it could import: real interpreters, broken ones and chatty ones."""

from __future__ import annotations

import os
import sys
import threading
import time
from pathlib import Path

import psutil

from runner.config.interpreter import can_import, examine, run_small


def program(folder: Path, text: str) -> str:
    file = folder / "python"
    file.write_text(text)
    file.chmod(0o755)
    return str(file)


def test_modules_are_found_without_being_imported(tmp_path: Path) -> None:
    (tmp_path / "touchy.py").write_text("raise SystemExit('imported')")
    env = {**os.environ, "PYTHONPATH": str(tmp_path)}
    found = examine(sys.executable, ("psutil", "touchy", "nowhere_at_all"), env=env)
    assert found.problem is None
    assert found.version == ".".join(map(str, sys.version_info[:3]))
    assert found.prefix == sys.prefix
    assert found.modules["psutil"]
    assert found.modules["touchy"] == ""
    assert found.missing() == ("nowhere_at_all",)


def test_a_file_in_the_working_folder_is_no_module(tmp_path: Path) -> None:
    (tmp_path / "stray.py").touch()
    here = Path.cwd()
    os.chdir(tmp_path)
    try:
        assert examine(sys.executable, ("stray",)).missing() == ("stray",)
    finally:
        os.chdir(here)


def test_an_interpreter_that_is_not_there_is_told() -> None:
    found = examine("/nowhere/bin/python", ("torch",))
    assert found.problem == "No such file or directory"
    assert not can_import("/nowhere/bin/python", "torch")


def test_a_program_that_is_no_python_is_told(tmp_path: Path) -> None:
    found = examine(program(tmp_path, "#!/bin/sh\necho hello; echo 'no dice' >&2; exit 3\n"))
    assert found.problem == "is not a working Python (no dice)"


def test_what_else_an_interpreter_prints_is_ignored(tmp_path: Path) -> None:
    chatty = f'#!/bin/sh\necho welcome\nexec {sys.executable} "$@"\n'
    assert examine(program(tmp_path, chatty), ("psutil",)).modules["psutil"]


def test_a_yes_is_remembered_and_a_no_is_not(tmp_path: Path) -> None:
    module = tmp_path / "late_module.py"
    env = {**os.environ, "PYTHONPATH": str(tmp_path)}
    assert not can_import(sys.executable, "late_module", env)
    module.touch()
    assert can_import(sys.executable, "late_module", env)
    module.unlink()
    assert can_import(sys.executable, "late_module", env)


def test_a_program_that_takes_too_long_dies_with_its_children() -> None:
    begin = time.monotonic()
    answer = run_small(["sh", "-c", "sleep 61 & sleep 62"], env=dict(os.environ), timeout_s=1.0)
    assert answer.problem == "no answer within 1 s"
    assert time.monotonic() - begin < 5
    assert not any(_is_sleeper(process) for process in psutil.process_iter())


def _is_sleeper(process: psutil.Process) -> bool:
    try:
        return process.cmdline() in (["sleep", "61"], ["sleep", "62"])
    except psutil.Error:
        return False


def test_a_cancel_ends_the_wait() -> None:
    cancelled = threading.Event()
    cancelled.set()
    begin = time.monotonic()
    answer = run_small(["sleep", "30"], env=dict(os.environ), timeout_s=30, cancelled=cancelled)
    assert answer.problem == "cancelled"
    assert time.monotonic() - begin < 5
