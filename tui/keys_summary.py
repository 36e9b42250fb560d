"""The keys of the summary of an ended run."""

from __future__ import annotations

from tui.key import Key

SUMMARY_KEYS: tuple[Key, ...] = ()
