"""plasma.toml -> Config. Strict: everything unknown is rejected with its line, all at once."""

from __future__ import annotations

import re
import sys
from collections.abc import Mapping
from dataclasses import fields, replace
from pathlib import Path
from typing import Any

from runner.config.catalog import KnownFlags
from runner.config.enginesection import ENGINE_KEYS, read_engine
from runner.config.errors import ConfigError
from runner.config.flags import FlagValue
from runner.config.model import GUARD_DOES, LAUNCHERS, Config, Smoke, Trainer
from runner.config.notifysection import NOTIFY_KEYS, read_notify
from runner.config.paths import (
    ACCELERATE_PATH_FLAGS,
    PATH_FLAGS,
    VENVS,
    absolute,
    executable,
    venv_python,
)
from runner.config.positions import key_lines, parsed_toml, read_toml
from runner.config.reading import (
    Reader,
    Reading,
    Section,
    Wrong,
    anything,
    bounds,
    flag,
    one_of,
    path_text,
    reads,
    text,
    texts,
    whole,
)
from runner.model import Expectation, GuardSettings

FILE_NAME = "plasma.toml"
NO_FILE = "run `plasma-tui init` to write one, or `plasma-tui demo` to see a demo training"
EMBEDDED = "embedded"

#: the kernel's maximum
NICE_MOST = 19
_DEVICE = re.compile(r"(?:cpu|cuda|mps|xpu|npu|hpu|mlu|musa)(?::\d+)?")


@reads(type="string", pattern=f"^{_DEVICE.pattern}$")
def _device(value: Any) -> str:
    if not _DEVICE.fullmatch(text(value)):
        raise Wrong(f'is "{value}"; use cpu, mps, cuda or cuda:N')
    return str(value)


@reads(type="string", pattern=r"\.py$")
def _script(value: Any) -> str:
    if not path_text(value).endswith(".py"):
        raise Wrong(f'is "{value}"; use a Python file such as train_network.py')
    return str(value)


_GUARD = {
    "nonfinite": "The loss is NaN or infinite.",
    "diverging": "The loss rises far above its lowest.",
    "frozen": "The loss no longer changes at all.",
    "stalled": "No step for far longer than a step takes.",
    "slow": "Steps take much longer than before.",
}
#: section -> its keys; those without keys contain flags, or have their own reader
_SECTIONS: Mapping[str, Mapping[str, Reader]] = {
    "trainer": {
        "sd_scripts": path_text.about(
            f'Folder of sd-scripts, or "{EMBEDDED}" for the built-in trainer. Required.'
        ),
        "python": path_text.about(
            "Python of the trainer. Default: the venv in or beside `sd_scripts`."
        ),
        "script": _script.about(
            "Training script: a file in `sd_scripts`, or a path. Default: train_network.py."
        ),
        "launcher": one_of(LAUNCHERS).about(
            "`accelerate`, the default if `[accelerate]` exists, or `python` for no launcher."
        ),
        "env": texts.about("Environment variables of the trainer."),
        "nice": whole(0, NICE_MOST).about(
            "Lowers the CPU priority of the trainer. Default: 0, normal priority."
        ),
    },
    "accelerate": {},
    "train": {},
    "smoke": {},
    "expect": {
        "device": _device.about("Device to train on: cpu, mps, cuda or cuda:N."),
        "images": whole(1).about("Number of training images, without repeats and regularisation."),
        "steps": whole(1).about("Number of steps."),
        "checkpoint_mb": bounds.about("Smallest and largest size of a checkpoint in MB."),
        "trigger": text.about("Trigger word that every caption must contain."),
    },
    "guard": {
        one.name: one_of(GUARD_DOES).about(_GUARD[one.name]) for one in fields(GuardSettings)
    },
    "engine": ENGINE_KEYS,
    "notify": {},
    "summary": {
        "beside_checkpoints": flag.about(
            "Also writes the summary beside the checkpoints, as `<output_name>-summary.md`."
        )
    },
    "dataset": {
        "general": anything.about("Settings of all datasets, as in a dataset file of sd-scripts."),
        "datasets": anything.about("The datasets with their subsets."),
    },
}
_TOP = {"name": text.about("Name of the project and of its runs. Default: output_name.")}
_SMOKE = {
    "gate": flag.about(
        "Start the long run only after a smoke test with the same settings was approved. Default: true."
    )
}
#: every key of ours by section, "" for the top level; the documentation and the schema are made from them
KEYS: Mapping[str, Mapping[str, Reader]] = {
    "": _TOP, **_SECTIONS, "smoke": _SMOKE, "notify": NOTIFY_KEYS
}  # fmt: skip
#: keys outside their section
_HOMES = {
    **{key: section for section, readers in _SECTIONS.items() for key in readers},
    **dict.fromkeys((*PATH_FLAGS, "output_name"), "train"),
}
#: `accelerate launch` flags that decide what runs: set by us
OUR_ACCELERATE_FLAGS = frozenset({"m", "module", "no_python"})


