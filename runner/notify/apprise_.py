"""apprise, if it is installed: its addresses are read from a file or a variable, its own output is
dropped."""

from __future__ import annotations

import importlib.util
import logging

from runner.config.channels import Channels
from runner.notify.channel import NotSent, read_secret
from runner.notify.message import Message

MISSING = "apprise is not installed: `pip install 'plasma-tui[apprise]'`"
_KINDS = {"finished": "success", "waiting": "info", "stopped": "info", "test": "info"}


def installed() -> bool:
    return importlib.util.find_spec("apprise") is not None


def send(channels: Channels, message: Message) -> str:
    """Only reports whether all addresses accepted it: other output may contain passwords."""
    try:
        import apprise
    except ImportError:
        raise NotSent(MISSING) from None
    logging.getLogger("apprise").setLevel(logging.CRITICAL + 1)
    logging.getLogger("apprise").propagate = False
    target = apprise.Apprise()
    if channels.apprise_file is not None:
        read_secret(None, channels.apprise_file)  # reports why, where apprise only reports failure
        config = apprise.AppriseConfig()
        config.add(channels.apprise_file)
        target.add(config)
    else:
        target.add((read_secret(channels.apprise_env, None) or "").split())
    if not len(target):
        raise NotSent("no valid address found")
    kind = _KINDS.get(message.event, "failure")
    if not target.notify(title=message.title, body=message.text, notify_type=kind):
        raise NotSent("an address did not accept the notification")
    return "sent"
