"""plasma.toml -> Config. Strict: what is not understood is refused, with its line, all at once."""

from __future__ import annotations

import re
import sys
from pathlib import Path
from typing import Any

from runner.config.catalog import KnownFlags
from runner.config.errors import ConfigError
from runner.config.flags import FlagValue, plain_name
from runner.config.flagsection import read_flags
from runner.config.model import GUARD_DOES, LAUNCHERS, Config, Smoke, Trainer
from runner.config.notifysection import read_notify
from runner.config.paths import (
    ACCELERATE_PATH_FLAGS,
    PATH_FLAGS,
    absolute,
    executable,
)
from runner.config.positions import key_lines, read_toml
from runner.config.reading import Reading, Section
from runner.model import Expectation, GuardSettings

FILE_NAME = "plasma.toml"
NO_FILE = "run `plasma-tui init` to write one, or `plasma-tui demo` to see a training"
EMBEDDED = "embedded"

_SECTIONS = (
    "trainer",
    "accelerate",
    "train",
    "smoke",
    "expect",
    "guard",
    "notify",
    "summary",
    "dataset",
)
_TRAINER_KEYS = ("sd_scripts", "python", "script", "launcher", "env", "nice")
_EXPECT_KEYS = ("device", "images", "steps", "checkpoint_mb", "trigger")
_GUARD_KEYS = ("nonfinite", "diverging", "frozen", "stalled", "slow")
_HOMES = {
    **dict.fromkeys(_TRAINER_KEYS, "trainer"),
    **dict.fromkeys(_EXPECT_KEYS, "expect"),
    **dict.fromkeys(_GUARD_KEYS, "guard"),
    "beside_checkpoints": "summary",
    **dict.fromkeys(PATH_FLAGS, "train"),
    "output_name": "train",
    "datasets": "dataset",
    "general": "dataset",
}
#: `accelerate launch` flags that decide what is run: they are ours
_OUR_ACCELERATE_FLAGS = frozenset({"m", "module", "no_python"})
#: the kernel's own end of the scale
NICE_MOST = 19
_DEVICE = re.compile(r"(?:cpu|cuda|mps|xpu|npu|hpu|mlu|musa)(?::\d+)?")
#: where kohya_ss and its like keep the interpreter, seen from the folder of sd-scripts
_VENVS = ("venv", ".venv", "../venv", "../.venv")


def load_config(path: Path, *, known_flags: KnownFlags) -> Config:
    """The checked file; a folder stands for the plasma.toml in it. `known_flags`: those of its trainer, see
    `runner.trainers.registry.load_config`. Raises ConfigError."""
    path = Path(absolute(str(path), Path.cwd()))
    if path.is_dir():
        path /= FILE_NAME
    text, values = read_toml(path, NO_FILE, "utf-8-sig")
    reading = Reading(str(path), key_lines(text))
    config = _config(path, text, Section(reading, "", values), known_flags)
    if reading.problems:
        raise ConfigError(reading.problems)
    return config


def _config(path: Path, text: str, top: Section, known_flags: KnownFlags) -> Config:
    top.only(("name", *_SECTIONS), _HOMES)
    base, reading = path.parent, top.reading
    trainer_section = top.table("trainer")
    where = _sd_scripts(trainer_section)
    launcher = "accelerate" if top.values.get("accelerate") else "python"
    trainer = _trainer(trainer_section, base, where, launcher)
    flags = known_flags(trainer) if where else None
    train_section, smoke_section = top.table("train"), top.table("smoke")
    train = read_flags(train_section, base, flags)
    gate = smoke_section.flag("gate", "smoke" in top.values)
    smoke = read_flags(smoke_section, base, flags, ours=frozenset({"gate"}))
    accelerate = _accelerate(top, base, trainer)
    dataset = _dataset(top, train)
    output_name = train.get("output_name")
    name = top.text("name") or (output_name if isinstance(output_name, str) else base.name)
    notify, channels = read_notify(top.table("notify"), base, gate=gate)
    return Config(
        path=path,
        name=name,
        trainer=trainer,
        accelerate=accelerate,
        train={key: value for key, value in train.items() if value is not False},
        smoke=Smoke(smoke, gate),
        expect=_expectation(top.table("expect")),
        guard=_guard(top.table("guard")),
        summary_beside=_summary_beside(top.table("summary")),
        notify=notify,
        channels=channels,
        dataset=dataset,
        text=text,
        lines=reading.lines,
        notes=tuple(reading.notes),
    )


