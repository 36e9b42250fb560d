"""A new plasma.toml from what was found here, or from a file: shown whole before it is written."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar, cast

from textual import work
from textual.app import ComposeResult
from textual.message import Message
from textual.timer import Timer

from tui.keys import bindings, footer_keys
from tui.render import glyphs
from tui.render.footer import FooterKey
from tui.render.header import wordmark
from tui.render.paint import Row, Span
from tui.text import clean, crop_start
from tui.viewmodel.form import Form, import_form, new_form
from tui.widgets.footer import KeyFooter
from tui.widgets.form_box import FormBox, Preview
from tui.widgets.lines import Lines
from tui.widgets.notice import NoticeLine, SpeakingScreen

if TYPE_CHECKING:
    from runner.trainers.sd_scripts.importers.fresh import Answers
    from runner.trainers.sd_scripts.importers.model import Imported
    from tui.app import PlasmaApp

#: how long the keys must rest before the text is made again
REST_S = 0.25


class FormReady(Message):
    def __init__(self, form: Form, answers: Answers | None = None) -> None:
        super().__init__()
        self.form, self.answers = form, answers


class TextMade(Message):
    """`number`: which question it answers; an older one is not shown."""

    def __init__(self, number: int, made: Imported | None, preview: Preview) -> None:
        super().__init__()
        self.number, self.made, self.preview = number, made, preview


class ProjectWritten(Message):
    def __init__(self, path: Path, said: str) -> None:
        super().__init__()
        self.path, self.said = path, said


class ProjectScreen(SpeakingScreen):
    """`importing`: from a file; else from what was found. Writes into `project` and nowhere else."""

    WHERE = "form"
    BINDINGS: ClassVar = bindings("form")

    def __init__(self, project: Path, *, importing: bool) -> None:
        super().__init__()
        self._project, self._importing = project, importing
        self._answers: Answers | None = None
        self._made: Imported | None = None
        self._number = 0
        self._rest: Timer | None = None

    @property
    def plasma(self) -> PlasmaApp:
        return cast("PlasmaApp", self.app)

    def compose(self) -> ComposeResult:
        yield Lines(self._top, id="top")
        yield NoticeLine(id="notice")
        yield FormBox(id="form")
        yield KeyFooter(id="footer")

    def on_mount(self) -> None:
        self.query_one(FormBox).focus()
        self.query_one(KeyFooter).model = tuple(
            FooterKey(key.display, key.label, key.action, key.worth) for key in footer_keys("form")
        )
        self._read_form()

    def _top(self, width: int, height: int) -> Sequence[Row]:
        what = "import a training" if self._importing else "set up a training"
        folder = crop_start(clean(str(self._project)), max(10, width - 34))
        return (
            (
                Span(" "),
                *wordmark(),
                Span("  "),
                Span(what, "strong"),
                Span(f" in {folder}", "dim"),
            ),
            (Span(glyphs.RULE * width, "faint"),),
        )

    # ----------------------------------------------------------------- in threads

    @work(thread=True, exit_on_error=False)
    def _read_form(self) -> None:
        from tui.planning import told

        try:
            if self._importing:
                names = [item.name for item in self._project.iterdir() if item.is_file()]
                self.post_message(FormReady(import_form(names)))
                return
            found = self.plasma.backend.find(self._project)
            answers = self.plasma.backend.suggest(self._project)
            self.post_message(FormReady(new_form(found, answers), answers))
        except Exception as error:  # border: whatever goes wrong is a sentence
            self.post_message(TextMade(self._number, None, Preview(problem=told(error))))

    @work(thread=True, exclusive=True, group="text", exit_on_error=False)
    def _make(self, form: Form, number: int) -> None:
        from tui.planning import told

        backend = self.plasma.backend
        try:
            if self._importing:
                made = backend.import_file(self._project, self._source(form))
            else:
                made = backend.new_project(self._project, self._chosen(form))
            preview = Preview(
                made.config_text, "", made.notes, made.unmapped, tuple(backend.missing(made))
            )
            self.post_message(TextMade(number, made, preview))
        except Exception as error:  # border, as above
            self.post_message(TextMade(number, None, Preview(problem=told(error))))

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

    @work(thread=True, exclusive=True, group="write", exit_on_error=False)
    def _write(self, made: Imported) -> None:
        from tui.planning import told

        try:
            written = self.plasma.backend.write_project(self._project, made)
        except Exception as error:  # border, as above
            self.post_message(TextMade(self._number, None, Preview(problem=told(error))))
            return
        beside = [f"{path.name} was written too" for path in written.files]
        beside += [f"{path.name} was there already and was left as it is" for path in written.kept]
        said = "; ".join([f"Written: {written.path}", *beside])
        self.post_message(ProjectWritten(written.path, f"{said}."))

    # ----------------------------------------------------------------- what came back

    def on_form_ready(self, message: FormReady) -> None:
        self._answers = message.answers
        self.query_one(FormBox).form = message.form
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
        self._make(box.form, self._number)

    def on_text_made(self, message: TextMade) -> None:
        if message.number != self._number:
            return
        self._made = message.made
        self.query_one(FormBox).preview = message.preview

    def on_project_written(self, message: ProjectWritten) -> None:
        self.plasma.open_config(message.path)
        self.plasma.say(message.said, "text", 10.0)

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
            self._write(self._made)

    def action_back(self) -> None:
        self.app.pop_screen()
