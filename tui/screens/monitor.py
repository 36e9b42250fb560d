"""The monitor: one run on one screen; before a run, what would be started."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, ClassVar, cast

from textual import events
from textual.app import ComposeResult
from textual.screen import ModalScreen

from runner.analysis.smoke import smoke_verdict
from runner.model import RunSnapshot
from tui.kit.footer import FooterKey, KeyFooter, footer_of
from tui.kit.notice import NoticeLine
from tui.kit.painted import StillHorizontal, StillVertical
from tui.kit.panel import Panel, ScrollingPanel
from tui.panels.checkpoints import CheckpointPanel
from tui.panels.console import ConsolePanel
from tui.panels.events import EventPanel
from tui.panels.header import Header, RunHeader, header_of
from tui.panels.loss import CHART_ACTIONS, Charted, LossChart
from tui.panels.machine import GaugePanel, gauge_board
from tui.panels.plan import PlanPanel, planned_header, planned_snapshot
from tui.panels.preflight import PreflightPanel, SmokePanel
from tui.panels.result import ResultPanel, result_card
from tui.panels.samples import SampleStrip
from tui.panels.verdict import VerdictLines, ready_verdict, verdict_of
from tui.screens.arrange import (
    ALL,
    STRIP_HEIGHT,
    Arrangement,
    Held,
    View,
    arrange,
    give_room,
    strip_fits,
)
from tui.screens.orders import KEYS, ORDERS, MonitorOrders
from tui.words.checklist import checklist_view, preflight_list
from tui.words.checkpoints import checkpoint_table
from tui.words.clauses import Verdict
from tui.words.loss import chart_model
from tui.words.progress import is_live

if TYPE_CHECKING:
    from collections.abc import Callable

    from tui.app import PlasmaApp

SIDES = {
    "#left": ("preflight",),
    "#right": ("plan", "result", "smoke", "loss", "samples", "checkpoints", "gauges", "events"),
    "#upper": ("result", "smoke", "loss"),
    "#lower": ("samples", "checkpoints", "gauges"),
    "#facts": ("checkpoints", "gauges"),
}


#: by id: the panels, and what is around them
WIDGETS = (*ALL, "header", "verdict", "notice", "footer")


class MonitorScreen(Charted):
    BINDINGS: ClassVar = [*KEYS]
    #: shows what the app's own feed reads
    FED: ClassVar[bool] = True

    def __init__(self) -> None:
        super().__init__()
        self.snapshot: RunSnapshot | None = None
        self.orders = MonitorOrders(self)
        self._drawer = False
        self._zoomed: str | None = None
        self._current = "loss"
        self._held = Held()
        self._whole = False

    @property
    def plasma(self) -> PlasmaApp:
        return cast("PlasmaApp", self.app)

    def compose(self) -> ComposeResult:
        yield RunHeader(id="header")
        yield VerdictLines(id="verdict")
        yield NoticeLine(id="notice")
        with StillHorizontal(id="body"):
            with StillVertical(id="left"):
                yield PreflightPanel(id="preflight")
            with StillVertical(id="right"):
                yield PlanPanel(id="plan")
                with StillHorizontal(id="upper"):
                    yield ResultPanel(id="result")
                    yield SmokePanel(id="smoke")
                    yield LossChart(id="loss")
                with StillHorizontal(id="lower"):
                    yield SampleStrip(id="samples")
                    with StillHorizontal(id="facts"):
                        yield CheckpointPanel(id="checkpoints")
                        yield GaugePanel(id="gauges")
                yield EventPanel(id="events")
            yield ConsolePanel(id="console")
        yield KeyFooter(id="footer")

    def on_mount(self) -> None:
        self._go_to(self._first_panel())

    def on_resize(self, event: events.Resize) -> None:
        self._arrange()

    # ----------------------------------------------------------------- what is shown

    @property
    def planned(self) -> bool:
        """No run is open: a configuration is shown."""
        return self.plasma.run_path is None and self.plasma.config_path is not None

    def _first_panel(self) -> str:
        if self.planned:
            return "preflight"
        return "loss" if "loss" in self._arrangement().order else "result"

    def forget(self) -> None:
        """Another run, or none, will be shown: nothing of the one before may stay."""
        self.snapshot = None
        self._zoomed, self._drawer, self._held = None, False, Held()
        if not self._is_whole():
            return
        self.query_one(LossChart).forget()
        self.query_one(SampleStrip).forget()
        self.hush()
        for panel in self.query(ScrollingPanel):
            if isinstance(panel, PreflightPanel | CheckpointPanel):
                panel.forget_cursor()
            elif panel.FOLLOWS:
                panel.scroll_to_end()
            else:
                panel.scroll_to_start()
        self._go_to(self._first_panel())

    def show(self, snapshot: RunSnapshot) -> None:
        self.snapshot = snapshot
        self.refresh_models()

    def refresh_models(self) -> None:
        """Words and numbers of this moment to the widgets; an equal one costs nothing. Under another screen
        nothing is drawn: Textual would send all of that screen again for it."""
        if not self.is_mounted or not self._is_whole() or self._covered():
            return
        held = self._held
        if self.planned:
            self._show_planned()
        else:
            self._show_run(self.snapshot)
        if held != self._held:
            self._arrange()
            self._keep_focus()
            return
        self.query_one(KeyFooter).model = self._footer()

    def _covered(self) -> bool:
        """By a screen that hides it, which a question does not."""
        stack = self.app.screen_stack
        above = stack[stack.index(self) + 1 :] if self in stack else []
        return any(not isinstance(screen, ModalScreen) for screen in above)

    def on_screen_resume(self) -> None:
        self.refresh_models()

    def _show_run(self, snapshot: RunSnapshot | None) -> None:
        now = self.clock()
        self.query_one(RunHeader).model = self._header(snapshot)
        self.query_one(VerdictLines).model = self._verdict(snapshot, now)
        self.query_one(LossChart).model = chart_model(snapshot)
        self.query_one(CheckpointPanel).model = checkpoint_table(snapshot, now)
        checks = snapshot.preflight if snapshot is not None else ()
        preflight = self.query_one("#preflight", PreflightPanel)
        preflight.empty = "no checks recorded"
        preflight.model = preflight_list(checks)
        self._held = replace(self._show_end(snapshot), sampled=self._show_samples(snapshot, now))
        solo = self._arrangement().solo
        self.query_one(GaugePanel).model = gauge_board(snapshot, now, details=solo)
        self.query_one(EventPanel).read(snapshot, self._preflight_hint())
        self.query_one(ConsolePanel).model = snapshot.console if snapshot is not None else ()
        self._mark_unread(snapshot)

    def _mark_unread(self, snapshot: RunSnapshot | None) -> None:
        """Nothing of a newer version's run is read; without its status no file is known."""
        for panel in self.query(Panel):
            panel.unread = snapshot is not None and bool(snapshot.newer)
        self.query_one(CheckpointPanel).unread = snapshot is not None and snapshot.without_status

    def clock(self) -> float:
        """Wall clock, for ages."""
        return self.plasma.clock()

    def _header(self, snapshot: RunSnapshot | None) -> Header:
        return header_of(snapshot, self.plasma.read_only)

    def _verdict(self, snapshot: RunSnapshot | None, now: float) -> Verdict:
        return verdict_of(snapshot, now, self.plasma.planner.approval)

    def _show_samples(self, snapshot: RunSnapshot | None, now: float) -> bool:
        """Nothing is read where there is no room for images."""
        strip = self.query_one(SampleStrip)
        if snapshot is None or not self.FED or not strip_fits(*self.size):
            return False
        strip.read(snapshot, now)
        return strip.wanted

    def on_sample_strip_changed(self) -> None:
        self.refresh_models()

    def _show_end(self, snapshot: RunSnapshot | None) -> Held:
        """The card of the end, or of a smoke test."""
        is_smoke = snapshot is not None and snapshot.spec is not None and snapshot.spec.smoke
        lines = smoke_verdict(snapshot) if snapshot is not None and is_smoke else ()
        self.query_one(SmokePanel).model = preflight_list(lines)
        panel, card = self.query_one(ResultPanel), result_card(snapshot)
        panel.model, panel.can_retry = card, bool(self.check_action("retry", ()))
        failed = card is not None and bool(card.title)
        trained = snapshot is None or is_live(snapshot) or bool(snapshot.loss.rows)
        return Held(bool(lines) and not failed, card is not None, trained)

    def _show_planned(self) -> None:
        plan, checklist = self.plasma.planner.plan, self.plasma.planner.checklist
        self.query_one(RunHeader).model = planned_header(plan, checklist)
        self.query_one(VerdictLines).model = ready_verdict(plan, checklist)
        self.query_one(PlanPanel).model = plan
        planned = planned_snapshot(plan) if plan is not None else None
        self.query_one(CheckpointPanel).model = checkpoint_table(planned, 0.0)
        self._mark_unread(None)
        preflight = self.query_one("#preflight", PreflightPanel)
        preflight.empty = (
            "no checks while plasma.toml has errors"
            if (plan is not None and plan.problem)
            else "reading the checks…"
        )
        preflight.model = checklist_view(checklist)

    def _footer(self) -> tuple[FooterKey, ...]:
        live = self.snapshot is not None and is_live(self.snapshot) and self.size.width >= 100
        return footer_of(self, {"app.leave": "quit (training continues)"} if live else {})

    # ----------------------------------------------------------------- where it is shown

    def _arrangement(self) -> Arrangement:
        view = View(self._current, self._zoomed, self._drawer, self.planned, self._held)
        return arrange(*self.size, view)

    def _is_whole(self) -> bool:
        """Is every widget mounted? Not yet while the containers compose, which they do in any order, and
        no longer once the app closes, while its timers may still fire."""
        if not self.is_attached or self._pruning:
            return False
        self._whole = self._whole or {one.id for one in self.walk_children()}.issuperset(WIDGETS)
        return self._whole

    def _arrange(self) -> None:
        """Show and hide panels for this size; nothing else does."""
        if not self._is_whole():
            return
        made = self._arrangement()
        for name in ALL:
            self.query_one(f"#{name}").display = name in made.visible
        for side, names in SIDES.items():
            self.query_one(side).display = any(name in made.visible for name in names)
        give_room(self, made, self.planned)
        console = self.query_one(ConsolePanel)
        console.wrapped = made.console in ("drawer", "beside")
        console.hint = {"drawer": "l closes it", "strip": "l opens it"}.get(made.console, "")
        for panel in self.query(PreflightPanel):
            panel.details = made.solo
        self.query_one(CheckpointPanel).details = self.query_one(GaugePanel).details = made.solo
        self.query_one(PlanPanel).details = made.solo or self.size.height >= STRIP_HEIGHT
        self.refresh_models()

    def _keep_focus(self) -> None:
        """What had the focus may be hidden now; on a tiny screen the cause of an end matters most."""
        made = self._arrangement()
        if self._zoomed is not None or (self._current in made.visible and not made.solo):
            return
        card = self.query_one(ResultPanel).model
        if made.solo and card is not None and card.title:
            self._go_to("result")
        elif self._current not in made.visible:
            self._go_to(self._first_panel())

    def _go_to(self, name: str) -> None:
        """Focus a panel, on a tiny or zoomed screen by showing it instead of the one before."""
        self._current = name
        if self._zoomed is not None:
            self._zoomed = name
        self._arrange()
        for panel in self.query(f"#{name}"):
            panel.focus()

    def on_descendant_focus(self, event: events.DescendantFocus) -> None:
        if isinstance(event.widget, Panel) and event.widget.id:
            self._current = event.widget.id

    # ----------------------------------------------------------------- orders

    def why_not(self, action: str) -> str | None:
        """Why this action can do nothing now; None: it can, or needs nothing."""
        if action not in ORDERS or (action == "preflight" and self._keeps_checks()):
            return None
        return self.orders.why_not(action)

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        if action in CHART_ACTIONS:
            return self.chart_applies(action)
        return True if self.why_not(action) is None else None

    def on_key(self, event: events.Key) -> None:
        self.orders.refuse(event.key)

    def _keeps_checks(self) -> bool:
        """A run is open whose checks cannot be run again now: p shows those of its start."""
        return self.plasma.run_path is not None and self.orders.why_not("preflight") is not None

    def _preflight_hint(self) -> str:
        return "p opens" if self.FED and self._keeps_checks() else ""

    def action_preflight(self) -> None:
        if not self._keeps_checks():
            self.hush()
            self.orders.check_again()
            return
        closes = self._zoomed == "preflight"
        self._zoomed = None if closes else "preflight"
        self._go_to(self._first_panel() if closes else "preflight")

    # ----------------------------------------------------------------- actions: the view

    def action_console(self) -> None:
        self._drawer, self._zoomed = not self._drawer, None
        self._go_to("console" if self._drawer else self._first_panel())

    def action_zoom(self) -> None:
        self._zoomed = self._current if self._zoomed is None else None
        self._arrange()

    def action_open(self) -> None:
        if self._current == "samples":
            self.orders.samples()
        elif self._zoomed is None:
            self.action_zoom()

    def action_back(self) -> None:
        self.hush()
        if self.planned and self.plasma.planner.checks_breakable:
            self.orders.cancel_checks()
        elif self.unpoint():
            return
        elif self._zoomed is not None:
            self.action_zoom()
        elif self._drawer:
            self.action_console()
        elif not self.plasma.navigator.back_to_runs():
            self.say("Nothing is open here: h lists the runs, q quits.", "dim", 4.0)

    def action_next_panel(self) -> None:
        self._step_panel(1)

    def action_previous_panel(self) -> None:
        self._step_panel(-1)

    def _step_panel(self, by: int) -> None:
        made = self._arrangement()
        names = [name for name in made.order if made.solo or name in made.visible]
        at = names.index(self._current) if self._current in names else -by
        self._go_to(names[(at + by) % len(names)])

    def _scrolling(self) -> ScrollingPanel | None:
        return self.focused if isinstance(self.focused, ScrollingPanel) else None

    def action_scroll(self, rows: int) -> None:
        panel = self._scrolling()
        if panel is not None:
            panel.scroll_rows(rows)

    def action_page(self, pages: int) -> None:
        panel = self._scrolling()
        if panel is not None:
            panel.turn_page(pages)

    def action_edge(self, which: str) -> None:
        panel = self._scrolling()
        if panel is not None:
            panel.scroll_to_end() if which == "end" else panel.scroll_to_start()


def _order(name: str) -> Callable[[MonitorScreen], None]:
    """The action of an order: its handler does the work."""
    return lambda screen: getattr(screen.orders, name)()


for _name in ORDERS:
    if not hasattr(MonitorScreen, f"action_{_name}"):
        setattr(MonitorScreen, f"action_{_name}", _order(_name))