def _sd_scripts(section: Section) -> str | None:
    section.only(_TRAINER_KEYS)
    if "sd_scripts" not in section.values:
        cure = f'give the folder of sd-scripts, or "{EMBEDDED}" for the built-in trainer'
        section.refuse("sd_scripts", f"is missing; {cure}")
    return section.text("sd_scripts")


def _trainer(section: Section, base: Path, where: str | None, launcher: str) -> Trainer:
    """`where` is None when it was refused already; what stands beside it is checked all the same."""
    python, script = section.text("python"), section.text("script")
    launcher = section.choice("launcher", LAUNCHERS) or launcher
    env, nice = section.texts("env"), _nice(section)
    if where is None or where == EMBEDDED:
        if script is not None and where == EMBEDDED:
            section.refuse("script", "means nothing to the built-in trainer; remove it")
        chosen = executable(python, base) if python else sys.executable
        return Trainer(None, chosen, "runner.embedded", launcher, env, nice)
    folder = Path(absolute(where, base))
    if script is not None and not script.endswith(".py"):
        section.refuse("script", f'is "{script}"; name a Python file such as train_network.py')
    chosen = executable(python, base) if python else _venv_python(folder)
    found = _script(script or "train_network.py", folder, base)
    return Trainer(folder, chosen, found, launcher, env, nice)


def _nice(section: Section) -> int:
    """0: as everything else; 19: only what nobody else wants of the CPU."""
    value = section.whole("nice", least=0)
    if value is not None and value > NICE_MOST:
        section.refuse("nice", f"is {value}; give a whole number of 0 to {NICE_MOST}")
    return min(value or 0, NICE_MOST)


def _script(script: str, folder: Path, base: Path) -> str:
    """In sd-scripts, or any path: the folder of sd-scripts comes first, then that of plasma.toml."""
    inside = Path(absolute(script, folder))
    beside = Path(absolute(script, base))
    return str(beside if beside.is_file() and not inside.is_file() else inside)


def _venv_python(folder: Path) -> str:
    candidates = [folder / venv / "bin" / "python" for venv in _VENVS]
    found = next((path for path in candidates if path.exists()), candidates[0])
    return absolute(str(found), folder)


def _accelerate(top: Section, base: Path, trainer: Trainer) -> dict[str, FlagValue]:
    section = top.table("accelerate")
    flags = read_flags(section, base, None)
    for key in section.values:
        if plain_name(key) in _OUR_ACCELERATE_FLAGS:
            section.refuse(key, "is set by plasma-tui itself; remove it")
    if flags and trainer.launcher != "accelerate":
        note = 'is not used, because [trainer] launcher is "python"'
        top.reading.note(("accelerate",), f"[accelerate] {note}")
    for name in ACCELERATE_PATH_FLAGS & flags.keys():
        value = flags[name]
        if isinstance(value, str):
            flags[name] = absolute(value, base)
    return {name: value for name, value in flags.items() if value is not False}


def _dataset(top: Section, train: dict[str, FlagValue]) -> dict[str, Any] | None:
    """`[dataset]` is checked by the reader of dataset files; here only its outline."""
    if "dataset" not in top.values:
        return None
    section = top.table("dataset")
    section.only(("general", "datasets"))
    if not train.get("dataset_config"):
        cure = 'add dataset_config = "NAME.toml" to [train] to say where the file is to be written'
        top.reading.refuse(("dataset",), f"[dataset] has no file; {cure}")
    return dict(section.values)


def _expectation(section: Section) -> Expectation:
    section.only(_EXPECT_KEYS)
    device = section.text("device")
    if device is not None and not _DEVICE.fullmatch(device):
        section.refuse("device", f'is "{device}"; write cpu, mps, cuda or cuda:N')
    return Expectation(
        device=device,
        images=section.whole("images", least=1),
        steps=section.whole("steps", least=1),
        checkpoint_mb=section.bounds("checkpoint_mb"),
        trigger=section.text("trigger"),
    )


def _summary_beside(section: Section) -> bool:
    """Is the summary written beside the checkpoints as well?"""
    section.only(("beside_checkpoints",))
    return section.flag("beside_checkpoints", False)


def _guard(section: Section) -> GuardSettings:
    """What is done about an alarm besides telling it; what is not named is only told."""
    section.only(_GUARD_KEYS)
    chosen = {key: section.choice(key, GUARD_DOES) for key in _GUARD_KEYS}
    return GuardSettings(**{key: value for key, value in chosen.items() if value is not None})
