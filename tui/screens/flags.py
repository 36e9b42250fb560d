"""All flags of the trainer's script, with the values of this plasma.toml; they are edited here."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import ClassVar

from textual import events, on
from textual.app import ComposeResult
from textual.reactive import reactive
from textual.widget import Widget

from runner.config.catalog import Flag
from runner.config.hiding import is_secret, shown_value
from runner.model.units import count
from tui.asking import ask
from tui.backend.results import FlagAnswer, FlagSheet
from tui.key import MOVE, RUN, VIEW, Key
from tui.kit import glyphs
from tui.kit.fields import Choices, Field, Words
from tui.kit.filter_line import TYPING_FOOTER, FilterLine
from tui.kit.footer import KeyFooter, footer_of
from tui.kit.framed import FramedScreen
from tui.kit.paint import EMPTY, Row, Span, cell, first_shown
from tui.kit.painted import Painted
from tui.screens.questions import Dialog
from tui.text import capital, clean, crop, wrap

KEYS = (
    Key("enter", "edit('train')", RUN, "Set the flag in plasma.toml", "edit", 90),
    Key("t", "edit('smoke')", RUN, "Set the flag for smoke tests only", "smoke only", 70),
    Key("x,delete", "remove", RUN, "Remove the flag from plasma.toml", "remove", 85),
    Key("u", "undo", RUN, "Undo the last edit", "undo", 60),
    Key("slash", "filter", VIEW, "Filter by words of name and description", "filter", 88),
    Key("escape", "back", VIEW, "Clear the filter, then go back", "back", 80),
    Key("down,j", "cursor(1)", MOVE, "Next flag"),
    Key("up,k", "cursor(-1)", MOVE, "Previous flag"),
    Key("pagedown,space", "page(1)", MOVE, "Down one page"),
    Key("pageup", "page(-1)", MOVE, "Up one page"),
    Key("home,g", "cursor(-10000)", MOVE, "First flag"),
    Key("end,G", "cursor(10000)", MOVE, "Last flag"),
)
EDITS = ("edit", "remove", "undo")

# ----------------------------------------------------------------- rows


@dataclass(frozen=True, slots=True)
class FlagRow:
    """`given`: the value in [train], empty if not set there; `smoke`: in [smoke]. `takes`: its type or
    choices; `help`: the script's own description."""

    flag: Flag
    name: str
    given: str
    default: str
    takes: str
    help: str
    smoke: str = ""
    unknown: bool = False


def flag_rows(sheet: FlagSheet, typed: str = "") -> tuple[FlagRow, ...]:
    """Flags that plasma.toml sets first, each group by name. `typed` keeps rows with every one of its words
    in name or description, matches in the name first."""
    catalog = sheet.report.catalog
    flags = catalog.flags if catalog is not None else ()
    rows = [_row(flag, sheet) for flag in flags]
    known = {name for flag in flags for name in (flag.name, *flag.aliases)}
    text = "Not a flag of this script; x removes it." if catalog else "No description available."
    for name in sorted((sheet.given.keys() | sheet.smoke.keys()) - known):
        rows.append(_row(Flag(name, None, help=text), sheet, unknown=catalog is not None))
    words = typed.lower().split()

    def rank(row: FlagRow) -> tuple[bool, bool, str]:
        named = bool(words) and not all(word in row.name for word in words)
        return (named, not (row.given or row.smoke), row.name)

    kept = [row for row in rows if all(word in f"{row.name} {row.help}".lower() for word in words)]
    return tuple(sorted(kept, key=rank))


def _row(flag: Flag, sheet: FlagSheet, *, unknown: bool = False) -> FlagRow:
    default = "" if flag.default is None or flag.bare else str(flag.default)
    if isinstance(flag.default, list | tuple):
        default = " ".join(map(str, flag.default))
    return FlagRow(
        flag,
        clean(flag.name, 80),
        _value(sheet.given, flag),
        "false" if flag.bare else clean(default, 200),
        "" if unknown else clean(flag.takes, 400),
        clean(flag.english or flag.help, 2000) or "No description available.",
        _value(sheet.smoke, flag),
        unknown,
    )


