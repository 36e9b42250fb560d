"""All channels at once, each in its own thread, for a limited time; and a test of them in a separate process,
so that a screen does not wait for it or load what it needs."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Mapping
from functools import partial

import msgspec

from runner.config.channels import Channels
from runner.notify.channel import NotSent, Result
from runner.notify.message import Message
from runner.process.spawn import module_command

#: more than all tries of any channel
PATIENCE_S = 60.0
SHOW = "--show"

Send = Callable[[Channels, Message], str]


def default_senders(*, show: bool = False) -> Mapping[str, Send]:
    """`show`: show the command's stderr."""
    from runner.notify import apprise_, command, ntfy

    return {
        "command": partial(command.send, show=show),
        "ntfy": ntfy.send,
        "apprise": apprise_.send,
    }


def send_by(name: str, send: Send, channels: Channels, message: Message) -> Result:
    """Raises nothing; of other errors, which may contain an address, only the type is reported."""
    try:
        return Result(name, True, send(channels, message))
    except NotSent as error:
        return Result(name, False, str(error))
    except Exception as error:
        return Result(name, False, f"it failed ({type(error).__name__})")


def send_all(
    channels: Channels,
    message: Message,
    *,
    senders: Mapping[str, Send] | None = None,
    patience_s: float = PATIENCE_S,
) -> tuple[Result, ...]:
    """Result of each channel, in order. A hung thread is abandoned."""
    asked, found = senders or default_senders(), dict[str, Result]()

    def work(name: str) -> None:
        found[name] = send_by(name, asked[name], channels, message)

    threads = [threading.Thread(target=work, args=(name,), daemon=True) for name in channels.names]
    for thread in threads:
        thread.start()
    deadline = time.monotonic() + patience_s
    for thread in threads:
        thread.join(max(0.0, deadline - time.monotonic()))
    late = f"did not finish within {patience_s:g} s"
    return tuple(found.get(name) or Result(name, False, late) for name in channels.names)


# --------------------------------------------------------------------------- a test of them


def try_channels(channels: Channels, message: Message, *, show: bool = False) -> tuple[Result, ...]:
    """Result of each channel; blocks for up to a minute. They are passed on stdin: a command line is
    public."""
    if not channels.names:
        return ()
    try:
        done = subprocess.run(
            module_command("runner.notify", "--trial", *([SHOW] if show else [])),
            input=msgspec.json.encode((channels, message)),
            stdout=subprocess.PIPE,
            stderr=None if show else subprocess.DEVNULL,
            cwd="/",
            timeout=PATIENCE_S + 30.0,
            check=False,
        )
        return msgspec.json.decode(done.stdout, type=tuple[Result, ...])
    except (OSError, subprocess.SubprocessError, msgspec.DecodeError) as error:
        text = f"the test did not finish ({type(error).__name__})"
        return tuple(Result(name, False, text) for name in channels.names)


def main(arguments: list[str]) -> int:
    """The process: input on stdin, results on stdout, and nothing else there."""
    asked = msgspec.json.decode(sys.stdin.buffer.read(), type=tuple[Channels, Message])
    out = os.dup(1)
    os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
    results = send_all(*asked, senders=default_senders(show=SHOW in arguments))
    os.write(out, msgspec.json.encode(results))
    os._exit(0)
