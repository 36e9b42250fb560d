"""What the bar of a replay says: where it stands, how fast it goes, and that nothing is running. Pure."""

from __future__ import annotations

import time
from dataclasses import dataclass, replace

from runner.history.replay import Playhead
from runner.model.units import duration
from tui.viewmodel.clauses import Verdict
from tui.viewmodel.header import Field

#: a shorter time between attempts is not worth a word
LONG_PAUSE_S = 60.0
#: a replay stands for the past: clauses that name a key to press now are left out
_NOW = "accent"
#: said for a key that would give an order
NO_ORDERS = "This is a replay: nothing is running, so nothing can be started or stopped."


@dataclass(frozen=True, slots=True)
class BarMark:
    """Something on the line of time. `kind`: attempt, checkpoint or alarm."""

    fraction: float
    kind: str


@dataclass(frozen=True, slots=True)
class ReplayBarModel:
    """`fields` in the order of their worth; `fraction`: of the time of the recording; `tail` stands at the
    end of the line of time."""

    state: str
    fields: tuple[Field, ...]
    fraction: float
    marks: tuple[BarMark, ...] = ()
    tail: str = ""


READING = ReplayBarModel("reading the recording", (), 0.0)


def speed_words(speed: float) -> str:
    return f"{speed:g}x"


def clock_words(seconds: float) -> str:
    """`1:05:09`, or `5:09` below an hour."""
    whole = max(0, int(seconds))
    hours, rest = divmod(whole, 3600)
    minutes, left = divmod(rest, 60)
    return f"{hours}:{minutes:02d}:{left:02d}" if hours else f"{minutes}:{left:02d}"


def replay_bar(head: Playhead) -> ReplayBarModel:
    if head.read_share < 1.0:
        return ReplayBarModel(f"reading the recording, {head.read_share * 100:.0f} %", (), 0.0)
    place, length = clock_words(head.place_s), clock_words(head.length_s)
    fields = [Field(f"{place} of {length}", f"{place}/{length}", "strong")]
    fields.append(Field("nothing is running", "nothing is running", "text"))
    if head.pause_s is not None:
        text = f"{duration(head.pause_s)} between attempts, skipped"
        fields.append(Field(text, "between attempts", "accent"))
    if head.times_known and not head.dated:
        fields.append(Field("times by the trainer's bar", "times by its bar"))
    elif head.times_known:
        when = time.localtime(head.at)
        fields.append(
            Field(time.strftime("%Y-%m-%d %H:%M:%S", when), time.strftime("%H:%M:%S", when))
        )
    else:
        fields.append(Field("times not known: a step a second", "times not known", "warn"))
    if head.skipped_s >= LONG_PAUSE_S and head.pause_s is None:
        text = f"without {duration(head.skipped_s)} between attempts"
        fields.append(Field(text, text))
    tail = f"attempt {head.attempt} of {head.attempts}" if head.attempts > 1 else ""
    return ReplayBarModel(_state(head), tuple(fields), head.fraction, _marks(head), tail)


def _state(head: Playhead) -> str:
    what = "the end" if head.at_end else ("playing" if head.playing else "paused")
    return what if head.at_end else f"{what} {speed_words(head.speed)}"


def _marks(head: Playhead) -> tuple[BarMark, ...]:
    if head.length_s <= 0:
        return ()
    return tuple(
        BarMark(one.play_s / head.length_s, one.kind)
        for one in head.moments
        if one.kind != "end" and one.play_s > 0
    )


def of_the_past(verdict: Verdict) -> Verdict:
    """The same without what a person could do about it now."""
    kept = (replace(one, text=one.then or one.text) for one in verdict.second if one.role != _NOW)
    return replace(verdict, second=tuple(kept))
