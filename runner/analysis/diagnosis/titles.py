"""Short titles of causes, for people. In a table of their own, so that a screen needs no patterns for them."""

from __future__ import annotations

from functools import cache
from pathlib import Path

TITLES = Path(__file__).parent / "causes" / "titles.toml"


@cache
def _titles() -> dict[str, str]:
    import tomllib

    found: dict[str, str] = tomllib.loads(TITLES.read_text("utf-8"))
    return found


def cause_title(key: str) -> str:
    """A key without a title, of a newer supervisor, is spelled out."""
    words = key.replace("_", " ")
    return _titles().get(key) or words[:1].upper() + words[1:]
