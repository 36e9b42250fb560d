"""`[notify]` of plasma.toml: what is reported, and through which channel. Secrets in it are rejected."""

from __future__ import annotations

import re
import shlex
from collections.abc import Mapping
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from runner.config.channels import PRIORITIES, TERMINALS, Channels
from runner.config.hiding import without_secrets
from runner.config.model import NOTIFY_ON
from runner.config.paths import absolute
from runner.config.reading import Reader, Section, Wrong, flag, one_of, reads, some_of, text, whole
from runner.model import NotifyRules

_OUTSIDE = (
    'would be readable by everybody here; put it into a file (ntfy_token_file = "~/.config/ntfy-token") '
    'or a variable (ntfy_token_env = "NTFY_TOKEN")'
)
_APPRISE = (
    "contains passwords and would be readable by everybody here; put the addresses into a file "
    '(apprise_file = "~/.config/apprise.yml") or a variable (apprise_env = "APPRISE_URLS")'
)
#: common mistakes, and what to write instead
_REFUSED = {
    **dict.fromkeys(("token", "ntfy_token", "ntfy_password", "ntfy_auth", "password"), _OUTSIDE),
    **dict.fromkeys(("apprise", "apprise_url", "apprise_urls", "urls", "url"), _APPRISE),
}
_VARIABLE = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_TEXT = {"type": "string", "pattern": r"\S"}
#: signs of a secret in a command line
_SECRET_WORDS = re.compile(
    r"authorization:|bearer\s|\bxox[abeprs]-|hooks\.slack\.com/|discord(?:app)?\.com/api/webhooks/"
    r"|api\.telegram\.org/bot\d|(?:^|[\s_-])(?:token|password|passwd|secret|api[_-]?key)=\S"
    r"|^--?(?:token|password|passwd|secret|api[_-]?key)$",
    re.I,
)


def read_notify(section: Section, base: Path, *, gate: bool) -> tuple[NotifyRules, Channels]:
    """The public rules, and the channels that are stored separately."""
    found = section.read(NOTIFY_KEYS, _REFUSED)
    for key in found.keys() & {"ntfy_token_file", "apprise_file"}:
        found[key] = absolute(found[key], base)
    if "/" in found.get("command", ("",))[0]:
        program, *arguments = found["command"]
        found["command"] = (absolute(program, base), *arguments)
    for one, other in (("ntfy_token_env", "ntfy_token_file"), ("apprise_env", "apprise_file")):
        if one in section.values and other in section.values:
            section.refuse(other, f"and {one} are both given; remove one of them")
    for key in section.values:
        if key in _CHANNELS and key.startswith("ntfy_") and "ntfy" not in section.values:
            section.refuse(key, 'does nothing without ntfy = "https://..."; add it or remove this')
    rules = {key: value for key, value in found.items() if key in _RULES}
    return (
        NotifyRules(**rules, gate=gate),
        Channels(**{key: value for key, value in found.items() if key in _CHANNELS}),
    )


@reads(anyOf=[_TEXT, {"type": "array", "items": {"type": "string"}, "minItems": 1}])
def _command(value: Any) -> tuple[str, ...]:
    """argv; no shell reads it. Text is split as a shell would."""
    try:
        words = shlex.split(value) if isinstance(value, str) else value
    except ValueError:
        raise Wrong("has a quote that is never closed; close it") from None
    if not isinstance(words, list) or not all(isinstance(word, str) for word in words):
        raise Wrong("must be text, or a list of text: the program and its arguments")
    if not words or not words[0].strip():
        raise Wrong("is empty; name a program or remove the line")
    if any("\0" in word for word in words):
        raise Wrong("contains a NUL character; remove it")
    if any(_looks_secret(word) for word in words):
        raise Wrong(
            "seems to contain a token or password: anyone could read it in the process list; let "
            "a script read it from a file, and set the script here"
        )
    return tuple(words)


def _looks_secret(word: str) -> bool:
    return _SECRET_WORDS.search(word) is not None or without_secrets(word) != word


@reads(type="string", pattern="^https?://[^/?#@]+/[^?#]+$")
def _ntfy(value: Any) -> str:
    """The address is never repeated in a message: anyone who knows the topic can read and write it."""
    address = str(text(value))
    try:
        parts = urlsplit(address)
        host, _ = parts.hostname, parts.port
    except ValueError:
        host, parts = None, urlsplit("")
    if parts.username or parts.password or parts.query or parts.fragment:
        raise Wrong(
            f"contains more than the address of a topic: a user, password or token {_OUTSIDE}"
        )
    plain = address.isascii() and address.isprintable() and " " not in address
    if parts.scheme not in ("http", "https") or not host or not parts.path.strip("/") or not plain:
        raise Wrong('is not a topic address; write it as "https://ntfy.sh/your-own-topic"')
    return address.rstrip("/")


@reads(enum=[*PRIORITIES, *range(1, len(PRIORITIES) + 1)])
def _priority(value: Any) -> str:
    """By its name or its number."""
    if isinstance(value, int):
        return PRIORITIES[whole(1, len(PRIORITIES))(value) - 1]
    return str(one_of(PRIORITIES)(value))


@reads(type="string", pattern=f"^{_VARIABLE.pattern}$")
def _variable(value: Any) -> str:
    """The value is not repeated: it may be the token itself."""
    if not _VARIABLE.fullmatch(text(value)) or _looks_secret(value):
        raise Wrong("is not a variable name; write the name, never the token itself")
    return str(value)


@reads(**_TEXT)
def _path(value: Any) -> str:
    if "://" in text(value) or _looks_secret(value):
        raise Wrong("is not a file path; write the path, never the secret itself")
    return str(value)


_RULES: Mapping[str, Reader] = {
    "on": some_of(NOTIFY_ON).about(
        "Events to report. `failed` alone includes `diverged` and `killed`."
    ),
    "bell": flag.about("Ring the terminal bell while the screen is open."),
    "terminal": one_of(TERMINALS).about(
        "Notification of the terminal while the screen is open: the escape sequence, or off."
    ),
    "per_hour": whole(1).about("Most alarms sent in an hour. The end of a run is always sent."),
}
_CHANNELS: Mapping[str, Reader] = {
    "command": _command.about(
        "Program to run, with its arguments; no shell. It gets PLASMA_TEXT, PLASMA_RUN_ID and more."
    ),
    "ntfy": _ntfy.about("Address of an ntfy topic."),
    "ntfy_token_env": _variable.about("Variable that holds the ntfy token."),
    "ntfy_token_file": _path.about("File that holds the ntfy token."),
    "ntfy_priority": _priority.about("Priority of the notices, by name or number."),
    "apprise_file": _path.about("File of apprise addresses. Needs the extra `apprise`."),
    "apprise_env": _variable.about("Variable that holds apprise addresses."),
}
NOTIFY_KEYS: Mapping[str, Reader] = {**_RULES, **_CHANNELS}
