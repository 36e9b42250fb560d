"""The recorded run folders of every schema (tests/data/run_folders), laid out as those of this machine."""

from __future__ import annotations

import json
import os
import shutil
from pathlib import Path

from tests import ROOT
from tests.record_runs import PLACE

SAMPLES = ROOT / "tests" / "data" / "run_folders"
SCHEMAS = sorted(path.name for path in SAMPLES.iterdir())


def names(schema: str) -> list[str]:
    return sorted(path.name for path in (SAMPLES / schema / "runs").iterdir())


def lay_out(schema: str, home: Path, project: Path) -> list[Path]:
    """The run folders, in `home`. Their checkpoints are in `project`, with the times that were recorded."""
    shutil.copytree(SAMPLES / schema, project, ignore=shutil.ignore_patterns("runs", "goldens"))
    shutil.copytree(SAMPLES / schema / "runs", home / "runs")
    runs = sorted((home / "runs").iterdir())
    for run in runs:
        for path in run.iterdir():
            if path.suffix in (".json", ".jsonl"):
                text = path.read_text().replace(str(PLACE / "home"), str(home))
                path.write_text(text.replace(str(PLACE), str(project)))
        _set_times(run)
    return runs


def _set_times(run: Path) -> None:
    status = json.loads((run / "status.json").read_text())
    norms = run / "norms.jsonl"
    lines = [json.loads(line) for line in norms.read_text().splitlines()] if norms.exists() else []
    for row in (*status["checkpoints"], *lines):
        known = next((r for r in status["checkpoints"] if _key(r) == _key(row)), row)
        folder = Path(status.get("checkpoint_folder") or "/")
        path = Path(known.get("path") or folder / known.get("name", "none"))
        if row.get("mtime_ns") and path.is_file():
            os.utime(path, ns=(row["mtime_ns"],) * 2)
        state = row.get("state_path") or known.get("state_path")
        for file in Path(state).iterdir() if state and row.get("state_mtime_ns") else ():
            os.utime(file, ns=(row["state_mtime_ns"],) * 2)


def _key(row: dict[str, object]) -> tuple[object, ...]:
    return tuple(row.get(name) for name in ("attempt", "step", "epoch", "final"))


def bytes_of(folder: Path) -> dict[str, tuple[bytes, int]]:
    """Every file and folder below, with its content and time: what must not change."""
    return {
        str(path.relative_to(folder)): (
            path.read_bytes() if path.is_file() else b"",
            path.lstat().st_mtime_ns,
        )
        for path in (folder, *folder.rglob("*"))
    }
