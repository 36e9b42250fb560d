"""Who gives an order."""

from __future__ import annotations

import os


def whoami() -> str:
    """The name of the user, as the login has it; else of the user id."""
    name = os.environ.get("USER") or os.environ.get("LOGNAME")
    if name:
        return name
    try:
        import pwd

        return pwd.getpwuid(os.getuid()).pw_name
    except (ImportError, KeyError):  # no such database, or a container's user without a name
        return f"uid {os.getuid()}"
