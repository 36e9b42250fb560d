"""A channel is a function `send(channels, message)` that returns what it did or raises NotSent. Neither text
contains an address or a secret."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

SECRET_BYTES = 1 << 16


@dataclass(frozen=True, slots=True)
class Result:
    """Result of one channel."""

    channel: str
    ok: bool
    text: str


class NotSent(Exception):
    """Why not; one clause."""


def read_secret(variable: str | None, path: str | None) -> str | None:
    """A token or addresses from their source, read when needed and never stored; None: neither is set.
    Raises NotSent."""
    if variable is not None:
        value = os.environ.get(variable, "").strip()
        if not value:
            raise NotSent(f"the variable {variable} is not set for this process")
        return value
    if path is None:
        return None
    try:
        with Path(path).open("rb") as stream:
            value = stream.read(SECRET_BYTES).decode("utf-8", "replace").strip()
    except OSError as error:
        raise NotSent(f"{Path(path).name} cannot be read: {error.strerror}") from None
    if not value:
        raise NotSent(f"{Path(path).name} is empty")
    return value
