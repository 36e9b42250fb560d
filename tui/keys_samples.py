"""The keys of the sample images."""

from __future__ import annotations

from tui.key import Key

SAMPLES_KEYS: tuple[Key, ...] = ()
