"""All flags of the trainer's script, with the values of this plasma.toml."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar, cast

from textual import events
from textual.app import ComposeResult
from textual.message import Message
from textual.reactive import reactive

from runner.config.hiding import shown_value
from runner.model.units import count
from tui.asking import ask
from tui.backend.results import FlagSheet
from tui.key import MOVE, VIEW, Key
from tui.kit import glyphs
from tui.kit.footer import KeyFooter, footer_of
from tui.kit.notice import NoticeLine, SpeakingScreen
from tui.kit.paint import Row, Span, cell, ends
from tui.kit.painted import Lines, Painted
from tui.panels.header import wordmark
from tui.text import clean, wrap

if TYPE_CHECKING:
    from runner.config.catalog import Flag
    from runner.config.flags import FlagValue
    from tui.app import PlasmaApp
    from tui.backend.results import FlagSheet

KEYS = (
    Key("escape", "back", VIEW, "Clear the filter, then go back", "back", 80),
    Key("down", "cursor(1)", MOVE, "Next flag"),
    Key("up", "cursor(-1)", MOVE, "Previous flag"),
    Key("pagedown", "page(1)", MOVE, "Down one page"),
    Key("pageup", "page(-1)", MOVE, "Up one page"),
    Key("home", "edge('start')", MOVE, "First flag"),
    Key("end", "edge('end')", MOVE, "Last flag"),
)


# ---------------------------------------------------------------------------
# The trainer's flags as rows, and the filter that typing makes.


@dataclass(frozen=True, slots=True)
class FlagRow:
    """`given`: the value in plasma.toml, empty when it is not set there; `smoke`: in [smoke].
    `kind`: what it takes, in words. `help`: the script's own words."""

    name: str
    given: str
    default: str
    kind: str
    help: str
    smoke: str = ""
    unknown: bool = False


def flag_rows(sheet: FlagSheet, typed: str = "") -> tuple[FlagRow, ...]:
    """Those that plasma.toml sets first, each group by name; `typed` keeps the rows in whose name or
    help every typed word occurs, those with it in their name first."""
    catalog = sheet.report.catalog
    flags = catalog.flags if catalog is not None else ()
    rows = [_row(flag, sheet) for flag in flags]
    known = {name for flag in flags for name in (flag.name, *flag.aliases)}
    unknown = sorted((sheet.given.keys() | sheet.smoke.keys()) - known)
    rows += [_unknown(name, sheet) for name in unknown]
    words = typed.lower().split()
    kept = [row for row in rows if all(word in f"{row.name} {row.help}".lower() for word in words)]
    return tuple(sorted(kept, key=lambda row: _rank(row, words)))


def _rank(row: FlagRow, words: Sequence[str]) -> tuple[bool, bool, str]:
    named = bool(words) and not all(word in row.name for word in words)
    return (named, not (row.given or row.smoke), row.name)


def _row(flag: Flag, sheet: FlagSheet) -> FlagRow:
    names = (flag.name, *flag.aliases)
    return FlagRow(
        clean(flag.name, 80),
        _value(sheet.given, names),
        _default(flag),
        _kind(flag),
        clean(flag.help, 2000) or "The script says nothing about it.",
        _value(sheet.smoke, names),
    )


def _unknown(name: str, sheet: FlagSheet) -> FlagRow:
    told = "Not among the flags of this script."
    if sheet.report.catalog is None:
        told = "What it means is not known yet."
    given, smoke = _value(sheet.given, (name,)), _value(sheet.smoke, (name,))
    return FlagRow(clean(name, 80), given, "", "", told, smoke, sheet.report.catalog is not None)


def _value(values: Mapping[str, FlagValue], names: Sequence[str]) -> str:
    found = next((values[name] for name in names if name in values), None)
    return "" if found is None else shown_value(names[0], _text(found))


def _text(value: object) -> str:
    if isinstance(value, bool):
        return "on" if value else "off"
    if isinstance(value, tuple | list):
        return clean(" ".join(map(str, value)), 200)
    return clean(str(value), 200)


