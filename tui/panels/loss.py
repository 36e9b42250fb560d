"""The loss panel: the line of the run with what belongs to it, and the keys that change how it is shown."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path

from textual import events
from textual.reactive import reactive

from runner.model import RunSnapshot
from tui.asking import ask
from tui.key import MOVE, VIEW, Key
from tui.kit.chart import (
    ASCII,
    DOTS,
    FILL,
    Chart,
    Plot,
    View,
    draw_chart,
    range_of,
    with_cursor,
)
from tui.kit.notice import SpeakingScreen
from tui.kit.paint import Row, Span, row_width
from tui.kit.panel import Panel
from tui.kit.scale import Range, Window, panned, shown, sticky_range, zoomed
from tui.words.loss import (
    AXES,
    SMOOTHINGS,
    ChartModel,
    Look,
    Places,
    chart_model,
    has_axis,
    look_words,
    loss_chart,
    pointed_words,
    title_words,
)

#: keys of every chart; a screen adds them to its own and takes `Charted`
CHART_KEYS = (
    Key("comma", "chart('left')", VIEW, "Chart, zoomed in: earlier part", shown=","),
    Key("full_stop", "chart('right')", VIEW, "Chart, zoomed in: later part", shown="."),
    Key("L", "chart('log')", VIEW, "Chart: logarithmic axis on or off"),
)
ZOOM_KEYS = (
    Key("plus,equals_sign", "chart('in')", VIEW, "Chart: zoom in", "chart", 30, shown="+ -"),
    Key("minus", "chart('out')", VIEW, "Chart: zoom out"),
    Key("0,backspace", "chart('all')", VIEW, "Chart: show all of it again"),
)
#: where + and - and digits have another meaning
OTHER_ZOOM_KEYS = (
    Key("shift+up", "chart('in')", VIEW, "Chart: zoom in"),
    Key("shift+down", "chart('out')", VIEW, "Chart: zoom out"),
    Key("backspace", "chart('all')", VIEW, "Chart: show all of it again"),
)
LOSS_KEYS = (
    Key("x", "chart('axis')", VIEW, "Loss: by step, epoch or training time"),
    Key("S", "chart('smoothing')", VIEW, "Loss: smoothing 0.97, 0.99, 0.999, none or 0.9"),
    Key("R", "chart('rate')", VIEW, "Loss: learning rate as a second line"),
    Key("c", "ghost", VIEW, "Loss: compare with an earlier run, the next one, none", "compare", 34),
)
POINT_KEYS = (
    Key("right", "point(1)", MOVE, "Loss: value of the next step"),
    Key("left", "point(-1)", MOVE, "Loss: value of the previous step"),
    Key("shift+right", "point(10)", MOVE, "Loss: ten columns right"),
    Key("shift+left", "point(-10)", MOVE, "Loss: ten columns left"),
)
CHART_ACTIONS = ("chart", "ghost", "point")
ZOOM, PAN = 0.5, 0.25
NO_EARLIER_RUN = "No earlier run of this project to compare with."


class ChartPanel(Panel):
    """A chart with a steady y axis and a cursor. It draws again only when something but the cursor changed."""

    TITLE = "Loss"

    cursor: reactive[float | None] = reactive(None, layout=False, repaint=False)

    def __init__(self, *, id: str | None = None, classes: str | None = None) -> None:
        super().__init__(id=id, classes=classes)
        self.chart, self.view = Chart(), View()
        self._scales: dict[tuple[object, ...], Range] = {}
        self._drawn: dict[tuple[object, ...], Plot | None] = {}
        self._plot: Plot | None = None

    def show_chart(self, chart: Chart, view: View) -> None:
        if (chart, view) != (self.chart, self.view):
            self.chart, self.view = chart, view
            self._drawn.clear()
        self.repaint()

    def watch_cursor(self) -> None:
        self.repaint()

    @property
    def cursor_x(self) -> float | None:
        """The cursor in units of the axis."""
        return self.cursor

    @property
    def plot(self) -> Plot:
        """As last drawn."""
        return self._plot or Plot(room=max(1, self.content_size.width - 7), high=self.chart.end)

    def content(self, width: int, height: int) -> Sequence[Row]:
        chart, view = self.chart, self.view
        style = ASCII if self.plasma.ascii else FILL if self.plasma.looks.can_tint else DOTS
        key = (width, height, style)
        if key not in self._drawn:  # the focus and the console come back to the same sizes
            self._drawn[key] = draw_chart(chart, width, height, self._scale(), view, style)
        self._plot = made = self._drawn[key]
        if made is None:
            return ((Span(" z shows the chart" if self.has_lines else f" {chart.empty}", "dim"),),)
        if self.has_lines:
            return with_cursor(made, self.cursor_x, width)
        middle = max(0, (height - 2) // 2 - 1)
        words: Row = (*made.rows[middle][:2], Span(f" {chart.empty}", "dim"))
        return (*made.rows[:middle], words, *made.rows[middle + 1 :])

    @property
    def has_lines(self) -> bool:
        return any(curve.points for curve in self.chart.curves)

    def _scale(self) -> Range:
        """Steady while a run continues; other lines, scales and window widths have ranges of their own."""
        window = self.view.window
        span = (window.high - window.low) if window is not None else None
        shapes = tuple((c.letter, c.role, c.pattern) for c in self.chart.curves)
        key = (self.view.log, span, shapes)
        found = sticky_range(self._scales.get(key), range_of(self.chart, self.view))
        self._scales = {key: found} if len(self._scales) > 20 else {**self._scales, key: found}
        return found

    def change(self, what: str) -> None:
        """One of `CHART_KEYS`."""
        chart, view = self.chart, self.view
        if what in ("in", "out"):
            self._zoom(ZOOM if what == "in" else 1 / ZOOM, self.cursor_x)
        elif what in ("left", "right"):
            window = panned(view.window, PAN if what == "right" else -PAN, chart.end, chart.newest)
            self.set_view(replace(view, window=window))
        elif what == "all":
            self.set_view(replace(view, window=None))
        elif what == "log":
            self.set_view(replace(view, log=not view.log))

    def _zoom(self, factor: float, at: float | None) -> None:
        chart = self.chart
        window = zoomed(self.view.window, factor, chart.end, chart.newest, at=at, least=chart.least)
        self.set_view(replace(self.view, window=window))

    def set_view(self, view: View) -> None:
        self.show_chart(self.chart, view)

    def on_click(self, event: events.Click) -> None:
        column = event.x - self.plot.left
        if event.y >= 1 and 0 <= column < self.plot.room and isinstance(self.screen, Charted):
            self.point_at(self.plot.x_of(column))

    def point_at(self, x: float) -> None:
        """A place of the chart was clicked."""
        raise NotImplementedError

    def on_mouse_scroll_up(self, event: events.MouseScrollUp) -> None:
        self._on_wheel(event, ZOOM)

    def on_mouse_scroll_down(self, event: events.MouseScrollDown) -> None:
        self._on_wheel(event, 1 / ZOOM)

    def _on_wheel(self, event: events.MouseEvent, factor: float) -> None:
        if isinstance(self.screen, Charted):
            event.stop()
            self._zoom(factor, self.plot.x_of(event.x - self.plot.left))


class LossChart(ChartPanel):
    """The loss of one run. `cursor`: a true step, None: there is none; `pointed`: its words in the title, from
    the most to the fewest. `ghost`: an earlier run to compare with."""

    model: reactive[ChartModel] = reactive(ChartModel(), layout=False, repaint=False)
    look: reactive[Look] = reactive(Look(), layout=False, repaint=False)
    pointed: reactive[tuple[str, ...]] = reactive((), layout=False, repaint=False)
    ghost: reactive[ChartModel | None] = reactive(None, layout=False, repaint=False)
    #: which of the earlier runs that is
    ghost_number = -1

    def __init__(self, *, id: str | None = None, classes: str | None = None) -> None:
        super().__init__(id=id, classes=classes)
        self._places = Places(self.model, self.look.axis)

    def watch_pointed(self) -> None:
        self.repaint()

    def watch_look(self) -> None:
        look, model = self.look, self.model
        look = look if has_axis(model, look.axis) else replace(look, axis=AXES[0])
        self._places = Places(model, look.axis)
        self.show_chart(loss_chart(model, look, self.ghost), look.view)

    watch_model = watch_ghost = watch_look

    def forget(self) -> None:
        """Another run: cursor, window and ghost were about the one before."""
        self._scales.clear()
        self.point(None)
        self.ghost, self.ghost_number = None, -1
        self.set_view(View(self.look.view.log))

    def point(self, step: int | None, words: tuple[str, ...] = ()) -> None:
        """Point at a true step; None: at nothing."""
        self.cursor, self.pointed = step, words

    def point_at(self, x: float) -> None:
        self._point(int(self._places.step_of(x)))

    def _point(self, step: int) -> None:
        step = max(1, min(self.model.last_step, step))
        self.point(step, pointed_words(self.model, step, self.look.smoothing, self.ghost))

    def move_cursor(self, by: int) -> None:
        """By columns, within what is shown; from nowhere to the newest step."""
        plot, step_of = self.plot, self._places.step_of
        low, high = step_of(plot.low), step_of(plot.high)
        if self.cursor is None:
            self._point(self.model.last_step)
        else:
            at = self.cursor if low <= self.cursor <= high else high
            self._point(round(at + by * max(1.0, (high - low) / plot.room)))

    @property
    def cursor_x(self) -> float | None:
        step = self.cursor
        return None if step is None else self._places.x_of(min(step, self.model.end_step))

    def set_view(self, view: View) -> None:
        self.look = replace(self.look, view=view)

    def change(self, what: str) -> None:
        look, model = self.look, self.model
        if what == "axis":
            known = [axis for axis in AXES if has_axis(model, axis)]
            axis = known[(known.index(self.chart.unit) + 1) % len(known)]
            view = replace(look.view, window=self._window_on(axis))
            self.look = replace(look, axis=axis, view=view)
        elif what == "smoothing":
            at = (SMOOTHINGS.index(look.smoothing) + 1) % len(SMOOTHINGS)
            self.look = replace(look, smoothing=SMOOTHINGS[at])
        elif what == "rate":
            self.look = replace(look, rate=not look.rate)
        else:
            super().change(what)
        if self.cursor is not None:
            self._point(int(self.cursor))

    def _window_on(self, axis: str) -> Window | None:
        """The same steps on another axis."""
        window, places = self.look.view.window, Places(self.model, axis)
        if window is None:
            return None
        low, high = (places.x_of(self._places.step_of(x)) for x in (window.low, window.high))
        return Window(low, high, window.follows)

    def title_value(self) -> Row:
        return (Span(self.model.value, "strong"),) if self.model.value else ()

    def note(self) -> Row:
        """The step under the cursor; else how the chart differs from the usual one, then as much as fits."""
        model, look = self.model, self.look
        if model.read_fraction < 1:
            return (Span(f"reading, {model.read_fraction * 100:.0f} %", "accent"),)
        room = self.content_size.width - len(self.TITLE) - len(model.value) - 12
        if self.cursor is not None and self.pointed:
            words = next((text for text in self.pointed if len(text) <= room), "")
            return (Span(words, "accent"),) if words else ()
        window = shown(look.view.window, self.chart.end, self.chart.newest)
        row: Row = ()
        differs = look_words(model, look, self.ghost, window)
        for role, parts in (("accent", differs), ("dim", title_words(model, self.chart))):
            for texts in parts:
                gap = Span("   " if row else "", "dim")
                wider = ((*row, gap, Span(text, role)) for text in texts)
                row = next((one for one in wider if row_width(one) <= room), row)
        return row


class Charted(SpeakingScreen):
    """A screen with `CHART_KEYS`."""

    _charts: Sequence[ChartPanel] = ()

    @property
    def chart_panel(self) -> ChartPanel | None:
        """The chart that these keys change; None: there is no line in sight."""
        self._charts = self._charts or list(self.query(ChartPanel))
        charts = (c for c in self._charts if c.display and c.content_size.height)
        return next((c for c in charts if c.has_lines), None)

    def chart_applies(self, action: str) -> bool:
        """Arrow keys move the cursor of the focused chart alone."""
        chart = self.chart_panel
        return chart is not None and (action != "point" or chart.has_focus)

    def action_chart(self, what: str) -> None:
        chart = self.chart_panel
        if chart is not None:
            chart.change(what)

    def action_point(self, by: int) -> None:
        chart = self.chart_panel
        if isinstance(chart, LossChart):
            chart.move_cursor(by)

    def unpoint(self) -> bool:
        """Remove the cursor, then the zoom. Was there one?"""
        chart = self.chart_panel
        if not isinstance(chart, LossChart):
            return False
        pointed, zoomed_in = chart.cursor is not None, chart.look.view.window is not None
        if pointed:
            chart.point(None)
        elif zoomed_in:
            chart.change("all")
        return pointed or zoomed_in

    def action_ghost(self) -> None:
        """Compare with the newest earlier run, then with the one before, at last with none."""
        chart = self.chart_panel
        if not isinstance(chart, LossChart) or not chart.model.run:
            return
        backend, path = chart.plasma.backend, Path(chart.model.run)
        number = chart.ghost_number + 1

        def found(snapshot: RunSnapshot | None) -> None:
            if chart.model.run != str(path):
                return
            chart.ghost_number = number if snapshot is not None else -1
            chart.ghost = chart_model(snapshot) if snapshot is not None else None
            if snapshot is None and number == 0:
                self.say(NO_EARLIER_RUN, "dim", 4.0)

        def failed(problem: str) -> None:
            self.say(f"The earlier run cannot be read: {problem}", "bad", 6.0)

        ask(self, partial(backend.earlier_run, path, number), found, failed, alone="ghost")
