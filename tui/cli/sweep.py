"""`sweep`: a queued run for every combination of some settings, after one table and one question."""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Mapping, Sequence
from itertools import zip_longest
from pathlib import Path
from typing import Any

from runner.config.errors import ConfigError
from runner.config.hiding import shown_value
from runner.control import sweep
from runner.control.sweep import PlannedRun, SweepPlan
from runner.control.sweep_existing import differing
from runner.control.sweep_plan import shown
from runner.model import CheckResult
from runner.model.refusal import Refusal
from runner.model.units import UNKNOWN, count, duration, file_size, some
from runner.store.rundir import RunDir
from tui.cli.common import agreed, check_line, counted, print_json, print_table, say, write
from tui.cli.exits import NO, OK, WRONG_USE, Fail
from tui.cli.start import by_severity, load_file
from tui.text import clean
from tui.words.table import Column, Line

#: after the run and its settings; the highest rank is left out first
REST = (
    Column("steps", 2, right=True),
    Column("size", 3, right=True),
    Column("time", 4, right=True),
    Column("exists", 1, least=12),
)
IN_ALL = "in all"


def start(options: argparse.Namespace) -> int:
    """Show every run, ask, and queue them all; prints the name of the group."""
    plan = _planned(options)
    if not options.json:
        _print_table(plan, options)
    for warning in plan.warnings:
        say(f"! {warning}")
    if all(one.forecast.duration_s is None for one in plan.runs):
        say("time is unknown until a run or a smoke test with these settings was measured")
    if options.dry_run:
        if options.json:
            print_json(sweep_object(plan))
        return OK
    _refuse_taken(plan, options)
    if plan.closed:
        raise Fail(
            f"nothing was started: the settings that all runs share are not approved: {plan.closed} "
            "(--force REASON starts anyway)"
        )
    results = _checked(plan, options.force)
    question = f"Queue {count(len(plan.runs), 'run')} as {plan.group}?"
    if not agreed(question, "nothing was started", yes=options.yes):
        say("nothing was started")
        return NO
    made = _queued(plan, results, options.force)
    if options.json:
        print_json(sweep_object(plan, made))
        return OK
    write(plan.group)
    say(f"compare the runs at any time with `plasma-tui compare {plan.group}`")
    return OK


def _planned(options: argparse.Namespace) -> SweepPlan:
    config = load_file(options)
    try:
        return sweep.plan_sweep(
            config, options.set, Path.cwd(), force=options.force, missing=options.missing
        )
    except (ValueError, ConfigError) as error:
        raise Fail(str(error), WRONG_USE) from None


# ----------------------------------------------------------------- the table


def _print_table(plan: SweepPlan, options: argparse.Namespace) -> None:
    """Raises Fail: `| head` or a full disk is no success of a command that was to start something."""
    try:
        print_table(_columns(plan), _rows(plan))
    except OSError as error:
        if options.dry_run:
            raise
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())  # is flushed at the end
        raise Fail(f"nothing was started: the table cannot be printed: {error.strerror}") from None


def _columns(plan: SweepPlan) -> list[Column]:
    values = zip(*(_values(one) for one in plan.runs), strict=True)
    settings = (
        Column(clean(name, 40), least=12, keep_end=_differ_at_end(found))
        for name, found in zip(plan.names, values, strict=True)
    )
    return [Column("run", least=24, keep_end=True), *settings, *REST]


def _differ_at_end(values: Sequence[str]) -> bool:
    """As paths and lists do."""
    return any("/" in value for value in values) or len({value[:6] for value in values}) == 1


def _rows(plan: SweepPlan) -> list[Line]:
    """A line for each run, and the sums; what is unknown of one run is unknown of all."""
    forecasts = [one.forecast for one in plan.runs]
    steps = sweep.total([one.steps for one in forecasts])
    rows: list[Line] = [[clean(one.name, 200), *_values(one), *_figures(one)] for one in plan.runs]
    taken = sum(one.taken for one in plan.runs)
    sums = [
        UNKNOWN if steps is None else str(steps),
        file_size(sweep.total([one.size_bytes for one in forecasts])),
        duration(sweep.total([one.duration_s for one in forecasts])),
        f"{taken} of {len(plan.runs)}" if taken else "",
    ]
    return [*rows, [IN_ALL, *("" for _ in plan.names), *sums]]


def _values(one: PlannedRun) -> list[str]:
    return [clean(shown_value(name, shown(value)), 200) for name, value in one.settings]


