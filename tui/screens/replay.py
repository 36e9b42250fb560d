"""An ended run, played again at any speed."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
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
from tui.kit.paint import Row, Span, append, fit, row_width
from tui.kit.painted import Painted
from tui.messages import ReadFailed, SnapshotArrived
from tui.panels.header import GAP, Field, Header
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
# What the bar of a replay says: where it stands, how fast it goes, and that nothing is running. Pure.

#: a shorter time between attempts is not worth a word
LONG_PAUSE_S = 60.0
#: a replay stands for the past: clauses that name a key to press now are left out
_NOW = "accent"
#: said for a key that would give an order
NO_ORDERS = "This is a replay: nothing is running, so nothing can be started or stopped."


@dataclass(frozen=True, slots=True)
class BarMark:
    """Something on the line of time. `kind`: attempt, checkpoint or alarm."""

    fraction: float
    kind: str


@dataclass(frozen=True, slots=True)
class ReplayBarModel:
    """`fields` in the order of their worth; `fraction`: of the time of the recording; `tail` stands at the
    end of the line of time."""

    state: str
    fields: tuple[Field, ...]
    fraction: float
    marks: tuple[BarMark, ...] = ()
    tail: str = ""


READING = ReplayBarModel("reading the recording", (), 0.0)


def speed_words(speed: float) -> str:
    return f"{speed:g}x"


def clock_words(seconds: float) -> str:
    """`1:05:09`, or `5:09` below an hour."""
    whole = max(0, int(seconds))
    hours, rest = divmod(whole, 3600)
    minutes, left = divmod(rest, 60)
    return f"{hours}:{minutes:02d}:{left:02d}" if hours else f"{minutes}:{left:02d}"


def replay_bar(head: Playhead) -> ReplayBarModel:
    if head.read_share < 1.0:
        return ReplayBarModel(f"reading the recording, {head.read_share * 100:.0f} %", (), 0.0)
    place, length = clock_words(head.place_s), clock_words(head.length_s)
    fields = [Field(f"{place} of {length}", f"{place}/{length}", "strong")]
    fields.append(Field("nothing is running", "nothing is running", "text"))
    if head.pause_s is not None:
        text = f"{duration(head.pause_s)} between attempts, skipped"
        fields.append(Field(text, "between attempts", "accent"))
    if head.times_known and not head.dated:
        fields.append(Field("times by the trainer's bar", "times by its bar"))
    elif head.times_known:
        when = time.localtime(head.at)
        fields.append(
            Field(time.strftime("%Y-%m-%d %H:%M:%S", when), time.strftime("%H:%M:%S", when))
        )
    else:
        fields.append(Field("times not known: a step a second", "times not known", "warn"))
    if head.skipped_s >= LONG_PAUSE_S and head.pause_s is None:
        text = f"without {duration(head.skipped_s)} between attempts"
        fields.append(Field(text, text))
    tail = f"attempt {head.attempt} of {head.attempts}" if head.attempts > 1 else ""
    return ReplayBarModel(_state(head), tuple(fields), head.fraction, _marks(head), tail)


def _state(head: Playhead) -> str:
    what = "the end" if head.at_end else ("playing" if head.playing else "paused")
    return what if head.at_end else f"{what} {speed_words(head.speed)}"


def _marks(head: Playhead) -> tuple[BarMark, ...]:
    if head.length_s <= 0:
        return ()
    return tuple(
        BarMark(one.play_s / head.length_s, one.kind)
        for one in head.moments
        if one.kind != "end" and one.play_s > 0
    )


def of_the_past(verdict: Verdict) -> Verdict:
    """The same without what a person could do about it now."""
    kept = (replace(one, text=one.then or one.text) for one in verdict.second if one.role != _NOW)
    return replace(verdict, second=tuple(kept))


# ---------------------------------------------------------------------------
# The bar of a replay: what it is and where it stands, and a line of time with what happened on it.

#: (worth, sign, role): where two would share a cell, the larger worth is drawn
_SIGNS = {
    "checkpoint": (1, glyphs.WRITTEN, "text"),
    "alarm": (2, glyphs.WARN, "warn"),
    "attempt": (3, glyphs.AXIS_RESUME, "strong"),
}


def replay_rows(model: ReplayBarModel, width: int, height: int) -> list[Row]:
    return [_words(model, width), _line(model, width)][:height]


def _words(model: ReplayBarModel, width: int) -> Row:
    head: Row = (Span(" "), Span("REPLAY", "key"), Span(f" {model.state}", "strong"))
    room = width - row_width(head) - 1
    kept: list[Span] = []
    left = room
    shown = []
    for field in model.fields:
        if len(GAP) + len(field.short) <= left:
            shown.append(field)
            left -= len(GAP) + len(field.short)
    for field in shown:
        more = len(field.text) - len(field.short)
        text = field.text if more <= left else field.short
        left -= max(0, more) if text is field.text else 0
        kept += [Span(GAP), Span(text, field.role)]
    return fit((*head, *kept), width)


def _line(model: ReplayBarModel, width: int) -> Row:
    """Heavy up to the present place, thin after it."""
    label: Row = (Span(f" {model.fraction * 100:>3.0f} %  ", "strong"),)
    tail: Row = (Span(f"  {model.tail} ", "dim"),) if model.tail and width >= 60 else (Span(" "),)
    room = max(0, width - row_width(label) - row_width(tail))
    signs: dict[int, tuple[int, str, str]] = {}
    for mark in model.marks:
        x = min(room - 1, int(mark.fraction * room))
        sign = _SIGNS.get(mark.kind)
        if sign is not None and sign[0] > signs.get(x, (0, "", ""))[0]:
            signs[x] = sign
    filled = round(max(0.0, min(1.0, model.fraction)) * room)
    spans: list[Span] = []
    for x in range(room):
        past = x < filled
        sign = signs.get(x)
        if sign is not None:
            append(spans, sign[1], sign[2] if past else "dim")
        else:
            append(spans, glyphs.BAR if past else glyphs.BAR_REST, "accent" if past else "faint")
    return (*label, *spans, *tail)


# ---------------------------------------------------------------------------
# The bar under a replay.

#: cells left of the line of time
LINE_FROM = 8


class ReplayBar(Painted):
    GROUND: ClassVar[str] = "panel"

    model: reactive[ReplayBarModel] = reactive(READING, layout=False, repaint=False)

    class Chosen(Message):
        """A click on the line of time."""

        def __init__(self, fraction: float) -> None:
            super().__init__()
            self.fraction = fraction

    def watch_model(self) -> None:
        self.repaint()

    def draw(self, width: int, height: int) -> Sequence[Row]:
        return replay_rows(self.model, width, height)

    def on_click(self, event: events.Click) -> None:
        room = self.content_size.width - LINE_FROM - 1
        if self.model.tail:
            room -= len(self.model.tail) + 2
        if event.y == 1 and room > 0:
            self.post_message(self.Chosen(max(0.0, min(1.0, (event.x - LINE_FROM) / room))))


# ---------------------------------------------------------------------------
# A recorded run on the monitor: every panel shows the moment that is played. Nothing is running, so there
# is nothing to order.

#: pictures a second at most: a replay at high speed is a film
FASTEST_S = 0.125
#: keys of the monitor that do nothing here, nor may
_NOT_HERE = {*ORDERS} - {"console"}


class ReplayScreen(MonitorScreen, inherit_bindings=False):
    WHERE = "replay"
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
            self.query_one(ReplayBar).model = replay_bar(self.replay.playhead)

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
