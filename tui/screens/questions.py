"""Questions and small forms: confirm, label, export."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import ClassVar, cast

from rich.cells import cell_len
from textual import events, on
from textual.app import ComposeResult
from textual.binding import Binding
from textual.containers import Vertical, VerticalScroll
from textual.screen import ModalScreen, ScreenResultType
from textual.widget import Widget
from textual.widgets import Button, Input

from runner.model import Label
from runner.trainers.names import without_ending
from tui.app import PlasmaApp
from tui.asking import ask
from tui.backend.results import ExportAnswer
from tui.key import MOVE, RUN, VIEW, Key
from tui.kit import glyphs
from tui.kit.fields import Choices, Field, Labelled, Line, Note, Words, clean_lines
from tui.kit.paint import EMPTY, Row, Span, cell
from tui.screens.document import Pick
from tui.text import capital, clean, crop, wrap
from tui.words.questions import Choice, Question

# ----------------------------------------------------------------- a question

#: the longest name of a setting that the others line up with
NAME = 34


def question_rows(question: Question, width: int) -> list[Row]:
    """Facts, settings that change, warnings and the command, with blank rows between the groups."""
    groups = [
        _plain(question.facts, width, "text"),
        _changes(question.changes, width),
        [row for text in question.warnings for row in _marked(text, width)],
        _command(question.command, width),
    ]
    rows: list[Row] = []
    for group in filter(None, groups):
        if rows:
            rows.append(EMPTY)
        rows += group
    return rows


def _plain(texts: tuple[str, ...], width: int, role: str, indent: str = "") -> list[Row]:
    return [(Span("  "), Span(line, role)) for text in texts for line in wrap(text, width, indent)]


def _marked(text: str, width: int) -> list[Row]:
    return _plain((f"{glyphs.WARN} {text}",), width, "warn", "  ")


def _changes(changes: tuple[tuple[str, str], ...], width: int) -> list[Row]:
    """A row each; a value that is too long for its row follows below."""
    if not changes:
        return []
    longest = min(NAME, max(len(name) for name, _ in changes))
    rows: list[Row] = []
    for name, text in changes:
        room = width - longest - 2
        if len(name) > longest or cell_len(text) > room:
            rows.append((Span("  "), Span(crop(name, width), "strong")))
            rows += _plain((f"  {text}",), width, "text", "  ")
            continue
        rows.append((Span("  "), cell(name, longest, "strong"), Span("  "), Span(text)))
    return rows


def _command(command: str, width: int) -> list[Row]:
    return _plain((f"$ {command}",), width, "dim", "  ") if command else []


#: most cells of a box; the same with settings and a command in it
WIDTH, WIDE = 64, 96
#: rows that a box needs besides facts and answers, with blank rows and without
ROOMY, TIGHT = 9, 4
HINT = "Up, Down, Enter   Esc cancel"


class QuestionBox(ModalScreen[ScreenResultType]):
    """Facts that scroll, and answers with the cursor on the safe one. Keys belong to the screen, so that those
    pressed before it is drawn count. `wide`: settings or a command are shown."""

    BINDINGS: ClassVar = [
        Binding("escape", "back", show=False),
        Binding("down,tab,right", "move(1)", show=False),
        Binding("up,shift+tab,left", "move(-1)", show=False),
        Binding("enter", "answer", show=False),
        Binding("pagedown", "page(1)", show=False),
        Binding("pageup", "page(-1)", show=False),
    ]
    AUTO_FOCUS: ClassVar[str | None] = ""

    def __init__(self, title: str, answers: Sequence[str], *, wide: bool) -> None:
        super().__init__()
        self._head, self._wide, self._facts = title, wide, Words()
        self.choices = Choices(answers, id="choices")
        self.choices.can_focus = False
        self.said, self._hint = Words(id="said"), Words(HINT, "dim")

    def rows(self, width: int) -> list[Row]:
        raise NotImplementedError

    def between(self) -> list[Widget]:
        """Widgets below the answers."""
        return []

    def hint(self) -> str:
        return HINT

    def compose(self) -> ComposeResult:
        with Vertical(id="question"):
            yield Words(self._head, "title")
            with VerticalScroll(can_focus=False):
                yield self._facts
            yield self.choices
            yield from self.between()
            yield self.said
            yield self._hint

    def on_resize(self) -> None:
        self.fit()

    def fit(self) -> None:
        """If not everything fits, blank rows go and the facts scroll."""
        width, height = self.size
        width = min(WIDE if self._wide else WIDTH, width)
        rows = [row[1:] for row in self.rows(max(8, width - 5))]
        left = height - (self.choices.option_count if self.choices.display else 0)
        roomy, most = len(rows) + ROOMY <= left, max(1, left - TIGHT)
        box, scroll = self.query_one("#question"), self.query_one(VerticalScroll)
        box.styles.width = width
        box.set_class(roomy, "-roomy")
        scroll.styles.max_height = None if roomy else most
        self._facts.show(rows)
        fits = roomy or len(rows) <= most
        self._hint.say(self.hint() if fits else f"PgUp, PgDn scroll   {self.hint()}", "dim")

    def action_move(self, by: int) -> None:
        self.choices.highlighted = (self.chosen + by) % self.choices.option_count

    @property
    def chosen(self) -> int:
        """0 is the safe answer."""
        return self.choices.highlighted or 0

    def action_page(self, pages: int) -> None:
        scroll = self.query_one(VerticalScroll)
        scroll.scroll_relative(y=pages * max(1, scroll.size.height - 1), animate=False)

    def action_back(self) -> None:
        self.dismiss(None)


class ConfirmScreen(QuestionBox[str | None]):
    """Dismisses with the `mode` of the chosen answer, None for the safe one. `word`: to be typed where the
    answer wants that."""

    def __init__(self, question: Question, safe: str, word: str) -> None:
        answers = (safe, *(one.label for one in question.choices))
        super().__init__(question.title, answers, wide=bool(question.command or question.changes))
        self._question, self._word = question, clean(word, 200)
        self._typed = Line("", most=200, placeholder=f"Type {self._word} to confirm", id="typed")
        self._typed.display = False

    def rows(self, width: int) -> list[Row]:
        return question_rows(self._question, width)

    def between(self) -> list[Widget]:
        return [self._typed]

    def _choice(self) -> Choice | None:
        return self._question.choices[self.chosen - 1] if self.chosen else None

    def action_move(self, by: int) -> None:
        super().action_move(by)
        self.show_choice()

    @on(Choices.OptionHighlighted)
    def show_choice(self) -> None:
        choice = self._choice()
        wanted = choice is not None and choice.typed
        if wanted != self._typed.display:
            self._typed.display = wanted
            self._typed.value = ""
            self.set_focus(self._typed if wanted else None)
        self.said.say("")

    def on_key(self, event: events.Key) -> None:
        """Letters pressed before their field had the focus."""
        if event.is_printable and event.character and self._typed.display:
            self._typed.insert_text_at_cursor(event.character)

    @on(Input.Submitted)
    def action_answer(self) -> None:
        choice = self._choice()
        if choice is not None and choice.typed and self._typed.value.strip() != self._word:
            self.said.say(f"That is not the name. Type {self._word}", "bad")
        else:
            self.dismiss(choice.mode if choice is not None else None)


# ----------------------------------------------------------------- forms

FORM_KEYS = (
    # in the app's own queue, at once: letters typed right after them belong to the next field
    Key("tab", "move(1)", MOVE, "Next field", priority=True),
    Key("shift+tab", "move(-1)", MOVE, "Previous field", priority=True),
    Key("enter", "next", MOVE, "Next field; on the button: do it", priority=True),
    Key("down", "move(1)", MOVE, "Next field"),
    Key("up", "move(-1)", MOVE, "Previous field"),
    Key("ctrl+s", "do", RUN, "Save, from any field"),
    Key("escape", "back", VIEW, "Cancel"),
)


class Dialog(ModalScreen[ScreenResultType]):
    """A form: fields, a button, and one sentence about what went wrong. `working`: an order is under way, and
    nothing else is done until its answer arrives."""

    BINDINGS: ClassVar = [*FORM_KEYS]
    #: the first field gets the focus when it exists: see `on_mount`
    AUTO_FOCUS: ClassVar[str | None] = ""
    HEAD: ClassVar[str] = ""
    DO: ClassVar[str] = "Save"
    HINT: ClassVar[str] = "Tab next   Ctrl+S save   Esc cancel"

    def __init__(self) -> None:
        super().__init__()
        self.working = False

    @property
    def plasma(self) -> PlasmaApp:
        return cast("PlasmaApp", self.app)

    def fields(self) -> list[Widget]:
        """Between the title and the button."""
        raise NotImplementedError

    def after(self) -> list[Widget]:
        """Below the button."""
        return []

    def compose(self) -> ComposeResult:
        with VerticalScroll(id="dialog", can_focus=False):
            yield Words(self.HEAD, "title", id="title")
            yield from self.fields()
            button = Button(self.DO, id="do", compact=True)
            button.active_effect_duration = 0  # it takes no press meanwhile
            yield button
            yield Words(id="said")
            yield Words(self.HINT, "dim", id="hint")
            yield from self.after()

    def do(self) -> None:
        """What the button does."""
        raise NotImplementedError

    def tell(self, sentence: str, role: str = "bad") -> None:
        self.query_one("#said", Words).say(capital(clean(sentence, 600)), role)

    def refuse(self, sentence: str) -> None:
        """The form stays open with everything typed."""
        self.working = False
        self.tell(sentence)

    # ----------------------------------------------------------------- keys

    def on_mount(self) -> None:
        self.focus_next()

    async def on_key(self, event: events.Key) -> None:
        """Keys that were pressed before the first field had the focus: here, so that they keep their order."""
        event.stop()
        event.prevent_default()
        box = self.focused
        if event.is_printable and isinstance(box, Line):
            box.insert_text_at_cursor(event.character or "")
        elif event.is_printable and isinstance(box, Note):
            box.insert(event.character or "")
        elif not await self.app._check_bindings(event.key, priority=True):
            await self.app._check_bindings(event.key)

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool:
        if action == "next":
            return isinstance(self.focused, Line)
        return action != "move" or self.focused is not None

    def action_move(self, by: int) -> None:
        self.focus_next() if by > 0 else self.focus_previous()

    def action_next(self) -> None:
        self.focus_next()

    @on(Button.Pressed)
    def action_do(self) -> None:
        if not self.working:
            self.tell("")
            self.do()

    def action_back(self) -> None:
        if not self.working:
            self.dismiss(None)

    @on(Field.Edited)
    def forget_sentence(self) -> None:
        if not self.working:
            self.tell("")


# ----------------------------------------------------------------- name, tags and note of a run

#: as in runner.store.labels, which refuses a longer note with a sentence
NAME_MOST, TAGS_MOST = 200, 900


class LabelScreen(Dialog[bool]):
    """Dismisses with True after the label was written; the run's own files never change. The form opens before
    the label is read: what was typed by then follows what is read."""

    def __init__(self, read: Callable[[], tuple[Path, Label]], name: str) -> None:
        super().__init__()
        self.HEAD = f"Edit label of {name}"  # type: ignore[misc]
        self._read = read
        self._found: tuple[Path, Label] | None = None
        #: a save waits for the label; it can't be read
        self._waiting, self._unreadable = False, False
        self._called = Field("name", most=NAME_MOST, id="name",
                             placeholder="empty: the name in plasma.toml")  # fmt: skip
        self._tags = Field("tags", most=TAGS_MOST, placeholder="separated by commas", id="tags")
        self._note = Note("", id="note")
        self._shown = ("", "", "")

    def fields(self) -> list[Widget]:
        return [self._called, self._tags, Labelled("note", self._note)]

    def on_mount(self) -> None:
        ask(self, self._read, self._take, self._not_read)

    def _take(self, found: tuple[Path, Label]) -> None:
        self._found, label = found, found[1]
        typed = self._written()
        self._shown = (
            clean(label.name or "").strip(),
            clean(", ".join(label.tags)).strip(),
            clean_lines(label.note),
        )
        for field, text, more in zip((self._called, self._tags), self._shown, typed, strict=False):
            if text:
                field.value = text + more
        if self._shown[2]:
            self._note.text = self._shown[2] + typed[2]
            self._note.move_cursor(self._note.document.end)
        if self._waiting:
            self._save(*found)

    def _not_read(self, problem: str) -> None:
        self._waiting, self._unreadable = False, True
        self.refuse(f"The label can't be read: {problem}")

    def _written(self) -> tuple[str, str, str]:
        return self._called.value, self._tags.value, self._note.text

    def do(self) -> None:
        self.working = True
        if self._found is not None:
            self._save(*self._found)
            return
        self._waiting = True
        if self._unreadable:
            self._unreadable = False
            ask(self, self._read, self._take, self._not_read)

    def _save(self, run_path: Path, label: Label) -> None:
        made = label_of(label, self._shown, self._written())
        if made == label:
            self.dismiss(False)
            return
        write = partial(self.plasma.backend.relabel, run_path, made)
        ask(self, write, lambda sent: self.dismiss(True), self._not_saved)

    def _not_saved(self, problem: str) -> None:
        self.refuse(f"Not saved: {problem}")


def label_of(before: Label, shown: tuple[str, str, str], written: tuple[str, str, str]) -> Label:
    """A field that still reads as it was `shown` keeps its value to the byte, commas in tags included."""
    name, tags, note = written
    split = tuple(tag.strip() for tag in tags.split(",") if tag.strip())
    return replace(
        before,
        name=before.name if name == shown[0] else name or None,
        tags=before.tags if tags == shown[1] else split,
        note=before.note if note == shown[2] else note,
    )


# ----------------------------------------------------------------- export


class ExportScreen(Dialog[str | None]):
    """Copies a checkpoint; never replaces a file. Dismisses with the sentence about the copy."""

    HEAD: ClassVar[str] = "Export a copy"
    DO: ClassVar[str] = "Export"
    HINT: ClassVar[str] = "Tab next   Ctrl+S export   Esc cancel"

    def __init__(self, run_path: Path, pick: Pick) -> None:
        super().__init__()
        self._run_path, self._pick = run_path, pick
        self.folder = Field("folder", id="folder", placeholder="e.g. ~/ComfyUI/models/loras")
        self.name_field = Field("name", without_ending(Path(pick.path).name), id="name")

    def fields(self) -> list[Widget]:
        source = Words(f"{self._pick.name}   {self._pick.facts}", "dim")
        return [source, self.folder, self.name_field]

    def on_mount(self) -> None:
        find = partial(self.plasma.backend.export_folders, self._run_path)
        ask(self, find, self._suggest, lambda problem: None)  # then there is no suggestion

    def _suggest(self, folders: tuple[str, ...]) -> None:
        """The likeliest is filled in, unless something was typed."""
        self.folder.offer(folders)
        if folders and not self.folder.value:
            self.folder.value = folders[0]
            if self.focused is self.folder.line:
                self.set_focus(self.name_field.line)

    def _exported(self, answer: ExportAnswer) -> None:
        if answer.done:
            self.dismiss(answer.text)
        elif answer.free_name is None:
            self.refuse(answer.text)
        else:
            with self.prevent(Field.Edited):  # which would take the sentence away
                self.name_field.value = without_ending(answer.free_name)
            self.refuse(f"{answer.text}. Name filled in; Enter to export.")
            self.set_focus(self.query_one("#do"))

    def do(self) -> None:
        if not self.folder.value:
            self.refuse("Enter the folder to copy to.")
            self.set_focus(self.folder.line)
            return
        self.working = True
        self.tell("Copying and verifying…", "dim")
        folder, name = self.folder.value, self.name_field.value
        copy = partial(self.plasma.backend.export, self._pick.path, folder, name)
        ask(self, copy, self._exported, lambda text: self._exported(ExportAnswer(False, text)))
