"""A few fields, each with what was found to choose from; what is typed counts as well. Pure."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from runner.model.units import count, file_size
from tui.text import clean

if TYPE_CHECKING:
    from runner.trainers.sd_scripts.importers.find import Found
    from runner.trainers.sd_scripts.importers.fresh import Answers

#: endings of files that can be imported
IMPORTABLE = (".sh", ".bash", ".zsh", ".json", ".toml", ".bat", ".ps1", ".txt")
MOST_OFFERED = 40


@dataclass(frozen=True, slots=True)
class Option:
    """`note`: what there is to say about it: its size, its problem."""

    value: str
    note: str = ""


@dataclass(frozen=True, slots=True)
class Field:
    """`value`: as chosen or typed; empty: none."""

    name: str
    label: str
    value: str = ""
    options: tuple[Option, ...] = ()

    @property
    def note(self) -> str:
        found = next((option for option in self.options if option.value == self.value), None)
        return found.note if found is not None else ""

    def place(self) -> str:
        """Which of the found ones it is."""
        if not self.options:
            return "nothing found; type it" if not self.value else ""
        values = [option.value for option in self.options]
        if self.value in values:
            return f"{values.index(self.value) + 1} of {len(values)}"
        return f"{len(values)} found: left, right" if not self.value else "typed"

    def chosen(self, by: int) -> Field:
        """The next or the one before of the found ones; before the first one stands none."""
        values = ["", *(option.value for option in self.options)]
        at = values.index(self.value) if self.value in values else 0
        return replace(self, value=values[(at + by) % len(values)])

    def typed(self, text: str) -> Field:
        return replace(self, value=clean(self.value + text, 1000))

    def erased(self) -> Field:
        return replace(self, value=self.value[:-1])


@dataclass(frozen=True, slots=True)
class Form:
    """`cursor` counts the fields and, after them, the row that writes."""

    fields: tuple[Field, ...] = ()
    cursor: int = 0

    @property
    def on_write(self) -> bool:
        return self.cursor >= len(self.fields)

    def move(self, by: int) -> Form:
        return replace(self, cursor=(self.cursor + by) % (len(self.fields) + 1))

    def changed(self, field: Field) -> Form:
        """With another field under the cursor."""
        fields = list(self.fields)
        fields[self.cursor] = field
        return replace(self, fields=tuple(fields))

    def value(self, name: str) -> str | None:
        """None when it is empty."""
        return next((f.value.strip() for f in self.fields if f.name == name), "") or None


def new_form(found: Found, suggested: Answers) -> Form:
    """What is asked for a new plasma.toml, filled with what `init` would take."""
    checkouts = [Option(str(one.path), one.problem or "") for one in found.sd_scripts]
    pythons = [Option(str(path)) for path in found.pythons]
    models = [Option(str(one.path), file_size(one.size_bytes)) for one in found.models]
    return Form(
        (
            Field("sd_scripts", "sd-scripts", str(suggested.sd_scripts or ""), _options(checkouts)),
            Field("python", "python", suggested.python or "", _options(pythons)),
            Field("model", "base model", suggested.model or "", _options(models)),
            Field("name", "name", suggested.name or ""),
        )
    )


def import_form(names: Iterable[str]) -> Form:
    """One field: the file. `names`: what lies in the folder."""
    usable = sorted(name for name in names if Path(name).suffix.lower() in IMPORTABLE)
    return Form((Field("source", "file", "", _options(Option(name) for name in usable)),))


def _options(options: Iterable[Option]) -> tuple[Option, ...]:
    return tuple(options)[:MOST_OFFERED]


def found_here(found: Found | None) -> str:
    """What a new plasma.toml could be made of, in a few words."""
    if found is None:
        return "looking at this machine"
    checkouts = count(len(found.sd_scripts), "sd-scripts").replace("sd-scriptss", "sd-scripts")
    pythons, models = count(len(found.pythons), "python"), count(len(found.models), "model")
    return f"found: {checkouts}, {pythons}, {models}"
