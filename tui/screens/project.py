"""Set up or import a project: a form that writes plasma.toml."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar

from rich.cells import cell_len
from textual import events
from textual.app import ComposeResult
from textual.message import Message
from textual.reactive import reactive
from textual.timer import Timer

from runner.model.units import count, file_size
from tui.asking import ask
from tui.key import MOVE, VIEW, Key
from tui.kit import glyphs
from tui.kit.footer import KeyFooter, footer_of
from tui.kit.framed import FramedScreen
from tui.kit.paint import EMPTY, Row, Span, cell
from tui.kit.painted import Painted
from tui.text import clean, crop, crop_start, wrap

if TYPE_CHECKING:
    from runner.trainers.sd_scripts.importers.find import Found
    from runner.trainers.sd_scripts.importers.fresh import Answers
    from runner.trainers.sd_scripts.importers.model import Imported
    from runner.trainers.sd_scripts.importers.write import Written

KEYS = (
    Key("enter", "enter", MOVE, "Next field, or write", "next", 90),
    Key("down,tab", "move(1)", MOVE, "Next field"),
    Key("up,shift+tab", "move(-1)", MOVE, "Previous field"),
    Key("right", "choose(1)", MOVE, "Next choice", "choose", 85, shown="left right"),
    Key("left", "choose(-1)", MOVE, "Previous choice"),
    Key("pagedown", "page(1)", MOVE, "Scroll the preview down", "preview", 70),
    Key("pageup", "page(-1)", MOVE, "Scroll the preview up"),
    Key("escape", "back", VIEW, "Back without writing", "back", 80),
)


# ---------------------------------------------------------------------------
# A few fields, each with what was found to choose from; what is typed counts as well. Pure.

#: endings of files that can be imported
IMPORTABLE = (".sh", ".bash", ".zsh", ".json", ".toml", ".bat", ".ps1", ".txt")
MOST_OFFERED = 40


@dataclass(frozen=True, slots=True)
class Option:
    """`note`: what there is to say about it: its size, its problem."""

    value: str
    note: str = ""


@dataclass(frozen=True, slots=True)
class Field:
    """`value`: as chosen or typed; empty: none."""

    name: str
    label: str
    value: str = ""
    options: tuple[Option, ...] = ()

    @property
    def note(self) -> str:
        found = next((option for option in self.options if option.value == self.value), None)
        return found.note if found is not None else ""

    def place(self) -> str:
        """Which of the found ones it is."""
        if not self.options:
            return "nothing found; type it" if not self.value else ""
        values = [option.value for option in self.options]
        if self.value in values:
            return f"{values.index(self.value) + 1} of {len(values)}"
        return f"{len(values)} found: left, right" if not self.value else "typed"

    def chosen(self, by: int) -> Field:
        """The next or the one before of the found ones; before the first one stands none."""
        values = ["", *(option.value for option in self.options)]
        at = values.index(self.value) if self.value in values else 0
        return replace(self, value=values[(at + by) % len(values)])

    def typed(self, text: str) -> Field:
        return replace(self, value=clean(self.value + text, 1000))

    def erased(self) -> Field:
        return replace(self, value=self.value[:-1])


@dataclass(frozen=True, slots=True)
class Form:
    """`cursor` counts the fields and, after them, the row that writes."""

    fields: tuple[Field, ...] = ()
    cursor: int = 0

    @property
    def on_write(self) -> bool:
        return self.cursor >= len(self.fields)

    def move(self, by: int) -> Form:
        return replace(self, cursor=(self.cursor + by) % (len(self.fields) + 1))

    def changed(self, field: Field) -> Form:
        """With another field under the cursor."""
        fields = list(self.fields)
        fields[self.cursor] = field
        return replace(self, fields=tuple(fields))

    def value(self, name: str) -> str | None:
        """None when it is empty."""
        return next((f.value.strip() for f in self.fields if f.name == name), "") or None


def new_form(found: Found, suggested: Answers) -> Form:
    """What is asked for a new plasma.toml, filled with what `init` would take."""
    checkouts = [Option(str(one.path), one.problem or "") for one in found.sd_scripts]
    pythons = [Option(str(path)) for path in found.pythons]
    models = [Option(str(one.path), file_size(one.size_bytes)) for one in found.models]
    return Form(
        (
            Field("sd_scripts", "sd-scripts", str(suggested.sd_scripts or ""), _options(checkouts)),
            Field("python", "python", suggested.python or "", _options(pythons)),
            Field("model", "base model", suggested.model or "", _options(models)),
            Field("name", "name", suggested.name or ""),
        )
    )


def import_form(names: Iterable[str]) -> Form:
    """One field: the file. `names`: what lies in the folder."""
    usable = sorted(name for name in names if Path(name).suffix.lower() in IMPORTABLE)
    return Form((Field("source", "file", "", _options(Option(name) for name in usable)),))


def _options(options: Iterable[Option]) -> tuple[Option, ...]:
    return tuple(options)[:MOST_OFFERED]


def found_here(found: Found | None) -> str:
    """What a new plasma.toml could be made of, in a few words."""
    if found is None:
        return "looking at this machine"
    checkouts = count(len(found.sd_scripts), "sd-scripts").replace("sd-scriptss", "sd-scripts")
    pythons, models = count(len(found.pythons), "python"), count(len(found.models), "model")
    return f"found: {checkouts}, {pythons}, {models}"


# ---------------------------------------------------------------------------
# A form, and under it the text that it makes.

LABEL = 12


@dataclass(frozen=True, slots=True)
class Preview:
    """What would be written. `problem`: why nothing can be; `notes`: what a person should know before,
    `unmapped` and `missing` what the text does not hold; `waiting`: it is being made."""

    text: str = ""
    problem: str = ""
    notes: tuple[str, ...] = ()
    unmapped: tuple[str, ...] = ()
    missing: tuple[str, ...] = ()
    waiting: bool = False


class FormBox(Painted, can_focus=True):
    """Keys that change the form are posted as `Changed`; the screen decides what comes of it."""

    form: reactive[Form] = reactive(Form(), layout=False, repaint=False)
    preview: reactive[Preview] = reactive(Preview(), layout=False, repaint=False)

    class Changed(Message):
        """The form is another one."""

    def __init__(self, *, id: str | None = None) -> None:
        super().__init__(id=id)
        self._top = 0

    def watch_form(self) -> None:
        self.repaint()

    def watch_preview(self) -> None:
        self._top = 0
        self.repaint()

    # ----------------------------------------------------------------- keys

    def move(self, by: int) -> None:
        self.form = self.form.move(by)

    def choose(self, by: int) -> None:
        if not self.form.on_write:
            self._change(self.form.fields[self.form.cursor].chosen(by))

    def scroll_rows(self, by: int) -> None:
        self._top = max(0, self._top + by)
        self.repaint()

    def on_key(self, event: events.Key) -> None:
        if self.form.on_write:
            return
        field = self.form.fields[self.form.cursor]
        if event.key == "backspace":
            self._change(field.erased())
        elif event.key == "ctrl+u":
            self._change(replace(field, value=""))
        elif event.is_printable and event.character:
            self._change(field.typed(event.character))
        else:
            return
        event.stop()
        event.prevent_default()

    def on_paste(self, event: events.Paste) -> None:
        if not self.form.on_write:
            self._change(self.form.fields[self.form.cursor].typed(clean(event.text.strip(), 1000)))

    def _change(self, field: Field) -> None:
        self.form = self.form.changed(field)
        self.post_message(self.Changed())

    # ----------------------------------------------------------------- drawing

    def draw(self, width: int, height: int) -> Sequence[Row]:
        rows: list[Row] = []
        for index, field in enumerate(self.form.fields):
            rows += self._field(field, index == self.form.cursor, width)
        rows.append(self._write_row(width))
        rule = Span(glyphs.RULE * max(0, width - 14), "faint")
        rows.append((Span(glyphs.RULE, "faint"), Span(" plasma.toml ", "title"), rule))
        below = self._below(width)
        room = max(1, height - len(rows))
        self._top = max(0, min(self._top, len(below) - room))
        shown = below[self._top : self._top + room]
        hidden = len(below) - self._top - room
        if hidden > 0:
            shown[-1] = (Span(f" … {hidden + 1} more lines: page down", "dim"),)
        return [*rows, *shown]

    def _field(self, field: Field, selected: bool, width: int) -> list[Row]:
        place = field.place()
        room = max(8, width - LABEL - cell_len(place) - 5)
        value = crop_start(field.value, room - 1) + ("_" if selected else "")
        shown = value if value else "none"
        role = "strong" if selected else "text" if field.value else "dim"
        row: Row = (
            Span(f" {glyphs.CURSOR}" if selected else "  ", "accent"),
            cell(field.label, LABEL, "title" if selected else "text"),
            cell(shown, room, role),
            Span(f"  {place}", "accent" if selected else "dim"),
        )
        if not field.note:
            return [row]
        indent = " " * (LABEL + 2)
        return [row, (Span(indent), Span(crop(field.note, width - LABEL - 3), "dim"))]

    def _write_row(self, width: int) -> Row:
        selected, made = self.form.on_write, self.preview
        if made.waiting:
            text, role = "being made", "dim"
        elif made.problem or not made.text:
            text, role = "nothing to write yet", "dim"
        else:
            text, role = "Write plasma.toml and open it", "strong" if selected else "key"
        mark = Span(f" {glyphs.CURSOR}" if selected else "  ", "accent")
        return (mark, Span(crop(text, width - 3), role))

    def _below(self, width: int) -> list[Row]:
        """What must be known before it is written stands first."""
        made = self.preview
        rows: list[Row] = []
        for texts, head, role in (
            ((made.problem,) if made.problem else (), "", "bad"),
            (made.unmapped, "Not taken over (also at the end of the file):", "warn"),
            (made.missing, "Missing, to be filled in with e:", "warn"),
            (made.notes, "", "dim"),
        ):
            if texts and head:
                rows.append((Span(f" {head}", role),))
            indent = "   " if head else " "
            for text in texts:
                lines = wrap(clean(text, 600), max(10, width - len(indent) - 1))
                rows += [(Span(indent), Span(line, role)) for line in lines]
        if rows and made.text:
            rows.append(EMPTY)
        rows += [
            (Span(" "), Span(crop(clean(line, 400), width - 2))) for line in made.text.splitlines()
        ]
        return rows


# ---------------------------------------------------------------------------
# A new plasma.toml from what was found here, or from a file: shown whole before it is written.

#: how long the keys must rest before the text is made again
REST_S = 0.25


class ProjectScreen(FramedScreen):
    """`importing`: from a file; else from what was found. Writes into `project` and nowhere else."""

    WHERE = "form"
    BINDINGS: ClassVar = [*KEYS]

    def __init__(self, project: Path, *, importing: bool) -> None:
        super().__init__()
        self._project, self._importing = project, importing
        self._answers: Answers | None = None
        self._made: Imported | None = None
        self._number = 0
        self._rest: Timer | None = None

    def body(self) -> ComposeResult:
        yield FormBox(id="form")

    def on_mount(self) -> None:
        self.query_one(FormBox).focus()
        self.query_one(KeyFooter).model = footer_of(self, typing=True)
        ask(self, self._read_form, self._take_form, self._failed)

    def heading(self, width: int) -> tuple[Row, Row]:
        what = "import a training" if self._importing else "set up a training"
        folder = crop_start(clean(str(self._project)), max(10, width - 34))
        return (Span(what, "strong"), Span(f" in {folder}", "dim")), ()

    # ----------------------------------------------------------------- in threads

    def _read_form(self) -> tuple[Form, Answers | None]:
        if self._importing:
            return import_form(
                [item.name for item in self._project.iterdir() if item.is_file()]
            ), None
        found = self.plasma.backend.find(self._project)
        answers = self.plasma.backend.suggest(self._project)
        return new_form(found, answers), answers

    def _make(self, form: Form) -> tuple[Imported, Preview]:
        backend = self.plasma.backend
        if self._importing:
            made = backend.import_file(self._project, self._source(form))
        else:
            made = backend.new_project(self._project, self._chosen(form))
        lacks = tuple(backend.missing(made))
        return made, Preview(made.config_text, "", made.notes, made.unmapped, lacks)

    def _source(self, form: Form) -> str:
        """Relative names start at the project."""
        return str(self._project / Path(form.value("source") or "").expanduser())

    def _chosen(self, form: Form) -> Answers:
        assert self._answers is not None  # the form is made of them
        folder = form.value("sd_scripts")
        return replace(
            self._answers,
            sd_scripts=self._project / Path(folder).expanduser() if folder else None,
            python=form.value("python"),
            model=form.value("model"),
            name=form.value("name"),
        )

    # ----------------------------------------------------------------- what came back

    def _failed(self, problem: str) -> None:
        self._made = None
        self.query_one(FormBox).preview = Preview(problem=problem)

    def _take_form(self, found: tuple[Form, Answers | None]) -> None:
        form, self._answers = found
        self.query_one(FormBox).form = form
        if not self._importing:
            self._ask()

    def on_form_box_changed(self, message: FormBox.Changed) -> None:
        """A python belongs to its sd-scripts; the text is made when the keys rest."""
        self._number += 1
        self._made = None
        if self._rest is not None:
            self._rest.stop()
        self._rest = self.set_timer(REST_S, self._ask)

    def _ask(self) -> None:
        box = self.query_one(FormBox)
        if self._importing and not box.form.value("source"):
            box.preview = Preview()
            return
        self._number += 1
        box.preview = replace(box.preview, waiting=True)
        number, form = self._number, box.form

        def take(made: tuple[Imported, Preview]) -> None:
            if number == self._number:
                self._made, box.preview = made

        def failed(problem: str) -> None:
            if number == self._number:
                self._failed(problem)

        ask(self, lambda: self._make(form), take, failed, alone="text")

    def _written(self, written: Written) -> None:
        beside = [f"{path.name} was written too" for path in written.files]
        beside += [f"{path.name} was there already and was left as it is" for path in written.kept]
        said = "; ".join([f"Written: {written.path}", *beside])
        self.plasma.navigator.open_config(written.path)
        self.plasma.say(f"{said}.", "text", 10.0)

    # ----------------------------------------------------------------- keys

    def action_move(self, by: int) -> None:
        self.query_one(FormBox).move(by)

    def action_choose(self, by: int) -> None:
        self.query_one(FormBox).choose(by)

    def action_page(self, pages: int) -> None:
        self.query_one(FormBox).scroll_rows(8 * pages)

    def action_enter(self) -> None:
        """On a field: the next one. On the last row: write what is shown."""
        box = self.query_one(FormBox)
        if not box.form.on_write:
            box.move(1)
        elif self._made is None:
            self.say("There is nothing to write yet.", "dim", 4.0)
        elif self.plasma.read_only:
            self.say("This screen is read-only.", "dim", 4.0)
        else:
            write = partial(self.plasma.backend.write_project, self._project, self._made)
            ask(self, write, self._written, self._failed, alone="write")

    def action_back(self) -> None:
        self.app.pop_screen()
