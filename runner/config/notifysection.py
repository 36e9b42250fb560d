"""`[notify]` of plasma.toml: who is told what, and by which way. A secret in it is refused."""

from __future__ import annotations

import re
import shlex
from pathlib import Path
from urllib.parse import urlsplit

from runner.config.channels import PRIORITIES, TERMINALS, Channels
from runner.config.hiding import without_secrets
from runner.config.model import NOTIFY_ON
from runner.config.paths import absolute
from runner.config.reading import Section
from runner.model import NotifyRules

_KEYS = (
    "on",
    "bell",
    "terminal",
    "per_hour",
    "command",
    "ntfy",
    "ntfy_token_env",
    "ntfy_token_file",
    "ntfy_priority",
    "apprise_file",
    "apprise_env",
)
_OUTSIDE = (
    'would lie here for everybody to read; put it into a file (ntfy_token_file = "~/.config/ntfy-token") '
    'or a variable (ntfy_token_env = "NTFY_TOKEN")'
)
_APPRISE = (
    "holds passwords and would lie here for everybody to read; put the addresses into a file "
    '(apprise_file = "~/.config/apprise.yml") or a variable (apprise_env = "APPRISE_URLS")'
)
#: what people write, and what to write instead
_REFUSED = {
    **dict.fromkeys(("token", "ntfy_token", "ntfy_password", "ntfy_auth", "password"), _OUTSIDE),
    **dict.fromkeys(("apprise", "apprise_url", "apprise_urls", "urls", "url"), _APPRISE),
}
_VARIABLE = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
#: what gives a secret in a command line away
_SECRET_WORDS = re.compile(
    r"authorization:|bearer\s|\bxox[abeprs]-|hooks\.slack\.com/|discord(?:app)?\.com/api/webhooks/"
    r"|api\.telegram\.org/bot\d|(?:^|[\s_-])(?:token|password|passwd|secret|api[_-]?key)=\S"
    r"|^--?(?:token|password|passwd|secret|api[_-]?key)$",
    re.I,
)


def read_notify(section: Section, base: Path, *, gate: bool) -> tuple[NotifyRules, Channels]:
    """The rules that anybody may read, and the channels that are kept apart."""
    for key in _REFUSED.keys() & section.values.keys():
        section.refuse(key, _REFUSED[key])
    # `section.only` would ask whether ntfy_token_env was meant
    known = Section(
        section.reading,
        section.name,
        {key: value for key, value in section.values.items() if key not in _REFUSED},
    )
    known.only(_KEYS)
    return _rules(known, gate), _channels(known, base)


def _rules(section: Section, gate: bool) -> NotifyRules:
    plain = NotifyRules()
    on = section.choices("on", NOTIFY_ON) if "on" in section.values else plain.on
    per_hour = section.whole("per_hour", least=1)
    return NotifyRules(
        on=on,
        bell=section.flag("bell", plain.bell),
        terminal=section.choice("terminal", TERMINALS) or plain.terminal,
        per_hour=plain.per_hour if per_hour is None else per_hour,
        gate=gate,
    )


def _channels(section: Section, base: Path) -> Channels:
    channels = Channels(
        command=_command(section, base),
        ntfy=_ntfy(section),
        ntfy_token_env=_variable(section, "ntfy_token_env"),
        ntfy_token_file=_path(section, "ntfy_token_file", base),
        ntfy_priority=_priority(section),
        apprise_file=_path(section, "apprise_file", base),
        apprise_env=_variable(section, "apprise_env"),
    )
    for one, other in (("ntfy_token_env", "ntfy_token_file"), ("apprise_env", "apprise_file")):
        if one in section.values and other in section.values:
            section.refuse(other, f"and {one} are both given; remove one of them")
    if "ntfy" not in section.values:
        for key in ("ntfy_token_env", "ntfy_token_file", "ntfy_priority"):
            if key in section.values:
                section.refuse(
                    key, 'is of no use without ntfy = "https://..."; add it or remove this'
                )
    return channels


def _command(section: Section, base: Path) -> tuple[str, ...]:
    """argv; no shell reads it. Text is split as a shell would."""
    raw = section.values.get("command")
    if raw is None:
        return ()
    if isinstance(raw, str):
        try:
            words = shlex.split(raw)
        except ValueError:
            section.refuse("command", "has a quote that is never closed; close it")
            return ()
    elif isinstance(raw, list) and all(isinstance(word, str) for word in raw):
        words = list(raw)
    else:
        section.refuse("command", "must be text, or a list of text: the program and its arguments")
        return ()
    if not words or not words[0].strip():
        section.refuse("command", "is empty; name a program or remove the line")
        return ()
    if any("\0" in word for word in words):
        section.refuse("command", "holds a NUL character; remove it")
        return ()
    if any(_looks_secret(word) for word in words):
        section.refuse(
            "command",
            "holds what looks like a token or password: anybody could read it in the list of processes; "
            "let a script read it from a file, and name the script here",
        )
        return ()
    program = words[0]
    words[0] = absolute(program, base) if "/" in program else program
    return tuple(words)


def _looks_secret(word: str) -> bool:
    return _SECRET_WORDS.search(word) is not None or without_secrets(word) != word


def _ntfy(section: Section) -> str | None:
    """The address is never repeated in a sentence: who knows the topic can read and write it."""
    address = section.text("ntfy")
    if address is None:
        return None
    try:
        parts = urlsplit(address)
        host, _ = parts.hostname, parts.port
    except ValueError:
        host, parts = None, urlsplit("")
    if parts.username or parts.password or parts.query or parts.fragment:
        section.refuse(
            "ntfy", f"holds more than the address of a topic: a user, password or token {_OUTSIDE}"
        )
        return None
    plain = address.isascii() and address.isprintable() and " " not in address
    if parts.scheme not in ("http", "https") or not host or not parts.path.strip("/") or not plain:
        section.refuse(
            "ntfy", 'is not the address of a topic; write it as "https://ntfy.sh/your-own-topic"'
        )
        return None
    return address.rstrip("/")


def _priority(section: Section) -> str | None:
    if isinstance(section.values.get("ntfy_priority"), int):
        number = section.whole("ntfy_priority", least=1)
        if number is not None and number > len(PRIORITIES):
            section.refuse("ntfy_priority", f"is {number}; give 1 to {len(PRIORITIES)}")
            return None
        return PRIORITIES[number - 1] if number is not None else None
    return section.choice("ntfy_priority", PRIORITIES)


def _variable(section: Section, key: str) -> str | None:
    """The value is not repeated: somebody may have written the token itself."""
    name = section.text(key)
    if name is not None and (not _VARIABLE.fullmatch(name) or _looks_secret(name)):
        section.refuse(key, "is not the name of a variable; write the name, never the token itself")
        return None
    return name


def _path(section: Section, key: str, base: Path) -> str | None:
    text = section.text(key)
    if text is None:
        return None
    if "://" in text or _looks_secret(text):
        section.refuse(key, "is not the path of a file; write the path, never the secret itself")
        return None
    return absolute(text, base)
