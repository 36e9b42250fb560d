"""Help: the keys of the screen in front. What does nothing now is dim, with its reason."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import zip_longest
from typing import TYPE_CHECKING, Any, ClassVar

from textual.app import ComposeResult
from textual.binding import Binding
from textual.geometry import Size
from textual.reactive import Reactive
from textual.screen import ModalScreen

from tui.key import PARTS, Key, applies, keys_of
from tui.kit.framed import wordmark
from tui.kit.paint import EMPTY, Row, Span, cell, pad
from tui.kit.painted import Painted
from tui.text import crop

if TYPE_CHECKING:
    from textual.screen import Screen

WIDTH = 76
#: from this width on in two columns
WIDE = 116
KEY_WIDTH = 12
SYMBOLS = (
    ("◆ ◇", "checkpoint on disk, checkpoint to come"),
    ("★", "best checkpoint so far"),
    ("✓ ✗ ·", "yes, no, not checked yet"),
    ("┼ –", "start of an attempt; checkpoint removed or skipped"),
    ("▴ ×", "loss above the chart, loss that is not finite"),
)


class HelpBox(Painted, can_focus=True):
    GROUND = "panel"

    def __init__(self) -> None:
        super().__init__(id="help")
        self._top = 0
        #: width and height
        self.fitted = (0, 0)
        #: with the reason why it does nothing now; empty: it does something, or there is no reason to give
        self.keys: Sequence[tuple[Key, bool, str]] = ()

    def read(self, screen: Screen[Any]) -> None:
        """Show the keys of this screen from the first one on."""
        why_not = getattr(screen, "why_not", lambda action: None)
        found = ((key, applies(screen, key)) for key in keys_of(screen))
        self.keys = [(key, now, "" if now else why_not(key.action) or "") for key, now in found]
        self._top = 0
        self.repaint()

    def lines(self, width: int) -> list[Row]:
        head: Row = (Span("  "), *wordmark(), Span("  Training continues if you quit.", "dim"))
        if width < WIDE:
            return [head, *self._parts(width)]
        rows = self._parts(width // 2)
        breaks = [at for at, row in enumerate(rows) if row == EMPTY]
        middle = min(breaks, key=lambda at: abs(2 * at - len(rows)), default=0)
        return [head, *_side_by_side(rows[:middle], rows[middle:], width // 2)]

    def _parts(self, width: int) -> list[Row]:
        rows: list[Row] = []
        for part in PARTS:
            keys = [one for one in self.keys if one[0].part == part]
            # what does nothing comes last
            found = [_line(*one, width) for one in sorted(keys, key=lambda one: not one[1])]
            if found:
                rows += [EMPTY, (Span(f"  {part}", "title"),), *found]
        if any(key.action == "stop" for key, _, _ in self.keys):
            rows += [EMPTY, (Span("  Symbols", "title"),)]
            rows += [_pair(sign, text, width, "strong") for sign, text in SYMBOLS]
        return rows

    def draw(self, width: int, height: int) -> Sequence[Row]:
        rows = self.lines(width)
        self._top = max(0, min(self._top, len(rows) - height))
        shown = rows[self._top : self._top + height]
        below = len(rows) - self._top - height + 1
        if below > 1 and shown:
            shown[-1] = (Span(f"   … {below} more lines: down, pgdn", "dim"),)
        return shown

    def scroll_rows(self, by: int) -> None:
        self._top = max(0, self._top + by)
        self.repaint()


def _line(key: Key, now: bool, reason: str, width: int) -> Row:
    if now:
        return _pair(key.shown, key.tooltip, width, "key")
    shown = f"{key.shown} {key.label}" if reason else key.shown
    text = crop(reason or key.tooltip, max(4, width - 6 - len(shown)))
    return (Span(f"   {shown}".ljust(KEY_WIDTH + 3), "dim"), Span(f" {text}", "dim"))


def _pair(left: str, text: str, width: int, role: str) -> Row:
    room = max(4, width - KEY_WIDTH - 5)
    return (Span("   "), cell(left, KEY_WIDTH, role), Span(f" {crop(text, room)}"))


def _side_by_side(left: Sequence[Row], right: Sequence[Row], width: int) -> list[Row]:
    pairs = zip_longest(left, right, fillvalue=EMPTY)
    return [(*pad(one, width), *other) for one, other in pairs]


class HelpScreen(ModalScreen[None]):
    """Made once and kept (see `PlasmaApp.SCREENS`): mounting takes longer than a key may."""

    BINDINGS: ClassVar = [
        Binding("escape,question_mark,f1,enter", "close", show=False),
        Binding("down,j", "scroll_box(1)", show=False),
        Binding("up,k", "scroll_box(-1)", show=False),
        Binding("pagedown,space", "scroll_box(10)", show=False),
        Binding("pageup", "scroll_box(-10)", show=False),
        Binding("home,g", "scroll_box(-1000)", show=False),
        Binding("end,G", "scroll_box(1000)", show=False),
    ]
    virtual_size: Reactive[Size] = Reactive(Size(0, 0), layout=False)

    def compose(self) -> ComposeResult:
        box = HelpBox()
        self._fit(box)
        yield box

    def on_mount(self) -> None:
        for box in self.query(HelpBox):  # none while the app closes
            box.focus()

    def on_screen_resume(self) -> None:
        """Read the screen under this one."""
        stack = self.app.screen_stack
        for box in self.query(HelpBox):
            box.read(stack[-2] if len(stack) > 1 else self)
            self._fit(box)

    def on_resize(self) -> None:
        for box in self.query(HelpBox):  # none before it is composed, and while the app closes
            self._fit(box)

    def _fit(self, box: HelpBox) -> None:
        """As large as its lines, as far as the screen is."""
        screen = self.app.size
        width = WIDE if screen.width >= WIDE else min(WIDTH, screen.width)
        height = min(len(box.lines(width)), screen.height)
        if box.fitted != (width, height):
            box.fitted = box.styles.width, box.styles.height = width, height

    def action_close(self) -> None:
        self.dismiss(None)

    def action_scroll_box(self, by: int) -> None:
        self.query_one(HelpBox).scroll_rows(by)
