"""Which editor opens plasma.toml."""

from __future__ import annotations

import shlex
import shutil
from collections.abc import Callable, Mapping
from dataclasses import dataclass

#: what most machines have, where nothing is chosen
FALLBACKS = ("nano", "vi", "vim")


@dataclass(frozen=True, slots=True)
class Editor:
    """`note`: why it is this one, where nobody chose it."""

    command: tuple[str, ...]
    note: str = ""


class NoEditor(Exception):
    """One sentence: what is missing, and what to do."""


def pick_editor(
    environ: Mapping[str, str], which: Callable[[str], str | None] = shutil.which
) -> Editor:
    """$VISUAL, then $EDITOR (both may hold arguments), then what is there. Raises NoEditor."""
    for name in ("VISUAL", "EDITOR"):
        words = environ.get(name, "").strip()
        if not words:
            continue
        try:
            command = tuple(shlex.split(words))
        except ValueError as error:
            raise NoEditor(f"${name} cannot be read ({error}); correct it: {words}") from None
        if which(command[0]) is None:
            raise NoEditor(f"${name} names {command[0]}, which is not found; set it to an editor")
        return Editor(command)
    for name in FALLBACKS:
        if which(name) is not None:
            return Editor((name,), f"neither $VISUAL nor $EDITOR is set, so {name} was taken")
    raise NoEditor("no editor is known: set $EDITOR, or change plasma.toml in another terminal")
