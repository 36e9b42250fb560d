"""The form for name, tags and note of a run: fields with a caret. Pure."""

from __future__ import annotations

from dataclasses import dataclass, replace

from runner.model import Label
from tui.viewmodel.text_field import TextField

#: as in runner.store.labels: what is longer is refused there; here it is only not taken in
NAME_MOST, TAGS_MOST, NOTE_MOST = 200, 900, 10_000


@dataclass(frozen=True, slots=True)
class LabelForm:
    """`cursor` counts the fields and, after them, the row that keeps what was written."""

    fields: tuple[TextField, ...]
    cursor: int = 0

    @property
    def field(self) -> TextField | None:
        """The one under the cursor; None on the last row."""
        return self.fields[self.cursor] if self.cursor < len(self.fields) else None

    def move(self, by: int) -> LabelForm:
        return replace(self, cursor=(self.cursor + by) % (len(self.fields) + 1))

    def changed(self, field: TextField) -> LabelForm:
        fields = list(self.fields)
        fields[self.cursor] = field
        return replace(self, fields=tuple(fields))


def _field(name: str, hint: str, value: str, most: int, *, lines: bool = False) -> TextField:
    return TextField(name, value, len(value), most, lines, label=name, hint=hint)


def form_of(label: Label) -> LabelForm:
    name, tags, note = label.name or "", ", ".join(label.tags), label.note
    return LabelForm(
        (
            _field("name", "empty: as its plasma.toml calls it", name, NAME_MOST),
            _field("tags", "a comma between two", tags, TAGS_MOST),
            _field("note", "ctrl+j breaks a line", note, NOTE_MOST, lines=True),
        )
    )


def label_of_form(form: LabelForm, before: Label) -> Label:
    """What a person wrote. Tags that were not touched stay as they are, commas in them included."""
    name, tags, note = (field.value for field in form.fields)
    split = tuple(tag.strip() for tag in tags.split(",") if tag.strip())
    kept = before.tags if tags == ", ".join(before.tags) else split
    return replace(before, name=name.strip() or None, tags=kept, note=note)
