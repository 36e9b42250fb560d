"""Checks a draft against its trainer's flags; and fills `[expect]` with what is known before the first
run."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

from runner.config.catalog import Catalog
from runner.config.errors import nearest
from runner.config.flags import Flags, FlagValue
from runner.model import Forecast
from runner.trainers.sd_scripts.config_file import trainer_flags
from runner.trainers.sd_scripts.dataset import DatasetError, read_specs
from runner.trainers.sd_scripts.forecast import forecast
from runner.trainers.sd_scripts.importers.command_line import FlagWords
from runner.trainers.sd_scripts.importers.find import Context
from runner.trainers.sd_scripts.importers.model import Draft
from runner.trainers.sd_scripts.scripts import SCRIPTS

PROPOSAL = (
    "save_state is not set: a training that ends early then resumes from weights only, optimizer and "
    "learning rate schedule start again; a state takes about three times the size of a LoRA"
)


def refined(draft: Draft, catalog: Catalog | None) -> Draft:
    """Expands abbreviated names, makes lists lists; a flag unknown to the trainer would stop it, so it is
    listed instead. Without a catalog this applies to doubtful flags."""
    if catalog is None:
        train = {name: value for name, value in draft.train.items() if name not in draft.uncertain}
        doubtful = (one for one in draft.train.items() if one[0] in draft.uncertain)
        listed = (f"{name} = {value}: not a known flag" for name, value in doubtful)
        return replace(draft, train=train, unmapped=(*draft.unmapped, *listed))
    told, smoke = _known(draft.train, catalog), _known(draft.smoke, catalog)
    return replace(
        draft,
        train=told.flags,
        smoke=smoke.flags,
        unmapped=(*draft.unmapped, *told.unmapped, *(f"[smoke] {t}" for t in smoke.unmapped)),
        notes=(*draft.notes, *dict.fromkeys((*told.notes, *smoke.notes))),
    )


def _known(flags: Flags, catalog: Catalog) -> FlagWords:
    told = FlagWords()
    for name, value in flags.items():
        whole = [known for known in catalog.names if known.startswith(name)]
        if name in catalog.names:
            whole = [name]
        if len(whole) == 1:
            told.flags[whole[0]] = _fitting(whole[0], value, catalog)
            told.notes += [f"--{name} is short for --{whole[0]}"] if name != whole[0] else []
        else:
            meant = nearest(name, catalog.names)
            shown = name if value is True else f"{name} = {value}"
            cure = f"; did you mean {meant}?" if meant else ""
            told.unmapped.append(f"{shown}: not a flag of this trainer{cure}")
    return told


def _fitting(name: str, value: FlagValue, catalog: Catalog) -> FlagValue:
    flag = catalog.get(name)
    if flag is not None and flag.many and not isinstance(value, bool | tuple):
        return (value,)
    if flag is not None and not flag.many and isinstance(value, tuple) and len(set(value)) == 1:
        return value[0]  # text_encoder_lr took one value before v0.10
    return value


def with_expectations(draft: Draft, where: Context) -> Draft:
    """Device, images and steps where they can be known. Steps multiplied by regularisation images are not
    written: they may be unintended."""
    told = _forecast(draft, where.project)
    one_process = draft.accelerate.get("num_processes", 1) == 1
    expect: dict[str, Any] = {
        "device": "cpu" if draft.accelerate.get("cpu") is True else where.found.device,
        "images": told.images,
        "steps": told.steps if one_process and not told.reg_images else None,
    }
    known = {name: value for name, value in expect.items() if value}
    return replace(draft, expect={**known, **draft.expect})


def _forecast(draft: Draft, project: Path) -> Forecast:
    flags = trainer_flags(draft.train, project).values
    try:
        specs = None if draft.dataset is None else read_specs(draft.dataset, flags, "[dataset]")
    except DatasetError:
        return Forecast()
    script = SCRIPTS.get(Path(draft.script).name)
    divisor = script.reso_divisor if script is not None else 1
    return forecast(flags, project, specs=specs, script=draft.script, reso_divisor=divisor)


def without_states(draft: Draft) -> bool:
    return not draft.train.get("save_state") and "config_file" not in draft.train
