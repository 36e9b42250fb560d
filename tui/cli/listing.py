"""`runs`: all runs on this machine as a table or JSON."""

from __future__ import annotations

import argparse
from collections.abc import Sequence

from runner.control.jobs import look
from runner.model.units import count, duration, loss
from runner.store.registry import list_runs
from tui.cli.common import print_json, print_table, say
from tui.cli.exits import OK, WRONG_USE, Fail
from tui.text import clean
from tui.words.runs import SORTS, Entry, Head, RunBoard, kind_of, shown_loss, tags_of
from tui.words.table import Column, Line, Title

#: in this order; the highest rank is left out first
COLUMNS = (
    Column("run"),
    Column("state"),
    Column("kind", 1),
    Column("step", 3, right=True),
    Column("loss", 2, right=True),
    Column("checkpoints", 7, right=True),
    Column("took", 6, right=True),
    Column("name", 4, least=12),
    Column("tags", 5, least=8),
)


def runs(options: argparse.Namespace) -> int:
    """Live runs first, then by `--sort`; `--filter` works like `/` on the screen."""
    if options.limit is not None and options.limit < 0:
        raise Fail("--limit takes a number of runs, 0 or more", WRONG_USE)
    sort = next(one for one in SORTS if one.name == options.sort)
    board = RunBoard(typed=options.filter or "", sort=sort, grouped=options.group)
    look()
    board.take(list_runs())
    lines = _cut(board.lines(), options.limit)
    shown = [one.listing for one in lines if isinstance(one, Entry)]
    if options.json:
        print_json({"schema": 1, "runs": shown})
    elif not board.total:
        say("no runs yet: try `plasma-tui demo`, or `plasma-tui start` your own")
    elif not board.found:
        say(f"no match for {options.filter!r} among {count(board.total, 'run')}")
    else:
        print_table(COLUMNS, [_row(line) for line in lines])
        if board.found > len(shown):
            say(f"and {count(board.found - len(shown), 'more run')}")
    return OK


def _cut(lines: Sequence[Head | Entry], limit: int | None) -> list[Head | Entry]:
    """The first `limit` runs with their group titles."""
    if limit is None:
        return list(lines)
    found: list[Head | Entry] = []
    head: Head | None = None
    for line in lines:
        if isinstance(line, Head):
            head = line
            continue
        if limit <= 0:
            break
        if head is not None:
            found.append(head)
            head = None
        found.append(line)
        limit -= 1
    return found


def _row(line: Head | Entry) -> Line:
    if isinstance(line, Head):
        live = f", {line.live} live" if line.live else ""
        return Title(f"{line.title} ({count(line.runs, 'run')}{live})")
    run = line.listing
    total = run.total_steps if run.total_steps is not None else "?"
    return [
        clean(run.id),
        str(run.outcome or run.state),
        kind_of(run),
        f"{run.step}/{total}",
        loss(shown_loss(run)),
        str(run.checkpoints),
        duration(run.duration_s),
        clean(run.name, 200) if run.problem is None else clean(run.problem, 200),
        tags_of(run, 120),
    ]
