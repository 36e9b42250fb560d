"""TOML text -> values, for files that anybody may have written."""

from __future__ import annotations

import tomllib
from collections.abc import Callable
from typing import Any

#: no configuration is nested so deeply; what reads the values may call itself once for each level
MOST_LEVELS = 50
_TOO_DEEP = "Nested too deeply"


def parse_toml(text: str, *, parse_float: Callable[[str], Any] = float) -> dict[str, Any]:
    """Raises tomllib.TOMLDecodeError, also for tables and lists within each other beyond MOST_LEVELS."""
    try:
        values = tomllib.loads(text, parse_float=parse_float)
    except RecursionError:
        raise tomllib.TOMLDecodeError(_TOO_DEEP) from None
    level: list[Any] = [values]
    for _ in range(MOST_LEVELS):
        level = [item for one in level for item in _items(one)]
        if not level:
            return values
    raise tomllib.TOMLDecodeError(_TOO_DEEP)


def _items(value: Any) -> list[Any]:
    inner = value.values() if isinstance(value, dict) else value if isinstance(value, list) else ()
    return [item for item in inner if isinstance(item, dict | list)]
