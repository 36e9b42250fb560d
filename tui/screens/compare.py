"""Several runs side by side: their losses in one chart, their results and the settings that differ."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import ClassVar

from textual import events
from textual.app import ComposeResult
from textual.containers import Container

from runner.history.compare import Comparison
from runner.history.compare_lines import Axis, lines_of
from runner.history.compare_runs import FEW, as_list, run_order
from runner.history.comparing import Comparing
from runner.model import RunState
from runner.model.units import count
from tui.key import MOVE, RUN, VIEW, Key
from tui.kit.footer import KeyFooter, footer_of
from tui.kit.paint import Row, Span
from tui.kit.panel import Panel, ScrollingPanel
from tui.panels.compare_chart import MOST_LINES, Overlay, OverlayChart
from tui.panels.compare_list import MOST_WORDS, RunListPanel
from tui.panels.compare_tables import ComparePanel, results, settings
from tui.panels.loss import CHART_KEYS, ZOOM_KEYS, Charted
from tui.screens.reading import ReadingScreen
from tui.text import clean

KEYS = (
    Key("enter", "open", RUN, "Open the chosen run", "open", 90),
    Key("x", "axis", VIEW, "X axis: step, epoch, training time or images seen", "axis", 86),
    *ZOOM_KEYS,
    *CHART_KEYS,
    Key("t", "listed", VIEW, "Runs as rows, or as columns with all results", "table", 78),
    Key("d", "settings", VIEW, "Columns: everything, or only what differs", "everything", 76),
    Key("i", "samples", VIEW, "Sample images of all runs in one grid", "images", 81),
    Key("v", "hide", VIEW, "Hide or show the line of the chosen run"),
    Key("1,2,3,4,5,6,7,8", "hide", VIEW, "Hide or show that run's line", "hide", 58, shown="1-8"),
    Key("z", "zoom", VIEW, "Zoom the focused panel", "zoom", 62),
    Key("tab", "next_panel(1)", VIEW, "Focus the next panel", "panel", 83),
    Key("shift+tab", "next_panel(-1)", VIEW, "Focus the previous panel"),
    Key("escape", "back", VIEW, "Close what is open, then go back", "back", 80),
    Key(
        "right", "side(1)", MOVE, "Chart: cursor; table: next run", "cursor", 70, shown="left right"
    ),
    Key("left", "side(-1)", MOVE, "Chart: cursor left; table: previous run"),
    Key("shift+right", "side(10)", MOVE, "Chart: ten columns right"),
    Key("shift+left", "side(-10)", MOVE, "Chart: ten columns left"),
    Key("down,j", "move(1)", MOVE, "Chart: next run; table: down one row"),
    Key("up,k", "move(-1)", MOVE, "Chart: previous run; table: up one row"),
    Key("pagedown,space", "page(1)", MOVE, "Down one page"),
    Key("pageup", "page(-1)", MOVE, "Up one page"),
    Key("home,g", "edge('start')", MOVE, "Start"),
    Key("end,G", "edge('end')", MOVE, "End, and follow it"),
)

REFRESH_S = 2.0
BUDGET_S = 0.4
#: with a column for each run, with a row for each
COLUMNS, ROWS = ("overlay", "results", "settings"), ("overlay", "listed")
#: rows of the list besides the runs: title, advice, head
LIST_CHROME = 2 + MOST_WORDS
#: below this height only the focused panel is shown
SOLO_HEIGHT = 18
AXES = tuple(Axis)


class CompareScreen(Charted, ReadingScreen[Comparison]):
    BINDINGS: ClassVar = [*KEYS]

    def __init__(self, run_paths: tuple[Path, ...], group: str = "") -> None:
        """`group`: whose runs they are, "" for marked runs."""
        super().__init__()
        self._paths, self._group = run_paths, group
        self._reader: Comparing | None = None
        self._overlay = Overlay()
        self._zoomed = False
        self._current = COLUMNS[0]
        self.made: Comparison | None = None

    @property
    def _panels(self) -> tuple[str, ...]:
        return ROWS if self._overlay.listed else COLUMNS

    def body(self) -> ComposeResult:
        yield OverlayChart(id="overlay")
        with Container(id="tables"):
            yield ComparePanel("Results", id="results")
            yield ComparePanel("Settings", id="settings")
            yield RunListPanel(id="listed")

    def on_mount(self) -> None:
        self.query_one(KeyFooter).model = footer_of(self)
        self.query_one(OverlayChart).focus()
        self.set_interval(REFRESH_S, self._read_if_live)
        self._read_again()

    # ----------------------------------------------------------------- reading

    def _read_if_live(self) -> None:
        """Ended runs do not change; that a live one has ended shows only when it is read."""
        made = self.made
        if made is None or made.read_fraction < 1 or any(run.live for run in made.runs):
            self._read_again()

    def _read(self) -> Comparison:
        if self._reader is None:
            self._reader = self.plasma.backend.comparing(self._paths, self._group)
        return self._reader.read(BUDGET_S)

    def _take(self, made: Comparison) -> None:
        further = self.made is None or made.read_fraction != self.made.read_fraction
        begins = self.made is None or (further and made.read_fraction == 1)
        self.made = made
        self._look_on(made=made, lines=lines_of(made.runs, self._overlay.axis))
        if begins:
            self._begin(made)
        if further and made.read_fraction < 1:
            self._read_again()

    def _begin(self, made: Comparison) -> None:
        """A list opens on its best run; of many runs, the best have lines."""
        if as_list(made) and made.runs:
            order = run_order(made)
            self._look_on(listed=True, chosen=order[0], hidden=frozenset(order[MOST_LINES:]))
            self._arrange()

    # ----------------------------------------------------------------- showing

    def _show(self, overlay: Overlay) -> None:
        self._overlay, made = overlay, overlay.made
        if self.made is None:
            return
        self.query_one(OverlayChart).show(overlay)
        self.query_one(RunListPanel).show(overlay)
        self.query_one("#results", ComparePanel).show(overlay, results(overlay))
        words = f"{len(made.differing)} of {len(made.settings)} differ"
        words = f"all, {words}" if overlay.everything else words
        self.query_one("#settings", ComparePanel).show(overlay, settings(overlay), words)
        self.repaint_heading()
        self.query_one(KeyFooter).model = footer_of(self)

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        return not self._overlay.listed if action == "settings" else True

    def heading(self, width: int) -> tuple[Row, Row]:
        made = self.made
        runs = count(len(made.runs if made is not None else self._paths), "run")
        right = Span("reading the runs ", "dim")
        if made is not None:
            right = Span(_open_words(made), "good")
            if made.read_fraction < 1:
                right = Span(f"reading, {made.read_fraction * 100:.0f} % ", "accent")
        if self._group:
            return (Span(f"{clean(self._group, 60)}  ", "strong"), Span(runs, "dim")), (right,)
        return (Span(f"{runs} compared", "strong"),), (right,)

    def on_resize(self) -> None:
        self._arrange()

    def _arrange(self) -> None:
        """Zoomed, or on a low screen, only the focused panel is shown."""
        solo = self._zoomed or self.app.size.height < SOLO_HEIGHT
        if self._current not in self._panels:
            self._current = self._panels[1]
        for name in {*COLUMNS, *ROWS}:
            there = name in self._panels and (not solo or name == self._current)
            self.query_one(f"#{name}").display = there
        tables = self.query_one("#tables")
        tables.display = not solo or self._current != "overlay"
        # a short list leaves its room to the chart
        needed = len(self._overlay.order) + LIST_CHROME
        listed = self._overlay.listed and not solo
        tables.styles.height = min(needed, self.app.size.height // 2) if listed else None

    def on_descendant_focus(self, event: events.DescendantFocus) -> None:
        if isinstance(event.widget, Panel) and event.widget.id in self._panels:
            self._current = event.widget.id
            # on a low screen the focused table gets more rows
            for name in COLUMNS:
                self.set_class(name == self._current, f"-in-{name}")

    # ----------------------------------------------------------------- keys

    def _look_on(self, **changes: object) -> None:
        self._show(replace(self._overlay, **changes))  # type: ignore[arg-type]

    def action_axis(self) -> None:
        """The cursor keeps its share of the axis; a zoom ends, as runs have no common places on two axes."""
        before = self._overlay
        axis = AXES[(AXES.index(before.axis) + 1) % len(AXES)]
        overlay = replace(before, axis=axis, lines=lines_of(before.made.runs, axis))
        if before.cursor is not None and before.end:
            overlay = replace(overlay, cursor=before.cursor / before.end * overlay.end)
        chart = self.query_one(OverlayChart)
        chart.view = replace(chart.view, window=None)
        self._show(overlay)

    def action_listed(self) -> None:
        focused = isinstance(self.focused, Panel) and self.focused.id != COLUMNS[0]
        self._look_on(listed=not self._overlay.listed)
        self._arrange()
        if focused:
            self.query_one(f"#{self._current}").focus()

    def action_samples(self) -> None:
        from tui.screens.compare_samples import CompareSamplesScreen

        if self.made is not None and self.made.runs:
            self.app.push_screen(CompareSamplesScreen(self.made, self._overlay.order))

    def action_settings(self) -> None:
        self._look_on(everything=not self._overlay.everything)

    def action_hide(self) -> None:
        """From a click in the footer: the chosen run."""
        self._hide(self._overlay.chosen)

    def on_key(self, event: events.Key) -> None:
        """A digit is a run; one line in the table of keys covers all of them."""
        if event.key in tuple("12345678"):
            event.stop()
            event.prevent_default()
            self._hide(int(event.key) - 1)

    def _hide(self, index: int) -> None:
        if self.made is not None and index < len(self.made.runs):
            self._look_on(hidden=self._overlay.hidden ^ {index})

    def on_overlay_chart_pointed(self, message: OverlayChart.Pointed) -> None:
        self._look_on(cursor=message.x)

    def action_side(self, by: int) -> None:
        chart = self.query_one(OverlayChart)
        if chart.has_focus:
            self._look_on(cursor=chart.moved(by))
        else:
            self._choose(1 if by > 0 else -1)

    def action_move(self, by: int) -> None:
        panel = self.focused
        if isinstance(panel, ScrollingPanel):
            panel.scroll_rows(by)
        else:
            self._choose(by)

    def _choose(self, by: int) -> None:
        order = self._overlay.order
        if order:
            at = order.index(self._overlay.chosen)
            self._look_on(chosen=order[(at + by) % len(order)])

    def on_run_list_panel_pointed(self, message: RunListPanel.Pointed) -> None:
        again = message.index == self._overlay.chosen
        self._look_on(chosen=message.index)
        if again:
            self.action_open()

    def action_page(self, pages: int) -> None:
        if isinstance(self.focused, ScrollingPanel):
            self.focused.turn_page(pages)

    def action_edge(self, which: str) -> None:
        panel, chart = self.focused, self.query_one(OverlayChart)
        if isinstance(panel, RunListPanel):
            self._look_on(chosen=self._overlay.order[-1 if which == "end" else 0])
        elif isinstance(panel, ScrollingPanel):
            panel.scroll_to_end() if which == "end" else panel.scroll_to_start()
        else:
            self._look_on(cursor=None if which == "end" else chart.moved(-10_000))

    def action_next_panel(self, by: int) -> None:
        panels = self._panels
        self._current = panels[(panels.index(self._current) + by) % len(panels)]
        self._arrange()
        self.query_one(f"#{self._current}").focus()

    def action_zoom(self) -> None:
        self._zoomed = not self._zoomed
        self._arrange()

    def action_open(self) -> None:
        if self.made is not None and self.made.runs:
            self.plasma.navigator.open_run(Path(self.made.runs[self._overlay.chosen].path))

    def action_back(self) -> None:
        self.hush()
        chart = self.query_one(OverlayChart)
        if chart.view.window is not None:
            chart.change("all")
        elif self._zoomed:
            self.action_zoom()
        elif len(self.app.screen_stack) > 1:
            self.app.pop_screen()


def _open_words(made: Comparison) -> str:
    """Of the runs that have not ended: how many train, how many wait."""
    waiting = sum(run.state is RunState.QUEUED for run in made.runs)
    letters = [run.letter for run in made.runs if run.live and run.state is not RunState.QUEUED]
    training = ", ".join(letters) if len(letters) <= FEW else str(len(letters))
    words = [f"{training} still training"] if letters else []
    words += [f"{waiting} queued"] if waiting else []
    return f"{', '.join(words)} " if words else ""