def load_config(path: Path, *, known_flags: KnownFlags) -> Config:
    """The checked file; a folder means the plasma.toml in it. `known_flags`: those of its trainer, see
    `runner.trainers.registry.load_config`. Raises ConfigError."""
    path = Path(absolute(str(path), Path.cwd()))
    if path.is_dir():
        path /= FILE_NAME
    content, values = read_toml(path, NO_FILE, "utf-8-sig")
    return _checked(path, content, values, known_flags)


def parse_config(path: Path, content: str, *, known_flags: KnownFlags) -> Config:
    """The same from a text that was read from `path`. Raises ConfigError."""
    return _checked(path, content, parsed_toml(path, content), known_flags)


def _checked(path: Path, content: str, values: dict[str, Any], known_flags: KnownFlags) -> Config:
    reading = Reading(str(path), key_lines(content))
    config = _config(path, content, Section(reading, "", values), known_flags)
    if reading.problems:
        raise ConfigError(reading.problems)
    return config


def _config(path: Path, content: str, top: Section, known_flags: KnownFlags) -> Config:
    base, reading = path.parent, top.reading
    homes = {key: f"is unknown here; move it to [{home}]" for key, home in _HOMES.items()}
    named = top.read({**_TOP, **dict.fromkeys(_SECTIONS, anything)}, homes)
    sections = {name: top.table(name) for name in _SECTIONS}
    plain = {name: sections[name].read(keys) for name, keys in _SECTIONS.items() if keys}
    launcher = "accelerate" if sections["accelerate"].values else "python"
    trainer = _trainer(sections["trainer"], plain["trainer"], base, launcher)
    flags = known_flags(trainer) if "sd_scripts" in plain["trainer"] else None
    train = sections["train"].flags(base, flags)
    smoke = sections["smoke"].flags(base, flags, _SMOKE)
    gate = smoke.pop("gate", "smoke" in top.values) is True
    accelerate = _accelerate(sections["accelerate"], base, trainer)
    if "dataset" in top.values and not train.get("dataset_config"):
        cure = 'add dataset_config = "NAME.toml" to [train] to set its path'
        top.reading.problems.append(reading.problem(("dataset",), f"[dataset] has no file; {cure}"))
    output_name = train.get("output_name")
    default = output_name if isinstance(output_name, str) and output_name else base.name
    notify, channels = read_notify(sections["notify"], base, gate=gate)
    return Config(
        path=path,
        name=named.get("name", default),
        trainer=trainer,
        accelerate=accelerate,
        train={key: value for key, value in train.items() if value is not False},
        smoke=Smoke(smoke, gate),
        expect=Expectation(**plain["expect"]),
        guard=GuardSettings(**plain["guard"]),
        engine=read_engine(sections["engine"], plain["engine"]),
        summary_beside=plain["summary"].get("beside_checkpoints", False),
        notify=notify,
        channels=channels,
        dataset=plain["dataset"] if "dataset" in top.values else None,
        text=content,
        lines=reading.lines,
        notes=tuple(reading.notes),
    )


def _trainer(section: Section, given: dict[str, Any], base: Path, launcher: str) -> Trainer:
    """`given`: the valid values. Without sd_scripts the rest is still checked."""
    if "sd_scripts" not in section.values:
        cure = f'set it to the sd-scripts folder, or "{EMBEDDED}" for the built-in trainer'
        section.refuse("sd_scripts", f"is missing; {cure}")
    where, script = given.get("sd_scripts", EMBEDDED), given.get("script", "train_network.py")
    python = executable(given["python"], base) if "python" in given else None
    folder = Path(absolute(where, base))
    trainer = Trainer(
        sd_scripts=folder,
        python=python or str(venv_python(folder) or folder / VENVS[0] / "bin" / "python"),
        script=_script_path(script, folder, base),
        launcher=given.get("launcher", launcher),
        env=given.get("env", {}),
        nice=given.get("nice", 0),
    )
    if where != EMBEDDED:
        return trainer
    if "script" in given and "sd_scripts" in given:
        section.refuse("script", "does not apply to the built-in trainer; remove it")
    own = python or sys.executable
    return replace(trainer, sd_scripts=None, python=own, script="runner.embedded")


def _script_path(script: str, folder: Path, base: Path) -> str:
    """In sd-scripts, or any path: the folder of sd-scripts comes first, then that of plasma.toml."""
    inside, beside = Path(absolute(script, folder)), Path(absolute(script, base))
    return str(beside if beside.is_file() and not inside.is_file() else inside)


@reads()
def _ours(value: Any) -> FlagValue:
    raise Wrong("is set by plasma-tui; remove it")


def _accelerate(section: Section, base: Path, trainer: Trainer) -> dict[str, FlagValue]:
    flags = section.flags(base, None, dict.fromkeys(OUR_ACCELERATE_FLAGS, _ours))
    if flags and trainer.launcher != "accelerate":
        note = 'is not used, because [trainer] launcher is "python"'
        section.reading.note(("accelerate",), f"[accelerate] {note}")
    given = {name: value for name, value in flags.items() if value is not False}
    paths = ACCELERATE_PATH_FLAGS & given.keys()
    return given | {name: absolute(str(given[name]), base) for name in paths}
