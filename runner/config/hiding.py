"""Hides keys, passwords and addresses in everything written or shown of a run: by setting name, then by value
anywhere. Pure.

`token` alone is not a secret: sd-scripts has keep_tokens and max_token_length, so only names ending in it
count. Line numbers of a plasma.toml are preserved, so that problems can still name their line.
"""

from __future__ import annotations

import dataclasses
import json
import re
import tomllib
from collections.abc import Iterable, Iterator, Mapping
from typing import Any, TypeVar, cast

from runner.config.positions import KeyPath, key_lines
from runner.files.toml_text import parse_toml
from runner.model import RunSpec

T = TypeVar("T")
HIDDEN = "(hidden)"
#: shorter values are words that occur elsewhere too
LEAST_LENGTH = 6
_NAME = re.compile(
    r"(?:^|[._-])token$|api_?key|password|passwd|secret|credential|access_?key|private_?key", re.I
)
_USERINFO = re.compile(r"(?<=://)[^/\s@]*:?[^/\s@]*(?=@)")
_QUERY = re.compile(r"(?<=[?&])((?:access_)?token|api_?key|key|password|secret)=[^&\s]+", re.I)
#: tokens recognizable by their format, anywhere
_LOOK = re.compile(r"\b(?:hf_|sk-|ghp_|tk_)[A-Za-z0-9]{16,}")
_PAIR = re.compile(r"^(\s*[#;]?\s*[\"']?)([\w.-]+)([\"']?\s*[=:]\s*)(.+)$")
#: values of `[notify]` that are not secret
_HARMLESS = frozenset(
    {"on", "bell", "terminal", "per_hour", "ntfy_priority", "ntfy_token_env", "apprise_env"}
)
_SECTION = "notify"
_KEY = re.compile(r"""^\s*(?:[\w-]+|"[^"]*"|'[^']*')(?:\s*\.\s*(?:[\w-]+|"[^"]*"|'[^']*'))*\s*=""")


def is_secret(name: str) -> bool:
    return _NAME.search(name.replace("-", "_")) is not None


def without_secrets(text: str) -> str:
    """The text without user and password of addresses, query keys and tokens."""
    text = _USERINFO.sub(HIDDEN, text)
    text = _QUERY.sub(lambda found: f"{found[1]}={HIDDEN}", text)
    return _LOOK.sub(HIDDEN, text)


def shown_value(name: str, text: str) -> str:
    """What may be shown of a setting."""
    return HIDDEN if is_secret(name) else without_secrets(text)


def hidden_command(argv: Iterable[str]) -> tuple[str, ...]:
    """A command line without the values of its secret flags, as `--flag value`, `--flag=value` and
    `name=value`."""
    words = _without_values(argv)
    return tuple(f"{shown}{HIDDEN}" if value else without_secrets(shown) for shown, value in words)


def _without_values(argv: Iterable[str]) -> Iterator[tuple[str, str]]:
    """Each word up to the secret in it, and that secret; "" without one."""
    secret_follows = False
    for word in argv:
        name, equals, value = word.partition("=")
        secret = is_secret(name.lstrip("-"))
        if secret_follows and not word.startswith("--"):
            yield "", word
        elif secret and value:
            yield f"{name}=", value
        else:
            yield word, ""
        secret_follows = secret and word.startswith("--") and not equals


def hidden_env(env: Mapping[str, str | None]) -> dict[str, str | None]:
    return {name: value and shown_value(name, value) for name, value in env.items()}


def hidden_spec(spec: RunSpec) -> RunSpec:
    """As stored in spec.json. The secrets that the trainer needs are in the plan of each attempt alone."""
    forecast = spec.forecast
    return dataclasses.replace(
        spec,
        command=hidden_command(spec.command),
        env=hidden_env(spec.env),
        config_text=spec.config_text and hidden_config(spec.config_text),
        forecast=forecast
        and dataclasses.replace(forecast, command=hidden_command(forecast.command)),
    )


def secret_values(
    argv: Iterable[str], env: Mapping[str, str | None], config: str | None
) -> tuple[str, ...]:
    """The secrets themselves, longest first, to be removed from all other texts."""
    found = {value for name, value in env.items() if value and is_secret(name)}
    found |= {value for _, value in _without_values(argv)}
    found |= {value for name, value in _leaves(_parsed(config)) if is_secret(name)}
    return tuple(sorted((v for v in found if len(v) >= LEAST_LENGTH), key=lambda v: (-len(v), v)))


