"""The keys of the screen in front, from the table that also makes the footer."""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar

from textual.app import ComposeResult
from textual.binding import Binding
from textual.geometry import Size
from textual.reactive import Reactive
from textual.screen import ModalScreen

from tui.key import PARTS, Key, keys_of
from tui.kit.framed import wordmark
from tui.kit.paint import EMPTY, Row, Span, cell
from tui.kit.painted import Painted
from tui.text import crop

WIDTH = 72
SYMBOLS = (
    ("◆ ◇", "a checkpoint that is written, one that is still to come"),
    ("✓ ✗ ·", "yes, no, not looked at yet"),
    ("┼ –", "where an attempt began; a checkpoint that cannot come, or was removed"),
    ("▴ ×", "a loss beyond the chart, a loss that is not finite"),
)


class HelpBox(Painted, can_focus=True):
    GROUND = "panel"

    def __init__(self) -> None:
        super().__init__(id="help")
        self._top = 0
        self.keys: Sequence[Key] = ()

    def lines(self, width: int) -> list[Row]:
        rows: list[Row] = [
            EMPTY,
            (
                Span("  "),
                *wordmark(),
                Span("  Training continues if you close this screen.", "dim"),
            ),
        ]
        for part in PARTS:
            keys = [_line(key.shown, key.tooltip, width, "key")
                    for key in self.keys if key.part == part]  # fmt: skip
            if keys:
                rows += [EMPTY, (Span(f"  {part}", "title"),), *keys]
        if any(key.action == "stop" for key in self.keys):
            rows += [EMPTY, (Span("  Signs", "title"),)]
            rows += [_line(sign, text, width, "strong") for sign, text in SYMBOLS]
        return [*rows, EMPTY]

    def draw(self, width: int, height: int) -> Sequence[Row]:
        rows = self.lines(width)
        self._top = max(0, min(self._top, len(rows) - height))
        shown = rows[self._top : self._top + height]
        if self._top + height < len(rows) and shown:
            shown[-1] = (Span("  … down for more", "dim"),)
        return shown

    def scroll_rows(self, by: int) -> None:
        self._top = max(0, self._top + by)
        self.repaint()


def _line(key: str, text: str, width: int, role: str) -> Row:
    return (Span("   "), cell(key, 12, role), Span(crop(text, max(4, width - 17))))


class HelpScreen(ModalScreen[None]):
    """Made once and kept (see `PlasmaApp.SCREENS`): mounting takes longer than a key may."""

    BINDINGS: ClassVar = [
        Binding("escape,question_mark,f1,enter", "close", show=False),
        Binding("down,j", "scroll_box(1)", show=False),
        Binding("up,k", "scroll_box(-1)", show=False),
        Binding("pagedown,space", "scroll_box(10)", show=False),
        Binding("pageup", "scroll_box(-10)", show=False),
    ]
    virtual_size: Reactive[Size] = Reactive(Size(0, 0), layout=False)

    def compose(self) -> ComposeResult:
        box = HelpBox()
        self._fit(box)
        yield box

    def on_mount(self) -> None:
        for box in self.query(HelpBox):  # none any more while the app closes
            box.focus()

    def on_screen_resume(self) -> None:
        """The keys of the screen under this one."""
        box = next(iter(self.query(HelpBox)), None)
        if box is None:  # the app is closing
            return
        below = self.app.screen_stack[-2] if len(self.app.screen_stack) > 1 else self
        box.keys = keys_of(below)
        self._fit(box)
        box.scroll_rows(-1000)

    def on_resize(self) -> None:
        for box in self.query(HelpBox):  # none yet, or none any more while the app closes
            self._fit(box)

    def _fit(self, box: HelpBox) -> None:
        """As large as its lines, as far as the screen is."""
        screen = self.app.size
        width = min(WIDTH, screen.width)
        height = min(len(box.lines(width)), screen.height)
        if box.styles.width is None or (box.styles.width.value, _rows(box)) != (width, height):
            box.styles.width, box.styles.height = width, height

    def action_close(self) -> None:
        self.dismiss(None)

    def action_scroll_box(self, by: int) -> None:
        self.query_one(HelpBox).scroll_rows(by)


def _rows(box: HelpBox) -> float | None:
    return box.styles.height.value if box.styles.height is not None else None
