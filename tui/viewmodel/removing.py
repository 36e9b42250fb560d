"""What is asked before runs are removed from the list."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from runner.model.units import count, file_size, some
from tui.text import clean, crop
from tui.viewmodel.stopping import Choice, Question

if TYPE_CHECKING:
    from runner.control.remove import Removal

REMOVE, WITH_CHECKPOINTS = "remove", "with checkpoints"
#: sentences of one kind that are told in full
TOLD = 4


def remove_question(removals: Sequence[Removal]) -> Question:
    """Facts: what goes, what stays. A refusal is told, and that run is left out; if all are refused
    there is nothing to choose. Checkpoints that would be lost must be typed for."""
    can = [one for one in removals if one.refusal is None]
    refused = [one for one in removals if one.refusal is not None]
    facts: list[str] = []
    if len(can) == 1:
        facts += [clean(text, 400) for text in can[0].goes]
        facts += [f"Stays: {_lowered(clean(text, 400))}" for text in can[0].stays[:TOLD]]
    elif can:
        names = some([crop(clean(one.name, 80), 40) for one in can], TOLD)
        files, size = sum(one.files for one in can), sum(one.size_bytes for one in can)
        facts.append(f"{names}.")
        facts.append(f"Their run folders go: {count(files, 'file')}, {file_size(size)}.")
        stays = dict.fromkeys(clean(text, 400) for one in can for text in one.stays)
        facts += [f"Stays: {_lowered(text)}" for text in list(stays)[:TOLD]]
    warnings = [_refusal(one, alone=len(removals) == 1) for one in refused[:TOLD]]
    lost = [clean(path, 300) for one in can for path in one.lost]
    if lost:
        warnings.append(f"{_these(lost, 'checkpoint')} in it would be lost: {some(lost, TOLD)}.")
    return Question(_title(can or removals), tuple(facts), _choices(can, lost), tuple(warnings))


def typed_word(removals: Sequence[Removal]) -> str:
    """What must be typed where checkpoints would be lost: something that a keyboard can write."""
    name = removals[0].name if len(removals) == 1 else ""
    plain = name.isascii() and name.isprintable() and 0 < len(name.strip()) <= 40
    return name.strip() if plain else "remove"


def _choices(can: Sequence[Removal], lost: Sequence[str]) -> tuple[Choice, ...]:
    if not can:
        return ()
    what = "the run" if len(can) == 1 else f"these {len(can)} runs"
    if lost:
        label = f"Remove {what} and {_these(lost, 'checkpoint')}"
        return (Choice(WITH_CHECKPOINTS, label, typed=True),)
    return (Choice(REMOVE, f"Remove {what}"),)


def _title(removals: Sequence[Removal]) -> str:
    if len(removals) == 1:
        return f"Remove {crop(clean(removals[0].name, 200), 44)}?"
    return f"Remove {count(len(removals), 'run')}?"


def _refusal(one: Removal, *, alone: bool) -> str:
    said = clean(one.refusal, 400)
    said = said[:1].upper() + said[1:]
    return said if alone else f"{crop(clean(one.name, 80), 40)} is left out. {said}"


def _these(items: Sequence[str], noun: str) -> str:
    return count(len(items), noun)


def _lowered(text: str) -> str:
    """A sentence after a colon; names and paths keep their first letter."""
    return text[:1].lower() + text[1:] if text[1:2].islower() else text
