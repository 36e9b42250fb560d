"""The comparison of runs in words and lines: what the screen shows of it. Pure."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field

from runner.compare import ComparedRun, Comparison
from runner.compare_lines import Axis, Line
from runner.compare_words import NOT_KNOWN, checkpoint_words, result_rows
from runner.units import duration, loss
from tui.render.overlay import OverlayLine, OverlayModel
from tui.render.paint import ramp_role
from tui.text import clean
from tui.viewmodel.state import label_of

BY = {
    Axis.STEP: "by step",
    Axis.EPOCH: "by epoch",
    Axis.TIME: "by time trained",
    Axis.IMAGES: "by images seen",
}
AXES = tuple(Axis)
UNSET = "–"


@dataclass(frozen=True, slots=True)
class Look:
    """How a person looks at it. `cursor`: a share of the axis, 1 is its end; `hidden`: indices of runs whose
    line is not drawn; `chosen`: of the run that Enter opens."""

    axis: Axis = Axis.STEP
    log: bool = False
    cursor: float = 1.0
    hidden: frozenset[int] = frozenset()
    chosen: int = 0
    every_setting: bool = False


@dataclass(frozen=True, slots=True)
class Head:
    """Above a column: the run's letter and name. `shape`, `role`: of its state; `line_role`: of its line."""

    letter: str
    name: str
    shape: str
    role: str
    line_role: str
    hidden: bool = False
    chosen: bool = False


@dataclass(frozen=True, slots=True)
class TableRow:
    """`strong`: index of a value that is ahead; `same`: all values are the same, so the row is quiet;
    `marked`: it differs, among others that do not. `words`: a whole sentence instead of values."""

    name: str = ""
    values: tuple[str, ...] = ()
    strong: int | None = None
    same: bool = False
    marked: bool = False
    words: str = ""
    role: str = "text"


@dataclass(frozen=True, slots=True)
class Table:
    heads: tuple[Head, ...] = ()
    rows: tuple[TableRow, ...] = field(default=())


def line_role(index: int, runs: int) -> str:
    """Spread over the ramp, so that two lines are as far apart as can be."""
    return ramp_role(index / max(1, runs - 1))


def overlay_model(made: Comparison, lines: Sequence[Line], look: Look) -> OverlayModel:
    order = [i for i in range(len(made.runs)) if i not in look.hidden and lines[i].points]
    order.sort(key=lambda index: index == look.chosen)
    end = axis_end(lines, look)
    every_hidden = len(look.hidden) == len(made.runs) > 0
    missing = next((line.missing for line in lines if line.missing), "no loss yet")
    return OverlayModel(
        lines=tuple(
            OverlayLine(made.runs[i].letter, line_role(i, len(made.runs)), lines[i].points)
            for i in order
        ),
        end=end,
        log=look.log,
        whole=look.axis is not Axis.EPOCH or end >= 4,
        time=look.axis is Axis.TIME,
        empty="every run is hidden" if every_hidden else missing,
    )


def axis_end(lines: Sequence[Line], look: Look) -> float:
    """Of the lines that are shown."""
    ends = [line.end for index, line in enumerate(lines) if index not in look.hidden]
    return max(ends, default=0.0)


def cursor_x(lines: Sequence[Line], look: Look) -> float:
    """Where the cursor stands on the axis."""
    x = axis_end(lines, look) * look.cursor
    return float(math.floor(x + 1e-6)) if look.axis in (Axis.STEP, Axis.IMAGES) else x


def place_words(axis: Axis, x: float) -> str:
    """`step 412`, `epoch 1.79`, `after 12 min`, `image 824`."""
    if axis is Axis.TIME:
        return f"after {duration(x)}"
    if axis is Axis.EPOCH:
        return f"epoch {x:.3g}"
    return f"{'step' if axis is Axis.STEP else 'image'} {x:.0f}"


def value_words(line: Line, x: float) -> str:
    """The smoothed loss there, or why there is none."""
    if not line.points:
        return NOT_KNOWN
    value = line.at(x)
    if value is not None:
        return loss(value)
    if x > line.end:
        return "ended"
    return "not begun" if x < line.points[0][0] else "not finite"


def heads_of(made: Comparison, look: Look) -> tuple[Head, ...]:
    return tuple(_head(i, run, made, look) for i, run in enumerate(made.runs))


def _head(index: int, run: ComparedRun, made: Comparison, look: Look) -> Head:
    state = label_of(run.state, run.outcome)
    return Head(
        letter=run.letter,
        name=clean(run.name, 80),
        shape=state.shape,
        role=state.role,
        line_role=line_role(index, len(made.runs)),
        hidden=index in look.hidden,
        chosen=index == look.chosen,
    )


def results_table(made: Comparison, lines: Sequence[Line], look: Look) -> Table:
    """The values at the cursor, then what came of each run, then what has to be known."""
    x = cursor_x(lines, look)
    here = TableRow(
        f"at {place_words(look.axis, x).removeprefix('after ')}",
        tuple(value_words(line, x) for line in lines),
        role="accent",
    )
    rows = [
        TableRow(row.name, tuple(clean(v, 60) for v in row.values), row.lead, _all_same(row.values))
        for row in result_rows(made)
    ]
    best = [words for run in made.runs if (words := checkpoint_words(run))]
    rows += [TableRow(words=clean(f"best {words}", 300), role="dim") for words in best]
    notes = [TableRow(words=clean(text, 400), role="warn") for text in made.remarks]
    return Table(heads_of(made, look), (here, *notes, *rows))


def settings_table(made: Comparison, look: Look) -> Table:
    found = made.settings if look.every_setting else made.differing
    rows = tuple(
        TableRow(
            clean(row.name, 60),
            tuple(clean(v, 200) if v is not None else UNSET for v in row.values),
            same=not row.differs,
            marked=row.differs and look.every_setting,
        )
        for row in found
    )
    none = "no setting differs" if made.settings else "no settings are known of these runs"
    return Table(heads_of(made, look), rows or (TableRow(words=none, role="dim"),))


def _all_same(values: Sequence[str]) -> bool:
    return len(set(values)) == 1
