"""`[expect]` for an imported training: what is known of it before it has ever run."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

from runner.model import Forecast
from runner.trainers.sd_scripts.config_file import trainer_flags
from runner.trainers.sd_scripts.dataset import DatasetError, DatasetSpec, read_specs
from runner.trainers.sd_scripts.forecast import forecast
from runner.trainers.sd_scripts.importers.find import Found
from runner.trainers.sd_scripts.importers.model import Draft
from runner.trainers.sd_scripts.scripts import SCRIPTS

PROPOSAL = (
    "save_state is not set: a training that ends early then resumes from weights only, optimizer and "
    "learning rate schedule start again; a state takes about three times the size of a LoRA"
)


def with_expectations(draft: Draft, found: Found, project: Path) -> Draft:
    """Device, images and steps where they can be known. Steps that regularisation images multiply are not
    written down: nobody has said that they are meant."""
    expect: dict[str, Any] = {}
    device = "cpu" if draft.accelerate.get("cpu") is True else found.device
    if device is not None:
        expect["device"] = device
    told = _forecast(draft, project)
    if told.images:
        expect["images"] = told.images
    if told.steps and not told.reg_images and draft.accelerate.get("num_processes", 1) == 1:
        expect["steps"] = told.steps
    return replace(draft, expect={**expect, **draft.expect})


def _forecast(draft: Draft, project: Path) -> Forecast:
    flags = trainer_flags(draft.train, project).values
    specs: tuple[DatasetSpec, ...] | None = None
    try:
        if draft.dataset is not None:
            specs = read_specs(draft.dataset, flags, "[dataset]")
    except DatasetError:
        return Forecast()
    script = SCRIPTS.get(Path(draft.script).name)
    divisor = script.reso_divisor if script is not None else 1
    return forecast(flags, project, specs=specs, script=draft.script, reso_divisor=divisor)


def without_states(draft: Draft) -> bool:
    return not draft.train.get("save_state") and "config_file" not in draft.train
