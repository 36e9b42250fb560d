"""Cures that change settings in TOML: plasma.toml, and the dataset config wherever it stands.

Single keys are changed; comments, order and everything else stay as they are.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, MutableMapping, Sequence
from pathlib import Path
from typing import Any

from runner.config.errors import ConfigError
from runner.config.flags import FlagValue, plain_name
from runner.config.load import load_config
from runner.config.model import Config
from runner.preflight.cures.files import replace_text, write_file
from runner.preflight.cures.model import Cure, CureFailed, OnOutput, file_cure
from runner.preflight.facts import Facts

#: a flag that is taken out
REMOVED = False
Changes = Mapping[str, FlagValue]
Document = MutableMapping[str, Any]
#: changes a parsed document of tomlkit in place
Edit = Callable[[Document], None]
_BOM = "\ufeff"

# ----------------------------------------------------------------- plasma.toml


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

    def edit(document: Document) -> None:
        set_keys(table(document, "train"), changes)
        if smoked:
            set_keys(table(document, "smoke"), smoked)

    words = _told("[train]", changes) + _told("[smoke]", smoked)
    return section_cure(config, check, title, edit, words, name=name, changes=_made("", changes))


def key_cure(
    config: Config, check: str, title: str, section: str, values: Mapping[str, Any]
) -> Cure:
    """Set keys of one section."""
    made = _made(f"{section}.", values) if section == "accelerate" else ()
    words = _told(f"[{section}]", values)

    def edit(document: Document) -> None:
        set_keys(table(document, section), values)

    return section_cure(config, check, title, edit, words, changes=made)


def env_cure(config: Config, check: str, title: str, name: str, value: str) -> Cure:
    """Set a variable of the trainer's environment."""

    def edit(document: Document) -> None:
        import tomlkit

        trainer = table(document, "trainer")
        if "env" not in trainer:
            trainer["env"] = tomlkit.inline_table()
        trainer["env"][name] = value

    words = [f'[trainer] env.{name} = "{value}"']
    return section_cure(config, check, title, edit, words, changes=(f"env.{name}={value}",))


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

    def change(on_output: OnOutput) -> None:
        edit_file(config.path, edit, on_output, lambda text: _still_valid(config.path, text))

    told = (f"in {config.path} (a copy of the old file is kept):", *words)
    return file_cure(name or check, check, title, told, change, changes)


def set_keys(section: Document, values: Mapping[str, Any]) -> None:
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
    """Each change as a person reads it; False takes the flag out."""
    return [
        f"{section} {name} is taken out"
        if value is REMOVED
        else f"{section} {name} = {toml_text(value)}"
        for name, value in changes.items()
    ]


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


# ----------------------------------------------------------------- the dataset config


def dataset_cure(
    facts: Facts, check: str, title: str, values: Mapping[str, Any], flags: Changes | None = None
) -> Cure | None:
    """Set keys of the dataset config wherever they stand, else in [general]: in its file, and in [dataset] of
    plasma.toml. Where folders are given by flags, set `flags` (the same keys when None).

    None where the dataset is no TOML of ours to change: a JSON file.
    """
    file, own = facts.dataset_file(), facts.config.dataset is not None
    if file is None and not own:
        return flag_cure(facts.config, check, title, values if flags is None else flags)
    target = file if file and file.suffix.lower() == ".toml" and file.is_file() else None
    if target is None and not own:
        return None

    def change(on_output: OnOutput) -> None:
        if target is not None:
            edit_file(target, lambda document: set_everywhere(document, values), on_output)
        if own:
            edit_file(facts.config.path, edit_own, on_output)

    def edit_own(document: Document) -> None:
        set_everywhere(table(document, "dataset"), values)

    places = [str(target)] * (target is not None) + [f"[dataset] of {facts.config.path}"] * own
    words = [f"{name} = {toml_text(value)}" for name, value in values.items()]
    will_do = (f"in {' and '.join(places)} (a copy is kept):", *words)
    return file_cure(check, check, title, will_do, change)


def set_everywhere(document: Document, values: Mapping[str, Any]) -> None:
    """A value of a subset wins over its dataset's and [general]'s, so all that stand there change."""
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


def edit_file(
    path: Path, edit: Edit, on_output: OnOutput, judge: Callable[[str], None] | None = None
) -> None:
    """Read, change, judge, keep a copy of the old file, replace it. `judge` raises CureFailed for a text that
    must not be written. Raises CureFailed, OSError."""
    try:
        old = path.read_bytes().decode("utf-8")
    except UnicodeDecodeError:
        raise CureFailed(f"{path} is not UTF-8; save it as UTF-8") from None
    new = edited(old.removeprefix(_BOM), [edit], str(path))
    if "\r\n" in old:
        new = new.replace("\r\n", "\n").replace("\n", "\r\n")
    new = _BOM + new if old.startswith(_BOM) else new
    if new == old:
        on_output(f"{path} needs no change")
        return
    if judge is not None:
        judge(new)
    write_file(path, new, on_output, "changed")


def edited(text: str, edits: Sequence[Edit], where: str) -> str:
    """The text with all edits made. Raises CureFailed when it is no TOML."""
    import tomlkit  # 20 ms, and only needed when something is changed
    from tomlkit.exceptions import TOMLKitError

    try:
        document = tomlkit.parse(text)
        for edit in edits:
            edit(document)
        return tomlkit.dumps(document)
    except TOMLKitError as error:
        raise CureFailed(f"{where} cannot be changed: {error}") from None


def table(document: Document, name: str) -> Document:
    """`[name]`, made at the end of the document when it is not there."""
    import tomlkit

    if name not in document:
        document[name] = tomlkit.table()
    found: Document = document[name]
    return found


def put(holder: Document, key: str, value: Any) -> None:
    """Set a key; a new one comes behind the last key of the table, not behind the comment that belongs
    to the next table."""
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
