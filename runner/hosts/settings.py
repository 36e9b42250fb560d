"""`[hosts]` of the user's config.toml. Strict, like plasma.toml; no such file is fine."""

from __future__ import annotations

import shlex
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from runner.config.errors import ConfigError
from runner.config.positions import key_lines, read_toml
from runner.config.reading import Reader, Reading, Section, Wrong, anything, path_text, reads, text
from runner.model.refusal import Refusal
from runner.store.rundir import user_config

#: OpenSSH refuses most of these itself; a ProxyCommand of the user's may hand the name to a shell
_SHELL = frozenset("'\"`$\\;&<>|(){}*?!#")
NAME_LIMIT = 255


@dataclass(frozen=True, slots=True)
class Host:
    """A machine by the name that ssh knows. `command`: how plasma-tui is called there; `home`: PLASMA_HOME
    there, empty for its own."""

    name: str
    command: tuple[str, ...] = ("plasma-tui",)
    home: str = ""


def name_problem(name: str) -> str | None:
    """Why ssh must not be called with this name, as the end of a sentence. With `-` it would be an option."""
    if not name or len(name) > NAME_LIMIT:
        return "is empty" if not name else f"is longer than {NAME_LIMIT} characters"
    if name.startswith("-"):
        return "begins with `-`, so that ssh would read it as an option"
    if any(not one.isprintable() or one.isspace() for one in name):
        return "contains a space or a control character"
    if found := sorted(_SHELL & set(name)):
        return f"contains {found[0]}, which no host name has"
    return None


def checked(host: Host) -> Host:
    """Raises Refusal for a name that ssh must not see."""
    if problem := name_problem(host.name):
        raise Refusal(f"the host name {host.name!r} {problem}")
    return host


@reads(type="string", pattern=r"\S")
def _command(value: Any) -> tuple[str, ...]:
    typed = text(value)
    try:
        words = tuple(shlex.split(typed))
    except ValueError as error:
        raise Wrong(f"cannot be read as words ({error}); close the quote") from None
    if not words or words[0].startswith("-"):
        raise Wrong("begins with no program; write for example ~/venv/bin/plasma-tui")
    if any(not one.isprintable() for one in words):
        raise Wrong("contains a control character")
    return words


@reads(type="string", pattern=r"\S")
def _home(value: Any) -> str:
    found: str = path_text(value)
    if not found.isprintable():
        raise Wrong("contains a control character")
    if not found.startswith(("/", "~")):
        raise Wrong(
            f'is "{found}"; use an absolute path on that machine, or one that begins with ~'
        )
    return found


#: keys of one host; docs/hosts.md describes them
KEYS: Mapping[str, Reader] = {
    "command": _command, "home": _home
}  # fmt: skip


def read_hosts(path: Path | None = None) -> tuple[Host, ...]:
    """In the order of the file; none without a file. Raises ConfigError with every problem and its line."""
    path = path or user_config()
    if path is None:
        return ()
    content, values = read_toml(path, "create it", "utf-8-sig")
    reading = Reading(str(path), key_lines(content))
    top = Section(reading, "", values)
    top.read({"hosts": anything})
    found = tuple(_hosts(top.table("hosts")))
    if reading.problems:
        raise ConfigError(reading.problems)
    return found


def _hosts(section: Section) -> list[Host]:
    found = []
    for name, value in section.values.items():
        if problem := name_problem(name):
            section.refuse(name, f"{problem}; use a name of your ssh configuration")
        elif not isinstance(value, dict):
            section.refuse(name, f"is not a table; write [hosts.{name}] on its own line")
        elif any(isinstance(one, dict) for one in value.values()):
            section.refuse(name, 'holds a table; put a name with dots in quotes: [hosts."a.b.c"]')
        else:
            own = _Named(section.reading, f"hosts.{name}", value, (section.name, name))
            found.append(replace(Host(name), **own.read(KEYS)))
    return found


@dataclass(frozen=True, slots=True)
class _Named(Section):
    """A table below a section: its label is not its path."""

    path: tuple[str, ...] = ()

    def refuse(self, key: str, text: str, *at: str | int) -> None:
        problem = self.reading.problem((*self.path, key, *at), f"{self.label(key)} {text}")
        self.reading.problems.append(problem)


def known_hosts() -> tuple[Host, ...]:
    """As `read_hosts`. Raises Refusal: the first problem."""
    try:
        return read_hosts()
    except ConfigError as error:
        more = f" (and {len(error.problems) - 1} more)" if len(error.problems) > 1 else ""
        raise Refusal(f"{error.problems[0]}{more}") from None


def named_hosts(names: Sequence[str]) -> tuple[Host, ...]:
    """Each once, with what config.toml says about it; any other name is ssh's business. Raises Refusal."""
    known = {one.name: one for one in known_hosts()}
    return tuple(checked(known.get(name) or Host(name)) for name in dict.fromkeys(names))
