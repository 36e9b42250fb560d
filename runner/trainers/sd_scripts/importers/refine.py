"""A draft held against the flags that its trainer really knows; and `[expect]`: what is known of the
training before it has ever run."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from runner.config.catalog import Catalog
from runner.config.errors import nearest
from runner.config.flags import Flags, FlagValue
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


@dataclass(slots=True)
class _Sorted:
    flags: dict[str, FlagValue] = field(default_factory=dict)
    unmapped: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)


def refined(draft: Draft, catalog: Catalog) -> Draft:
    """Abbreviated names whole, lists as lists; a flag that the trainer does not know would end it,
    so it is listed instead."""
    train, smoke = _sorted(draft.train, catalog), _sorted(draft.smoke, catalog)
    return replace(
        draft,
        train=train.flags,
        smoke=smoke.flags,
        unmapped=(*draft.unmapped, *train.unmapped, *(f"[smoke] {t}" for t in smoke.unmapped)),
        notes=(*draft.notes, *dict.fromkeys((*train.notes, *smoke.notes))),
    )


def without_uncertain(draft: Draft) -> Draft:
    """For a trainer whose flags cannot be read: what may be none is listed instead."""
    doubtful = {name: draft.train[name] for name in draft.train if name in draft.uncertain}
    listed = (f"{name} = {value}: not known as a flag" for name, value in doubtful.items())
    return replace(
        draft,
        train={name: value for name, value in draft.train.items() if name not in doubtful},
        unmapped=(*draft.unmapped, *listed),
    )


def _sorted(flags: Flags, catalog: Catalog) -> _Sorted:
    told = _Sorted()
    for written, value in flags.items():
        name = written
        if name not in catalog.names:
            whole = [known for known in catalog.names if known.startswith(name)]
            if len(whole) != 1:
                told.unmapped.append(_unknown(name, value, catalog))
                continue
            name = whole[0]
            told.notes.append(f"--{written} is short for --{name}")
        told.flags[name] = _fitting(name, value, catalog)
    return told


def _unknown(name: str, value: FlagValue, catalog: Catalog) -> str:
    meant = nearest(name, catalog.names)
    shown = "" if value is True else f" = {value}"
    return f"{name}{shown}: no flag of this trainer" + (f"; did you mean {meant}?" if meant else "")


def _fitting(name: str, value: FlagValue, catalog: Catalog) -> FlagValue:
    flag = catalog.get(name)
    if flag is not None and flag.many and not isinstance(value, bool | tuple):
        return (value,)
    if flag is not None and not flag.many and isinstance(value, tuple) and len(set(value)) == 1:
        return value[0]  # text_encoder_lr took one value before v0.10
    return value


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
