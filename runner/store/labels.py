"""The user's label of a run: label.json in its folder. The run's own files are never changed for it.

Text is stored unchanged, within bounds; only control characters are rejected, because they move the cursor
when printed.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path

from runner.model import Label
from runner.model.refusal import Refusal
from runner.store.journal import readable, write_json
from runner.store.rundir import RunDir
from runner.store.schema import refuse_newer

NAME_LIMIT = 200
TAG_LIMIT = 40
TAGS_LIMIT = 20
NOTE_LIMIT = 10_000


class BadLabel(Refusal, ValueError):
    """An invalid label; one sentence with what to do."""


def read_label(path: Path) -> Label:
    """The label of the run in that folder; an empty one if missing or unreadable."""
    return readable(RunDir(path).label, Label) or Label()


def write_label(path: Path, label: Label) -> Label:
    """Replace the run's label, validated and normalized; returns the result. Raises BadLabel,
    WrittenByNewer, OSError."""
    kept = checked(label)
    if not path.is_dir():
        raise BadLabel(f"run {path.name} no longer exists: nothing to label")
    refuse_newer(RunDir(path))
    write_json(RunDir(path).label, kept, durable=True)
    return kept


def checked(label: Label) -> Label:
    """The label without extra space and without empty or repeated tags. Raises BadLabel."""
    name = (label.name or "").strip()
    note = label.note.strip().replace("\r\n", "\n")
    _bounded("the name", name, NAME_LIMIT)
    _bounded("the note", note, NOTE_LIMIT, lines=True)
    tags = tuple(dict.fromkeys(tag.strip() for tag in label.tags if tag.strip()))
    if len(tags) > TAGS_LIMIT:
        raise BadLabel(f"{len(tags)} tags are too many: at most {TAGS_LIMIT}")
    for tag in tags:
        _bounded("a tag", tag, TAG_LIMIT)
    return replace(label, name=name or None, tags=tags, note=note)


def changed(
    label: Label,
    *,
    name: str | None = None,
    add: Iterable[str] = (),
    take: Iterable[str] = (),
    note: str | None = None,
) -> Label:
    """The label with these changes; None keeps, "" removes."""
    gone = {tag.strip() for tag in take}
    tags = tuple(tag for tag in (*label.tags, *add) if tag.strip() not in gone)
    return checked(
        replace(
            label,
            name=label.name if name is None else name,
            tags=tags,
            note=label.note if note is None else note,
        )
    )


def _bounded(what: str, text: str, limit: int, *, lines: bool = False) -> None:
    if len(text) > limit:
        raise BadLabel(f"{what} has {len(text)} characters: at most {limit}")
    for character in text:
        if lines and character in "\n\t":
            continue
        # Cc: control characters; Cs: halves of surrogate pairs, which cannot be encoded
        if unicodedata.category(character) in ("Cc", "Cs"):
            raise BadLabel(
                f"{what} contains the control character U+{ord(character):04X}: remove it"
            )
