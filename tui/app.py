"""The app: its screens, and what is open. What it does with them is in small objects of its own: `orders`,
`planner`, `navigator`, `looks`, `notices`, `feed`."""

from __future__ import annotations

import asyncio
import gc
import os
import time
from collections.abc import Callable, Sequence
from functools import cached_property
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

from textual import events
from textual.app import App
from textual.await_complete import AwaitComplete
from textual.command import CommandPalette
from textual.filter import LineFilter
from textual.screen import ModalScreen, Screen

from runner.model import RunSnapshot, RunState
from tui.backend.door import Backend
from tui.commands import PlasmaCommands, theme_under_cursor
from tui.feed import LOOK_S, LOW_BANDWIDTH_LOOK_S, Feed
from tui.key import QUIT, VIEW, Key
from tui.kit.notice import take_back
from tui.looks import AsciiOnly, Looks
from tui.messages import ReadFailed, SnapshotArrived
from tui.navigator import Navigator
from tui.orders import Orders
from tui.panels.header import run_name
from tui.planner import Planner
from tui.screens.monitor import MonitorScreen
from tui.terminal import exit_on_signals, leave_with_terminal, settle_no_color
from tui.text import clean
from tui.words.progress import is_live

if TYPE_CHECKING:
    from tui.notices import Notices

KEYS = (
    Key("h", "app.runs", VIEW, "All runs, here and on your hosts", "runs", 60),
    Key("question_mark,f1", "app.help", VIEW, "Help: the keys of this screen", "help", 70),
    Key("ctrl+p", "app.command_palette", VIEW, "Find a command by name", priority=True),
    Key("q", "app.leave", QUIT, "Quit; training continues", "quit", 100),
    Key("ctrl+q", "app.leave", QUIT, "Quit, also while typing", "quit", 100, priority=True),
    Key("ctrl+c", "app.interrupt", QUIT, "Doesn't stop training; twice quits", priority=True),
    Key("ctrl+z", "app.suspend_process", QUIT, "Suspend to the shell; fg returns", priority=True),
)
#: help and the other themes are made so long after the start, when the screen has nothing else to do
REST_READY_S = 0.3
#: a second ctrl+c within this time quits
TWICE_S = 3.0


