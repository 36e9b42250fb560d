"""A recorded run on the monitor: every panel shows the moment that is played. Nothing is running, so there
is nothing to order."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import ClassVar

from textual import events
from textual.app import ComposeResult

from runner.history.replay import ReplayReader
from runner.model import RunSnapshot
from tui.feed import LOOK_S, LOW_BANDWIDTH_LOOK_S, Feed
from tui.keys import bindings, footer_keys, keys_of
from tui.messages import ReadFailed, SnapshotArrived
from tui.render.footer import FooterKey
from tui.screens.monitor import MonitorScreen
from tui.screens.orders import ORDERS
from tui.viewmodel.clauses import Verdict
from tui.viewmodel.header import Header
from tui.viewmodel.replay import NO_ORDERS, of_the_past, replay_bar, speed_words
from tui.viewmodel.verdict import verdict_of
from tui.widgets.footer import KeyFooter
from tui.widgets.notice import NoticeLine
from tui.widgets.replay_bar import ReplayBar

#: pictures a second at most: a replay at high speed is a film
FASTEST_S = 0.125
#: keys of the monitor that do nothing here, nor may
_NOT_HERE = {*ORDERS} - {"console"}


class ReplayScreen(MonitorScreen, inherit_bindings=False):
    WHERE = "replay"
    BINDINGS: ClassVar = bindings("replay")
    FED: ClassVar[bool] = False

    def __init__(self, run_path: Path, speed: float | None = None) -> None:
        super().__init__()
        self.run_path = run_path
        self._speed = speed
        self.replay: ReplayReader | None = None
        self._feed: Feed | None = None

    def compose(self) -> ComposeResult:
        for widget in super().compose():
            if isinstance(widget, KeyFooter):
                yield ReplayBar(id="replay")
            yield widget

    def on_mount(self) -> None:
        slow = self.plasma.low_bandwidth
        look_s, fastest_s = (LOW_BANDWIDTH_LOOK_S, 1.0) if slow else (LOOK_S, FASTEST_S)
        self._feed = Feed(self.post_message, self._opened, look_s=look_s, fastest_s=fastest_s)
        self._feed.start()
        self._feed.watch(self.run_path)

    def on_unmount(self) -> None:
        if self._feed is not None:
            self._feed.stop()

    def _opened(self, path: Path) -> ReplayReader:
        """Called in the thread that reads."""
        self.replay = self.plasma.backend.open_replay(path, self._speed)
        return self.replay

    # ----------------------------------------------------------------- what is shown

    @property
    def planned(self) -> bool:
        return False

    def clock(self) -> float:
        """The recorded one."""
        return self.snapshot.read_at if self.snapshot is not None else 0.0

    def on_snapshot_arrived(self, message: SnapshotArrived) -> None:
        message.stop()
        snapshot = self._feed.take() if self._feed is not None else None
        if snapshot is not None and snapshot.read_fraction >= 1:
            self.show(snapshot)
        self._show_bar()

    def on_read_failed(self, message: ReadFailed) -> None:
        message.stop()
        self.say(f"The recording cannot be read: {message.problem}", "bad")

    def _show_bar(self) -> None:
        if self.replay is not None and self._is_whole():
            self.query_one(ReplayBar).model = replay_bar(self.replay.playhead)

    def _header(self, snapshot: RunSnapshot | None) -> Header:
        header = super()._header(snapshot)
        return replace(header, name=f"replay of {header.name}", read_only=False)

    def _verdict(self, snapshot: RunSnapshot | None, now: float) -> Verdict:
        return of_the_past(verdict_of(snapshot, now))

    def _footer(self) -> tuple[FooterKey, ...]:
        keys = [key for key in footer_keys("replay", "app") if self.check_action(key.action, ())]
        return tuple(FooterKey(key.display, key.label, key.action, key.worth) for key in keys)

    # ----------------------------------------------------------------- keys

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        if action == "back" and len(self.app.screen_stack) < 2:
            open_ = self._drawer or self._zoomed is not None or self._says_something()
            return True if open_ else None
        return None if action in _NOT_HERE else True

    def _says_something(self) -> bool:
        return any(notice.text for notice in self.query(NoticeLine))

    def on_key(self, event: events.Key) -> None:
        """Digits are places; a key that would give an order says why it does not."""
        event.prevent_default()  # the monitor has reasons of its own
        if event.key.isdigit() and len(event.key) == 1:
            self.action_place(int(event.key) / 10)
            return
        orders = {key for one in keys_of("monitor") if one.action in _NOT_HERE
                  for key in one.key.split(",")}  # fmt: skip
        if event.key in orders:
            self.say(NO_ORDERS, "dim", 4.0)

    def action_back(self) -> None:
        self.hush()
        if self._zoomed is not None or self._drawer:
            super().action_back()
        elif len(self.app.screen_stack) > 1:
            self.app.pop_screen()

    def action_play(self) -> None:
        if self.replay is not None:
            self.replay.transport.toggle()
            self._turned()

    def action_move(self, by: float) -> None:
        if self.replay is not None:
            self.replay.transport.move(by)
            self._turned()

    def action_place(self, fraction: float) -> None:
        if self.replay is not None:
            self.replay.transport.seek(fraction)
            self._turned()

    def action_speed(self, by: int) -> None:
        if self.replay is not None:
            self.replay.transport.change_speed(by)
            self.say(f"Speed {speed_words(self.replay.transport.speed)}.", "dim", 2.0)
            self._turned()

    def action_jump(self, by: int) -> None:
        if self.replay is None:
            return
        kind = self.replay.jump(by)
        if not kind:
            self.say("Nothing of note lies there.", "dim", 2.0)
        self._turned()

    def on_replay_bar_chosen(self, message: ReplayBar.Chosen) -> None:
        self.action_place(message.fraction)

    def _turned(self) -> None:
        """A knob was turned: the bar at once, the panels as soon as they are read."""
        self._show_bar()
        if self._feed is not None:
            self._feed.wake()
