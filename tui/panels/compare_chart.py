"""The losses of several runs on one axis: a line for each, distinguished by its letter, its dashes and its
colour."""

from __future__ import annotations

from dataclasses import dataclass

from textual.message import Message

from runner.history.compare import Comparison
from runner.history.compare_lines import Axis, Line, planned_end
from runner.history.compare_results import NOT_KNOWN
from runner.history.compare_runs import run_order
from runner.model.units import loss
from tui.kit.chart import PATTERNS, Chart, Curve
from tui.kit.paint import Row, Span, ramp_role, row_width
from tui.panels.loss import ChartPanel
from tui.words.loss import place_words

#: more lines than this look alike
MOST_LINES = 8
BY = {Axis.TIME: "by training time", Axis.IMAGES: "by images seen"}

NOTHING = Comparison()


@dataclass(frozen=True, slots=True)
class Overlay:
    """The runs on one axis, and the user's view of them. `cursor`: a place on the axis; None: at the newest
    loss, of a live run if there is one. `hidden`: indices of runs without a line; `chosen`: of the one to
    open; `everything`: also what is equal in all runs; `listed`: a row for each run."""

    made: Comparison = NOTHING
    lines: tuple[Line, ...] = ()
    axis: Axis = Axis.STEP
    cursor: float | None = None
    hidden: frozenset[int] = frozenset()
    chosen: int = 0
    everything: bool = False
    listed: bool = False

    @property
    def order(self) -> tuple[int, ...]:
        """Of the runs in the tables."""
        return run_order(self.made) if self.listed else tuple(range(len(self.made.runs)))

    @property
    def unseen(self) -> frozenset[int]:
        """Runs without a line: where some are left out from the start, the chosen one always has its line."""
        return self.hidden - {self.chosen} if len(self.lines) > MOST_LINES else self.hidden

    @property
    def shown(self) -> list[int]:
        unseen = self.unseen
        return [i for i in range(len(self.lines)) if i not in unseen]

    @property
    def end(self) -> float:
        """Of the lines that are shown; of a live run, as far as it is planned."""
        runs, axis = self.made.runs, self.axis
        planned = (planned_end(runs[i], axis) for i in self.shown if self.lines[i].points)
        return max((*(self.lines[i].end for i in self.shown), *planned), default=0.0)

    @property
    def newest(self) -> float:
        live = [i for i in self.shown if self.made.runs[i].live and self.lines[i].points]
        return max((self.lines[i].end for i in live or self.shown), default=0.0)

    @property
    def x(self) -> float:
        """Of the cursor."""
        x = self.newest if self.cursor is None else min(self.cursor, self.end)
        return float(int(x + 1e-6)) if self.axis in (Axis.STEP, Axis.IMAGES) else x

    @property
    def place(self) -> str:
        return place_words(str(self.axis).removesuffix("s"), self.x, unit=True)

    def role(self, index: int) -> str:
        """Spread over the ramp, so that two lines are as far apart as can be."""
        return ramp_role(0.2 + 0.8 * index / max(1, len(self.made.runs) - 1))

    def value(self, index: int) -> str:
        """The smoothed loss at the cursor, or why there is none."""
        line, x = self.lines[index], self.x
        if not line.points:
            return NOT_KNOWN
        value = line.at(x)
        if value is not None:
            return loss(value)
        if x > line.end:
            return "not yet" if self.made.runs[index].live else "ended"
        return "not begun" if x < line.points[0][0] else "NaN"

    def chart(self) -> Chart:
        """The chosen run's line is drawn over the others."""
        runs = self.made.runs
        order = sorted(
            (i for i in self.shown if self.lines[i].points), key=lambda i: i == self.chosen
        )
        missing = next((line.missing for line in self.lines if line.missing), "no loss yet")
        end = self.end
        return Chart(
            curves=tuple(
                Curve(
                    self.lines[i].points, self.role(i), runs[i].letter, runs[i].letter,
                    PATTERNS[i % len(PATTERNS)], thick=True,
                )
                for i in order
            ),
            end=end or 1.0,
            newest=self.newest,
            unit=str(Axis.STEP if self.axis is Axis.IMAGES else self.axis),
            least=end / 100 or 1.0,
            empty=missing if self.shown else "every run is hidden",
        )  # fmt: skip


class OverlayChart(ChartPanel):
    """`place`: the cursor with the values of all runs, and, where those do not fit, alone."""

    by = ""
    place: tuple[Row, ...] = ()

    class Pointed(Message):
        """A place of the chart was clicked."""

        def __init__(self, x: float) -> None:
            super().__init__()
            self.x = x

    def point_at(self, x: float) -> None:
        self.post_message(self.Pointed(x))

    def moved(self, by: int) -> float:
        """The cursor's place after `by` columns, within what is shown."""
        plot = self.plot
        column = plot.column_of(self.cursor if self.cursor is not None else plot.high) + by
        return plot.x_of(max(0, min(plot.room - 1, column)))

    def show(self, overlay: Overlay) -> None:
        self.by = f"smoothed, {BY.get(overlay.axis, f'by {overlay.axis}')}"
        where, row = Span(overlay.place, "accent"), []
        for i in overlay.shown:
            letter = overlay.made.runs[i].letter
            row += [Span(f"  {letter}", overlay.role(i)), Span(f" {overlay.value(i)}")]
        self.place = ((where, *row), (where,))
        self.cursor = overlay.x
        self.show_chart(overlay.chart(), self.view)

    def title_value(self) -> Row:
        words = self.by + (", log" if self.view.log else "")
        return (Span(words, "dim"),) if self.by else ()

    def note(self) -> Row:
        room = self.content_size.width - len(self.TITLE) - row_width(self.title_value()) - 11
        return next((row for row in self.place if row_width(row) <= room), ())
