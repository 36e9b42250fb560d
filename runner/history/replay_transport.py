"""Play, pause, seek and speed: the position of a replay. The screen controls it, another thread reads."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable

#: recorded seconds per second played
SPEEDS = (0.25, 0.5, 1.0, 2.0, 5.0, 10.0, 30.0, 60.0, 120.0, 300.0, 600.0, 1800.0, 3600.0)
#: duration of a full replay at the default speed
WHOLE_S = 90.0


def fitting_speed(length_s: float) -> float:
    """Speed at which the full replay takes a minute or two; never slower than real time."""
    wanted = length_s / WHOLE_S
    return next((speed for speed in SPEEDS if speed >= max(1.0, wanted)), SPEEDS[-1])


class Transport:
    """`length_s`: of the recording, pauses between attempts left out. Safe to use from two threads."""

    def __init__(
        self, speed: float | None = None, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._clock, self._lock = clock, threading.RLock()
        self._speed = speed
        self.length_s = 0.0
        #: at `_place_s` when the clock showed `_since`
        self._place_s, self._since, self._plays = 0.0, clock(), True

    def load(self, length_s: float) -> None:
        """The recording is read: it can start."""
        with self._lock:
            self.length_s = max(0.0, length_s)
            self._speed = self._speed or fitting_speed(self.length_s)
            self._set(0.0)

    @property
    def speed(self) -> float:
        return self._speed or 1.0

    @property
    def playing(self) -> bool:
        return self._plays and not self.at_end

    @property
    def at_end(self) -> bool:
        return self.place_s() >= self.length_s

    def place_s(self) -> float:
        """Seconds played by now."""
        with self._lock:
            played = max(0.0, self._clock() - self._since) if self._plays else 0.0
            return min(self.length_s, self._place_s + played * self.speed)

    def _set(
        self, place_s: float, *, plays: bool | None = None, speed: float | None = None
    ) -> None:
        """Continue from this position with the given changes."""
        with self._lock:
            self._place_s, self._since = max(0.0, min(self.length_s, place_s)), self._clock()
            self._plays = self._plays if plays is None else plays
            self._speed = self._speed if speed is None else speed

    def play(self) -> None:
        """Play; at the end, from the start."""
        with self._lock:
            self._set(0.0 if self.at_end else self.place_s(), plays=True)

    def pause(self) -> None:
        with self._lock:
            self._set(self.place_s(), plays=False)

    def toggle(self) -> None:
        self.pause() if self.playing else self.play()

    def seek_s(self, place_s: float) -> None:
        self._set(place_s)

    def seek(self, fraction: float) -> None:
        """To this share of the length: 0.0 the start, 1.0 the end."""
        self._set(fraction * self.length_s)

    def move(self, fraction: float) -> None:
        """Forward or back by this share of the length."""
        with self._lock:
            self._set(self.place_s() + fraction * self.length_s)

    def set_speed(self, speed: float) -> None:
        with self._lock:
            self._set(self.place_s(), speed=max(SPEEDS[0], min(SPEEDS[-1], speed)))

    def change_speed(self, by: int) -> None:
        """To the next speed above (1) or below (-1)."""
        above = [one for one in SPEEDS if one > self.speed] or [SPEEDS[-1]]
        below = [one for one in SPEEDS if one < self.speed] or [SPEEDS[0]]
        self.set_speed(above[0] if by > 0 else below[-1])
