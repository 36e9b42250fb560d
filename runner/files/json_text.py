"""JSON text -> values, for untrusted files."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

from runner.files.toml_text import TOO_DEEP, TOO_LARGE, unusable


def parse_json(text: str | bytes, *, parse_float: Callable[[str], Any] | None = None) -> Any:
    """Raises json.JSONDecodeError, also for nesting and numbers that no setting has (`unusable`), and
    UnicodeDecodeError."""
    try:
        values = json.loads(text, parse_float=parse_float)
    except (json.JSONDecodeError, UnicodeDecodeError):
        raise
    except RecursionError:
        raise json.JSONDecodeError(TOO_DEEP, "", 0) from None
    except ValueError:  # more digits than Python converts
        raise json.JSONDecodeError(TOO_LARGE, "", 0) from None
    if why := unusable(values):
        raise json.JSONDecodeError(why, "", 0)
    return values
