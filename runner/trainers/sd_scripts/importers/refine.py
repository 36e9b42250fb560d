"""A draft held against the flags that its trainer really knows."""

from __future__ import annotations

from dataclasses import dataclass, field, replace

from runner.config.catalog import Catalog
from runner.config.errors import nearest
from runner.config.flags import Flags, FlagValue
from runner.trainers.sd_scripts.importers.model import Draft


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