def _default(flag: Flag) -> str:
    if flag.bare:
        return "off"
    return "" if flag.default is None else _text(flag.default)


def _kind(flag: Flag) -> str:
    if flag.bare:
        return "a switch"
    if flag.choices:
        return clean("one of " + ", ".join(map(str, flag.choices)), 400)
    words = {"int": "a whole number", "float": "a number", "str": "text", "Path": "a path"}
    kind = words.get(flag.kind or "", clean(flag.kind or "a value", 40).replace("_", " "))
    return f"several, each {kind}" if flag.many else kind


# ---------------------------------------------------------------------------
# Flags in rows, and under them everything about the one under the cursor.

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


# ---------------------------------------------------------------------------
# All flags of the trainer's script, in its own words. Typing filters; nothing is changed here.


class FlagsScreen(SpeakingScreen):
    BINDINGS: ClassVar = [*KEYS]

    def __init__(self, config_path: Path) -> None:
        super().__init__()
        self._config_path = config_path
        self.sheet: FlagSheet | None = None
        self.typed = ""

    @property
    def plasma(self) -> PlasmaApp:
        return cast("PlasmaApp", self.app)

    def compose(self) -> ComposeResult:
        yield Lines(self._top, id="top")
        yield NoticeLine(id="notice")
        yield FlagList(id="flags")
        yield KeyFooter(id="footer")

    def on_mount(self) -> None:
        flags = self.query_one(FlagList)
        flags.empty = "Not known yet, reading them from the trainer's script."
        flags.focus()
        self.query_one(KeyFooter).model = footer_of(self, typing=True)
        self._read()

    def _read(self, thorough: bool = False) -> None:
        """What is remembered at once; if nothing is, the script is asked, which takes its time."""
        read = partial(self.plasma.backend.flags, self._config_path, thorough)
        ask(self, read, partial(self._take, thorough), self._tell)

    def _take(self, thorough: bool, sheet: FlagSheet) -> None:
        self.sheet = sheet
        if thorough or sheet.report.catalog is not None:
            self._tell(sheet.report.note or "")
        else:
            self._show()
            self._read(thorough=True)

    def _tell(self, note: str) -> None:
        """Nothing more will come; `note`: what went wrong."""
        if note:
            self.say(f"{note[:1].upper()}{note[1:]}", "bad")
        self.query_one(FlagList).empty = "The flags are not known." if note else "No flag matches."
        self._show()

    def _show(self) -> None:
        sheet = self.sheet
        known = sheet is not None and sheet.report.catalog is not None
        self.query_one(FlagList).model = flag_rows(sheet, self.typed) if sheet and known else ()
        self.query_one("#top", Lines).repaint()

    def _top(self, width: int, height: int) -> Sequence[Row]:
        script = clean(self.sheet.script, 60) if self.sheet is not None else "the trainer"
        left: Row = (Span(" "), *wordmark(), Span("  "), Span(f"flags of {script}", "strong"))
        if self.typed:
            left = (*left, Span("  filter ", "dim"), Span(self.typed + "_", "accent"))
        else:
            left = (*left, Span("  type to filter", "dim"))
        rows = self.query_one(FlagList).model
        given = sum(bool(row.given) for row in rows)
        right: Row = (Span(f"{count(len(rows), 'flag')}, {given} set ", "dim"),) if rows else ()
        return (ends(left, right, width), (Span(glyphs.RULE * width, "faint"),))

    # ----------------------------------------------------------------- keys

    def on_flag_list_typed(self, message: FlagList.Typed) -> None:
        self.typed = self.typed[:-1] if message.erase else (self.typed + message.character)[:80]
        self._show()

    def action_back(self) -> None:
        self.hush()
        if self.typed:
            self.typed = ""
            self._show()
        else:
            self.app.pop_screen()

    def action_cursor(self, by: int) -> None:
        self.query_one(FlagList).move(by)

    def action_page(self, pages: int) -> None:
        flags = self.query_one(FlagList)
        flags.move(pages * flags.page())

    def action_edge(self, which: str) -> None:
        flags = self.query_one(FlagList)
        flags.move(-len(flags.model) if which == "start" else len(flags.model))
