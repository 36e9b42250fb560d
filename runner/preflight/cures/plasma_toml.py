"""Cures that change plasma.toml: flags in [train] and [smoke], variables, expectations."""

from __future__ import annotations

import threading
from collections.abc import Mapping, MutableMapping
from pathlib import Path
from typing import Any

from runner.config.errors import ConfigError
from runner.config.flags import FlagValue, plain_name
from runner.config.load import load_config
from runner.config.model import Config
from runner.preflight.cures.files import replace_text
from runner.preflight.cures.model import Cure, CureFailed, OnOutput
from runner.preflight.cures.toml_edit import Edit, edit_file, never_cancelled, put, table

#: a flag that is taken out
REMOVED = False
Changes = Mapping[str, FlagValue]


def flag_cure(
    config: Config, check: str, title: str, changes: Changes, *, name: str = ""
) -> Cure | None:
    """Set flags in [train] (False takes one out), and in [smoke] where it has its own value for one.

    None when a flag that is to go does not stand in plasma.toml: it comes from a config_file.
    """
    gone = [flag for flag, value in changes.items() if value is REMOVED]
    if any(flag not in config.train and flag not in config.smoke.flags for flag in gone):
        return None
    smoked = {flag: value for flag, value in changes.items() if flag in config.smoke.flags}

    def edit(document: MutableMapping[str, Any]) -> None:
        set_keys(table(document, "train"), changes)
        if smoked:
            set_keys(table(document, "smoke"), smoked)

    words = _told("[train]", changes) + _told("[smoke]", smoked)
    made = _made("", changes)
    return section_cure(config, check, title, edit, words, name=name, changes=made)


def section_cure(
    config: Config,
    check: str,
    title: str,
    edit: Edit,
    words: list[str],
    *,
    name: str = "",
    changes: tuple[str, ...] = (),
) -> Cure:
    """A change of plasma.toml; `words` say what changes, a line each."""

    def act(on_output: OnOutput, cancelled: threading.Event) -> None:
        never_cancelled(cancelled)
        edit_file(config.path, [edit], on_output, lambda text: _still_valid(config.path, text))

    told = (f"in {config.path} (a copy of the old file is kept):", *words)
    return Cure(name or check, check, title, told, act, changes)


def key_cure(
    config: Config, check: str, title: str, section: str, values: Mapping[str, Any]
) -> Cure:
    """Set keys of one section."""

    def edit(document: MutableMapping[str, Any]) -> None:
        set_keys(table(document, section), values)

    made = _made(f"{section}.", values) if section == "accelerate" else ()
    words = _told(f"[{section}]", values)
    return section_cure(config, check, title, edit, words, changes=made)


def env_cure(config: Config, check: str, title: str, name: str, value: str) -> Cure:
    """Set a variable of the trainer's environment."""

    def edit(document: MutableMapping[str, Any]) -> None:
        import tomlkit

        trainer = table(document, "trainer")
        if "env" not in trainer:
            trainer["env"] = tomlkit.inline_table()
        trainer["env"][name] = value

    words = [f'[trainer] env.{name} = "{value}"']
    return section_cure(config, check, title, edit, words, changes=(f"env.{name}={value}",))


def set_keys(section: MutableMapping[str, Any], values: Mapping[str, Any]) -> None:
    """Under the spelling that stands there already (`--mixed-precision`); REMOVED takes a key out."""
    spelled = {plain_name(key): key for key in section}
    for name, value in values.items():
        key = spelled.get(name, name)
        if value is REMOVED:
            section.pop(key, None)
        else:
            put(section, key, list(value) if isinstance(value, tuple) else value)


def _made(prefix: str, changes: Mapping[str, Any]) -> tuple[str, ...]:
    """The changes as the diagnosis spells them."""
    return tuple(
        f"{prefix}{name}={str(value).lower() if isinstance(value, bool) else value}"
        for name, value in changes.items()
    )


def _told(section: str, changes: Mapping[str, Any]) -> list[str]:
    return [f"{section} {assignment(name, value)}" for name, value in changes.items()]


def assignment(name: str, value: Any) -> str:
    """A change of a flag as a person reads it; False takes the flag out."""
    return f"{name} is taken out" if value is REMOVED else f"{name} = {toml_text(value)}"


def toml_text(value: Any) -> str:
    """A value as it will stand in the file."""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, tuple):
        return f"[{', '.join(map(toml_text, value))}]"
    return f'"{value}"' if isinstance(value, str) else str(value)


def _still_valid(path: Path, text: str) -> None:
    """The new text is read as a plasma.toml before it takes the place of the old one."""
    trial = path.with_name(f".{path.name}.trial.toml")
    try:
        replace_text(trial, text)
        load_config(trial, known_flags=lambda trainer: None)
    except ConfigError as error:
        told = str(error).replace(str(trial), str(path))
        raise CureFailed(f"nothing was changed, it would not be valid: {told}") from None
    finally:
        trial.unlink(missing_ok=True)
