"""Exports a checkpoint: a folder, a name, and what came of it. Nothing is ever replaced."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import ClassVar

from textual.widget import Widget

from runner.trainers.names import without_ending
from tui.asking import ask
from tui.backend.results import ExportAnswer
from tui.screens.dialog import Dialog
from tui.viewmodel.summary import Pick
from tui.widgets.fields import Field, Words


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
        # a suggestion that cannot be made is none
        find = partial(self.plasma.backend.export_folders, self._run_path)
        ask(self, find, self._suggest, lambda problem: self._suggest(()))

    # ----------------------------------------------------------------- what came back

    def _suggest(self, folders: tuple[str, ...]) -> None:
        """The likeliest is filled in, unless something was written."""
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
        folder, name = self.folder.value, self.name_field.value
        copy = partial(self.plasma.backend.export, self._pick.path, folder, name)
        ask(self, copy, self._exported, lambda text: self._exported(ExportAnswer(False, text)))
