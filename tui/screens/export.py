"""Exports a checkpoint: a folder, a name, and what came of it. Nothing is ever replaced."""

from __future__ import annotations

from pathlib import Path
from typing import ClassVar

from textual import work
from textual.message import Message
from textual.widget import Widget

from runner.trainers.names import without_ending
from tui.backend.results import ExportAnswer
from tui.screens.dialog import Dialog
from tui.viewmodel.summary import Pick
from tui.widgets.fields import Field, Words


class FoldersFound(Message):
    def __init__(self, folders: tuple[str, ...]) -> None:
        super().__init__()
        self.folders = folders


class Exported(Message):
    def __init__(self, answer: ExportAnswer) -> None:
        super().__init__()
        self.answer = answer


class ExportScreen(Dialog[str | None]):
    """Dismisses with the sentence about the copy, None if there is none."""

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
        self._find()

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
        """The likeliest is filled in, unless something was written."""
        self.folder.offer(message.folders)
        if message.folders and not self.folder.value:
            self.folder.value = message.folders[0]
            if self.focused is self.folder.line:
                self.set_focus(self.name_field.line)

    def on_exported(self, message: Exported) -> None:
        answer = message.answer
        if answer.done:
            self.dismiss(answer.text)
        elif answer.free_name is None:
            self.refuse(answer.text)
        else:
            # only another enter takes it
            with self.prevent(Field.Edited):
                self.name_field.value = without_ending(answer.free_name)
            self.refuse(f"{answer.text}. Name filled in; Enter to export.")
            self.set_focus(self.query_one("#do"))

    def do(self) -> None:
        if not self.folder.value:
            self.refuse("Enter the folder to copy to.")
            self.set_focus(self.folder.line)
            return
        self.working = True
        self.query_one("#said", Words).say("Copying and verifying…", "dim")
        self._export(self.folder.value, self.name_field.value)
