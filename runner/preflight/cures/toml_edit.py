"""Changing single keys of a TOML file; comments, order and everything else stay as they are."""

from __future__ import annotations

import threading
from collections.abc import Callable, MutableMapping, Sequence
from pathlib import Path
from typing import Any

from runner.preflight.cures.files import back_up, replace_text
from runner.preflight.cures.model import CureFailed, OnOutput

_BOM = "\ufeff"
#: a parsed document of tomlkit, changed in place
Edit = Callable[[MutableMapping[str, Any]], None]
#: raises CureFailed for a text that must not be written
Judge = Callable[[str], None]


def edit_file(
    path: Path, edits: Sequence[Edit], on_output: OnOutput, judge: Judge | None = None
) -> None:
    """Read, change, judge, keep a copy of the old file, replace it. Raises CureFailed, OSError."""
    try:
        old = path.read_bytes().decode("utf-8")
    except UnicodeDecodeError:
        raise CureFailed(f"{path} is not UTF-8; save it as UTF-8") from None
    new = as_before(old, edited(old.removeprefix(_BOM), edits, str(path)))
    if new == old:
        on_output(f"{path} needs no change")
        return
    if judge is not None:
        judge(new)
    on_output(f"the old file is kept as {back_up(path)}")
    replace_text(path, new)
    on_output(f"changed {path}")


def as_before(old: str, new: str) -> str:
    """With the byte order mark and the line ends of the old text."""
    if "\r\n" in old:
        new = new.replace("\r\n", "\n").replace("\n", "\r\n")
    return _BOM + new if old.startswith(_BOM) else new


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


def table(document: MutableMapping[str, Any], name: str) -> MutableMapping[str, Any]:
    """`[name]`, made at the end of the document when it is not there."""
    import tomlkit

    if name not in document:
        document[name] = tomlkit.table()
    found: MutableMapping[str, Any] = document[name]
    return found


def put(holder: MutableMapping[str, Any], key: str, value: Any) -> None:
    """Set a key; a new one comes behind the last key of the table, not behind the comment that belongs
    to the next table."""
    import tomlkit
    from tomlkit.container import Container
    from tomlkit.items import AoT, Table, Whitespace

    if key in holder or not isinstance(holder, Table):
        holder[key] = value
        return
    container: Container = holder.value
    plain = [
        k for k, item in container.body if k and not isinstance(item, Table | AoT | Whitespace)
    ]
    if not plain:
        holder[key] = value
        return
    container._insert_after(plain[-1], tomlkit.key(key), tomlkit.item(value))


def never_cancelled(cancelled: threading.Event) -> None:
    """A change of a file is made at once or not at all."""
    if cancelled.is_set():
        raise CureFailed("cancelled before anything was changed")
