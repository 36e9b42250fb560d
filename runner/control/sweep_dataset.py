"""What a sweep changes of the dataset: the dataset config goes before flags of the command line."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import fields

from runner.config.model import Config
from runner.control.sweep_plan import Setting
from runner.trainers.registry import known_flags
from runner.trainers.sd_scripts.config_file import trainer_flags
from runner.trainers.sd_scripts.dataset import (
    DatasetSpec,
    SubsetSpec,
    specs_from_flags,
)
from runner.trainers.sd_scripts.dataset.config import FLAG_NAMES
from runner.trainers.sd_scripts.dataset.schema import NOT_FLAGS

_FIELDS = frozenset(one.name for kind in (DatasetSpec, SubsetSpec) for one in fields(kind))


def refuse_keys(config: Config, settings: Sequence[Setting]) -> None:
    """Raises ValueError for a key of the dataset config that is no flag."""
    known = known_flags(config.trainer)
    for name in (one.name for one in settings):
        if known is not None and name in NOT_FLAGS and name not in known.names:
            raise ValueError(
                f"{name} is a key of the dataset config, not a flag: write one file for each value, and "
                "sweep dataset_config=A.toml,B.toml"
            )


def overridden(config: Config, names: Sequence[str], runs: Sequence[Config]) -> tuple[str, ...]:
    """Those of the swept flags that make no difference to the dataset. `runs`: with their values."""
    return tuple(name for name in names if _is_of_dataset(name) and _same(config, name, runs))


def _is_of_dataset(name: str) -> bool:
    key = FLAG_NAMES.get(name, name)
    return key in _FIELDS and key in NOT_FLAGS


def _same(config: Config, name: str, runs: Sequence[Config]) -> bool:
    """False if a dataset cannot be read: a check says why."""
    values = dict.fromkeys(one.train.get(name, False) for one in runs)
    try:
        return len({repr(_dataset(config.changed({name: value}))) for value in values}) == 1
    except (ValueError, OSError):
        return False


def _dataset(config: Config) -> tuple[DatasetSpec, ...]:
    flags = trainer_flags(config.flags(), config.trainer_cwd).values
    return specs_from_flags(flags, config.trainer_cwd)
