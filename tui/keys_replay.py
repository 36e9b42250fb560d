"""The keys while a run is played back."""

from __future__ import annotations

from tui.key import Key

REPLAY_KEYS: tuple[Key, ...] = ()
