"""Replay of an ended run at any speed."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import ClassVar

from textual import events
from textual.app import ComposeResult
from textual.message import Message
from textual.reactive import reactive

from runner.history.replay import Playhead, ReplayReader
from runner.model import RunSnapshot
from runner.model.units import duration
from tui.feed import LOOK_S, LOW_BANDWIDTH_LOOK_S, Feed
from tui.key import MOVE, VIEW, Key
from tui.kit import glyphs
from tui.kit.footer import FooterKey, KeyFooter, footer_of
from tui.kit.notice import NoticeLine
from tui.kit.paint import Row, Span, append, cell, fit, row_width
from tui.kit.painted import Painted
from tui.messages import ReadFailed, SnapshotArrived
from tui.panels.header import Header
from tui.panels.loss import CHART_ACTIONS, CHART_KEYS, LOSS_KEYS, OTHER_ZOOM_KEYS
from tui.panels.verdict import verdict_of
from tui.screens.monitor import MonitorScreen
from tui.screens.orders import KEYS as MONITOR_KEYS
from tui.screens.orders import ORDERS
from tui.words.clauses import Verdict

KEYS = (
    Key("space", "play", VIEW, "Play or pause", "play/pause", 92),
    Key("right", "move(0.01)", VIEW, "Forward 1 %; left: back", "1 %", 84, shown="left right"),
    Key("left", "move(-0.01)", VIEW, "Back 1 %"),
    Key("shift+right,pagedown", "move(0.1)", VIEW, "Forward 10 %", "10 %", 60, shown="pgdn"),
    Key("shift+left,pageup", "move(-0.1)", VIEW, "Back 10 %", shown="pgup"),
    Key("0", "place(0.0)", VIEW, "Start, 10 % ... 90 %", shown="0 to 9"),
    Key("home,g", "place(0)", VIEW, "Start", shown="home g"),
    Key("end,G", "place(1)", VIEW, "End", shown="end G"),
    Key("plus,equals_sign", "speed(1)", VIEW, "Faster", "faster", 86),
    Key("minus,underscore", "speed(-1)", VIEW, "Slower", "slower", 82),
    Key("n", "jump(1)", VIEW, "Next checkpoint, alarm or attempt", "next event", 80),
    Key("p", "jump(-1)", VIEW, "Previous checkpoint, alarm or attempt", "previous event", 62),
    Key("l", "console", VIEW, "Trainer's console output at that time", "console", 58),
    Key("z", "zoom", VIEW, "Zoom the focused panel", "zoom", 40),
    Key("escape", "back", VIEW, "Close what is open, then the replay", "back", 78),
    Key("tab", "next_panel", MOVE, "Focus the next panel"),
    Key("shift+tab", "previous_panel", MOVE, "Focus the previous panel"),
    Key("down,j", "scroll(1)", MOVE, "Down one row"),
    Key("up,k", "scroll(-1)", MOVE, "Up one row"),
    *OTHER_ZOOM_KEYS,
    *CHART_KEYS,
    *LOSS_KEYS,
)

# ---------------------------------------------------------------------------
# The bar of a replay: state, time, and a line of time with what happened on it.

#: a shorter time between attempts is not worth a word
LONG_PAUSE_S = 60.0
NO_ORDERS = "This is a replay: nothing is running, so nothing can be started or stopped."
#: cells left of the line of time
LINE_FROM = 8
#: (worth, sign, role): where two would share a cell, the larger worth is drawn
_SIGNS = {
    "checkpoint": (1, glyphs.WRITTEN, "text"),
    "alarm": (2, glyphs.WARN, "warn"),
    "attempt": (3, glyphs.AXIS_RESUME, "strong"),
}
#: in full, in short, role
Part = tuple[str, str, str]


def clock_words(seconds: float) -> str:
    """`1:05:09`, or `5:09` below an hour."""
    minutes, left = divmod(max(0, int(seconds)), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02d}:{left:02d}" if hours else f"{minutes}:{left:02d}"


def _parts(head: Playhead) -> Iterator[Part]:
    """The most important first."""
    place, length = clock_words(head.place_s), clock_words(head.length_s)
    yield f"{place} of {length}", f"{place}/{length}", "strong"
    yield "nothing is running", "nothing is running", "text"
    if head.pause_s is not None:
        yield f"{duration(head.pause_s)} between attempts, skipped", "between attempts", "accent"
    if not head.times_known:
        yield "times unknown: one step a second", "times unknown", "warn"
    elif not head.dated:
        yield "times from the progress bar", "times from its bar", "dim"
    else:
        when = time.localtime(head.at)
        yield time.strftime("%Y-%m-%d %H:%M:%S", when), time.strftime("%H:%M:%S", when), "dim"
    if head.skipped_s >= LONG_PAUSE_S and head.pause_s is None:
        text = f"{duration(head.skipped_s)} between attempts skipped"
        yield text, text, "dim"


def _state_row(head: Playhead, width: int) -> Row:
    state = f"{'playing' if head.playing else 'paused'} {head.speed:g}x"
    state = "the end" if head.at_end else state
    reading = head.read_share < 1
    if reading:
        state = f"reading the recording, {head.read_share * 100:.0f} %"
    row: Row = (Span(" "), Span("REPLAY", "key"), Span(f" {state}", "strong"))
    left = width - row_width(row) - 1
    shown: list[Part] = []
    for part in () if reading else _parts(head):
        if len(part[1]) + 2 <= left:
            shown.append(part)
            left -= len(part[1]) + 2
    for full, short, role in shown:
        longer = len(full) - len(short)
        text = full if longer <= left else short
        left -= len(text) - len(short)
        row = (*row, Span("  "), Span(text, role))
    return fit(row, width)


def _ends(head: Playhead, width: int) -> tuple[Row, Row]:
    """Left and right of the line of time."""
    place = 0.0 if head.read_share < 1 else head.fraction
    attempts = head.attempts > 1 and width >= 60
    tail = f"  attempt {head.attempt} of {head.attempts} " if attempts else " "
    return (cell(f" {place * 100:>3.0f} %", LINE_FROM, "strong"),), (Span(tail, "dim"),)


def _time_row(head: Playhead, width: int) -> Row:
    """Heavy up to the present place, thin after it."""
    label, tail = _ends(head, width)
    room = max(0, width - LINE_FROM - row_width(tail))
    reading = head.read_share < 1 or head.length_s <= 0
    signs: dict[int, tuple[int, str, str]] = {}
    for one in () if reading else head.moments:
        if one.kind in _SIGNS and one.play_s > 0:
            x = min(room - 1, int(one.play_s / head.length_s * room))
            signs[x] = max(signs.get(x, (0, "", "")), _SIGNS[one.kind])
    filled = 0 if head.read_share < 1 else round(max(0.0, min(1.0, head.fraction)) * room)
    spans: list[Span] = []
    for x in range(room):
        past = x < filled
        if x in signs:
            append(spans, signs[x][1], signs[x][2] if past else "dim")
        else:
            append(spans, glyphs.BAR if past else glyphs.BAR_REST, "accent" if past else "faint")
    return (*label, *spans, *tail)


class ReplayBar(Painted):
    GROUND: ClassVar[str] = "panel"

    model: reactive[Playhead] = reactive(Playhead(read_share=0.0), layout=False, repaint=False)

    class Chosen(Message):
        """A click on the line of time."""

        def __init__(self, fraction: float) -> None:
            super().__init__()
            self.fraction = fraction

    def watch_model(self) -> None:
        self.repaint()

    def draw(self, width: int, height: int) -> Sequence[Row]:
        return (_state_row(self.model, width), _time_row(self.model, width))[:height]

    def on_click(self, event: events.Click) -> None:
        width = self.content_size.width
        room = width - LINE_FROM - row_width(_ends(self.model, width)[1])
        if event.y == 1 and room > 0:
            self.post_message(self.Chosen(max(0.0, min(1.0, (event.x - LINE_FROM) / room))))


def of_the_past(verdict: Verdict) -> Verdict:
    """Without what a person could do about it now."""
    kept = (
        replace(one, text=one.then or one.text) for one in verdict.second if one.role != "accent"
    )
    return replace(verdict, second=tuple(kept))


# ---------------------------------------------------------------------------
# The monitor of a recorded run: every panel shows the moment that is played, and nothing can be ordered.

#: the shortest time between two pictures
FASTEST_S = 0.125
#: keys of the monitor that do nothing here
_NOT_HERE = {*ORDERS} - {"console"}


class ReplayScreen(MonitorScreen, inherit_bindings=False):
    BINDINGS: ClassVar = [*KEYS]
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
            self.query_one(ReplayBar).model = self.replay.playhead

    def _header(self, snapshot: RunSnapshot | None) -> Header:
        header = super()._header(snapshot)
        return replace(header, name=f"replay of {header.name}", read_only=False)

    def _verdict(self, snapshot: RunSnapshot | None, now: float) -> Verdict:
        return of_the_past(verdict_of(snapshot, now))

    def _footer(self) -> tuple[FooterKey, ...]:
        return footer_of(self)

    # ----------------------------------------------------------------- keys

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        if action == "back" and len(self.app.screen_stack) < 2:
            open_ = self._drawer or self._zoomed is not None or self._says_something()
            return True if open_ else None
        if action in CHART_ACTIONS:
            return self.chart_applies(action)
        return None if action in _NOT_HERE else True

    def _says_something(self) -> bool:
        return any(notice.text for notice in self.query(NoticeLine))

    def on_key(self, event: events.Key) -> None:
        """Digits are places; a key that would give an order says why it does not."""
        event.prevent_default()  # the monitor has reasons of its own
        if event.key.isdigit() and len(event.key) == 1:
            self.action_place(int(event.key) / 10)
            return
        orders = {key for one in MONITOR_KEYS if one.action in _NOT_HERE
                  for key in one.key.split(",")}  # fmt: skip
        if event.key in orders:
            self.say(NO_ORDERS, "dim", 4.0)

    def action_back(self) -> None:
        self.hush()
        if self._zoomed is not None or self._drawer:
            super().action_back()
        elif len(self.app.screen_stack) > 1:
            self.app.pop_screen()

    def _turn(self, turn: Callable[[ReplayReader], object]) -> None:
        """Turn a knob: the bar shows it at once, the panels once they are read."""
        if self.replay is not None:
            turn(self.replay)
            self._turned()

    def _turned(self) -> None:
        self._show_bar()
        if self._feed is not None:
            self._feed.wake()

    def action_play(self) -> None:
        self._turn(lambda replay: replay.transport.toggle())

    def action_move(self, by: float) -> None:
        self._turn(lambda replay: replay.transport.move(by))

    def action_place(self, fraction: float) -> None:
        self._turn(lambda replay: replay.transport.seek(fraction))

    def action_speed(self, by: int) -> None:
        self._turn(lambda replay: replay.transport.change_speed(by))

    def action_jump(self, by: int) -> None:
        def jump(replay: ReplayReader) -> None:
            if not replay.jump(by):
                self.say(f"No {'later' if by > 0 else 'earlier'} event.", "dim", 2.0)

        self._turn(jump)

    def on_replay_bar_chosen(self, message: ReplayBar.Chosen) -> None:
        self.action_place(message.fraction)
