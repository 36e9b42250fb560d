"""The header: name, state, step, progress, pace, time left."""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar

from rich.cells import cell_len
from textual.reactive import reactive

from runner.model import RunSnapshot
from runner.model.lean import dataclass
from runner.model.units import clock, duration, pace
from tui.kit.chart import ramp_bar
from tui.kit.paint import Row, Span, cell, fit, row_width
from tui.kit.painted import Painted
from tui.text import clean, crop, crop_start
from tui.words.progress import is_live, progress_of
from tui.words.state import READY, UNREAD, UNUSABLE, StateLabel, state_label

# ---------------------------------------------------------------------------
# The header line: name, state, and the numbers of this moment.

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
    """`fields` are left of the progress ramp, `ends` right of it; the last of each is dropped first."""

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
        took = duration(progress.trained_s)
        ends.append(Field(f"trained {took}", f"trained {took}", least=took))
    state = state_label(snapshot)
    return Header(
        run_name(snapshot), state, tuple(fields), progress.fraction, read_only, tuple(ends)
    )


def end_clock(now: float, eta_s: float) -> str:
    """The clock time of the end: `18:42`; with its day when that is not today."""
    end = now + eta_s
    if clock("%x", end) == clock("%x", now):
        return clock("%H:%M", end)
    return clock("%a %H:%M" if eta_s < 6 * DAY_S else "%d %b", end)


def ready_header(name: str, steps: int | None, epochs: int | None, usable: bool = True) -> Header:
    """Before the start: what the configuration amounts to."""
    fields = []
    if steps is not None:
        fields.append(Field(f"{steps} steps", f"{steps} steps", "strong"))
    if epochs is not None:
        fields.append(Field(f"{epochs} epochs" if epochs != 1 else "1 epoch", f"e{epochs}"))
    state = READY if usable else UNUSABLE
    return Header(clean(name), state, tuple(fields), None)


# ---------------------------------------------------------------------------
# As much of it as fits, the most important first.

GAP = "  "
#: cells of a name at least, and of its end where its middle is cut
NAME_LEAST, NAME_END = 10, 4
#: cells of the progress ramp at least, and what is left to it before words are spelled out
RAMP_LEAST, RAMP_WANTED = 5, 14
#: its colours; each costs some 40 bytes whenever a number right of it changes
RAMP_LEVELS = 8
#: cells of a state's word, from this width of the screen on
STATE, STATE_PADDED = 10, 70


def header_row(header: Header, width: int) -> Row:
    """Name and state, then the columns: in full, short, or not at all. Columns have priority over a long
    name, and the ramp takes what is left. Their widths depend on the screen and on what does not change in a
    run, so that nothing moves when numbers do."""
    padded = width >= STATE_PADDED and bool(header.fields)
    word = cell(header.state.word, max(STATE, len(header.state.word))).text if padded else ""
    state: Row = (Span(f"{header.state.shape} {word or header.state.word}", header.state.role),)
    if header.read_only and width >= 60:
        state = (*state, Span(" read-only", "dim"))
    room = width - 2 - len(GAP) - row_width(state)
    size = cell_len(header.name)
    chosen = _chosen(header, room - min(size, NAME_LEAST), size - min(size, NAME_LEAST))
    used = sum(len(GAP) + len(text) for text in chosen if text)
    name = crop_middle(header.name, max(NAME_LEAST, room - used))
    left, right = chosen[: len(header.fields)], chosen[len(header.fields) :]
    row: list[Span] = [Span(" "), Span(name, "strong"), Span(GAP if name else ""), *state]
    row += _columns(header.fields, left)
    ends = _columns(header.ends[::-1], right[::-1])
    rest = width - 1 - row_width(tuple(row)) - row_width(tuple(ends))
    if header.fraction is not None and rest > RAMP_LEAST:
        row += [Span(" "), *ramp_bar(header.fraction, rest - 1, RAMP_LEVELS)]
    else:
        row.append(Span(" " * max(0, rest)))
    return fit((*row, *ends, Span(" ")), width)


def crop_middle(name: str, width: int) -> str:
    """Names of runs differ in their ends: `spyke_pl…a_v1`."""
    if cell_len(name) <= width or width < NAME_LEAST:
        return crop(name, width)
    return crop(name, width - NAME_END) + crop_start(name, NAME_END, "")


def _columns(fields: tuple[Field, ...], texts: list[str]) -> list[Span]:
    return [
        span
        for field, text in zip(fields, texts, strict=True)
        if text
        for span in (Span(GAP), Span(text, field.role))
    ]


def _chosen(header: Header, room: int, name: int) -> list[str]:
    """The text of each field and end, empty where it has no room: the first of each side is kept longest.
    `name`: cells of the name beyond its shortest form, kept longer than words in full."""
    fields, left = [*header.fields, *header.ends], len(header.fields)
    ranked = sorted(range(len(fields)), key=lambda at: (at - left, 1) if at >= left else (at, 0))
    chosen = [""] * len(fields)
    for index in ranked:
        texts = (fields[index].short, fields[index].least)
        chosen[index] = next((t for t in texts if t and len(GAP) + len(t) <= room), "")
        room -= len(GAP) + len(chosen[index]) if chosen[index] else 0
    room -= name + (RAMP_WANTED if header.fraction is not None else 0)
    for index in ranked:
        more = len(fields[index].text) - len(chosen[index])
        if chosen[index] == fields[index].short and more <= room:
            chosen[index], room = fields[index].text, room - max(0, more)
    return chosen


class RunHeader(Painted):
    GROUND: ClassVar[str] = "surface"

    model: reactive[Header] = reactive(header_of(None), layout=False, repaint=False)

    def watch_model(self) -> None:
        self.repaint()

    def draw(self, width: int, height: int) -> Sequence[Row]:
        return (header_row(self.model, width),)
