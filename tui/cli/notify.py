"""`notify`: what `[notify]` would do, and with `--test` whether it works."""

from __future__ import annotations

import argparse
import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from tui.cli.common import say, write
from tui.cli.exits import NO, OK
from tui.notices import Ring, bytes_of
from tui.osc import way_of
from tui.text import clean

if TYPE_CHECKING:
    from runner.config.channels import Channels
    from tui.backend.results import NoticeTarget


def notify(options: argparse.Namespace) -> int:
    """Prints no address and no secret: terminals get shared."""
    from tui.backend.door import Backend

    target = Backend().notice_target(None, Path(options.config or "plasma.toml").absolute())
    return _test(target) if options.test else _print(target)


def _print(target: NoticeTarget) -> int:
    assert target.channels is not None
    rules = target.rules
    rows = [("events", ", ".join(rules.on) or "nothing"), ("terminal", _terminal(target))]
    rows += _channel_rows(target.channels)
    write(*(f"{name:<10}{clean(words)}" for name, words in rows))
    if not target.channels.names:
        say("no channel configured: set command, ntfy or apprise_file in [notify]")
    return OK


def _terminal(target: NoticeTarget) -> str:
    bell = "bell and " if target.rules.bell else ""
    return f"{bell}{way_of(target.rules.terminal, os.environ).words}"


def _channel_rows(channels: Channels) -> list[tuple[str, str]]:
    rows = []
    if channels.command:
        rows.append(("command", Path(channels.command[0]).name))
    if channels.ntfy is not None:
        token = channels.ntfy_token_file or channels.ntfy_token_env
        by = f", token from {token}" if token else ""
        rows.append(("ntfy", f"a topic of {urlsplit(channels.ntfy).hostname}{by}"))
    source = channels.apprise_file or channels.apprise_env
    if source is not None:
        rows.append(("apprise", f"addresses from {source}"))
    return rows


def _test(target: NoticeTarget) -> int:
    """Exit 1 if one channel failed."""
    from runner.notify.sender import try_channels

    assert target.channels is not None
    if sys.stderr.isatty():
        sys.stderr.write(bytes_of(Ring(target.message), target.rules, os.environ, False))
        sys.stderr.flush()
        say(f"this terminal: {_terminal(target)}")
    if not target.channels.names:
        say("no channel configured: set command, ntfy or apprise_file in [notify]")
        return OK
    results = try_channels(target.channels, target.message, show=True)
    for one in results:
        word = "ok" if one.ok else "FAILED"
        write(f"{one.channel:<10}{word:<8}{clean(one.text)}")
    return OK if all(one.ok for one in results) else NO
