"""apprise, if it is installed: its addresses come from a file or a variable, its own words go nowhere."""

from __future__ import annotations

import importlib.util
import logging

from runner.config.channels import Channels
from runner.notify.box import Result
from runner.notify.message import Message
from runner.notify.secret import NoSecret, read_secret

NAME = "apprise"
MISSING = "apprise is not installed: `pip install 'plasma-tui[apprise]'`"
_KINDS = {"finished": "success", "waiting": "info", "stopped": "info", "test": "info"}


def installed() -> bool:
    return importlib.util.find_spec("apprise") is not None


def send(channels: Channels, message: Message) -> Result:
    """Only whether all of its addresses took it: what it says otherwise may hold passwords."""
    try:
        import apprise
    except ImportError:
        return Result(NAME, False, MISSING)
    logging.getLogger("apprise").setLevel(logging.CRITICAL + 1)
    logging.getLogger("apprise").propagate = False
    try:
        target = apprise.Apprise()
        if channels.apprise_file is not None:
            read_secret(None, channels.apprise_file)  # says why, where apprise only says no
            config = apprise.AppriseConfig()
            config.add(channels.apprise_file)
            target.add(config)
        else:
            addresses = read_secret(channels.apprise_env, None)
            target.add((addresses or "").split())
        if not len(target):
            return Result(NAME, False, "it found no address that it understands")
        sent = target.notify(
            title=message.title,
            body=message.text,
            notify_type=_KINDS.get(message.event, "failure"),
        )
    except NoSecret as error:
        return Result(NAME, False, str(error))
    except Exception as error:  # border: foreign code, whose words may hold an address
        return Result(NAME, False, f"it failed ({type(error).__name__})")
    if sent:
        return Result(NAME, True, "sent")
    return Result(NAME, False, "an address did not take the notice")
