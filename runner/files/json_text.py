"""JSON text -> values, for untrusted files."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

from runner.files.toml_text import TOO_DEEP, is_too_deep


def parse_json(text: str | bytes, *, parse_float: Callable[[str], Any] | None = None) -> Any:
    """Raises json.JSONDecodeError, also for nesting beyond MOST_LEVELS, and UnicodeDecodeError."""
    try:
        values = json.loads(text, parse_float=parse_float)
    except RecursionError:
        raise json.JSONDecodeError(TOO_DEEP, "", 0) from None
    if is_too_deep(values):
        raise json.JSONDecodeError(TOO_DEEP, "", 0)
    return values
