"""Exports a checkpoint: a folder, a name, and what came of it. Nothing is ever replaced."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar, cast

from textual import work
from textual.app import ComposeResult
from textual.binding import Binding
from textual.message import Message
from textual.screen import ModalScreen

from tui.backend.results import ExportAnswer
from tui.viewmodel.summary import Pick
from tui.viewmodel.summary_export import NAME, PATH_MOST, ExportForm, without_ending
from tui.viewmodel.text_field import TextField
from tui.widgets.export_box import ExportBox

if TYPE_CHECKING:
    from tui.app import PlasmaApp

WIDTH, HEIGHT = 84, 15


class FoldersFound(Message):
    def __init__(self, folders: tuple[str, ...]) -> None:
        super().__init__()
        self.folders = folders


class Exported(Message):
    def __init__(self, answer: ExportAnswer) -> None:
        super().__init__()
        self.answer = answer


class ExportScreen(ModalScreen[str | None]):
    """Dismisses with the sentence about the copy, None if there is none."""

    BINDINGS: ClassVar = [
        Binding("escape", "back", "back", show=False),
        Binding("down,tab", "move(1)", show=False),
        Binding("up,shift+tab", "move(-1)", show=False),
        Binding("enter", "enter", show=False),
        Binding("pagedown", "folder(1)", show=False),
        Binding("pageup", "folder(-1)", show=False),
    ]

    def __init__(self, run_path: Path, pick: Pick) -> None:
        super().__init__()
        self._run_path, self._pick = run_path, pick
        self._box = ExportBox(pick)
        # the form is made before the widget is mounted
        name = without_ending(Path(pick.path).name)
        self._box.set_reactive(
            ExportBox.form, ExportForm(name=TextField(NAME, most=PATH_MOST).filled(name))
        )

    @property
    def plasma(self) -> PlasmaApp:
        return cast("PlasmaApp", self.app)

    def compose(self) -> ComposeResult:
        yield self._box

    def on_mount(self) -> None:
        self._fit()
        self._box.focus()
        self._find()

    def on_resize(self) -> None:
        self._fit()

    def _fit(self) -> None:
        self._box.styles.width = min(WIDTH, self.size.width)
        self._box.styles.height = min(HEIGHT, self.size.height)

    # ----------------------------------------------------------------- in threads

    @work(thread=True, exit_on_error=False)
    def _find(self) -> None:
        try:
            found = self.plasma.backend.export_folders(self._run_path)
        except Exception:  # a suggestion that cannot be made is none
            found = ()
        self.post_message(FoldersFound(found))

    @work(thread=True, exit_on_error=False)
    def _export(self, folder: str, name: str) -> None:
        from tui.planning import told

        try:
            answer = self.plasma.backend.export(self._pick.path, folder, name)
        except Exception as error:  # border: whatever goes wrong is a sentence
            answer = ExportAnswer(False, told(error))
        self.post_message(Exported(answer))

    # ----------------------------------------------------------------- what came back

    def on_folders_found(self, message: FoldersFound) -> None:
        self._box.form = self._box.form.found(message.folders)

    def on_exported(self, message: Exported) -> None:
        answer, box = message.answer, self._box
        box.working = False
        if answer.done:
            self.dismiss(answer.text)
            return
        text = f"{answer.text[:1].upper()}{answer.text[1:]}"
        if answer.free_name is not None:
            # it is put in, and only another enter takes it
            box.form = replace(
                box.form, name=box.form.name.filled(without_ending(answer.free_name)), cursor=2
            )  # fmt: skip
            text = f"{text}. It is put in; enter exports under it."
        box.said = (text, "bad")

    # ----------------------------------------------------------------- keys

    def action_move(self, by: int) -> None:
        self._box.form = self._box.form.move(by)

    def action_folder(self, by: int) -> None:
        self._box.other_folder(by)

    def action_enter(self) -> None:
        """On a field: the next one. On the last row: export."""
        box = self._box
        if box.working:
            return
        if box.form.field is not None:
            self.action_move(1)
            return
        folder = box.form.folder.value.strip()
        if not folder:
            box.said = ("Name the folder that the copy goes into.", "bad")
            box.form = replace(box.form, cursor=0)
            return
        box.said, box.working = ("", "dim"), True
        self._export(folder, box.form.name.value)

    def action_back(self) -> None:
        """While a file is being copied the answer is waited for: it takes seconds."""
        if not self._box.working:
            self.dismiss(None)
