"""A new plasma.toml from what was found here, or from a file: shown whole before it is written."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar, cast

from textual.app import ComposeResult
from textual.timer import Timer

from tui.asking import ask
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
    from runner.trainers.sd_scripts.importers.write import Written
    from tui.app import PlasmaApp

#: how long the keys must rest before the text is made again
REST_S = 0.25


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
        ask(self, self._read_form, self._take_form, self._failed)

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
        self.plasma.open_config(written.path)
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
