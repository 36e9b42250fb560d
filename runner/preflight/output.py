"""Can the checkpoints be written where they are to go?

Without --output_dir sd-scripts trains to the first save and crashes there (main 48d368fa,
save_model).
"""

from __future__ import annotations

import tempfile
import threading
from pathlib import Path

from runner.preflight.cures.model import Cure, OnOutput
from runner.preflight.cures.plasma_toml import flag_cure
from runner.preflight.facts import Facts
from runner.preflight.model import Check, Finding, failed, passed, skipped


def look(facts: Facts) -> Finding:
    folder = facts.path("output_dir")
    if folder is None:
        if facts.flags_elsewhere:
            return skipped("in config_file", "output_dir may stand in config_file.")
        advice = 'add output_dir = "output" to [train]'
        told = "Without output_dir the first save crashes, after all the training before it."
        cure = flag_cure(facts.config, "output", "write into output", {"output_dir": "output"})
        return failed("no output_dir", told, advice).curable(cure)
    existing = nearest_existing(folder)
    if not existing.is_dir():
        told = f"{existing} is no folder."
        return failed("a file is in the way", told, "choose another output_dir")
    problem = write_problem(existing)
    if problem:
        detail = f"Nothing can be written into {existing}: {problem}."
        return failed("not writable", detail, "choose another output_dir, or correct its rights")
    if existing == folder:
        return passed("writable", f"{folder} is there and can be written.")
    told = f"{folder} will be created in {existing}."
    return passed("will be created", told).curable(_make(folder))


def _make(folder: Path) -> Cure:
    def act(on_output: OnOutput, cancelled: threading.Event) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        on_output(f"made {folder}")

    return Cure("output", "output", "make the folder", (f"mkdir -p {folder}",), act)


def nearest_existing(path: Path) -> Path:
    """The path itself, or the first of its parents that is there."""
    while not path.exists() and path != path.parent:
        path = path.parent
    return path


def write_problem(folder: Path) -> str | None:
    """Why no file can be made in the folder; rights alone do not tell (read-only mounts, quotas)."""
    try:
        with tempfile.NamedTemporaryFile(dir=folder, prefix=".plasma-", suffix=".tmp"):
            return None
    except OSError as error:
        return error.strerror or str(error)


CHECK = Check("output", "Output", look)
