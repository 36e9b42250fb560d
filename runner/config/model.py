"""plasma.toml as frozen types. Paths are absolute, `~` is expanded, switched-off flags are removed."""

from __future__ import annotations

import copy
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from runner.config.channels import Channels
from runner.config.flags import Flags, FlagValue, merged
from runner.config.paths import absolute
from runner.config.positions import KeyPath
from runner.model import Engine, Expectation, GuardSettings, NotifyRules

LAUNCHERS = ("accelerate", "python")
#: `failed` also covers `diverged` and `killed`
NOTIFY_ON = ("finished", "failed", "diverged", "killed", "stopped", "stalled", "waiting")
#: actions of `[guard]` on an alarm
GUARD_DOES = ("tell", "stop", "after_save")

#: Flags that a smoke test does not inherit unless [smoke] sets them. Epochs would override its steps
#: (sd-scripts: max_train_epochs wins), the others are for the full run's files.
_NOT_IN_SMOKE = (
    "max_train_epochs", "save_every_n_steps", "save_every_n_epochs", "save_n_epoch_ratio",
    "resume", "initial_step", "initial_epoch", "skip_until_initial_step",
)  # fmt: skip
SMOKE_STEPS = 5
SMOKE_NAME = "smoke_test"


@dataclass(frozen=True, slots=True)
class Trainer:
    """`[trainer]`. `sd_scripts` is None for the built-in trainer; `script` is absolute, or the name
    of the module for the built-in one; `python` is an absolute path, or a name not found on PATH.
    `nice`: lowers the CPU priority of the trainer's processes, 0 to 19."""

    sd_scripts: Path | None
    python: str
    script: str
    launcher: str = "python"
    env: Mapping[str, str] = field(default_factory=dict)
    nice: int = 0


@dataclass(frozen=True, slots=True)
class Smoke:
    """`[smoke]`: the flags that differ. `gate`: a passed smoke test must be approved by the user before the
    full run can start."""

    flags: Flags = field(default_factory=dict)
    gate: bool = False


@dataclass(frozen=True, slots=True)
class Config:
    """One plasma.toml, checked. `dataset` is the raw `[dataset]`, `text` the file as it was read,
    `lines` the line of each key, `notes` are remarks on the file, a sentence each."""

    path: Path
    name: str
    trainer: Trainer
    accelerate: Flags = field(default_factory=dict)
    train: Flags = field(default_factory=dict)
    smoke: Smoke = field(default_factory=Smoke)
    expect: Expectation = field(default_factory=Expectation)
    guard: GuardSettings = field(default_factory=GuardSettings)
    notify: NotifyRules = field(default_factory=NotifyRules)
    channels: Channels = field(default_factory=Channels)
    engine: Engine = field(default_factory=Engine)
    #: `[summary]`: also write it next to the checkpoints
    summary_beside: bool = False
    dataset: Mapping[str, Any] | None = None
    text: str = ""
    lines: Mapping[KeyPath, int] = field(default_factory=dict)
    notes: tuple[str, ...] = ()

    @property
    def base_dir(self) -> Path:
        return self.path.parent

    @property
    def trainer_cwd(self) -> Path:
        """The folder that the trainer runs in; relative paths in a dataset file start here."""
        return self.trainer.sd_scripts or self.base_dir

    @property
    def processes(self) -> int:
        """How many trainer processes the launcher starts."""
        count = self.accelerate.get("num_processes", 1)
        if self.trainer.launcher != "accelerate" or not isinstance(count, int):
            return 1
        return max(int(count), 1)

    def flags(self, *, smoke: bool = False) -> dict[str, FlagValue]:
        """The script's flags for the full run or the smoke test."""
        if not smoke:
            return merged(self.train, {})
        kept = {name: value for name, value in self.train.items() if name not in _NOT_IN_SMOKE}
        defaults: dict[str, FlagValue] = {"output_name": SMOKE_NAME}
        if not self.smoke.flags.keys() & {"max_train_steps", "max_train_epochs"}:
            defaults["max_train_steps"] = SMOKE_STEPS
        return merged(merged(kept, defaults), self.smoke.flags)

    def changed(self, changes: Flags) -> Config:
        """The same with other flags, for the full run and the smoke test; `False` removes one."""
        smoke = replace(self.smoke, flags={**self.smoke.flags, **changes})
        return replace(self, train=merged(self.train, changes), smoke=smoke)


# --------------------------------------------------- [dataset] as the file that sd-scripts reads

_FOLDERS = ("image_dir", "conditioning_data_dir", "metadata_file")


def dataset_values(config: Config) -> dict[str, Any]:
    """The values with folders absolute: sd-scripts runs elsewhere and expands no `~`."""
    values = copy.deepcopy(dict(config.dataset or {}))
    for dataset in _tables(values.get("datasets")):
        for subset in _tables(dataset.get("subsets")):
            for key in _FOLDERS:
                if isinstance(subset.get(key), str):
                    subset[key] = absolute(subset[key], config.base_dir)
    return values


def _tables(value: Any) -> list[dict[str, Any]]:
    return [item for item in value if isinstance(item, dict)] if isinstance(value, list) else []


def dataset_text(config: Config) -> str:
    """The file's text."""
    import tomlkit  # 20 ms, and only needed when the file is written

    note = f"# written by plasma-tui from [dataset] of {config.path.name}\n"
    return note + tomlkit.dumps(dataset_values(config))
