"""plasma.toml in an editor: which one, and the terminal handed to it."""

from __future__ import annotations

import os
import shlex
import shutil
import subprocess
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from textual.app import SuspendNotSupported

from tui.far import interrupts_for_the_child
from tui.text import capital

if TYPE_CHECKING:
    from tui.app import PlasmaApp

#: tried in this order if neither $VISUAL nor $EDITOR is set
FALLBACKS = ("nano", "vi", "vim")


@dataclass(frozen=True, slots=True)
class Editor:
    """`note`: why it is this one, if it was not chosen."""

    command: tuple[str, ...]
    note: str = ""


class NoEditor(Exception):
    """One sentence: what is missing, and what to do."""


def pick_editor(
    environ: Mapping[str, str], which: Callable[[str], str | None] = shutil.which
) -> Editor:
    """$VISUAL, then $EDITOR (both may hold arguments), then the first of FALLBACKS found. Raises NoEditor."""
    for name in ("VISUAL", "EDITOR"):
        words = environ.get(name, "").strip()
        if not words:
            continue
        try:
            command = tuple(shlex.split(words))
        except ValueError as error:
            raise NoEditor(f"${name} cannot be read ({error}); correct it: {words}") from None
        if which(command[0]) is None:
            raise NoEditor(f"${name} names {command[0]}, which was not found; set it to an editor")
        return Editor(command)
    for name in FALLBACKS:
        if which(name) is not None:
            return Editor((name,), f"neither $VISUAL nor $EDITOR is set, so {name} was used")
    raise NoEditor("no editor found: set $EDITOR, or edit plasma.toml in another terminal")


def edit(app: PlasmaApp, path: Path) -> bool:
    """Hand the terminal to the editor until it ends; False: it did not open."""
    try:
        editor = pick_editor(os.environ)
        with app.suspend(), interrupts_for_the_child():
            code = subprocess.call([*editor.command, str(path)])
    except NoEditor as error:
        problem = f"{error}."
    except SuspendNotSupported:
        problem = "An editor can't open in this terminal."
    except OSError as error:
        problem = f"{editor.command[0]} did not start: {error.strerror}."
    else:
        app.refresh(layout=True)
        if code:
            app.say(f"{editor.command[0]} ended with code {code}.", "warn", 6.0)
        elif editor.note:
            app.say(f"{capital(editor.note)}.", "dim", 6.0)
        return True
    app.say(problem, "bad")
    return False
