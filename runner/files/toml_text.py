"""TOML text -> values, for untrusted files."""

from __future__ import annotations

import tomllib
from collections.abc import Callable
from typing import Any

#: no configuration is nested this deeply; readers may recurse once per level
MOST_LEVELS = 50
#: larger integers are no float, and cannot always be printed
MOST_BITS = 600
TOO_DEEP = "Nested too deeply"
TOO_LARGE = "Integer with too many digits"


def parse_toml(text: str, *, parse_float: Callable[[str], Any] = float) -> dict[str, Any]:
    """Raises tomllib.TOMLDecodeError, also for nesting and numbers that no setting has (`unusable`)."""
    try:
        values = tomllib.loads(text, parse_float=parse_float)
    except tomllib.TOMLDecodeError:
        raise
    except RecursionError:
        raise tomllib.TOMLDecodeError(TOO_DEEP) from None
    except ValueError:  # more digits than Python converts
        raise tomllib.TOMLDecodeError(TOO_LARGE) from None
    if why := unusable(values):
        raise tomllib.TOMLDecodeError(why)
    return values


def unusable(values: Any) -> str | None:
    """Why parsed values cannot be worked with: nested beyond MOST_LEVELS, integers beyond MOST_BITS."""
    level: list[Any] = [values]
    for _ in range(MOST_LEVELS + 1):
        if any(isinstance(one, int) and one.bit_length() > MOST_BITS for one in level):
            return TOO_LARGE
        level = [item for one in level for item in _items(one)]
        if not level:
            return None
    return TOO_DEEP


def _items(value: Any) -> Any:
    return value.values() if isinstance(value, dict) else value if isinstance(value, list) else ()
