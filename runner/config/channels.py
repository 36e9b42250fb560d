"""notify.json: where a run's notifications go. It may contain secrets (the topic of an ntfy address is as
good as a password), so it is a separate file with mode 0600 and is never shown."""

from __future__ import annotations

from dataclasses import dataclass

from runner.model import SCHEMA
from runner.store.journal import Unreadable, read_json, write_json
from runner.store.rundir import RunDir

#: as in ntfy, lowest first
PRIORITIES = ("min", "low", "default", "high", "urgent")
#: how the screen sends a desktop notification; `auto`: depends on the terminal
TERMINALS = ("auto", "osc9", "osc777", "osc99", "off")


@dataclass(frozen=True, slots=True)
class Channels:
    """`command`: argv; `ntfy`: the address of a topic. Tokens and apprise addresses are never in here, only
    the names of variables and paths of files with them."""

    command: tuple[str, ...] = ()
    ntfy: str | None = None
    ntfy_token_env: str | None = None
    ntfy_token_file: str | None = None
    ntfy_priority: str | None = None
    apprise_file: str | None = None
    apprise_env: str | None = None
    schema: int = SCHEMA

    @property
    def names(self) -> tuple[str, ...]:
        """Those that are set, by the names used in results."""
        apprise = self.apprise_file or self.apprise_env
        given = {"command": self.command, "ntfy": self.ntfy, "apprise": apprise}
        return tuple(name for name, value in given.items() if value)

    @property
    def secret_variables(self) -> tuple[str, ...]:
        return tuple(name for name in (self.ntfy_token_env, self.apprise_env) if name is not None)


def write_channels(run: RunDir, channels: Channels) -> None:
    """By rename, readable only by its owner from the first byte on. Raises OSError."""
    write_json(run.notify, channels)


def read_channels(run: RunDir) -> Channels:
    """None if the run has no such file. An unreadable file raises Unreadable."""
    if not run.notify.exists():
        return Channels()
    return read_json(run.notify, Channels)


def channels_or_none(run: RunDir) -> Channels:
    """The same, but a broken file counts as none."""
    try:
        return read_channels(run)
    except Unreadable:
        return Channels()
