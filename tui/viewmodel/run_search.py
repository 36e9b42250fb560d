"""What typing keeps of the list of runs: every word must occur; `tag:good` asks one field."""

from __future__ import annotations

import unicodedata
from collections.abc import Callable

from runner.model import RunListing, RunState
from tui.viewmodel.runs import is_live
from tui.viewmodel.state import label_of

#: characters of a note that are searched; notes may be long, and there may be thousands
NOTE_SEARCHED = 2000

Match = Callable[[str, RunListing], bool]


def search_text(one: RunListing) -> str:
    """All that words are looked for in, made once a listing."""
    parts = (one.id, one.name, _state(one), _kind(one), *one.tags, one.project,
             one.device or "", one.host, one.note[:NOTE_SEARCHED])  # fmt: skip
    return folded("\n".join(parts))


def folded(text: str) -> str:
    """Without case; composed, because macOS writes file names decomposed."""
    if text.isascii():
        return text.lower()
    return unicodedata.normalize("NFC", text).casefold()


def _state(one: RunListing) -> str:
    """The word on the screen, those of the files, and `live`."""
    words = [label_of(one.state, one.outcome).word, one.state.value]
    if one.outcome is not None and one.state is RunState.ENDED:
        words.append(one.outcome.value)
    if is_live(one):
        words.append("live")
    return " ".join(words)


def _kind(one: RunListing) -> str:
    return f"{one.origin} {'smoke' if one.smoke else ''}".strip()


FIELDS: dict[str, Callable[[RunListing], str]] = {
    "id": lambda one: one.id,
    "name": lambda one: one.name,
    "state": _state,
    "kind": _kind,
    "tag": lambda one: "\n".join(one.tags),
    "note": lambda one: one.note[:NOTE_SEARCHED],
    "project": lambda one: one.project,
    "device": lambda one: one.device or "",
    "host": lambda one: one.host,
}


def matcher(typed: str) -> Match | None:
    """What decides whether a run is shown; None: everything is. `field:` alone asks that it holds
    anything; a word with a colon that names no field is a word like others."""
    words: list[str] = []
    asked: list[tuple[Callable[[RunListing], str], str]] = []
    for word in folded(typed).split():
        name, colon, value = word.partition(":")
        field = FIELDS.get(name.removesuffix("s")) or FIELDS.get(name)
        if colon and field is not None:
            asked.append((field, value))
        else:
            words.append(word)
    if not words and not asked:
        return None

    def matches(text: str, one: RunListing) -> bool:
        return all(word in text for word in words) and all(
            value in folded(field(one)) if value else bool(field(one).strip())
            for field, value in asked
        )

    return matches
