"""Set up or import a project: a form that shows the plasma.toml it would write."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar

from textual import on
from textual.containers import VerticalScroll
from textual.timer import Timer
from textual.widget import Widget

from runner.model.units import file_size
from tui.asking import ask
from tui.key import MOVE, Key
from tui.kit.fields import Field, Words
from tui.kit.notice import READ_ONLY
from tui.kit.paint import EMPTY, Row, Span
from tui.screens.questions import FORM_KEYS, Dialog
from tui.text import clean

if TYPE_CHECKING:
    from runner.trainers.sd_scripts.importers.find import Found
    from runner.trainers.sd_scripts.importers.fresh import Answers
    from runner.trainers.sd_scripts.importers.model import Imported
    from runner.trainers.sd_scripts.importers.write import Written

KEYS = (
    *FORM_KEYS,
    Key("pagedown", "page(1)", MOVE, "Next choice of the field, else down in plasma.toml"),
    Key("pageup", "page(-1)", MOVE, "Previous choice, else up"),
    Key("ctrl+down", "page(1)", MOVE, "Down in plasma.toml"),
    Key("ctrl+up", "page(-1)", MOVE, "Up in plasma.toml"),
)

#: suffixes of files that can be imported
IMPORTABLE = (".sh", ".bash", ".zsh", ".json", ".toml", ".bat", ".ps1", ".txt")
MOST_OFFERED = 40
#: after the last key, the preview is made again
REST_S = 0.25
BEING_MADE = "The preview is being made; try again when it is complete."

#: by field, the values to choose from, each with a note
Choices = dict[str, dict[str, str]]


@dataclass(frozen=True, slots=True)
class Preview:
    """`missing`: what has to be added by hand."""

    made: Imported
    missing: tuple[str, ...] = ()


def choices_of(found: Found) -> Choices:
    """What this machine has for each field."""
    choices = {
        "sd_scripts": {str(one.path): one.problem or "" for one in found.sd_scripts},
        "python": {str(path): "" for path in found.pythons},
        "model": {str(one.path): file_size(one.size_bytes) for one in found.models},
    }
    return {name: dict([*values.items()][:MOST_OFFERED]) for name, values in choices.items()}


def preview_rows(preview: Preview) -> list[Row]:
    """What must be known before it is written comes first."""
    made = preview.made
    rows: list[Row] = []
    for head, texts, role in (
        ("Not taken over (also at the end of the file):", made.unmapped, "warn"),
        ("Missing, add it with e afterwards:", preview.missing, "warn"),
        ("", made.notes, "dim"),
    ):
        rows += [(Span(head, role),)] if texts and head else []
        rows += [(Span(f"{'  ' * bool(head)}{clean(text, 600)}", role),) for text in texts]
    rows += [EMPTY] if rows else []
    return [*rows, *((Span(clean(line, 400)),) for line in made.config_text.splitlines())]


class ProjectScreen(Dialog[None]):
    """`importing`: from a file; else from what is on this machine. Writes into `project` and nowhere else."""

    BINDINGS: ClassVar = [*KEYS[len(FORM_KEYS) :]]
    DO: ClassVar[str] = "Write plasma.toml and open it"
    HINT: ClassVar[str] = "Tab next   PgUp, PgDn choose   Ctrl+S write   Esc cancel"

    def __init__(self, project: Path, *, importing: bool) -> None:
        super().__init__()
        what = "Import a training" if importing else "Set up a training"
        self.HEAD = f"{what} in {clean(str(project))}"  # type: ignore[misc]
        self._project, self._importing = project, importing
        self._answers: Answers | None = None
        self._preview: Preview | None = None
        self._rest: Timer | None = None
        #: of the newest edit: a preview of an older one is dropped
        self._edit = 0
        labels = {"sd_scripts": "sd-scripts", "python": "python", "model": "base model",
                  "name": "name"}  # fmt: skip
        labels = {"source": "file"} if importing else labels
        self._fields = {name: Field(label, id=name) for name, label in labels.items()}
        self._shown = Words(id="preview")

    def fields(self) -> list[Widget]:
        return [*self._fields.values()]

    def after(self) -> list[Widget]:
        shown = VerticalScroll(self._shown, id="shown", can_focus=False)
        shown.border_title = "plasma.toml"
        return [shown]

    def on_mount(self) -> None:
        self.tell("Looking for files…" if self._importing else "Searching this machine…", "dim")
        ask(self, self._find, self._offer, self._failed)

    def value(self, name: str) -> str | None:
        return self._fields[name].value or None

    # ----------------------------------------------------------------- in threads

    def _find(self) -> tuple[Choices, Answers | None]:
        if self._importing:
            items = (item for item in self._project.iterdir() if item.is_file())
            names = sorted(item.name for item in items if item.suffix.lower() in IMPORTABLE)
            return {"source": dict.fromkeys(names[:MOST_OFFERED], "")}, None
        backend = self.plasma.backend
        return choices_of(backend.find(self._project)), backend.suggest(self._project)

    def _import(self, source: str) -> Preview:
        """Relative names start at the project."""
        backend = self.plasma.backend
        made = backend.import_file(self._project, str(self._project / Path(source).expanduser()))
        return Preview(made, tuple(backend.missing(made)))

    def _make(self, answers: Answers) -> Preview:
        backend = self.plasma.backend
        made = backend.new_project(self._project, answers)
        return Preview(made, tuple(backend.missing(made)))

    # ----------------------------------------------------------------- what came back

    def _failed(self, problem: str, edit: int | None = None) -> None:
        if edit in (None, self._edit):
            self._show(None, self._edit)
            self.refuse(problem)

    def _offer(self, found: tuple[Choices, Answers | None]) -> None:
        """Suggestions for what was not typed yet."""
        choices, self._answers = found
        self.tell("")
        for name, field in self._fields.items():
            field.offer(choices.get(name, {}))
            suggested = getattr(self._answers, name, None)
            if suggested and not field.value:
                field.value = str(suggested)
        self._update()

    @on(Field.Edited)
    def wait_for_rest(self) -> None:
        """The preview is made when the keys rest."""
        self._preview = None
        self._edit += 1
        if self._rest is not None:
            self._rest.stop()
        self._rest = self.set_timer(REST_S, self._update)

    def _update(self) -> None:
        make = self._question()
        if make is None:
            self._show(None, self._edit)
        else:
            show, failed = (
                partial(self._show, edit=self._edit),
                partial(self._failed, edit=self._edit),
            )
            ask(self, make, show, failed, alone="preview")

    def _question(self) -> Callable[[], Preview] | None:
        """What makes the preview of what the fields say now."""
        if self._importing:
            source = self.value("source")
            return partial(self._import, source) if source is not None else None
        if self._answers is None:
            return None
        folder = self.value("sd_scripts")
        answers = replace(
            self._answers,
            sd_scripts=self._project / Path(folder).expanduser() if folder else None,
            python=self.value("python"),
            model=self.value("model"),
            name=self.value("name"),
        )
        return partial(self._make, answers)

    def _show(self, preview: Preview | None, edit: int) -> None:
        if edit == self._edit:
            self._preview = preview
            self._shown.show(preview_rows(preview) if preview is not None else ())

    # ----------------------------------------------------------------- writing

    def do(self) -> None:
        if self.plasma.read_only:
            self.refuse(READ_ONLY)
        elif self._preview is None:
            empty = self._importing and self.value("source") is None
            self.refuse("Enter the file to import." if empty else BEING_MADE)
        else:
            self.working = True
            made = self._preview.made
            write = partial(self.plasma.backend.write_project, self._project, made)
            ask(self, write, self._written, self._failed)

    def _written(self, written: Written) -> None:
        parts = [f"Written: {written.path}"]
        parts += [f"{path.name} was written, too" for path in written.files]
        parts += [f"{path.name} already existed and was kept" for path in written.kept]
        self.plasma.navigator.open_config(written.path)
        self.plasma.say(f"{'; '.join(parts)}.", "text", 10.0)

    def action_page(self, pages: int) -> None:
        shown = self.query_one("#shown")
        shown.scroll_relative(y=pages * max(1, shown.size.height - 1), animate=False)
