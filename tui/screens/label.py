"""Name, tags and note of a run. The run's own files are never changed for it."""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from pathlib import Path

from textual.widget import Widget

from runner.model import Label
from tui.asking import ask
from tui.screens.dialog import Dialog
from tui.widgets.fields import Field, Labelled, Note

#: as in runner.store.labels, which refuses a longer note with a sentence
NAME_MOST, TAGS_MOST = 200, 900


class LabelScreen(Dialog[bool]):
    """Dismisses with True after the label was written."""

    def __init__(self, run_path: Path, label: Label, name: str) -> None:
        super().__init__()
        self.HEAD = f"Edit label of {name}"  # type: ignore[misc]
        self._run_path, self._label = run_path, label
        self._called = Field("name", label.name or "", most=NAME_MOST, id="name",
                           placeholder="empty: the name in plasma.toml")  # fmt: skip
        self._tags = Field("tags", ", ".join(label.tags), most=TAGS_MOST, id="tags",
                           placeholder="separated by commas")  # fmt: skip
        self._note = Note(label.note, id="note")
        self._shown = self._written()

    def fields(self) -> list[Widget]:
        return [self._called, self._tags, Labelled("note", self._note)]

    def _written(self) -> tuple[str, str, str]:
        return self._called.value, self._tags.value, self._note.text

    def do(self) -> None:
        made = label_of(self._label, self._shown, self._written())
        if made == self._label:
            self.dismiss(False)
            return
        self.working = True
        write = partial(self.plasma.backend.relabel, self._run_path, made)
        ask(self, write, lambda sent: self.dismiss(True), self._not_saved)

    def _not_saved(self, problem: str) -> None:
        self.refuse(f"Not saved: {problem}")


def label_of(before: Label, shown: tuple[str, str, str], written: tuple[str, str, str]) -> Label:
    """What a person wrote. A field that still reads as it was `shown` keeps its value to the byte, commas in
    tags included."""
    name, tags, note = written
    split = tuple(tag.strip() for tag in tags.split(",") if tag.strip())
    return replace(
        before,
        name=before.name if name == shown[0] else name or None,
        tags=before.tags if tags == shown[1] else split,
        note=before.note if note == shown[2] else note,
    )
