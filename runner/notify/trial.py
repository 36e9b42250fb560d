"""A test of every channel. A process of its own, so that a screen neither waits for it nor loads what it needs;
the channels come on stdin, because anybody may read a command line."""

from __future__ import annotations

import os
import subprocess
import sys
from dataclasses import dataclass
from functools import partial

import msgspec

from runner.config.channels import Channels
from runner.notify import command
from runner.notify.box import Result
from runner.notify.message import Message
from runner.notify.sender import PATIENCE_S, SENDERS, send_all
from runner.process.spawn import module_command

SHOW = "--show"


@dataclass(frozen=True, slots=True)
class Trial:
    channels: Channels
    message: Message


def try_channels(channels: Channels, message: Message, *, show: bool = False) -> tuple[Result, ...]:
    """What came of each channel; blocks for up to a minute. `show`: the command's complaints are seen."""
    if not channels.names:
        return ()
    words = module_command("runner.notify", "--trial", *([SHOW] if show else []))
    try:
        done = subprocess.run(
            words,
            input=msgspec.json.encode(Trial(channels, message)),
            stdout=subprocess.PIPE,
            stderr=None if show else subprocess.DEVNULL,
            cwd="/",
            timeout=PATIENCE_S + 30.0,
            check=False,
        )
        return msgspec.json.decode(done.stdout, type=tuple[Result, ...])
    except (OSError, subprocess.SubprocessError, msgspec.DecodeError) as error:
        text = f"the test did not come to an end ({type(error).__name__})"
        return tuple(Result(name, False, text) for name in channels.names)


def main(arguments: list[str]) -> int:
    """The process: a `Trial` on stdin, its results on stdout, and nothing else there."""
    asked = msgspec.json.decode(sys.stdin.buffer.read(), type=Trial)
    out = os.dup(1)
    os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
    senders = dict(SENDERS)
    senders[command.NAME] = partial(command.send, show=SHOW in arguments)
    results = send_all(asked.channels, asked.message, senders=senders)
    os.write(out, msgspec.json.encode(results))
    os._exit(0)
