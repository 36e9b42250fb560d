"""Would files of an earlier training be overwritten? sd-scripts never asks."""

from __future__ import annotations

from pathlib import Path

from runner.model import Forecast
from runner.preflight.facts import Facts
from runner.preflight.model import Check, Finding, passed, skipped, some, warned
from runner.units import count


def look(facts: Facts) -> Finding:
    folder = facts.config.path_flag("output_dir", smoke=facts.smoke)
    if folder is None:
        return skipped("no output_dir")
    if not folder.is_dir():
        return passed("nothing there yet", f"{folder} does not exist yet.")
    there = [name for name in names(facts.forecast()) if (folder / name).exists()]
    if not there:
        return passed("nothing", f"No file of that name is in {folder}.")
    detail = f"In {folder} these will be overwritten: {some(there, 6)}."
    if facts.smoke:
        return passed(f"{count(len(there), 'file')} of a test", detail)
    cure = "choose another output_name, or move the files"
    return warned(count(len(there), "file"), detail, cure)


def names(forecast: Forecast) -> list[str]:
    """Every file and folder that the training will write into output_dir."""
    found = [name for c in forecast.checkpoints for name in (c.name, c.state_name) if name]
    if forecast.final:
        found.append(forecast.final)
    return [name for name in dict.fromkeys(found) if name == Path(name).name]


CHECK = Check("overwrite", "Overwrites", look)