def _figures(one: PlannedRun) -> list[str]:
    found = one.forecast
    steps = UNKNOWN if found.steps is None else str(found.steps)
    return [steps, file_size(found.size_bytes), duration(found.duration_s), _exists(one)]


def _exists(one: PlannedRun) -> str:
    if one.rival:
        return f"run {clean(one.rival)}"
    if one.found.differs:
        return "other settings"
    return count(len(one.existing), "file") if one.existing else ""


def sweep_object(plan: SweepPlan, made: Sequence[RunDir] = ()) -> dict[str, Any]:
    """What --json prints; `made`: the new runs, in the order of the plan."""
    runs = [
        {
            "id": run.id if run is not None else None,
            "name": one.name,
            "settings": {name: shown_value(name, shown(value)) for name, value in one.settings},
            "steps": one.forecast.steps,
            "bytes": one.forecast.size_bytes,
            "seconds": one.forecast.duration_s,
            "existing": [file.path for file in one.existing],
            "written_by": one.run or None,
            "other_settings": [change.name for change in one.found.differs],
        }
        for one, run in zip_longest(plan.runs, made)
    ]
    return {"schema": 1, "group": plan.group, "runs": runs, "warnings": list(plan.warnings)}


# ----------------------------------------------------------------- before and while creating


def _refuse_taken(plan: SweepPlan, options: argparse.Namespace) -> None:
    """Nothing is created twice, and nothing overwritten without a reason. Raises Fail."""
    rivals = [one for one in plan.runs if one.rival]
    files = [one for one in plan.runs if one.existing and not one.rival]
    if options.force:
        files = []
    refused = [f"{one.name} is run {one.rival}, which has not ended{_other(one)}" for one in rivals]
    refused += [
        f"{one.name} would overwrite {some([f.name for f in one.existing])}{_other(one)}"
        for one in files
    ]
    if not refused:
        return
    left = len(plan.runs) - sum(one.taken for one in plan.runs)
    other = any(one.found.differs for one in plan.runs)
    advice = (
        f"--missing queues only the other {left}"
        if left and not other
        else "change output_name or the values"
    )
    if files:
        advice += ", --force REASON overwrites files"
    listed = "".join(f"\n  {line}" for line in refused)
    raise Fail(
        f"nothing was started, {len(refused)} of {count(len(plan.runs), 'run')} exist:{listed}\n{advice}"
    )


def _other(one: PlannedRun) -> str:
    if not one.found.differs:
        return ""
    whose = "" if one.rival else f" of run {one.run}"
    return f"{whose}, with other settings: {differing(one.found)}"


def _checked(plan: SweepPlan, force: str | None) -> dict[str, tuple[CheckResult, ...]]:
    """Failures and warnings once, however many runs they are about. Raises Fail."""
    results: dict[str, tuple[CheckResult, ...]] = {}
    about: dict[str, list[str]] = {}
    worst: dict[str, CheckResult] = {}
    for one, found in sweep.checked(plan):
        counted(f"checked {len(results) + 1} of {count(len(plan.runs), 'run')}")
        results[one.name] = found
        for result in found:
            if result.status in ("warn", "fail"):
                line = check_line(result)
                about.setdefault(line, []).append(one.name)
                worst[line] = result
    counted("")
    lines = {id(result): line for line, result in worst.items()}
    for result in by_severity(worst.values()):
        names = about[lines[id(result)]]
        whose = "" if len(names) == len(plan.runs) else f" ({some(names)})"
        say(f"{lines[id(result)]}{whose}")
    failed = sum(result.status == "fail" for result in worst.values())
    if failed and force is None:
        raise Fail(
            f"nothing was started: {count(failed, 'check')} failed (--force queues the runs anyway)"
        )
    return results


def _queued(
    plan: SweepPlan, results: Mapping[str, tuple[CheckResult, ...]], force: str | None
) -> list[RunDir]:
    """Raises Fail: which run could not be created; those before it are queued."""
    made: list[RunDir] = []
    try:
        for run in sweep.create(plan, results, force=force):
            made.append(run)
            counted(f"queued {len(made)} of {count(len(plan.runs), 'run')}")
    except (Refusal, KeyboardInterrupt) as error:
        counted("")
        if len(made) == len(plan.runs):
            return made
        why = "interrupted" if isinstance(error, KeyboardInterrupt) else str(error)
        raise Fail(
            f"{len(made)} of {count(len(plan.runs), 'run')} are queued as {plan.group}, "
            f"{plan.runs[len(made)].name} is not: {why}; the same command with --missing queues the rest"
        ) from None
    counted("")
    return made
