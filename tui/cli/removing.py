"""`remove`: shows what would be deleted, asks, and deletes run folders. Checkpoints in output folders stay."""

from __future__ import annotations

import argparse
from collections.abc import Sequence

from runner.control.remove import Removal, removal_of, remove_run
from runner.model.units import count
from tui.cli.common import agreed, answer, at_terminal, find_runs, say
from tui.cli.exits import NO, OK, WRONG_USE, Fail
from tui.text import clean


def remove(options: argparse.Namespace) -> int:
    """Exit 0 when all are deleted. Nothing is deleted before a yes (or --yes), or if one cannot be."""
    named = [find_runs(text, adopt=False)[0] for text in options.run]
    paths = list(dict.fromkeys(path for found in named for path in found))
    looked = [removal_of(path) for path in paths]
    for one in looked:
        if one.refusal is not None:
            raise Fail(f"nothing was removed: {clean(one.refusal)}")
    if not options.yes or any(one.lost for one in looked):
        for one in looked:
            _print(one)
    if not _agreed(options, looked):
        say("nothing was removed")
        return NO
    for path, one in zip(paths, looked, strict=True):
        say(f"removed {remove_run(path, with_checkpoints=bool(one.lost)).id}")
    return OK


def _print(one: Removal) -> None:
    named = f" ({clean(one.name, 80)})" if one.name != one.id else ""
    say(f"{one.id}{named}")
    for line in one.goes:
        say(f"  deleted: {line}")
    for line in one.stays:
        say(f"  kept:    {line}")


def _agreed(options: argparse.Namespace, looked: Sequence[Removal]) -> bool:
    """Raises Fail if a question is needed and there is no terminal."""
    if not options.with_checkpoints:
        for one in looked:
            if one.lost and not _typed(one, at_terminal() and not options.yes):
                return False
    what = looked[0].id if len(looked) == 1 else count(len(looked), "run")
    return agreed(f"Remove {what}?", "nothing was removed", yes=options.yes)


def _typed(one: Removal, terminal: bool) -> bool:
    """Checkpoints are deleted only after typing the run's name, or with --with-checkpoints."""
    lost = f"{count(len(one.lost), 'checkpoint')} or state{'' if len(one.lost) == 1 else 's'}"
    if not terminal:
        raise Fail(
            f"nothing was removed: {lost} inside the folder of {one.id} would be deleted with it; copy "
            f"them first, or add --with-checkpoints",
            WRONG_USE,
        )
    say(f"! {lost} would be deleted permanently with {one.id}")
    return answer("Type the run's name to delete them too: ") in (one.name, one.id)
