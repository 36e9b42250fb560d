"""The header line: name, state, and the numbers of this moment."""

from __future__ import annotations

import time

from runner.model import RunSnapshot
from runner.model.lean import dataclass
from runner.model.units import duration, pace
from tui.text import clean
from tui.viewmodel.progress import is_live, progress_of
from tui.viewmodel.state import READY, UNREAD, UNUSABLE, StateLabel, state_label

#: columns of numbers, as wide as they get: nothing beside them moves when they change
PACE, SHORT_PACE, LEFT, SHORT_LEFT = 12, 7, 24, 22
DAY_S = 86_400


@dataclass(frozen=True, slots=True)
class Field:
    """A part of a line: `text` in full, `short` where room is scarce, `least` (if any) where even less is."""

    text: str
    short: str
    role: str = "dim"
    least: str = ""


@dataclass(frozen=True, slots=True)
class Header:
    """`fields` stand left of the progress ramp, `ends` right of it; the last of each gives way first."""

    name: str
    state: StateLabel
    fields: tuple[Field, ...]
    fraction: float | None
    read_only: bool = False
    ends: tuple[Field, ...] = ()


def run_name(snapshot: RunSnapshot) -> str:
    """The label that a person gave, else the configuration's name, else the run's id."""
    name = clean(snapshot.spec.name) if snapshot.spec is not None else ""
    return clean(snapshot.label) or name or clean(snapshot.id) or "run"


def header_of(snapshot: RunSnapshot | None, read_only: bool = False) -> Header:
    if snapshot is None:
        return Header("", UNREAD, (), None, read_only)
    progress = progress_of(snapshot)
    fields: list[Field] = []
    ends: list[Field] = []
    if progress.step or progress.total_steps:
        total = str(progress.total_steps) if progress.total_steps is not None else "?"
        step = f"{progress.step:>{len(total)}}/{total}"
        fields.append(Field(f"step {step}", step, "strong"))
    if progress.fraction is not None:
        share = f"{progress.fraction * 100:3.0f} %"
        fields.append(Field(share, share, "strong"))
    live = is_live(snapshot)
    if live and progress.step and progress.left_s is not None:
        left, clock = duration(progress.left_s), end_clock(snapshot.read_at, progress.left_s)
        text = f"{left} left, {clock}"
        ends.append(Field(f"{text:>{LEFT}}", f"{text:>{SHORT_LEFT}}", "strong", f"{left:>11}"))
    if live and progress.seconds_per_step is not None:
        text = pace(progress.seconds_per_step)
        short = text.replace("/step", "").replace("steps", "")
        ends.append(Field(f"{text:>{PACE}}", f"{short:>{SHORT_PACE}}"))
    if not live and progress.trained_s:
        trained = duration(progress.trained_s)
        ends.append(Field(f"trained {trained}", trained))
    state = state_label(snapshot)
    return Header(
        run_name(snapshot), state, tuple(fields), progress.fraction, read_only, tuple(ends)
    )


def end_clock(now: float, eta_s: float) -> str:
    """The clock time of the end: `18:42`; with its day when that is not today."""
    end, today = time.localtime(now + eta_s), time.localtime(now)
    if end[:3] == today[:3]:
        return time.strftime("%H:%M", end)
    return time.strftime("%a %H:%M" if eta_s < 6 * DAY_S else "%d %b", end)


def ready_header(name: str, steps: int | None, epochs: int | None, usable: bool = True) -> Header:
    """Before the start: what the configuration amounts to."""
    fields = []
    if steps is not None:
        fields.append(Field(f"{steps} steps", f"{steps} steps", "strong"))
    if epochs is not None:
        fields.append(Field(f"{epochs} epochs" if epochs != 1 else "1 epoch", f"e{epochs}"))
    state = READY if usable else UNUSABLE
    return Header(clean(name), state, tuple(fields), None)
