"""Plays back a recorded run: a reader like that of a live run, with a selectable time. The run is never
changed. Its journals are indexed once (`runner.history.replay_recording`); then any moment of a run with
hundreds of thousands of steps takes a few milliseconds.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from runner.history.replay_moment import snapshot_at
from runner.history.replay_recording import Moment, Recording
from runner.history.replay_transport import Transport
from runner.model import RunSnapshot


@dataclass(frozen=True, slots=True)
class Playhead:
    """Position of a replay, for its bar. `at`: the recorded moment, wall clock; `pause_s`: it is in a pause
    of this length between two attempts; `skipped_s`: recorded seconds between attempts that are left out of
    `length_s`; `times_known` False: the log has no times, a step counts as a second. `dated` False: the log
    has durations, but no dates."""

    place_s: float = 0.0
    length_s: float = 0.0
    at: float = 0.0
    attempt: int = 1
    attempts: int = 1
    speed: float = 1.0
    playing: bool = False
    at_end: bool = False
    pause_s: float | None = None
    skipped_s: float = 0.0
    times_known: bool = True
    dated: bool = True
    read_share: float = 1.0
    moments: tuple[Moment, ...] = ()

    @property
    def fraction(self) -> float:
        return self.place_s / self.length_s if self.length_s > 0 else 1.0


class ReplayReader:
    """`read` and `changed` are for one thread, everything else may be called from another. Raises OSError if
    a folder cannot be read."""

    def __init__(
        self,
        path: Path,
        speed: float | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.path = Path(path)
        self.transport = Transport(speed, clock)
        self._recording: Recording | None = None
        self._share = 0.0
        self._shown: float | None = None

    # ----------------------------------------------------------------- as a reader

    def changed(self) -> bool:
        """Has it moved since the last reading?"""
        return self._share < 1.0 or self.transport.place_s() != self._shown

    def read(self, budget_s: float) -> RunSnapshot:
        """The run at the current position; while the recording is being read, `read_fraction` < 1."""
        if self._recording is None:
            self._recording = Recording(self.path)
        recording = self._recording
        if self._share < 1.0:
            deadline = time.monotonic() + budget_s
            while self._share < 1.0 and time.monotonic() < deadline:
                share = recording.build(max(0.005, deadline - time.monotonic()))
                if share >= 1.0:
                    self.transport.load(recording.timeline.length_s)
                self._share = share
            if self._share < 1.0:
                return recording.snapshot_of_building(self._share)
        self._shown = self.transport.place_s()
        return snapshot_at(recording, self._shown)

    # ----------------------------------------------------------------- for the bar and the keys

    @property
    def playhead(self) -> Playhead:
        recording, transport = self._recording, self.transport
        if recording is None or self._share < 1.0:
            return Playhead(read_share=self._share, speed=transport.speed)
        place_s, timeline = transport.place_s(), recording.timeline
        place = timeline.place(place_s)
        return Playhead(
            place_s=place_s,
            length_s=timeline.length_s,
            at=place.at,
            attempt=place.attempt,
            attempts=timeline.attempts,
            speed=transport.speed,
            playing=transport.playing,
            at_end=transport.at_end,
            pause_s=place.pause_s,
            skipped_s=timeline.skipped_s,
            times_known=recording.times_known,
            dated=recording.dated,
            moments=recording.moments,
        )

    def jump(self, by: int) -> str:
        """To the next (1) or previous (-1) marked moment; its kind, "" if there is none."""
        head = self.playhead
        near = max(0.05, head.length_s / 1000)
        ahead = [m for m in head.moments if m.play_s > head.place_s + near]
        behind = [m for m in head.moments if m.play_s < head.place_s - near]
        found = next(iter(ahead if by > 0 else reversed(behind)), None)
        if found is None:
            return ""
        # just after it, so that it is seen
        self.transport.seek_s(found.play_s + (near / 4 if found.kind != "end" else 0.0))
        return found.kind
