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
    scan,
    slowdown,
    startup,
    steady,
)
from scripts.bench.figures import Figure, Machine, as_json, table, unmeasured
from scripts.bench.leet import measure_leet
from scripts.bench.limits import TooLong, within
from scripts.bench.runs import own_home, stop_all

Measure = Callable[[Path], list[Figure]]
#: for one name, and for all of them
LIMIT_S, TOTAL_S = 150.0, 900.0

MEASURES: dict[str, Measure] = {
    "first_frame": startup.measure_first_frame,
    "keys": keys.measure_keys,
    "latency": latency.measure_latency,
    "live": steady.measure_live,
    "idle": steady.measure_idle,
    "million": long_run.measure_million,
    "chart": long_run.measure_chart,
    "many": many.measure_many,
    "parser": parsing.measure_parser,
    "scan": scan.measure_scan,
    "hardware": hardware.measure_hardware,
    "slowdown": slowdown.measure_slowdown,
    "bare": startup.measure_bare,
}


def main(argv: Sequence[str] | None = None) -> int:
    """Measure and print. Always exits with 0 for what was asked rightly: a wall clock on a shared
    machine is no test."""
    parser = argparse.ArgumentParser(
        prog="bench.py", description="Speeds and memory of plasma-tui, against their budgets."
    )
    parser.add_argument("names", nargs="*", metavar="NAME", help=f"some of: {', '.join(MEASURES)}")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write all samples to FILE")
    parser.add_argument(
        "--with-leet", action="store_true", help="measure `wandb leet` too: installs wandb for it"
    )
    parser.add_argument(
        "--limit",
        type=float,
        default=LIMIT_S,
        metavar="S",
        help="seconds for one name (%(default)g)",
    )
    parser.add_argument(
        "--total", type=float, default=TOTAL_S, metavar="S", help="seconds for all (%(default)g)"
    )
    options = parser.parse_args(argv)
    unknown = [name for name in options.names if name not in MEASURES]
    if unknown:
        parser.error(f"no figure is called {unknown[0]!r}; there are {', '.join(MEASURES)}")
    chosen = {name: MEASURES[name] for name in options.names or MEASURES}
    if options.with_leet:
        chosen["leet"] = measure_leet
    figures, machine = measure_all(chosen, options.limit, options.total)
    if not options.with_leet and not options.names:
        figures.append(unmeasured("leet", "wandb leet", "not asked for (--with-leet)"))
    print(describe(machine))
    print(table(figures))
    if options.json is not None:
        options.json.write_text(json.dumps(as_json(figures, machine), indent=2) + "\n")
    return 0


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
                figures.append(unmeasured(name, name, _told(error)))
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
