"""From one run or configuration to another."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from textual.screen import ModalScreen

from tui.asking import ask
from tui.screens.monitor import MonitorScreen

if TYPE_CHECKING:
    from tui.app import PlasmaApp


class Navigator:
    """Changes what the app has open (`run_path`, `config_path`) and brings the monitor to the front."""

    def __init__(self, app: PlasmaApp) -> None:
        self._app = app
        #: a run to show once no form is being filled in
        self._waiting: Path | None = None
        #: the run that was last opened from the screen of all runs
        self._listed: Path | None = None

    @property
    def monitor(self) -> MonitorScreen | None:
        """The one that shows what the feed reads (a replay is one that does not)."""
        screens = self._app.screen_stack
        return next((one for one in screens if isinstance(one, MonitorScreen) and one.FED), None)

    def show_run(self, path: Path) -> bool:
        """`open_run`, once no form is being filled in; False: not yet."""
        front, focused = self._app.screen, self._app.focused
        asks = isinstance(front, ModalScreen) and not self._app.is_screen_installed(
            front
        )  # not help
        types = focused is not None and focused.check_consume_key("a", "a")
        if asks or types:
            self._waiting = path
            return False
        self.open_run(path)
        return True

    def screen_closed(self) -> None:
        """A run that waited for a form is shown after it."""
        if self._waiting is not None:
            self._app.call_later(self._show_waiting)

    def _show_waiting(self) -> None:
        path, self._waiting = self._waiting, None
        if path is not None:
            self.show_run(path)

    def open_run(self, path: Path) -> None:
        """Watch this run on the monitor."""
        self._waiting = None
        self.watch(path)
        monitor = self.monitor
        if monitor is None:
            self._app.push_screen(MonitorScreen())
            return
        while self._app.screen is not monitor:
            self._app.pop_screen()
        if monitor.snapshot is not None or self._app.config_path is not None:
            monitor.forget()

    def open_listed(self, run_id: str) -> None:
        """A run chosen among all runs; `back_to_runs` leads back there."""

        def found(path: Path) -> None:
            self._listed = path
            self.show_run(path)

        app = self._app
        ask(app, lambda: app.backend.run_path(run_id), found, lambda text: app.say(text, "bad"))

    def open_config(self, path: Path) -> None:
        """Show what this plasma.toml would start."""
        app = self._app
        app.config_path = path
        app.planner.watch()
        if self.monitor is None:
            while len(app.screen_stack) > 1:
                app.pop_screen()
            app.push_screen(MonitorScreen())
        self.close_run()
        app.planner.read()

    def close_run(self) -> None:
        """From a run back to what the configuration would start."""
        self.watch(None)
        monitor = self.monitor
        if monitor is not None and monitor.is_mounted:
            monitor.forget()

    def back_to_runs(self) -> bool:
        """From a run to the screen that it was opened from; False: from none."""
        app = self._app
        if len(app.screen_stack) > 1 and app.config_path is None:
            app.pop_screen()
            self.close_run()
        elif app.run_path is not None and self._listed == app.run_path:
            app.action_runs()
        else:
            return False
        return True

    def watch(self, path: Path | None) -> None:
        app = self._app
        app.read_again()
        app.run_path, app.snapshot, app.planner.approval = path, None, None
        app.feed.watch(path)
