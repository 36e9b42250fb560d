"""The supervisor imports from its own package at its start only: plasma-tui may be updated or removed while a
training runs, and a module imported later would be that of another version, or missing."""

from __future__ import annotations

import ast
import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

from tests import ROOT

LIST = """
import json, sys
import runner.supervisor.main
print(json.dumps({name: one.__file__ for name, one in sys.modules.items() if name.startswith("runner.")}))
"""
#: imported by functions, but not late in a supervisor
ELSEWHERE = {
    "runner.hardware.amd", "runner.hardware.apple", "runner.hardware.nvidia",  # when it starts to read
    "runner.history.samples",  # in the process of the summary
    "runner.trainers.sd_scripts.file_sizes", "runner.trainers.sd_scripts.forecast",  # before a start
    "runner.preflight.registry",  # before the start of a queued run
}  # fmt: skip


def test_the_supervisor_imports_nothing_of_ours_late() -> None:
    done = subprocess.run(
        [sys.executable, "-c", LIST], cwd=ROOT, capture_output=True, text=True, check=True
    )
    loaded: dict[str, str] = json.loads(done.stdout)
    late = {
        (name, module)
        for name, file in loaded.items()
        for module in _imported_by_functions(Path(file))
        if _is_ours(module) and module not in loaded
    }
    assert {module for _, module in late} <= ELSEWHERE, sorted(late)


def _is_ours(module: str) -> bool:
    path = ROOT.joinpath(*module.split("."))
    return module.startswith("runner.") and (path.is_dir() or path.with_suffix(".py").is_file())


def _imported_by_functions(file: Path) -> Iterator[str]:
    for function in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
        if not isinstance(function, ast.FunctionDef | ast.AsyncFunctionDef):
            continue
        for node in ast.walk(function):
            if isinstance(node, ast.ImportFrom) and node.module:
                yield node.module
                yield from (f"{node.module}.{one.name}" for one in node.names)
            elif isinstance(node, ast.Import):
                yield from (one.name for one in node.names)
