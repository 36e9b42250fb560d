"""Can the checkpoints be written where they are to go?

Without --output_dir sd-scripts trains to the first save and crashes there (main 48d368fa, save_model).
"""

from __future__ import annotations

import tempfile
from pathlib import Path

from runner.preflight.facts import Facts
from runner.preflight.model import Check, Finding, failed, passed, skipped


def look(facts: Facts) -> Finding:
    folder = facts.config.path_flag("output_dir", smoke=facts.smoke)
    if folder is None:
        if facts.flags_elsewhere:
            return skipped("in config_file", "output_dir may stand in config_file.")
        cure = 'add output_dir = "output" to [train]'
        return failed("no output_dir", "Without output_dir the first save crashes.", cure)
    existing = nearest_existing(folder)
    if not existing.is_dir():
        return failed(
            "a file is in the way", f"{existing} is no folder.", "choose another output_dir"
        )
    problem = write_problem(existing)
    if problem:
        detail = f"Nothing can be written into {existing}: {problem}."
        return failed("not writable", detail, "choose another output_dir, or correct its rights")
    if existing == folder:
        return passed("writable", f"{folder} is there and can be written.")
    return passed("will be created", f"{folder} will be created in {existing}.")


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
