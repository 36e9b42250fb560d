"""Where a token really is: a variable or a file, read at the moment it is needed and kept nowhere."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path

LIMIT_BYTES = 1 << 16


class NoSecret(Exception):
    """Why it could not be had; one clause without the secret."""


def read_secret(
    variable: str | None, path: str | None, environ: Mapping[str, str] = os.environ
) -> str | None:
    """The text without white space around it; None: neither is set. Raises NoSecret."""
    if variable is not None:
        value = environ.get(variable, "").strip()
        if not value:
            raise NoSecret(f"the variable {variable} is not set for this process")
        return value
    if path is None:
        return None
    try:
        with Path(path).open("rb") as stream:
            value = stream.read(LIMIT_BYTES).decode("utf-8", "replace").strip()
    except OSError as error:
        raise NoSecret(f"{Path(path).name} cannot be read: {error.strerror}") from None
    if not value:
        raise NoSecret(f"{Path(path).name} is empty")
    return value