def _value(values: Mapping[str, str], flag: Flag) -> str:
    found = next((values[name] for name in (flag.name, *flag.aliases) if name in values), "")
    return clean(shown_value(flag.name, found), 200) if found else ""


# ----------------------------------------------------------------- the list

#: rows of the description under the list; more of it where the terminal is high
HELP_ROWS, HELP_SHARE = 7, 0.4


class FlagList(Painted, can_focus=True):
    """Flags in rows, and below them details of the one under the cursor."""

    model: reactive[tuple[FlagRow, ...]] = reactive((), layout=False, repaint=False)
    empty: reactive[str] = reactive("", layout=False, repaint=False)

    def __init__(self, *, id: str | None = None) -> None:
        super().__init__(id=id)
        self._at = self._top = 0

    @property
    def selected(self) -> FlagRow | None:
        return self.model[self._at] if self.model else None

    def watch_model(self, old: tuple[FlagRow, ...]) -> None:
        """The cursor stays on its flag."""
        chosen = old[self._at].name if self._at < len(old) else ""
        names = [row.name for row in self.model]
        self._at = names.index(chosen) if chosen in names else 0
        self.repaint()

    def watch_empty(self) -> None:
        self.repaint()

    def move(self, by: int) -> None:
        self._at = max(0, min(len(self.model) - 1, self._at + by))
        self.repaint()

    def page(self) -> int:
        return max(1, self._list_height(self.content_size.height) - 2)

    def _list_height(self, height: int) -> int:
        return max(2, height - max(HELP_ROWS, int(height * HELP_SHARE)))

    def draw(self, width: int, height: int) -> Sequence[Row]:
        if not self.model:
            return [(Span(f"   {line}", "dim"),) for line in wrap(self.empty, max(10, width - 6))]
        body = self._list_height(height) - 1
        self._top = first_shown(self._top, self._at, body, len(self.model))
        name = min(38, max(20, width * 2 // 5))
        value = max(10, (width - 3 - name) // 2)
        rows: list[Row] = [
            (Span("   "), cell("flag", name, "dim"), cell("in plasma.toml", value, "dim"),
             Span("default", "dim"))
        ]  # fmt: skip
        for index, row in enumerate(self.model[self._top : self._top + body], self._top):
            rows.append(self._line(row, index == self._at, name, value, width))
        rows += [EMPTY] * (body + 1 - len(rows))
        return [*rows, *self._about(self.model[self._at], width, height - len(rows))]

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

    def _about(self, row: FlagRow, width: int, height: int) -> list[Row]:
        rest = glyphs.RULE * max(0, width - len(row.name) - 3)
        rows: list[Row] = [
            (Span(glyphs.RULE, "faint"), Span(f" {row.name} ", "title"), Span(rest, "faint"))
        ]
        rows += [(Span(" "), Span(line, "accent")) for line in wrap(facts_of(row), width - 2)[:2]]
        rows += [(Span(" "), Span(line)) for line in wrap(row.help, width - 2)]
        return rows if len(rows) <= height else [*rows[: height - 1], (Span(" …", "dim"),)]

    def on_click(self, event: events.Click) -> None:
        if event.y < self._list_height(self.content_size.height):
            self.move(self._top + event.y - 1 - self._at)

    def on_mouse_scroll_down(self) -> None:
        self.move(3)

    def on_mouse_scroll_up(self) -> None:
        self.move(-3)


def facts_of(row: FlagRow) -> str:
    """Type and choices, where it is set, and the default."""
    found = (
        (row.takes, "takes {}"),
        (row.given, "[train] sets {}"),
        (row.smoke, "[smoke] sets {}"),
        (row.default, "default {}"),
    )
    return ", ".join(words.format(text) for text, words in found if text)


# ----------------------------------------------------------------- one flag

FACTS_MOST = 240


class FlagForm(Dialog[FlagAnswer]):
    """Dismisses after the flag was written."""

    HINT: ClassVar[str] = "Enter save   Esc cancel"

    def __init__(self, config_path: Path, sheet: FlagSheet, row: FlagRow, section: str) -> None:
        super().__init__()
        self.HEAD = f"{row.name} in [{section}]"  # type: ignore[misc]
        self._config_path, self._sheet, self._row, self._section = config_path, sheet, row, section
        values = sheet.given if section == "train" else sheet.smoke
        flag = row.flag
        now = next((values[name] for name in (flag.name, *flag.aliases) if name in values), "")
        self._values = ("true", "false") if flag.bare else tuple(map(str, flag.choices or ()))
        if flag.many:
            self._values = ()
        self._box: Choices | Field
        if self._values:
            self._box = Choices(self._values, id="value")
            shown = now or row.default
            self._box.highlighted = self._values.index(shown) if shown in self._values else 0
        else:
            secret = is_secret(flag.name)
            self._box = Field("value", "" if secret else now, secret=secret, id="value",
                              placeholder=row.default and f"default {row.default}")  # fmt: skip

    def fields(self) -> list[Widget]:
        return [Words(crop(facts_of(self._row), FACTS_MOST), "dim"), self._box]

    def after(self) -> list[Widget]:
        """Long ones scroll; what is typed and the answer stay in sight."""
        return [Words(self._row.help)]

    def action_next(self) -> None:
        self.action_do()

    @on(Choices.OptionSelected)
    def choose(self) -> None:
        self.action_do()

    def do(self) -> None:
        box = self._box
        typed = box.value if isinstance(box, Field) else self._values[box.highlighted or 0]
        if not typed:
            self.refuse("Type a value, or press Esc and then x to remove the flag.")
            return
        self.working = True
        backend = self.plasma.backend
        flag, section = self._row.flag, self._section
        write = partial(backend.set_flag, self._config_path, self._sheet, section, flag, typed)
        ask(self, write, self._answered, self.refuse)

    def _answered(self, answer: FlagAnswer) -> None:
        """After a refusal the next try is about the file as it is now."""
        self._sheet = answer.sheet
        if answer.problem:
            self.refuse(f"Not written: {answer.problem}.")
        else:
            self.dismiss(answer)


# ----------------------------------------------------------------- the screen


class FlagsScreen(FramedScreen):
    """`locked`: why nothing can be edited, one sentence."""

    BINDINGS: ClassVar = [*KEYS]

    def __init__(self, config_path: Path, locked: str = "") -> None:
        super().__init__()
        self._config_path, self._locked = config_path, locked
        self._typed, self._writing = "", False
        #: what each edit made, and what it replaced
        self._edits: list[tuple[bytes, bytes]] = []
        self.sheet: FlagSheet | None = None

    def body(self) -> ComposeResult:
        yield FilterLine("#flags", "words of name or description")
        yield FlagList(id="flags")

    def on_mount(self) -> None:
        flags = self.query_one(FlagList)
        flags.empty = "Reading the flags from the trainer's script…"
        flags.focus()
        self._read()

    def on_descendant_focus(self) -> None:
        typing = self.query_one(FilterLine).typing
        self.query_one(KeyFooter).model = TYPING_FOOTER if typing else footer_of(self)

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool:
        return action not in EDITS or not (self._locked or self._writing)

    def on_key(self, event: events.Key) -> None:
        keys = [key for key in KEYS if key.action.split("(")[0] in EDITS]
        if self._locked and any(event.key in key.key.split(",") for key in keys):
            self.say(self._locked, "dim", 6.0)

    # ----------------------------------------------------------------- reading

    def _read(self, thorough: bool = False) -> None:
        """What is remembered at once; if nothing is, the script is asked, which takes its time."""
        read = partial(self.plasma.backend.flags, self._config_path, thorough)
        ask(self, read, partial(self._take, thorough), self._ended)

    def _take(self, thorough: bool, sheet: FlagSheet) -> None:
        self.sheet = sheet
        if thorough or sheet.report.catalog is not None:
            self._ended(sheet.report.note or "")
        else:
            self._read(thorough=True)

    def _ended(self, problem: str) -> None:
        if problem:
            self.say(capital(problem), "bad")
        flags = self.query_one(FlagList)
        flags.empty = "Flags unknown." if problem else "No flag matches."
        self._show()

    def _show(self) -> None:
        known = self.sheet is not None and self.sheet.report.catalog is not None
        rows = flag_rows(self.sheet, self._typed) if self.sheet is not None and known else ()
        self.query_one(FlagList).model = rows
        self.repaint_heading()

    def heading(self, width: int) -> tuple[Row, Row]:
        script = clean(self.sheet.script, 60) if self.sheet is not None else "the trainer"
        left: Row = (Span(f"flags of {script}", "strong"),)
        if self._locked:
            left = (*left, Span("  read-only", "warn"))
        rows = self.query_one(FlagList).model
        given = sum(bool(row.given) for row in rows)
        right: Row = (Span(f"{count(len(rows), 'flag')}, {given} set ", "dim"),) if rows else ()
        return left, right

    # ----------------------------------------------------------------- editing

    def action_edit(self, section: str) -> None:
        row = self.query_one(FlagList).selected
        if self.sheet is None or row is None:
            return
        if row.unknown:
            self.say(f"{row.name} is not a flag of this script; x removes it.", "warn", 6.0)
            return

        def written(answer: FlagAnswer | None) -> None:
            if answer is not None:
                self._take_answer(f"{row.name} set in [{section}]; u undoes it", answer)

        form = FlagForm(self._config_path, self.sheet, row, section)
        self.app.push_screen(form, written)

    def action_remove(self) -> None:
        row, sheet = self.query_one(FlagList).selected, self.sheet
        if sheet is None or row is None:
            return
        section = "train" if row.given else "smoke"
        if not row.given and not row.smoke:
            self.say(f"{row.name} is not set in plasma.toml.", "dim", 4.0)
            return
        remove = partial(
            self.plasma.backend.set_flag, self._config_path, sheet, section, row.flag, None
        )
        self._write(remove, f"{row.name} removed from [{section}]; u undoes it")

    def action_undo(self) -> None:
        sheet = self.sheet
        if sheet is None or not self._edits:
            self.say("Nothing to undo.", "dim", 4.0)
            return
        made, replaced = self._edits[-1]
        if made != sheet.source:
            self.say("plasma.toml was changed since that edit: nothing is undone.", "warn", 6.0)
            return
        restore = partial(self.plasma.backend.restore_flags, self._config_path, sheet, replaced)
        self._write(restore, "Last edit undone")

    def _write(self, work: Callable[[], FlagAnswer], done: str) -> None:
        self._writing = True
        ask(self, work, partial(self._take_answer, done), self._failed)

    def _failed(self, problem: str) -> None:
        self._writing = False
        self.say(f"Not written: {problem}", "bad")

    def _take_answer(self, done: str, answer: FlagAnswer) -> None:
        self.sheet, self._writing = answer.sheet, False
        self._show()
        if answer.problem:
            self._failed(f"{answer.problem}.")
            return
        made = answer.sheet.source
        if self._edits and self._edits[-1] == (answer.before, made):
            self._edits.pop()
        else:
            self._edits.append((made, answer.before))
        self.plasma.planner.config_written()
        self.say(f"{done}.", "good", 6.0)

    # ----------------------------------------------------------------- keys

    def on_filter_line_changed(self, message: FilterLine.Changed) -> None:
        self._typed = message.text
        self._show()

    def action_filter(self) -> None:
        self.query_one(FilterLine).open()

    def action_back(self) -> None:
        self.hush()
        if not self.query_one(FilterLine).clear():
            self.app.pop_screen()

    def action_cursor(self, by: int) -> None:
        self.query_one(FlagList).move(by)

    def action_page(self, pages: int) -> None:
        flags = self.query_one(FlagList)
        flags.move(pages * flags.page())
