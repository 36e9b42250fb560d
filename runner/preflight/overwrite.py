"""Would files of an earlier training be overwritten? sd-scripts never asks."""

from __future__ import annotations

from pathlib import Path

from runner.model.units import count
from runner.preflight.cures.model import Cure
from runner.preflight.cures.move import move_cure
from runner.preflight.existing_files import existing_files
from runner.preflight.facts import Facts
from runner.preflight.model import Check, Finding, passed, skipped, some, warned
from runner.store.registry import same_target


def look(facts: Facts) -> Finding:
    folder = facts.path("output_dir")
    if folder is None:
        return skipped("no output_dir")
    if not folder.is_dir():
        return passed("nothing there yet", f"{folder} does not exist yet.")
    existing = existing_files(str(folder), facts.text("output_name"), facts.forecast())
    there = [one.name for one in existing]
    if not there:
        return passed("nothing", f"No file of that name is in {folder}.")
    detail = f"In {folder} these will be overwritten: {some(there, 6)}."
    if facts.smoke:
        return passed(f"{count(len(there), 'file')} of a test", detail)
    advice = "choose another output_name, or move the files"
    return warned(count(len(there), "file"), detail, advice).curable(_cure(facts, folder, there))


def _cure(facts: Facts, folder: Path, there: list[str]) -> Cure | None:
    """Not while another run writes them, and not the state that is to be resumed."""
    if same_target(str(folder), facts.text("output_name")) is not None:
        return None
    files = [folder / name for name in there]
    if facts.path("resume") in files:
        return None
    return move_cure("overwrite", "move the old files away", files)


CHECK = Check("overwrite", "Overwrites", look)