def hidden_config(text: str) -> str:
    """A plasma.toml fit to be shown: without its secrets and the addresses of [notify]."""
    text = without_addresses(text)
    found = {value for name, value in _leaves(_parsed(text)) if is_secret(name) and value}
    for value in sorted(found, key=len, reverse=True):
        escaped = value.replace("\\", "\\\\").replace('"', '\\"')  # as TOML may spell it
        parts = (part for part in value.split("\n") if len(part) >= LEAST_LENGTH)
        for one in (value, escaped, *parts):
            text = text.replace(one, HIDDEN)
    return "\n".join(_hidden_line(line) for line in text.split("\n"))


def _hidden_line(line: str) -> str:
    """Also in comments, or in a file that is not valid TOML."""
    pair = _PAIR.match(line)
    if pair is None or not is_secret(pair[2]) or HIDDEN in pair[4]:
        return without_secrets(line)
    return f'{pair[1]}{pair[2]}{pair[3]}"{HIDDEN}"'


def _parsed(config: str | None) -> Mapping[str, Any]:
    try:
        return parse_toml(config) if config else {}
    except tomllib.TOMLDecodeError:
        return {}


def _leaves(value: Any, name: str = "") -> Iterator[tuple[str, str]]:
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
    """The same with the secrets removed from every text in it: of texts, lists, tuples, dicts,
    dataclasses."""
    return cast(T, _scrub(value, secrets))


def _scrub(value: Any, secrets: tuple[str, ...]) -> Any:
    if isinstance(value, str):
        if not value.isascii():  # file names may contain bytes that are not UTF-8
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


# ----------------------------------------------------------------- [notify] of a plasma.toml


def without_addresses(text: str) -> str:
    """The same TOML as stored with a run: addresses, commands, paths and comments of `[notify]` are
    hidden."""
    try:
        table = parse_toml(text)
    except tomllib.TOMLDecodeError:  # a configuration is parsed before it is stored; to be safe
        return _cut(text)
    notify = table.get(_SECTION)
    if not isinstance(notify, dict):
        return text
    begins: dict[int, KeyPath] = {}  # what starts on a line; of several keys the outermost
    for path, number in key_lines(text).items():
        element = path[0] == _SECTION and any(isinstance(part, int) for part in path)
        if not element:  # its text may look like a key
            begins.setdefault(number, path)
    lines, inside = text.split("\n"), False
    for at, line in enumerate(lines):
        if path := begins.get(at + 1, ()):
            inside = path[0] == _SECTION
            lines[at] = _shown(line, notify, top=len(path) == 1) if inside else line
        elif inside and line.strip():
            lines[at] = f"# {HIDDEN}"
    hidden = "\n".join(lines)
    return _cut(text) if _still_there(table, hidden) else hidden


def _shown(line: str, notify: Mapping[str, Any], *, top: bool) -> str:
    """A header keeps its name (not `top`: in a subsection), a harmless key its value."""
    found = _KEY.match(line)
    if found is None:
        return line.split("#")[0].rstrip() if top else f"# {HIDDEN}"
    name = re.findall(r"[\w-]+", found.group())[-1]
    if name == _SECTION:
        return f'{found.group()} {{ command = "{HIDDEN}" }}'
    value = notify.get(name, HIDDEN) if name in _HARMLESS else HIDDEN
    return f"{found.group()} {json.dumps(value, default=lambda _: HIDDEN)}"


def _still_there(table: Mapping[str, Any], text: str) -> bool:
    """Is the text no longer valid TOML, or does it still contain one of the values that no other setting
    has?"""
    try:
        parse_toml(text)
    except tomllib.TOMLDecodeError:
        return True
    told = (value for key, value in table[_SECTION].items() if key not in _HARMLESS)
    words = {word for value in told for _, word in _leaves(value) if len(word) > 5} - {HIDDEN}
    others = [word for key, value in table.items() if key != _SECTION for _, word in _leaves(value)]
    return any(text.count(word) > sum(other.count(word) for other in others) for word in words)


def _cut(text: str) -> str:
    """Fallback for an unforeseen layout: cut from its first mention on."""
    lines = text.split("\n")
    first = next((i for i, line in enumerate(lines) if _SECTION in line), len(lines))
    return "\n".join([*lines[:first], *(f"# {HIDDEN}" for _ in lines[first:])])
