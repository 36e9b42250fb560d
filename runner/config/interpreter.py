"""Version of another Python interpreter and the modules it could import, without importing them."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import threading
import time
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any

from runner.files.json_text import parse_json

_SENTINEL = "\x1ePLASMA "
#: '' (the working folder) is removed from sys.path: a stray file next to plasma.toml must not count as a
#: module
_SOURCE = """
import sys
sys.path[:] = [p for p in sys.path if p]
import importlib.metadata, importlib.util, json
found = {}
for name in sys.argv[1:]:
    try:
        found[name] = None if importlib.util.find_spec(name) is None else ""
    except (ImportError, ValueError, AttributeError):
        found[name] = None
    if found[name] is not None:
        try:
            found[name] = importlib.metadata.version(name)
        except importlib.metadata.PackageNotFoundError:
            pass
version = ".".join(map(str, sys.version_info[:3]))
print("\\x1ePLASMA " + json.dumps({"version": version, "prefix": sys.prefix, "modules": found}))
"""
#: a cold start on a network disk takes seconds
TIMEOUT_S = 20.0


@dataclass(frozen=True, slots=True)
class Interpreter:
    """`problem`: one sentence why it does not run; then the rest is empty. `modules`: the version, "" if it
    has none, None if not found."""

    python: str
    problem: str | None = None
    version: str = ""
    prefix: str = ""
    modules: Mapping[str, str | None] = field(default_factory=dict)

    def missing(self) -> tuple[str, ...]:
        return tuple(name for name, version in self.modules.items() if version is None)


@dataclass(frozen=True, slots=True)
class Answer:
    """Output of a small program. `problem`: why there is none (did not start, timed out)."""

    output: str = ""
    errors: str = ""
    code: int | None = None
    problem: str | None = None


def run_small(
    command: list[str],
    *,
    env: Mapping[str, str],
    cwd: str | None = None,
    timeout_s: float,
    cancelled: threading.Event | None = None,
) -> Answer:
    """Run a short program in its own process group, killed as a group on timeout or cancel."""
    try:
        child = subprocess.Popen(
            command, env=dict(env), cwd=cwd, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
            stderr=subprocess.PIPE, start_new_session=True, text=True, errors="replace",
        )  # fmt: skip
    except OSError as error:
        return Answer(problem=error.strerror or str(error))
    deadline = time.monotonic() + timeout_s
    while True:
        try:
            output, errors = child.communicate(timeout=0.1)
            return Answer(output, errors, child.returncode)
        except subprocess.TimeoutExpired:
            stopped = cancelled is not None and cancelled.is_set()
            if not stopped and time.monotonic() <= deadline:
                continue
        with suppress(ProcessLookupError):
            os.killpg(child.pid, signal.SIGKILL)
        child.communicate()
        return Answer(problem="cancelled" if stopped else f"no answer within {timeout_s:.0f} s")


def examine(
    python: str,
    modules: tuple[str, ...] = (),
    *,
    env: Mapping[str, str] | None = None,
    cancelled: threading.Event | None = None,
) -> Interpreter:
    """Start `python` once (some 30 ms) and ask it. Never raises."""
    command = [python, "-B", "-c", _SOURCE, *modules]
    environ = os.environ if env is None else env
    answer = run_small(command, env=environ, cwd="/", timeout_s=TIMEOUT_S, cancelled=cancelled)
    if answer.problem:
        return Interpreter(python, problem=answer.problem)
    told = sentinel_json(answer.output)
    if told is None:
        last = (answer.errors.strip().splitlines() or [f"exit code {answer.code}"])[-1]
        return Interpreter(python, problem=f"is not a working Python ({last})")
    return Interpreter(python, None, told["version"], told["prefix"], told["modules"])


def sentinel_json(output: str) -> dict[str, Any] | None:
    """The JSON behind our mark; other output of a trainer's modules is ignored."""
    for line in output.split("\n"):  # splitlines() would also split at our mark
        if line.startswith(_SENTINEL):
            with suppress(json.JSONDecodeError):
                told = parse_json(line.removeprefix(_SENTINEL))
                return told if isinstance(told, dict) else None
            return None
    return None


_importable: set[tuple[str, str]] = set()


def can_import(python: str, module: str, env: Mapping[str, str] | None = None) -> bool:
    """Could this interpreter import the module? A yes is cached; a no may be fixed meanwhile."""
    key = (python, module)
    if (
        key not in _importable
        and examine(python, (module,), env=env).modules.get(module) is not None
    ):
        _importable.add(key)
    return key in _importable
