"""The command line of the measurements: which, in what order, as a table or as JSON."""

from __future__ import annotations

import argparse
import json
import os
import platform
import sys
import tempfile
import time
import traceback
from collections.abc import Callable, Sequence
from dataclasses import replace
from importlib.metadata import version
from pathlib import Path

from scripts.bench import (
    hardware,
    keys,
    latency,
    long_run,
    many,
    parsing,
    peers,
    scan,
    slowdown,
    startup,
    steady,
)
from scripts.bench.figures import Figure, Machine, as_json, budgets, table, unmeasured
from scripts.bench.limits import TooLong, within
from scripts.bench.runs import own_home, stop_all

Measure = Callable[[Path], list[Figure]]
#: seconds for one name and together: `make bench` takes less than five minutes; then for what is asked for
LIMIT_S, TOTAL_S = 75.0, 210.0
ALL_LIMIT_S, ALL_TOTAL_S = 200.0, 1200.0

#: what the screen has budgets for, and the peers
USUAL: dict[str, Measure] = {
    "first_frame": startup.measure_first_frame,
    "peers": peers.measure_peers,
    "keys": keys.measure_keys,
    "live": steady.measure_live,
    "idle": steady.measure_idle,
    "million": long_run.measure_million,
}
MEASURES: dict[str, Measure] = USUAL | {
    "latency": latency.measure_latency,
    "chart": long_run.measure_chart,
    "many": many.measure_many,
    "parser": parsing.measure_parser,
    "scan": scan.measure_scan,
    "hardware": hardware.measure_hardware,
    "slowdown": slowdown.measure_slowdown,
    "bare": startup.measure_bare,
}


def main(argv: Sequence[str] | None = None) -> int:
    """Measure and print. 1 for a clear miss of a budget or a measurement that failed: a wall clock on a shared
    machine is no exact test."""
    parser = argparse.ArgumentParser(
        prog="bench.py", description="Speeds and memory of plasma-tui, against their budgets."
    )
    parser.add_argument("names", nargs="*", metavar="NAME", help=f"some of: {', '.join(MEASURES)}")
    parser.add_argument("--all", action="store_true", help="every measurement: up to 20 minutes")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write all samples to FILE")
    parser.add_argument(
        "--limit",
        type=float,
        metavar="S",
        help=f"seconds for one name ({LIMIT_S:g}; {ALL_LIMIT_S:g} with names or --all)",
    )
    parser.add_argument(
        "--total",
        type=float,
        metavar="S",
        help=f"seconds together ({TOTAL_S:g}; {ALL_TOTAL_S:g} with names or --all)",
    )
    options = parser.parse_args(argv)
    unknown = [name for name in options.names if name not in MEASURES]
    if unknown:
        parser.error(f"no figure is called {unknown[0]!r}; there are {', '.join(MEASURES)}")
    usual = not options.names and not options.all
    chosen = {name: MEASURES[name] for name in options.names or (USUAL if usual else MEASURES)}
    total_s = options.total or (TOTAL_S if usual else ALL_TOTAL_S)
    limit_s = options.limit or (LIMIT_S if usual else ALL_LIMIT_S)
    figures, machine = measure_all(chosen, limit_s, total_s)
    print(describe(machine))
    print(table(figures))
    print(budgets(figures, busy=machine.busy))
    if options.json is not None:
        options.json.write_text(json.dumps(as_json(figures, machine), indent=2) + "\n")
    return 1 if any(figure.clearly_missed(busy=machine.busy) for figure in figures) else 0


def measure_all(
    chosen: dict[str, Measure], limit_s: float = LIMIT_S, total_s: float = TOTAL_S
) -> tuple[list[Figure], Machine]:
    """One after the other; a figure that cannot be had, or not within its time, says why and does not end the
    rest."""
    began = time.monotonic()
    machine = Machine(
        cores=os.cpu_count() or 0,
        python=platform.python_version(),
        textual=version("textual"),
        platform=f"{platform.system()} {platform.machine()}",
        load_before=os.getloadavg()[0],
    )
    figures: list[Figure] = []
    with tempfile.TemporaryDirectory(prefix="plasma-bench-") as made, own_home(Path(made)) as home:
        for name, measure in chosen.items():
            left_s = total_s - (time.monotonic() - began)
            if left_s <= 0:
                figures.append(unmeasured(name, name, f"the {total_s:.0f} s of --total are used"))
                continue
            print(f"measuring {name} ...", file=sys.stderr, flush=True)
            try:
                with within(min(limit_s, left_s)):
                    figures += measure(home)
            except (Exception, TooLong) as error:  # border: the other figures are still wanted
                if not isinstance(error, TooLong):
                    traceback.print_exc()
                figures.append(unmeasured(name, name, _told(error), failed=True))
                stop_all()
    return figures, replace(machine, load_after=os.getloadavg()[0])


def _told(error: BaseException) -> str:
    """Its first line; the whole of it is on stderr."""
    return f"{type(error).__name__}: {error}".splitlines()[0][:120]


def describe(machine: Machine) -> str:
    return (
        f"{machine.platform}, {machine.cores} cores, Python {machine.python}, "
        f"Textual {machine.textual}, load {machine.load_before:.1f} before and "
        f"{machine.load_after:.1f} after"
    )
