"""`label`: a name, tags and a note for a run; kept beside its own files."""

from __future__ import annotations

import argparse

import msgspec

from runner.model import Label
from runner.store.labels import BadLabel, changed, read_label, write_label
from tui.cli.common import find_run, print_json, say, write
from tui.cli.exits import OK, WRONG_USE, Fail
from tui.text import clean


def label(options: argparse.Namespace) -> int:
    """Change what was given, then print the label."""
    path = find_run(options.run, adopt=False)
    found = read_label(path)
    asked = options.name is not None or options.note is not None or options.tag or options.untag
    if asked:
        try:
            found = write_label(
                path,
                changed(
                    found, name=options.name, add=options.tag, take=options.untag, note=options.note
                ),
            )
        except BadLabel as error:
            raise Fail(f"nothing was changed: {error}", WRONG_USE) from None
        except OSError as error:
            raise Fail(f"the label of {path.name} cannot be written: {error.strerror}") from None
    if options.json:
        print_json({"schema": 1, "id": path.name, **msgspec.to_builtins(found)})
    else:
        _show(path.name, found)
    return OK


def _show(run_id: str, found: Label) -> None:
    if found == Label():
        say(f"{run_id} has no label (see `plasma-tui label --help`)")
        return
    write(f"name  {clean(found.name) or '-'}")
    write(f"tags  {', '.join(clean(tag) for tag in found.tags) or '-'}")
    note = "\n      ".join(clean(line) for line in found.note.split("\n")).rstrip()
    write(f"note  {note or '-'}")
