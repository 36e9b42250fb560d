"""The comparison of runs in words and lines: what the screen shows of it. Pure."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field

from runner.history.compare import ComparedRun, Comparison, setting_words
from runner.history.compare_lines import Axis, Line, planned_end
from runner.history.compare_results import NOT_KNOWN, checkpoint_words, result_rows
from runner.model.units import duration, loss
from tui.render.overlay import OverlayModel
from tui.render.overlay_scale import OverlayLine
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


@dataclass(frozen=True, slots=True)
class Look:
    """How a person looks at it. `cursor`: a share of the axis, 1 is its end; None: with the newest loss, of a
    run that goes on if there is one. `hidden`: indices of runs whose
    line is not drawn; `chosen`: of the run that Enter opens."""

    axis: Axis = Axis.STEP
    log: bool = False
    cursor: float | None = None
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
    end = axis_end(made, lines, look)
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


def axis_end(made: Comparison, lines: Sequence[Line], look: Look) -> float:
    """Of the lines that are shown; of a run that goes on, as far as it is planned."""
    shown = [index for index in range(len(lines)) if index not in look.hidden]
    planned = (planned_end(made.runs[i], look.axis) for i in shown if lines[i].points)
    return max((*(lines[i].end for i in shown), *planned), default=0.0)


def cursor_share(made: Comparison, lines: Sequence[Line], look: Look) -> float:
    """Where the cursor stands, as a share of the axis."""
    if look.cursor is not None:
        return look.cursor
    end = axis_end(made, lines, look)
    shown = [index for index in range(len(lines)) if index not in look.hidden]
    live = [index for index in shown if made.runs[index].live and lines[index].points]
    newest = max((lines[index].end for index in live or shown), default=0.0)
    return newest / end if end > 0 else 1.0


def cursor_x(made: Comparison, lines: Sequence[Line], look: Look) -> float:
    """The same in units of the axis."""
    x = axis_end(made, lines, look) * cursor_share(made, lines, look)
    return float(math.floor(x + 1e-6)) if look.axis in (Axis.STEP, Axis.IMAGES) else x


def place_words(axis: Axis, x: float) -> str:
    """`step 412`, `epoch 1.79`, `after 12 min`, `image 824`."""
    if axis is Axis.TIME:
        return f"after {duration(x)}"
    if axis is Axis.EPOCH:
        return f"epoch {x:.3g}"
    return f"{'step' if axis is Axis.STEP else 'image'} {x:.0f}"


def value_words(line: Line, x: float, live: bool = False) -> str:
    """The smoothed loss there, or why there is none. `live`: its run goes on."""
    if not line.points:
        return NOT_KNOWN
    value = line.at(x)
    if value is not None:
        return loss(value)
    if x > line.end:
        return "not yet" if live else "ended"
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
    x = cursor_x(made, lines, look)
    here = TableRow(
        f"at {place_words(look.axis, x).removeprefix('after ')}",
        tuple(value_words(one, x, r.live) for one, r in zip(lines, made.runs, strict=True)),
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
            tuple(clean(value, 200) for value in setting_words(row)),
            same=not row.differs,
            marked=row.differs and look.every_setting,
        )
        for row in found
    )
    none = "no setting differs" if made.settings else "no settings are known of these runs"
    return Table(heads_of(made, look), rows or (TableRow(words=none, role="dim"),))


def settings_words(made: Comparison, look: Look) -> str:
    """How many settings differ."""
    differing = len(made.differing)
    if look.every_setting:
        return f"all, {differing} differ"
    return f"{differing} of {len(made.settings)} differ"


def _all_same(values: Sequence[str]) -> bool:
    return len(set(values)) == 1
