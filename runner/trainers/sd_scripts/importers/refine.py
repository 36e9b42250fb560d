"""Checks a draft against its trainer's flags; and fills `[expect]` with what is known before the first
run."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

from runner.config.catalog import Catalog
from runner.config.errors import nearest
from runner.config.flags import Flags, FlagValue, plain_name
from runner.config.load import OUR_ACCELERATE_FLAGS
from runner.config.reading import Wrong, checked_flag
from runner.model import Forecast
from runner.trainers.sd_scripts.config_file import trainer_flags
from runner.trainers.sd_scripts.dataset import DatasetError, read_specs
from runner.trainers.sd_scripts.flag_table import shipped_flags
from runner.trainers.sd_scripts.forecast import forecast
from runner.trainers.sd_scripts.importers.command_line import FlagWords
from runner.trainers.sd_scripts.importers.find import Context
from runner.trainers.sd_scripts.importers.model import Draft
from runner.trainers.sd_scripts.scripts import SCRIPTS

PROPOSAL = (
    "save_state is not set: a training that ends early then resumes from weights only, optimizer and "
    "learning rate schedule start again; a state takes about three times the size of a LoRA"
)

#: texts that mean no
_OFF = frozenset({"false", "0", "no", "off", "none", ""})


def refined(draft: Draft, catalog: Catalog | None) -> Draft:
    """Expands abbreviated names, makes lists lists; a flag unknown to the trainer would stop it, so it is
    listed instead. Without the trainer's own `catalog` the flags shipped with this program serve: names that
    they lack stay, since another version of the trainer may have them, but doubtful ones are listed."""
    known = catalog or shipped_flags(draft.script)
    doubtful = None if catalog is not None else draft.uncertain
    told = _known(draft.train, known, doubtful, exact=draft.exact)
    smoke = _known(draft.smoke, known, doubtful)
    lost = [*told.unmapped, *(f"[smoke] {text}" for text in smoke.unmapped)]
    return replace(
        draft,
        train=_loadable(told.flags, lost),
        smoke=_loadable(smoke.flags, lost),
        accelerate=_loadable(draft.accelerate, lost, OUR_ACCELERATE_FLAGS),
        env={name: value for name, value in draft.env.items() if "\0" not in f"{name}{value}"},
        unmapped=(*draft.unmapped, *lost),
        notes=(*draft.notes, *dict.fromkeys((*told.notes, *smoke.notes))),
    )


def _known(
    flags: Flags, catalog: Catalog, doubtful: frozenset[str] | None, *, exact: bool = False
) -> FlagWords:
    """argparse accepts a unique beginning of a name, unless it is `exact`. `doubtful` None: the catalog is
    complete."""
    told = FlagWords()
    for name, value in flags.items():
        whole = [known for known in catalog.names if known.startswith(name) and not exact]
        guessed = doubtful is not None and (not whole or len(name) < 2)
        if name in catalog.names or (guessed and name not in (doubtful or ())):
            whole = [name]
        shown = name if value is True else f"{name} = {value}"
        if len(whole) == 1:
            _put(told, whole[0], value, catalog)
            told.notes += [f"--{name} is short for --{whole[0]}"] if name != whole[0] else []
        elif whole:
            could_be = ", ".join(sorted(whole))
            told.unmapped.append(f"{shown}: an ambiguous short name, it could be {could_be}")
        else:
            meant = nearest(name, catalog.names)
            cure = f"; did you mean {meant}?" if meant else ""
            what = "not a flag of this trainer" if doubtful is None else "not a known flag"
            told.unmapped.append(f"{shown}: {what}{cure}")
    return told


def _loadable(
    flags: Flags, lost: list[str], ours: frozenset[str] = frozenset()
) -> dict[str, FlagValue]:
    """Without what no plasma.toml can hold, such as a command behind an open quote as a path, or a flag that
    plasma-tui sets itself (`ours`); it is added to `lost`."""
    kept: dict[str, FlagValue] = {}
    for given, value in flags.items():
        name = plain_name(given)  # as it will be read
        try:
            if name in kept:
                raise Wrong("is given twice")
            if name in ours:
                raise Wrong("is set by plasma-tui")
            checked_flag(name, list(value) if isinstance(value, tuple) else value)
        except Wrong as wrong:
            lost.append(f"--{name} {wrong}")
        else:
            kept[name] = value
    return kept


def _put(told: FlagWords, name: str, value: FlagValue, catalog: Catalog) -> None:
    """A value in the form that the flag takes."""
    flag = catalog.get(name)
    items = value if isinstance(value, tuple) else (value,)
    if flag is not None and items and not any(str(item).strip() for item in items):
        told.unmapped.append(f"--{name}: it is empty")
        return
    if flag is not None and flag.bare and not isinstance(value, bool):
        off = str(value).lower() in _OFF
        what = "left out" if off else "set"
        told.notes.append(f"--{name} is a switch and takes no value ({value}); it is {what}")
        if off:
            return
        value = True
    if flag is not None and flag.many and not isinstance(value, bool | tuple):
        value = (value,)
    if flag is not None and not flag.many and isinstance(value, tuple) and len(set(value)) == 1:
        value = value[0]  # text_encoder_lr took one value before v0.10
    told.flags.pop(name, None)  # the last one counts, also if one of them is abbreviated
    told.flags[name] = value


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
