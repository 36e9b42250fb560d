"""When a recorded run was active, and how long its replay takes. Pure.

A replay has its own clock: seconds played equal seconds recorded, except that pauses between attempts are cut
to `GAP_S`.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterable
from dataclasses import dataclass

#: length of a pause between two attempts
GAP_S = 5.0


@dataclass(frozen=True, slots=True)
class Stretch:
    """A period in which an attempt was active. Wall clock, seconds since 1970."""

    begin_at: float
    end_at: float
    attempt: int


@dataclass(frozen=True, slots=True)
class Place:
    """A moment of a recording. `pause_s`: it is in a pause of this length between two attempts; `attempt` is
    then the one before."""

    at: float
    attempt: int
    pause_s: float | None = None


@dataclass(frozen=True, slots=True)
class _Piece:
    """A stretch, or the pause after one: played from `play_s` on, for `lasts_s`."""

    play_s: float
    lasts_s: float
    recorded: Stretch
    is_pause: bool = False

    @property
    def recorded_s(self) -> float:
        return self.recorded.end_at - self.recorded.begin_at


class Timeline:
    """Stretches in the order of their attempts; overlapping ones are put one after the other."""

    def __init__(self, stretches: Iterable[Stretch], gap_s: float = GAP_S) -> None:
        self._pieces: list[_Piece] = []
        self.length_s = self.end_at = 0.0
        self.attempts = 1  # the number of the last attempt
        for one in stretches:
            begin_at = max(one.begin_at, self.end_at) if self._pieces else one.begin_at
            pause_s = begin_at - self.end_at
            if self._pieces and pause_s > 0:
                pause = Stretch(self.end_at, begin_at, self.attempts)
                self._add(_Piece(self.length_s, min(gap_s, pause_s), pause, is_pause=True))
            end_at = max(one.end_at, begin_at)
            work = Stretch(begin_at, end_at, one.attempt)
            self._add(_Piece(self.length_s, end_at - begin_at, work))

    def _add(self, piece: _Piece) -> None:
        self._pieces.append(piece)
        self.length_s += piece.lasts_s
        self.end_at, self.attempts = piece.recorded.end_at, piece.recorded.attempt

    @property
    def skipped_s(self) -> float:
        """Recorded seconds between attempts that the replay skips."""
        return sum(piece.recorded_s - piece.lasts_s for piece in self._pieces if piece.is_pause)

    def place(self, play_s: float) -> Place:
        """The recorded moment at `play_s`, clamped to start and end."""
        if not self._pieces:
            return Place(0.0, 1)
        play_s = max(0.0, min(self.length_s, play_s))
        k = bisect_right(self._pieces, play_s, key=lambda piece: piece.play_s) - 1
        piece = self._pieces[max(0, k)]
        share = (play_s - piece.play_s) / piece.lasts_s if piece.lasts_s > 0 else 1.0
        at = piece.recorded.begin_at + min(1.0, share) * piece.recorded_s
        return Place(at, piece.recorded.attempt, piece.recorded_s if piece.is_pause else None)

    def played_s(self, at: float) -> float:
        """When the replay reaches a recorded moment."""
        later = (piece for piece in self._pieces if at < piece.recorded.end_at)
        piece = next(later, self._pieces[-1] if self._pieces else None)
        if piece is None:
            return 0.0
        length = piece.recorded_s
        share = (at - piece.recorded.begin_at) / length if length > 0 else 1.0
        return piece.play_s + max(0.0, min(1.0, share)) * piece.lasts_s