class PlasmaApp(App[None], inherit_bindings=False):
    """`run_path`: the run to show; `replay_path`: the run to replay; else `config_path`: the configuration that
    could be started; else the welcome screen. Raises ThemeProblem if there is no theme `theme_name`."""

    CSS_PATH = "plasma.tcss"
    TITLE = "plasma-tui"
    AUTO_FOCUS = None
    BINDINGS: ClassVar = [*KEYS]
    COMMANDS: ClassVar = {PlasmaCommands}
    SCREENS: ClassVar = {"help": lambda: import_module("tui.screens.help").HelpScreen()}
    # instance variables of the base class
    HORIZONTAL_BREAKPOINTS = [(0, "-tiny"), (60, "-narrow"), (100, "-normal"), (160, "-wide")]  # noqa: RUF012
    VERTICAL_BREAKPOINTS = [(0, "-low"), (16, "-short"), (32, "-tall"), (50, "-high")]  # noqa: RUF012

    def __init__(
        self,
        backend: Backend,
        *,
        run_path: Path | None = None,
        config_path: Path | None = None,
        read_only: bool = False,
        ascii_only: bool = False,
        theme_name: str | None = None,
        low_bandwidth: bool = False,
        images: str | None = None,
        replay_path: Path | None = None,
        replay_speed: float | None = None,
        clock: Callable[[], float] = time.time,
    ) -> None:
        settle_no_color()
        # Textual chooses its NO_COLOR filter here, before a theme can say that it has no colours of its own
        super().__init__(ansi_color=True if os.environ.get("NO_COLOR") else None)
        self.backend, self.config_path = backend, config_path
        self.first_run_path, self.first_replay = run_path, (replay_path, replay_speed)
        self.read_only, self.ascii, self.low_bandwidth = read_only, ascii_only, low_bandwidth
        self.images, self.clock = images, clock
        self.run_path: Path | None = None
        self.snapshot: RunSnapshot | None = None
        #: None: the terminal does not report it
        self.window_focus: bool | None = None
        look_s = LOW_BANDWIDTH_LOOK_S if low_bandwidth else LOOK_S
        self.feed = Feed(self.post_message, backend.open_reader, look_s=look_s)
        self.orders, self.planner, self.looks = Orders(self), Planner(self), Looks(self)
        self.navigator = Navigator(self)
        self._interrupted_at = 0.0
        self._shown_at = 0.0
        #: the sentence that is shown while the run cannot be read
        self._unread = ""
        self.looks.load(theme_name, low_bandwidth)

    @cached_property
    def notices(self) -> Notices:
        """Imported with the first news, after the first frame."""
        from tui.notices import Notices

        return Notices(self)

    def get_line_filters(self) -> Sequence[LineFilter]:
        filters = super().get_line_filters()
        return [*filters, AsciiOnly()] if self.ascii else filters

    def refresh_css(self, animate: bool = True) -> None:
        if not self.looks.refresh_is_needless():
            super().refresh_css(animate)

    # ----------------------------------------------------------------- life

    def get_default_screen(self) -> Screen[Any]:
        """The real first screen at once: a blank one before it costs a frame. The classes of its size as well:
        Textual adds them with the first resize, and then styles all widgets again."""
        screen = self._first_screen()
        for cells, points in zip(
            self.size, (self.HORIZONTAL_BREAKPOINTS, self.VERTICAL_BREAKPOINTS), strict=True
        ):
            screen.add_class(max(one for one in points if one[0] <= cells)[1])
        return screen

    def _first_screen(self) -> Screen[Any]:
        path, speed = self.first_replay
        if path is not None:
            from tui.screens.replay import ReplayScreen

            return ReplayScreen(path, speed)
        if self.first_run_path is None and self.config_path is None:
            from tui.screens.welcome import WelcomeScreen

            return WelcomeScreen()
        return MonitorScreen()

    def on_load(self) -> None:
        """Before the terminal is taken over: from then on a signal that ends the screen restores it."""
        if not self.is_headless:
            leave = lambda code: self.exit(return_code=code)  # noqa: E731
            exit_on_signals(asyncio.get_running_loop(), leave)
        # the run is read while the screen is made
        self.feed.start()
        if self.first_run_path is not None:
            self.navigator.watch(self.first_run_path)

    def on_mount(self) -> None:
        self.set_interval(1.0, self._tick)
        if not self.is_headless:
            leave_with_terminal()
        self.call_after_refresh(self._start_planning)

    def _start_planning(self) -> None:
        if self.config_path is not None:
            self.planner.watch()
            self.planner.read()
        self.set_timer(REST_READY_S, self._make_rest_ready)

    def _make_rest_ready(self) -> None:
        """Mounting a screen takes 40 ms: not when its key is pressed. (Textual 8.2 has no public way
        to mount one without showing it; what is made here is what `push_screen` would make.) What exists by
        now stays: the collector, off until here, need not look through it again."""
        if not gc.isenabled():
            gc.freeze()
            gc.enable()
        if self.is_running and self.is_screen_installed("help"):  # not while the app is closing
            self._get_screen("help")
            self.looks.load_others()
            if self.looks.failures:
                self.say(f"Unusable themes: {'; '.join(self.looks.failures)}", "warn")

    def on_unmount(self) -> None:
        self.feed.stop()
        self.planner.stop()

    def _tick(self) -> None:
        """Once a second ages move on, unless a snapshot has just brought them."""
        if time.monotonic() - self._shown_at < 0.9:
            return
        for screen in self.screen_stack:
            if isinstance(screen, MonitorScreen):
                screen.refresh_models()

    def on_app_focus(self, event: events.AppFocus) -> None:
        self.window_focus = True
        self.feed.set_focus(True)

    def on_app_blur(self, event: events.AppBlur) -> None:
        self.window_focus = False
        self.feed.set_focus(False)

    def _fatal_error(self) -> None:
        """A crash of the screen, without local variables: they may hold tokens of the run's environment
        (Textual's own version prints them)."""
        from rich.segment import Segments
        from rich.traceback import Traceback

        shown = self.console.render(Traceback(show_locals=False, width=None), self.console.options)
        self._exit_renderables.append(Segments(list(shown)))
        self._close_messages_no_wait()

    # ----------------------------------------------------------------- runs

    def pop_screen(self) -> AwaitComplete:
        popped = super().pop_screen()
        self.navigator.screen_closed()
        return popped

    def on_snapshot_arrived(self, message: SnapshotArrived) -> None:
        snapshot = self.feed.take()
        if snapshot is None:
            return
        self.read_again()
        before, self.snapshot = self.snapshot, snapshot
        if snapshot.state is RunState.ENDED and (
            before is None or before.state is not snapshot.state
        ):
            self.planner.run_ended(snapshot)
        if before is not None:
            self.notices.changed(before, snapshot)
        monitor = self.navigator.monitor
        if monitor is not None:
            self._shown_at = time.monotonic()
            monitor.show(snapshot)

    def on_read_failed(self, message: ReadFailed) -> None:
        self._unread = clean(f"The run cannot be read: {message.problem}. Trying again.", 600)
        self.say(self._unread, "bad")

    def read_again(self) -> None:
        """The run can be read: take the sentence about it back."""
        take_back(self.screen_stack, self._unread)
        self._unread = ""

    def refresh_monitor(self) -> None:
        monitor = self.navigator.monitor
        if monitor is not None:
            monitor.refresh_models()

    # ----------------------------------------------------------------- words

    def say(self, text: str, role: str = "text", fade_s: float | None = None) -> None:
        """Put a sentence on the screen in front that can show one."""
        for screen in reversed(self.screen_stack):
            speak = getattr(screen, "say", None)
            if speak is not None:
                speak(clean(text, 600), role, fade_s)
                return

    # ----------------------------------------------------------------- keys

    async def on_event(self, event: events.Event) -> None:
        if isinstance(event, events.Key) and not event.is_forwarded:
            event.pressed_on = self.focused or self.screen  # type: ignore[attr-defined]
        await super().on_event(event)

    async def on_key(self, event: events.Key) -> None:
        """A key that waited in a queue while the focus moved, or another screen opened, belongs there. Textual
        keeps the app's keys from modal screens; q quits there as well, unless it is typed."""
        now = self.focused or self.screen
        if getattr(event, "pressed_on", now) is not now:
            event.prevent_default()
            await self.on_event(events.Key(event.key, event.character))
        elif event.key == "q" and isinstance(self.screen, ModalScreen):
            self.action_leave()

    def action_runs(self) -> None:
        from tui.screens.runs import RunsScreen

        if type(self.screen) is RunsScreen:
            self.screen.say("All runs are already shown; esc goes back.", "dim", 4.0)
        elif not isinstance(self.screen, ModalScreen):
            self.push_screen(RunsScreen())

    def action_help(self) -> None:
        if not isinstance(self.screen, ModalScreen):
            self.push_screen("help")

    def action_leave(self) -> None:
        """Close the screen; if a training continues, say how to come back to it."""
        from rich.text import Text

        message, snapshot = None, self.snapshot
        if snapshot is not None and is_live(snapshot):
            come_back = f"Come back with: plasma-tui attach {clean(snapshot.id)}"
            message = Text(f"Training of {run_name(snapshot)} continues.\n{come_back}")
        self.exit(message=message)

    def action_interrupt(self) -> None:
        """ctrl+c never reaches the training; twice it closes the screen."""
        now = time.monotonic()
        if now - self._interrupted_at < TWICE_S:
            self.action_leave()
            return
        self._interrupted_at = now
        stops = isinstance(self.screen, MonitorScreen) and self.screen.check_action("stop", ())
        more = ", or a to stop the run" if stops else ""
        self.say(f"Ctrl+C doesn't stop training. Press again to quit{more}.", "warn", TWICE_S)

    def on_command_palette_option_highlighted(
        self, event: CommandPalette.OptionHighlighted
    ) -> None:
        self.looks.preview(theme_under_cursor(event))

    def on_command_palette_closed(self) -> None:
        self.looks.preview(None)
