"""Flags in rows, and under them everything about the one under the cursor."""

from __future__ import annotations

from collections.abc import Sequence

from textual import events
from textual.message import Message
from textual.reactive import reactive

from tui.render import glyphs
from tui.render.paint import Row, Span, cell
from tui.text import wrap
from tui.viewmodel.flags import FlagRow
from tui.widgets.painted import Painted

#: rows of the help under the list; more of it where the terminal is high
HELP_ROWS, HELP_SHARE = 7, 0.4


class FlagList(Painted, can_focus=True):
    """Printable keys are a filter (posted as `Typed`)."""

    model: reactive[tuple[FlagRow, ...]] = reactive((), layout=False, repaint=False)
    empty: reactive[str] = reactive("", layout=False, repaint=False)

    class Typed(Message):
        """A character for the filter; `erase` takes one back."""

        def __init__(self, character: str, erase: bool = False) -> None:
            super().__init__()
            self.character, self.erase = character, erase

    def __init__(self, *, id: str | None = None) -> None:
        super().__init__(id=id)
        self._at = 0
        self._top = 0

    def watch_model(self) -> None:
        self._at = 0
        self.repaint()

    def watch_empty(self) -> None:
        self.repaint()

    def move(self, by: int) -> None:
        if self.model:
            self._at = max(0, min(len(self.model) - 1, self._at + by))
            self.repaint()

    def page(self) -> int:
        return max(1, self._list_height(self.content_size.height) - 2)

    def _list_height(self, height: int) -> int:
        return max(2, height - max(HELP_ROWS, int(height * HELP_SHARE)))

    # ----------------------------------------------------------------- drawing

    def draw(self, width: int, height: int) -> Sequence[Row]:
        if not self.model:
            return [(Span(f"   {line}", "dim"),) for line in wrap(self.empty, max(10, width - 6))]
        body = self._list_height(height) - 1
        self._top = max(0, min(self._top, self._at, len(self.model) - body))
        self._top = max(self._top, self._at - body + 1)
        name = min(38, max(20, width * 2 // 5))
        value = max(10, (width - 3 - name) // 2)
        rows: list[Row] = [
            (Span("   "), cell("flag", name, "dim"), cell("in plasma.toml", value, "dim"),
             Span("default", "dim"))
        ]  # fmt: skip
        for index, row in enumerate(self.model[self._top : self._top + body], self._top):
            rows.append(self._line(row, index == self._at, name, value, width))
        rows += [()] * (body + 1 - len(rows))
        return [*rows, *self._help(self.model[self._at], width, height - len(rows))]

    def _line(self, row: FlagRow, selected: bool, name: int, value: int, width: int) -> Row:
        """A flag that is set has a mark as well as a value."""
        given = row.given or (f"{row.smoke} in [smoke]" if row.smoke else "")
        mark = glyphs.NO if row.unknown else glyphs.WRITTEN if given else " "
        role = "bad" if row.unknown else "strong" if given else "text"
        return (
            Span(glyphs.CURSOR if selected else " ", "accent"),
            Span(f"{mark} ", "bad" if row.unknown else "accent"),
            cell(row.name, name - 1, role),
            Span(" "),
            cell(given, value - 1, role),
            Span(" "),
            cell(row.default, max(0, width - 3 - name - value), "dim"),
        )

    def _help(self, row: FlagRow, width: int, height: int) -> list[Row]:
        used = len(row.name) + 3
        rows: list[Row] = [
            (Span(glyphs.RULE, "faint"), Span(f" {row.name} ", "title"),
             Span(glyphs.RULE * max(0, width - used), "faint"))
        ]  # fmt: skip
        facts = [row.kind]
        if row.given:
            facts.append(f"plasma.toml says {row.given}")
        if row.smoke:
            facts.append(f"[smoke] says {row.smoke}")
        if row.default:
            facts.append(f"otherwise {row.default}")
        lines = wrap("; ".join(filter(None, facts)), width - 2)[:2]
        rows += [(Span(" "), Span(line, "accent")) for line in lines]
        rows += [(Span(" "), Span(line)) for line in wrap(row.help, width - 2)]
        if len(rows) > height > 0:
            rows = [*rows[: height - 1], (Span(" …", "dim"),)]
        return rows

    # ----------------------------------------------------------------- keys

    def on_key(self, event: events.Key) -> None:
        if event.key == "backspace":
            self.post_message(self.Typed("", erase=True))
        elif event.is_printable and event.character:
            self.post_message(self.Typed(event.character))
        else:
            return
        event.stop()
        event.prevent_default()

    def on_click(self, event: events.Click) -> None:
        self.move(self._top + event.y - 1 - self._at)

    def on_mouse_scroll_down(self) -> None:
        self.move(3)

    def on_mouse_scroll_up(self) -> None:
        self.move(-3)
