"""Several runs side by side: their losses in one chart, their results and the settings that differ."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar, cast

from textual import events
from textual.app import ComposeResult
from textual.containers import Container

from runner.history.compare import Comparison
from runner.history.compare_lines import Line, lines_of
from runner.history.comparing import Comparing
from runner.model.units import count
from tui.asking import ask
from tui.key import MOVE, RUN, VIEW, Key
from tui.kit import glyphs
from tui.kit.footer import KeyFooter, footer_of
from tui.kit.notice import NoticeLine, SpeakingScreen
from tui.kit.paint import Row, Span, ends
from tui.kit.painted import Lines
from tui.kit.panel import Panel, ScrollingPanel
from tui.panels.header import wordmark
from tui.screens.overlay import (
    AXES,
    BY,
    ComparePanel,
    Digit,
    Look,
    OverlayChart,
    cursor_share,
    overlay_model,
    place_rows,
    results_table,
    settings_table,
    settings_words,
    state_row,
)

if TYPE_CHECKING:
    from tui.app import PlasmaApp

KEYS = (
    Key("enter", "open", RUN, "Open the chosen run", "open", 90),
    Key("x", "axis", VIEW, "X axis: step, epoch, training time or images seen", "axis", 86),
    Key("y", "log", VIEW, "Logarithmic loss axis on or off", "log", 78),
    Key("d", "settings", VIEW, "All settings, or only those that differ", "all settings", 76),
    Key("1,2,3,4,5,6,7,8", "hide", VIEW, "Hide or show that run's line", "hide", 82, shown="1-8"),
    Key("z", "zoom", VIEW, "Zoom the focused panel", "zoom", 84),
    Key("tab", "next_panel(1)", VIEW, "Focus the next panel", "panel", 83),
    Key("shift+tab", "next_panel(-1)", VIEW, "Focus the previous panel"),
    Key("escape", "back", VIEW, "Close what is open, then go back", "back", 80),
    Key(
        "right", "side(1)", MOVE, "Cursor right; table: next run", "cursor", 70, shown="left right"
    ),
    Key("left", "side(-1)", MOVE, "Cursor left; table: previous run"),
    Key("shift+right", "side(10)", MOVE, "Ten columns right"),
    Key("shift+left", "side(-10)", MOVE, "Ten columns left"),
    Key("down,j", "move(1)", MOVE, "Chart: next run; table: down one row"),
    Key("up,k", "move(-1)", MOVE, "Chart: previous run; table: up one row"),
    Key("pagedown,space", "page(1)", MOVE, "Down one page"),
    Key("pageup", "page(-1)", MOVE, "Up one page"),
    Key("home,g", "edge('start')", MOVE, "Start"),
    Key("end,G", "edge('end')", MOVE, "End, and follow it"),
)

REFRESH_S = 2.0
BUDGET_S = 0.4
PANELS = ("overlay", "results", "settings")
#: below this only the focused panel is there
SOLO_HEIGHT = 18


class CompareScreen(SpeakingScreen):
    BINDINGS: ClassVar = [*KEYS]

    def __init__(self, run_paths: tuple[Path, ...]) -> None:
        super().__init__()
        self._paths = run_paths
        self._reader: Comparing | None = None
        self._lines: tuple[Line, ...] = ()
        self._zoomed = False
        self._reading = False
        self._current = PANELS[0]
        self.made: Comparison | None = None
        self.look = Look()

    @property
    def plasma(self) -> PlasmaApp:
        return cast("PlasmaApp", self.app)

    def compose(self) -> ComposeResult:
        yield Lines(self._top, id="top")
        yield NoticeLine(id="notice")
        yield OverlayChart(id="overlay")
        with Container(id="tables"):
            yield ComparePanel("Results", id="results")
            yield ComparePanel("Settings", id="settings")
        yield KeyFooter(id="footer")

    def on_mount(self) -> None:
        self.query_one(KeyFooter).model = footer_of(self)
        self.query_one(OverlayChart).focus()
        self.set_interval(REFRESH_S, self._read_if_live)
        self._read()

    # ----------------------------------------------------------------- reading

    def _read_if_live(self) -> None:
        """Ended runs do not change; that a live one is over shows only when it is read."""
        made = self.made
        if self.is_current and (made is None or any(run.live for run in made.runs)):
            self._read()

    def _read(self) -> None:
        """One thread at a time: a reader is no place for two."""
        if not self._reading:
            self._reading = True
            ask(self, self._look, self._take, self._not_read)

    def _look(self) -> Comparison:
        """In a thread."""
        if self._reader is None:
            self._reader = self.plasma.backend.comparing(self._paths)
        return self._reader.read(BUDGET_S)

    def _not_read(self, problem: str) -> None:
        self._reading = False
        self.say(f"{problem[:1].upper()}{problem[1:]}", "bad")

    def _take(self, made: Comparison) -> None:
        self._reading = False
        further = self.made is None or made.read_fraction != self.made.read_fraction
        self.made = made
        self._put_on_axis()
        if further and made.read_fraction < 1:
            self._read()

    def _put_on_axis(self) -> None:
        if self.made is not None:
            self._lines = lines_of(self.made.runs, self.look.axis)
            self._show()

    # ----------------------------------------------------------------- showing

    def _show(self) -> None:
        made, look = self.made, self.look
        if made is None:
            return
        chart = self.query_one(OverlayChart)
        chart.model = overlay_model(made, self._lines, look)
        chart.cursor = cursor_share(made, self._lines, look)
        chart.by = f"smoothed, {BY[look.axis]}{', log' if look.log else ''}"
        chart.place = place_rows(made, self._lines, look)
        self.query_one("#results", ComparePanel).model = results_table(made, self._lines, look)
        settings = self.query_one("#settings", ComparePanel)
        settings.model = settings_table(made, look)
        settings.said = settings_words(made, look)
        self.query_one("#top", Lines).repaint()

    def _top(self, width: int, height: int) -> Sequence[Row]:
        runs = len(self.made.runs) if self.made is not None else len(self._paths)
        left: Row = (
            Span(" "),
            *wordmark(),
            Span("  "),
            Span(f"{count(runs, 'run')} compared", "strong"),
        )
        return (ends(left, state_row(self.made), width), (Span(glyphs.RULE * width, "faint"),))

    def on_resize(self) -> None:
        self._arrange()

    def _arrange(self) -> None:
        """Zoomed, or on a very low screen, only the focused panel is there."""
        solo = self._zoomed or self.app.size.height < SOLO_HEIGHT
        for name in PANELS:
            self.query_one(f"#{name}").display = not solo or name == self._current
        self.query_one("#tables").display = not solo or self._current != "overlay"

    def on_descendant_focus(self, event: events.DescendantFocus) -> None:
        if isinstance(event.widget, Panel) and event.widget.id in PANELS:
            self._current = event.widget.id
            # on a low screen the table that is read gets more of it
            for name in PANELS:
                self.set_class(name == self._current, f"-in-{name}")

    # ----------------------------------------------------------------- keys

    def _look_on(self, **changes: object) -> None:
        before, self.look = self.look, replace(self.look, **changes)  # type: ignore[arg-type]
        if before.axis is not self.look.axis:
            self._put_on_axis()
        else:
            self._show()

    def action_axis(self) -> None:
        self._look_on(axis=AXES[(AXES.index(self.look.axis) + 1) % len(AXES)])

    def action_log(self) -> None:
        self._look_on(log=not self.look.log)

    def action_settings(self) -> None:
        self._look_on(every_setting=not self.look.every_setting)

    def action_hide(self) -> None:
        """From a click in the footer: the chosen run."""
        self._hide(self.look.chosen)

    def on_digit(self, message: Digit) -> None:
        self._hide(message.index)

    def _hide(self, index: int) -> None:
        if self.made is not None and index < len(self.made.runs):
            self._look_on(hidden=self.look.hidden ^ {index})

    def on_overlay_chart_pointed(self, message: OverlayChart.Pointed) -> None:
        self._look_on(cursor=message.share)

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
        if self.made is not None and self.made.runs:
            self._look_on(chosen=(self.look.chosen + by) % len(self.made.runs))

    def action_page(self, pages: int) -> None:
        if isinstance(self.focused, ScrollingPanel):
            self.focused.turn_page(pages)

    def action_edge(self, which: str) -> None:
        panel, chart = self.focused, self.query_one(OverlayChart)
        if isinstance(panel, ScrollingPanel):
            panel.scroll_to_end() if which == "end" else panel.scroll_to_start()
        else:
            self._look_on(cursor=None if which == "end" else chart.moved(-10_000))

    def action_next_panel(self, by: int) -> None:
        self._current = PANELS[(PANELS.index(self._current) + by) % len(PANELS)]
        self._arrange()
        self.query_one(f"#{self._current}").focus()

    def action_zoom(self) -> None:
        self._zoomed = not self._zoomed
        self._arrange()

    def action_open(self) -> None:
        if self.made is not None and self.made.runs:
            self.plasma.open_run(Path(self.made.runs[self.look.chosen].path))

    def action_back(self) -> None:
        self.hush()
        if self._zoomed:
            self.action_zoom()
        elif len(self.app.screen_stack) > 1:
            self.app.pop_screen()
