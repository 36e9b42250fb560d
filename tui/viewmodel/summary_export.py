"""The form of an export: a folder and a name, each with a caret. Pure."""

from __future__ import annotations

from dataclasses import dataclass, replace

from runner.trainers.names import SUFFIXES
from tui.viewmodel.text_field import TextField

#: longer than any path that a system takes
PATH_MOST = 4000
FOLDER, NAME = "folder", "name"
_FOLDER, _NAME = TextField(FOLDER, most=PATH_MOST), TextField(NAME, most=PATH_MOST)


def without_ending(name: str) -> str:
    """A file's name as a person calls it; the export adds the ending again."""
    ending = next((s for s in SUFFIXES if name.lower().endswith(s)), "")
    return name[: len(name) - len(ending)] or name


@dataclass(frozen=True, slots=True)
class ExportForm:
    """`cursor`: 0 the folder, 1 the name, 2 the row that exports; `folders`: what was found to choose from;
    `touched`: a person has written the folder, so that none is put in any more."""

    folder: TextField = _FOLDER
    name: TextField = _NAME
    folders: tuple[str, ...] = ()
    cursor: int = 0
    touched: bool = False

    @property
    def field(self) -> TextField | None:
        """The one under the cursor; None on the last row."""
        return (self.folder, self.name, None)[self.cursor]

    def move(self, by: int) -> ExportForm:
        return replace(self, cursor=(self.cursor + by) % 3)

    def changed(self, field: TextField) -> ExportForm:
        if field.name == FOLDER:
            return replace(self, folder=field, touched=True)
        return replace(self, name=field)

    def found(self, folders: tuple[str, ...]) -> ExportForm:
        """With folders to choose from, which came later; the likeliest is put in if nothing was written. Then
        all is there, and the cursor goes on to the name."""
        if self.touched or not folders:
            return replace(self, folders=folders)
        return replace(
            self, folders=folders, folder=self.folder.filled(folders[0]), cursor=max(1, self.cursor)
        )

    def other_folder(self, by: int) -> ExportForm:
        """The next of those that were found."""
        if not self.folders:
            return self
        value = self.folder.value
        at = self.folders.index(value) + by if value in self.folders else 0
        return replace(self, folder=self.folder.filled(self.folders[at % len(self.folders)]))

    def hint(self) -> str:
        """What there is to say about the folder."""
        number = len(self.folders)
        if self.folder.value in self.folders and number > 1:
            return f"{self.folders.index(self.folder.value) + 1} of {number} found: pgup, pgdn"
        if number and self.folder.value not in self.folders:
            return f"{number} found: pgdn"
        return "" if number else "type it, for example ~/ComfyUI/models/loras"
