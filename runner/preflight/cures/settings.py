"""Fixes that change settings in TOML: plasma.toml, and the dataset config, wherever it is.

Single keys are changed; comments, order and everything else stay as they are.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Mapping, MutableMapping
from pathlib import Path
from typing import Any

from runner.config.errors import ConfigError
from runner.config.flags import plain_name
from runner.config.load import load_config
from runner.config.model import Config
from runner.preflight.cures.files import replace_text, write_file
from runner.preflight.cures.model import (
    REMOVED,
    Cure,
    CureFailed,
    Fix,
    OnOutput,
    change_text,
    toml_text,
)
from runner.preflight.facts import Facts

Document = MutableMapping[str, Any]
#: changes a parsed document of tomlkit in place
Edit = Callable[[Document], None]
_BOM = "\ufeff"
#: how the diagnosis spells a change in these sections
_SPELLED = {"train": "", "accelerate": "accelerate.", "trainer.env": "env."}


def cure_of(fix: Fix, facts: Facts, check: str) -> Cure | None:
    """None if the setting is not in one of our files."""
    if fix.where == "dataset":
        return dataset_cure(facts, check, fix.title, fix.changes)
    return set_cure(facts.config, check, fix.title, fix.where, fix.changes)


def set_cure(
    config: Config, check: str, title: str, section: str, changes: Mapping[str, Any]
) -> Cure | None:
    """Set keys of one section of plasma.toml. A flag of [train] is also set in [smoke] if that has its own
    value; None if one to remove is not in plasma.toml but in a config_file."""
    sections = {section: changes}
    if section == "train":
        gone = {flag for flag, value in changes.items() if value is REMOVED}
        if gone - config.train.keys() - config.smoke.flags.keys():
            return None
        sections["smoke"] = {f: value for f, value in changes.items() if f in config.smoke.flags}

    def edit(document: Document) -> None:
        for name, keys in sections.items():
            if keys:
                set_keys(table(document, name), keys)

    lines = (
        f"[{name}] {change_text(one)}" for name, keys in sections.items() for one in keys.items()
    )
    will_do = (f"in {config.path} (a copy of the old file is kept):", *lines)
    spelled = changes.items() if section in _SPELLED else ()
    made = tuple(f"{_SPELLED[section]}{name}={plain(value)}" for name, value in spelled)
    return toml_cure(config, check, title, will_do, {config.path: edit}, made)


def plain(value: Any) -> Any:
    return str(value).lower() if isinstance(value, bool) else value


def set_keys(section: Document, values: Mapping[str, Any]) -> None:
    """Under the existing spelling (`--mixed-precision`); REMOVED removes a key."""
    spelled = {plain_name(key): key for key in section}
    for name, value in values.items():
        key = spelled.get(name, name)
        if value is REMOVED:
            section.pop(key, None)
        else:
            put(section, key, list(value) if isinstance(value, tuple) else value)


# ----------------------------------------------------------------- the dataset config


def dataset_cure(facts: Facts, check: str, title: str, values: Mapping[str, Any]) -> Cure | None:
    """Set keys of the dataset config wherever they are, else in [general]: in its file, and in [dataset] of
    plasma.toml. If folders are set by flags, those are changed, or removed for 0 and false. None if the
    dataset is not an editable TOML, such as a JSON file.
    """
    file, own = facts.dataset_file(), facts.config.dataset is not None
    if file is None and not own:
        flags = {name: value or REMOVED for name, value in values.items()}
        return set_cure(facts.config, check, title, "train", flags)
    edits: dict[Path, Edit] = {}
    if file is not None and file.suffix.lower() == ".toml" and file.is_file():
        edits[file] = lambda document: set_everywhere(document, values)
    places = list(map(str, edits))
    if own:
        edits[facts.config.path] = lambda d: set_everywhere(table(d, "dataset"), values)
        places.append(f"[dataset] of {facts.config.path}")
    lines = (f"{name} = {toml_text(value)}" for name, value in values.items())
    will_do = (f"in {' and '.join(places)} (a copy is kept):", *lines)
    return toml_cure(facts.config, check, title, will_do, edits)


def set_everywhere(document: Document, values: Mapping[str, Any]) -> None:
    """A value of a subset overrides its dataset's and [general]'s, so all existing ones change."""
    for name, value in values.items():
        holders = [holder for holder in _tables(document) if name in holder]
        for holder in holders or [table(document, "general")]:
            put(holder, name, value)


def _tables(document: Document) -> Iterator[Document]:
    if isinstance(document.get("general"), MutableMapping):
        yield document["general"]
    for dataset in document.get("datasets") or []:
        yield dataset
        yield from dataset.get("subsets") or []


# ----------------------------------------------------------------- editing TOML


def toml_cure(
    config: Config,
    check: str,
    title: str,
    will_do: tuple[str, ...],
    edits: Mapping[Path, Edit],
    changes: tuple[str, ...] = (),
) -> Cure | None:
    """Changes TOML files, each with a copy of the old one; plasma.toml only if it stays valid."""

    def act(on_output: OnOutput, cancelled: threading.Event) -> None:
        for path, edit in edits.items():
            old = path.read_bytes().decode("utf-8")
            new = edited(old.removeprefix(_BOM), edit, str(path))
            if "\r\n" in old:
                new = new.replace("\r\n", "\n").replace("\n", "\r\n")
            new = _BOM + new if old.startswith(_BOM) else new
            if new == old:
                on_output(f"{path} needs no change")
                continue
            if path == config.path:
                _check_valid(path, new)
            write_file(path, new, on_output, "changed")

    return Cure(check, check, title, will_do, act, changes) if edits else None


def _check_valid(path: Path, text: str) -> None:
    """The new text is validated as a plasma.toml before it replaces the old one. Raises CureFailed."""
    trial = path.with_name(f".{path.name}.trial.toml")
    try:
        replace_text(trial, text)
        load_config(trial, known_flags=lambda trainer: None)
    except ConfigError as error:
        problem = str(error).replace(str(trial), str(path))
        raise CureFailed(f"nothing was changed, it would not be valid: {problem}") from None
    finally:
        trial.unlink(missing_ok=True)


def edited(text: str, edit: Edit, where: str) -> str:
    """The changed text. Raises CureFailed if it is not TOML."""
    import tomlkit  # 20 ms, and only needed for changes
    from tomlkit.exceptions import TOMLKitError

    try:
        document = tomlkit.parse(text)
        edit(document)
        return tomlkit.dumps(document)
    except TOMLKitError as error:
        raise CureFailed(f"{where} cannot be changed: {error}") from None


def table(document: Document, name: str) -> Document:
    """`[name]`, created at the end of the document if missing; `outer.inner`: an inline table."""
    import tomlkit

    outer, _, inner = name.partition(".")
    if outer not in document:
        document[outer] = tomlkit.table()
    if inner and inner not in document[outer]:
        document[outer][inner] = tomlkit.inline_table()
    found: Document = document[outer][inner] if inner else document[outer]
    return found


def put(holder: Document, key: str, value: Any) -> None:
    """Set a key; a new one is added after the last key of the table, not after the next table's comment."""
    import tomlkit
    from tomlkit.items import AoT, Table, Whitespace

    plain = []
    if isinstance(holder, Table) and key not in holder:
        body = holder.value.body
        plain = [k for k, item in body if k and not isinstance(item, Table | AoT | Whitespace)]
    if plain and isinstance(holder, Table):
        holder.value._insert_after(plain[-1], tomlkit.key(key), tomlkit.item(value))
    else:
        holder[key] = value
