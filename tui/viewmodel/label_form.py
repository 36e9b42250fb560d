"""The form for name, tags and note of a run: fields with a caret. Pure."""

from __future__ import annotations

import unicodedata
from dataclasses import dataclass, replace

from runner.model import Label

#: as in runner.labels: what is longer is refused there; here it is only not taken in
NAME_MOST, TAGS_MOST, NOTE_MOST = 200, 900, 10_000


@dataclass(frozen=True, slots=True)
class Field:
    """`at`: characters before the caret. `lines`: it may hold line breaks."""

    name: str
    label: str
    hint: str
    value: str = ""
    at: int = 0
    most: int = NAME_MOST
    lines: bool = False

    def typed(self, text: str) -> Field:
        kept = "".join(c for c in text if self._takes(c))[: max(0, self.most - len(self.value))]
        value = self.value[: self.at] + kept + self.value[self.at :]
        return replace(self, value=value, at=self.at + len(kept))

    def _takes(self, character: str) -> bool:
        return (self.lines and character == "\n") or unicodedata.category(character) not in (
            "Cc",
            "Cs",
        )

    def erased(self) -> Field:
        """Without the character before the caret."""
        if not self.at:
            return self
        return replace(
            self, value=self.value[: self.at - 1] + self.value[self.at :], at=self.at - 1
        )

    def deleted(self) -> Field:
        """Without the one after it."""
        return replace(self, value=self.value[: self.at] + self.value[self.at + 1 :])

    def emptied(self) -> Field:
        return replace(self, value="", at=0)

    def moved(self, by: int) -> Field:
        return replace(self, at=max(0, min(len(self.value), self.at + by)))


@dataclass(frozen=True, slots=True)
class LabelForm:
    """`cursor` counts the fields and, after them, the row that keeps what was written."""

    fields: tuple[Field, ...]
    cursor: int = 0

    @property
    def field(self) -> Field | None:
        """The one under the cursor; None on the last row."""
        return self.fields[self.cursor] if self.cursor < len(self.fields) else None

    def move(self, by: int) -> LabelForm:
        return replace(self, cursor=(self.cursor + by) % (len(self.fields) + 1))

    def changed(self, field: Field) -> LabelForm:
        fields = list(self.fields)
        fields[self.cursor] = field
        return replace(self, fields=tuple(fields))


def form_of(label: Label) -> LabelForm:
    name, tags, note = label.name or "", ", ".join(label.tags), label.note
    return LabelForm(
        (
            Field("name", "name", "empty: as its plasma.toml calls it", name, len(name)),
            Field("tags", "tags", "a comma between two", tags, len(tags), TAGS_MOST),
            Field("note", "note", "ctrl+j breaks a line", note, len(note), NOTE_MOST, lines=True),
        )
    )


def label_of_form(form: LabelForm, before: Label) -> Label:
    """What a person wrote. Tags that were not touched stay as they are, commas in them included."""
    name, tags, note = (field.value for field in form.fields)
    split = tuple(tag.strip() for tag in tags.split(",") if tag.strip())
    kept = before.tags if tags == ", ".join(before.tags) else split
    return replace(before, name=name.strip() or None, tags=kept, note=note)
