"""The keys of the comparison of runs."""

from __future__ import annotations

from tui.key import Key

COMPARE_KEYS: tuple[Key, ...] = ()
