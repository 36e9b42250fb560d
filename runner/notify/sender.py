"""All channels at once, each in a thread of its own, for a limited time."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Mapping

from runner.config.channels import Channels
from runner.notify import apprise_, command, ntfy
from runner.notify.box import Result
from runner.notify.message import Message

Send = Callable[[Channels, Message], Result]

#: more than the tries of any channel together
PATIENCE_S = 60.0
SENDERS: Mapping[str, Send] = {
    command.NAME: command.send,
    ntfy.NAME: ntfy.send,
    apprise_.NAME: apprise_.send,
}


def send_all(
    channels: Channels,
    message: Message,
    *,
    senders: Mapping[str, Send] = SENDERS,
    patience_s: float = PATIENCE_S,
) -> tuple[Result, ...]:
    """What came of each channel, in their order. A thread that hangs is left behind."""
    found: dict[str, Result] = {}

    def work(name: str) -> None:
        try:
            result = senders[name](channels, message)
        except Exception as error:  # border: the words of it may hold an address
            result = Result(name, False, f"it failed ({type(error).__name__})")
        found[name] = result

    threads = [
        threading.Thread(target=work, args=(name,), name=name, daemon=True)
        for name in channels.names
    ]
    for thread in threads:
        thread.start()
    deadline = time.monotonic() + patience_s
    for thread in threads:
        thread.join(max(0.0, deadline - time.monotonic()))
    late = f"did not come to an end within {patience_s:g} s"
    return tuple(found.get(name) or Result(name, False, late) for name in channels.names)
