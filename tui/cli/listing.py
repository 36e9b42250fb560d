"""`runs`: all runs on this machine and on others as a table or JSON."""

from __future__ import annotations

import argparse
import time
from collections.abc import Sequence
from typing import TYPE_CHECKING

from runner.control.jobs import look
from runner.control.queue import revive
from runner.model import RunListing
from runner.model.refusal import Refusal
from runner.model.units import count, duration, loss, some
from runner.store.registry import list_runs
from runner.store.rundir import user_config
from tui.cli.common import print_json, print_table, say
from tui.cli.exits import NO, OK, WRONG_USE, Fail
from tui.text import clean
from tui.words.hosts import host_lines, together
from tui.words.queue import expected, waits_for
from tui.words.runs import SORTS, Entry, Head, RunBoard, kind_of, shown_loss, tags_of
from tui.words.table import Column, Line, Title

if TYPE_CHECKING:
    from runner.hosts.runs import HostRuns
    from runner.model import RunListing

#: in this order; the highest rank is left out first
COLUMNS = (
    Column("run"),
    Column("host"),
    Column("state"),
    Column("kind", 1),
    Column("step", 3, right=True),
    Column("loss", 2, right=True),
    Column("checkpoints", 7, right=True),
    Column("took", 6, right=True),
    Column("ends", 5),
    Column("name", 4, least=12),
    Column("tags", 5, least=8),
)


def runs(options: argparse.Namespace) -> int:
    """Live runs first, then by `--sort`; `--filter` works like `/` on the screen. --json has runs of other
    machines only if they are named: what reads it acts on this one."""
    if options.limit is not None and options.limit < 0:
        raise Fail("--limit takes a number of runs, 0 or more", WRONG_USE)
    sort = next(one for one in SORTS if one.name == options.sort)
    board = RunBoard(
        typed=options.filter or "", sort=sort, grouped="project" if options.group else ""
    )
    hosts = _hosts(options)
    board.without(frozenset(one.host for one in hosts if one.problem))
    board.take(together(() if options.host else _of_this_machine(), hosts))
    lines = _cut(board.lines(), options.limit)
    shown = [one.listing for one in lines if isinstance(one, Entry)]
    if options.json:
        print_json({"schema": 1, "runs": shown, "total": board.found} | _silent(options, hosts))
    elif not board.total and options.host:
        if answered := [one.host for one in hosts if not one.problem]:
            say(f"no runs on {some(answered)}")
    elif not board.total:
        say("no runs yet: try `plasma-tui demo`, or `plasma-tui start` your own")
    elif not board.found:
        say(f"no match for {options.filter!r} among {count(board.total, 'run')}")
    else:
        print_table(COLUMNS, [_row(line) for line in lines])
        if board.found > len(shown):
            say(f"and {count(board.found - len(shown), 'more run')}")
    for line in () if options.json else host_lines(hosts, time.time()):
        say(line)
    return NO if options.host and any(one.problem for one in hosts) else OK


def _of_this_machine() -> Sequence[RunListing]:
    look()
    found = list_runs()
    revive(found)
    return found


def _hosts(options: argparse.Namespace) -> tuple[HostRuns, ...]:
    """A config.toml with problems is no reason not to list the runs of this machine."""
    if not options.host and (options.json or user_config() is None):
        return ()
    from tui.cli.hosts import runs_of

    try:
        return runs_of(options.host)
    except Refusal as refusal:
        if options.host:
            raise Fail(str(refusal), WRONG_USE) from None
        say(str(refusal))
        return ()


def _silent(options: argparse.Namespace, hosts: Sequence[HostRuns]) -> dict[str, object]:
    """What is known about each named host besides its runs."""
    if not options.host:
        return {}
    return {
        "hosts": [
            {"name": one.host, "problem": one.problem or None, "since": one.since,
             "read_at": one.read_at, "total": one.total}
            for one in hosts
        ]
    }  # fmt: skip


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


def _remark(run: RunListing) -> str:
    """Its name; instead, what is wrong with it, or why it is held."""
    if run.waiting is not None and run.waiting.held:
        return waits_for(run)
    return clean(run.name if run.problem is None else run.problem, 200)


def _row(line: Head | Entry) -> Line:
    if isinstance(line, Head):
        live = f", {line.live} live" if line.live else ""
        return Title(f"{line.title} ({count(line.runs, 'run')}{live})")
    run = line.listing
    total = run.total_steps if run.total_steps is not None else "?"
    return [
        clean(run.id),
        clean(run.remote, 60),
        str(run.outcome or run.state),
        kind_of(run),
        f"{run.step}/{total}",
        loss(shown_loss(run)),
        str(run.checkpoints),
        duration(run.duration_s),
        expected(run.ends_at),
        _remark(run),
        tags_of(run, 120),
    ]
