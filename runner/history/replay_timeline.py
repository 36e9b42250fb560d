"""When a recorded run was at work, and the time that its replay takes. Pure.

A replay has its own clock: seconds played, which are seconds recorded, except that the hours in which
nothing ran between two attempts are cut to `GAP_S`.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterable
from dataclasses import dataclass

#: what is left of the time between two attempts
GAP_S = 5.0


@dataclass(frozen=True, slots=True)
class Stretch:
    """A time in which an attempt was at work. Wall clock, seconds since 1970."""

    begin_at: float
    end_at: float
    attempt: int


@dataclass(frozen=True, slots=True)
class Place:
    """A moment of a recording. `pause_s`: it lies between two attempts that were so far apart; `attempt` is
    the one before then."""

    at: float
    attempt: int
    pause_s: float | None = None


@dataclass(frozen=True, slots=True)
class _Piece:
    play_s: float
    lasts_s: float
    begin_at: float
    end_at: float
    attempt: int
    is_pause: bool


class Timeline:
    """Stretches in the order of their attempts; overlapping ones are put one after the other."""

    def __init__(self, stretches: Iterable[Stretch], gap_s: float = GAP_S) -> None:
        self._pieces: list[_Piece] = []
        play_s, last_at, last = 0.0, None, 0
        for one in stretches:
            begin_at = one.begin_at if last_at is None else max(one.begin_at, last_at)
            end_at = max(one.end_at, begin_at)
            if last_at is not None and begin_at > last_at:
                lasts_s = min(gap_s, begin_at - last_at)
                self._pieces.append(_Piece(play_s, lasts_s, last_at, begin_at, last, True))
                play_s += lasts_s
            self._pieces.append(
                _Piece(play_s, end_at - begin_at, begin_at, end_at, one.attempt, False)
            )
            play_s += end_at - begin_at
            last_at, last = end_at, one.attempt
        self.length_s = play_s
        self._starts = [piece.play_s for piece in self._pieces]

    @property
    def begin_at(self) -> float:
        return self._pieces[0].begin_at if self._pieces else 0.0

    @property
    def end_at(self) -> float:
        return self._pieces[-1].end_at if self._pieces else 0.0

    @property
    def attempts(self) -> int:
        """The number of the last attempt."""
        return self._pieces[-1].attempt if self._pieces else 1

    @property
    def skipped_s(self) -> float:
        """Recorded seconds between attempts that the replay leaves out."""
        return sum(p.end_at - p.begin_at - p.lasts_s for p in self._pieces if p.is_pause)

    def place(self, play_s: float) -> Place:
        """What was recorded at `play_s`; before the start and after the end, the edge."""
        if not self._pieces:
            return Place(0.0, 1)
        play_s = max(0.0, min(self.length_s, play_s))
        piece = self._pieces[max(0, bisect_right(self._starts, play_s) - 1)]
        share = (play_s - piece.play_s) / piece.lasts_s if piece.lasts_s > 0 else 1.0
        at = piece.begin_at + min(1.0, share) * (piece.end_at - piece.begin_at)
        pause_s = piece.end_at - piece.begin_at if piece.is_pause else None
        return Place(at, piece.attempt, pause_s)

    def played_s(self, at: float) -> float:
        """When the replay comes to a recorded moment."""
        for piece in self._pieces:
            if at < piece.end_at or piece is self._pieces[-1]:
                whole = piece.end_at - piece.begin_at
                share = (at - piece.begin_at) / whole if whole > 0 else 1.0
                return piece.play_s + max(0.0, min(1.0, share)) * piece.lasts_s
        return 0.0
