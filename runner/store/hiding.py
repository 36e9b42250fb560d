"""No key and no password in what is written of a run: by the names of settings, then their values wherever
they stand. Pure."""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Iterable, Mapping
from itertools import pairwise
from typing import Any, TypeVar, cast

from runner.store.hidden import HIDDEN, is_secret, without_secrets

T = TypeVar("T")
#: shorter values are words that stand elsewhere as well
LEAST_LENGTH = 6
_PAIR = re.compile(r"^(\s*[#;]?\s*[\"']?)([\w.-]+)([\"']?\s*[=:]\s*)(.+)$")


def hidden_command(argv: Iterable[str]) -> tuple[str, ...]:
    """A command line with the values of its secret flags taken out, as `--flag value`, `--flag=value` and
    `name=value`."""
    found: list[str] = []
    secret_follows = False
    for word in argv:
        name, equals, value = word.partition("=")
        if secret_follows and not word.startswith("--"):
            found.append(HIDDEN)
        elif equals and value and is_secret(name.lstrip("-")):
            found.append(f"{name}={HIDDEN}")
        else:
            found.append(without_secrets(word))
        secret_follows = word.startswith("--") and not equals and is_secret(word.lstrip("-"))
    return tuple(found)


def hidden_env(env: Mapping[str, str | None]) -> dict[str, str | None]:
    return {
        name: value if value is None else HIDDEN if is_secret(name) else without_secrets(value)
        for name, value in env.items()
    }


def secret_values(
    argv: Iterable[str], env: Mapping[str, str | None], config: str | None
) -> tuple[str, ...]:
    """The secrets themselves, longest first, to be taken out of every other text."""
    found: set[str] = {value for name, value in env.items() if value and is_secret(name)}
    words = list(argv)
    for word, after in pairwise((*words, "")):
        name, equals, value = word.partition("=")
        if is_secret(name.lstrip("-")):
            found.add(value if equals else after if word.startswith("--") else "")
    found |= {value for name, value in _leaves(_parsed(config)) if is_secret(name)}
    return tuple(sorted((v for v in found if len(v) >= LEAST_LENGTH), key=lambda v: (-len(v), v)))


def hidden_config(text: str) -> str:
    """A plasma.toml as it was, with its secrets and every value of [notify] taken out."""
    table = _parsed(text)
    found = {value for name, value in _leaves(table) if is_secret(name)}
    notify = table.get("notify")
    if isinstance(notify, Mapping):
        text = _without_notify(text, {v for k, v in _leaves(notify) if k != "on"})
    for value in sorted((v for v in found if v), key=len, reverse=True):
        text = _replaced(text, value)
    return "\n".join(_hidden_line(line) for line in text.split("\n"))


def _hidden_line(line: str) -> str:
    """Also of what stands in a comment, or in a file that is no TOML."""
    pair = _PAIR.match(line)
    if pair is None or not is_secret(pair[2]) or HIDDEN in pair[4]:
        return without_secrets(line)
    return f'{pair[1]}{pair[2]}{pair[3]}"{HIDDEN}"'


def _without_notify(text: str, values: set[str]) -> str:
    """Only within its own section: a topic may be the name of the run."""
    lines, inside = text.split("\n"), False
    for at, line in enumerate(lines):
        head = line.strip()
        if head.startswith("["):
            inside = re.match(r"\[+\s*[\"']?notify\b", head) is not None
        elif inside or re.match(r"notify\b", head):
            for value in sorted((v for v in values if v), key=len, reverse=True):
                line = _replaced(line, value)
            lines[at] = line
    return "\n".join(lines)


def _replaced(text: str, value: str) -> str:
    """The value as TOML may spell it, one line after the other where it has several."""
    escaped = value.replace("\\", "\\\\").replace('"', '\\"')
    for one in (value, escaped, *(part for part in value.split("\n") if len(part) >= LEAST_LENGTH)):
        text = text.replace(one, HIDDEN)
    return text


def _parsed(config: str | None) -> Mapping[str, Any]:
    import tomllib

    try:
        return tomllib.loads(config) if config else {}
    except tomllib.TOMLDecodeError:
        return {}


def _leaves(value: Any, name: str = "") -> Iterable[tuple[str, str]]:
    """(key, text) of every text in a table, at any depth."""
    if isinstance(value, Mapping):
        for key, inner in value.items():
            yield from _leaves(inner, str(key))
    elif isinstance(value, list):
        for inner in value:
            yield from _leaves(inner, name)
    elif isinstance(value, str):
        yield name, value


def scrubbed(value: T, secrets: tuple[str, ...]) -> T:
    """The same with the secrets taken out of every text in it: of texts, lists, tuples, dicts, dataclasses."""
    return cast(T, _scrub(value, secrets))


def _scrub(value: Any, secrets: tuple[str, ...]) -> Any:
    if isinstance(value, str):
        if not value.isascii():  # names of files may hold bytes that are no UTF-8
            value = value.encode("utf-8", "replace").decode("utf-8")
        for secret in secrets:
            if secret in value:
                value = value.replace(secret, HIDDEN)
        return without_secrets(value) if "://" in value or "_" in value or "sk-" in value else value
    if isinstance(value, dict):
        return {key: _scrub(inner, secrets) for key, inner in value.items()}
    if isinstance(value, list | tuple):
        return type(value)(_scrub(inner, secrets) for inner in value)
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        names = [field.name for field in dataclasses.fields(value)]
        return type(value)(*(_scrub(getattr(value, name), secrets) for name in names))
    return value
