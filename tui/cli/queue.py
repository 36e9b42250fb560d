"""`queue`: the runs that wait for a GPU, and their order."""

from __future__ import annotations

import argparse

from runner.control import queue as control
from runner.model import RunListing
from runner.model.units import count, duration
from runner.store.queue import WHERE
from tui.cli.common import find_run, print_json, print_table, say
from tui.cli.exits import OK, WRONG_USE, Fail
from tui.text import clean
from tui.words.queue import expected, place_of, waits_for
from tui.words.table import Column

COLUMNS = (
    Column("place", right=True),
    Column("run"),
    Column("starts"),
    Column("ends", 2),
    Column("takes", 3, right=True),
    Column("waits for", 1, least=12),
)


def queue(options: argparse.Namespace) -> int:
    """Without RUN the queue; else one change of it."""
    wanted = [where for where in (*WHERE, "release") if getattr(options, where)]
    if options.run is None:
        if wanted:
            raise Fail(f"--{wanted[0]} needs a RUN", WRONG_USE)
        return _show(json=options.json)
    if not wanted:
        raise Fail("what with it? --first, --up, --down, --last or --release", WRONG_USE)
    path = find_run(options.run)
    change = control.release if wanted[0] == "release" else control.move
    say(change(path) if change is control.release else control.move(path, wanted[0]))
    control.revive()
    return OK


def _show(*, json: bool) -> int:
    found = control.queued_runs()
    control.revive(found)
    if json:
        print_json({"schema": 1, "queue": found})
    elif not found:
        say("nothing is queued: `plasma-tui start --queue` adds a run")
    else:
        print_table(COLUMNS, [_row(one) for one in found])
        say(count(len(found), "queued run"))
    return OK


def _row(one: RunListing) -> list[str]:
    at = one.waiting.expected_start_at if one.waiting is not None else None
    return [
        str(place_of(one) or "-"),
        clean(one.id),
        expected(at),
        expected(one.ends_at),
        duration(one.forecast_s),
        waits_for(one),
    ]
