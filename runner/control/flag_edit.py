"""Edits one flag of a plasma.toml. Comments and layout stay, the result is valid, and a file that was changed
meanwhile is never overwritten.

In: the bytes that a person saw, and what was typed. Out: the new bytes, written by rename; or Refusal, with
nothing written. Begin with `edited`, then `write`.
"""

from __future__ import annotations

import math
import os
import shlex
import threading
import tomllib
from collections import Counter
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from runner.config.catalog import Flag
from runner.config.errors import ConfigError, ConfigProblem
from runner.config.flags import plain_name
from runner.config.positions import comments
from runner.files.regular_file import read_bytes
from runner.files.toml_text import parse_toml
from runner.model.refusal import Refusal
from runner.preflight.cures.files import replace_text
from runner.preflight.cures.settings import put, table
from runner.trainers.registry import load_config

_BOM = b"\xef\xbb\xbf"
CHANGED = "plasma.toml was changed by another program: nothing was written"
_BY_HAND = "plasma.toml can't be edited here without losing something: open it with e"


def read(path: Path) -> bytes:
    """The file as it is now. Raises Refusal."""
    try:
        return read_bytes(path)
    except FileNotFoundError:
        raise Refusal("plasma.toml no longer exists") from None
    except OSError as error:
        raise Refusal(f"plasma.toml can't be read: {error.strerror}") from None


def flags_in(source: bytes, section: str) -> dict[str, str]:
    """By plain name, each value of the section as a person would type it again. Empty if the file can't be
    parsed."""
    import tomlkit  # 20 ms, and only needed by this screen

    try:
        found = tomlkit.parse(_text(source)[0]).get(section)
    except (Refusal, tomlkit.exceptions.TOMLKitError):
        return {}
    if not isinstance(found, Mapping):
        return {}
    return {plain_name(key): _typed(value) for key, value in found.items()}


def _typed(value: Any) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, list):
        return shlex.join(map(str, value))
    return str(value.as_string()) if not isinstance(value, str) else str(value)


def edited(source: bytes, section: str, flag: Flag, typed: str | None) -> bytes:
    """The file with the flag set in that section; None: removed from it. Raises Refusal if the layout could not
    be kept."""
    import tomlkit

    text, mark, windows = _text(source)
    names = {flag.name, *flag.aliases}
    try:
        document = tomlkit.parse(text)
        wanted = document.unwrap()
        if tomlkit.dumps(document) != text:
            raise Refusal(_BY_HAND)
        if typed is None and section not in document:
            return source
        holder = table(document, section)
        if not isinstance(holder, Mapping):
            raise Refusal(_BY_HAND)
        key = next((key for key in holder if plain_name(key) in names), flag.name)
        if typed is None:
            holder.pop(key, None)
            wanted.get(section, {}).pop(key, None)
        else:
            value = _literal(flag, typed)
            put(holder, key, value)
            wanted.setdefault(section, {})[key] = value.unwrap()
        made = tomlkit.dumps(document)
        kept = parse_toml(made) == wanted
        if typed is not None:  # a list may hold some
            kept = kept and not Counter(comments(text)) - Counter(comments(made))
    except (tomlkit.exceptions.TOMLKitError, tomllib.TOMLDecodeError) as error:
        raise Refusal(f"plasma.toml is not valid TOML: open it with e ({error})") from None
    if not kept:
        raise Refusal(_BY_HAND)
    return mark + (made.replace("\n", "\r\n") if windows else made).encode()


def _text(source: bytes) -> tuple[str, bytes, bool]:
    """The text with plain line ends, its byte order mark, and whether its line ends are those of Windows."""
    mark = _BOM if source.startswith(_BOM) else b""
    try:
        text = source[len(mark) :].decode()
    except UnicodeDecodeError:
        raise Refusal("plasma.toml is not UTF-8: save it as UTF-8 in an editor") from None
    plain = text.replace("\r\n", "\n")
    windows = plain != text
    if "\r" in plain or (windows and plain.replace("\n", "\r\n") != text):
        raise Refusal(_BY_HAND)  # line ends of several kinds
    return plain, mark, windows


def _literal(flag: Flag, typed: str) -> Any:
    """What was typed, as TOML: a list for a flag that takes several values, else one value. Numbers keep their
    notation; text needs no quotes."""
    import tomlkit

    typed = typed.strip()
    if flag.many and not typed.startswith("["):
        try:
            words = shlex.split(typed)
        except ValueError:
            raise Refusal("close the quote") from None
        made = tomlkit.array()
        for word in words:
            made.append(_one(flag, word))
        return made
    return _one(flag, typed)


def _one(flag: Flag, typed: str) -> Any:
    import tomlkit

    quoted = typed[:1] in ("'", '"', "[")
    if quoted or flag.bare or flag.kind not in ("str", "Path"):
        try:
            value = tomlkit.value(typed)
            parse_toml(f"value = {typed}")  # all of it, and nothing behind it
        except (tomlkit.exceptions.TOMLKitError, tomllib.TOMLDecodeError):
            pass
        else:
            if isinstance(value, float) and not math.isfinite(value):
                raise Refusal("give a finite number")
            return value
    return tomlkit.item(typed)


def write(path: Path, expected: bytes, new: bytes) -> None:
    """`new` replaces `expected`. Raises Refusal if the file is not as expected, or would not be valid."""
    try:
        problem = _problem(path, expected, new)
        if problem is not None:
            raise Refusal(problem)
        if read(path) != expected:
            raise Refusal(CHANGED)
        replace_text(path, new.decode())
    except OSError as error:
        raise Refusal(f"plasma.toml can't be written: {error.strerror}") from None


def _problem(path: Path, old: bytes, new: bytes) -> str | None:
    """The first thing that would be wrong with the new file, preferably one that the edit brings."""
    found = _problems(path, new)
    if not found:
        return None
    known = {one.text for one in _problems(path, old)}
    added = next((one for one in found if one.text not in known), None)
    if added is not None:
        return added.text
    return f"plasma.toml has other problems, open it with e: {replace(found[0], file=path.name)}"


def _problems(path: Path, data: bytes) -> tuple[ConfigProblem, ...]:
    """What the parser says of this content, with relative paths as in the file's own folder."""
    trial = path.with_name(f".{path.name}.{os.getpid()}-{threading.get_ident()}.trial.toml")
    try:
        replace_text(trial, data.decode())
        load_config(trial)
    except ConfigError as error:
        return error.problems
    finally:
        trial.unlink(missing_ok=True)
    return ()
