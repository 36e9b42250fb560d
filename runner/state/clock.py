"""A clock of time awake: a machine that slept and a clock that was set add nothing. Pure."""

from __future__ import annotations

#: the longest span between two looks that counts as time awake
LONGEST_SPAN_S = 5.0


class Awake:
    """Seconds that this process was awake, out of any clock that may jump."""

    def __init__(self) -> None:
        self._seen: float | None = None
        self.elapsed_s = 0.0

    def look(self, now: float) -> float:
        """Call often: spans longer than LONGEST_SPAN_S count as that."""
        if self._seen is not None:
            self.elapsed_s += min(max(0.0, now - self._seen), LONGEST_SPAN_S)
        self._seen = now
        return self.elapsed_s
