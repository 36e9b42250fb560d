"""Torture trainings until a number of faults has been tried, or the time is over.

    python -m tests.torture                                  200 faults at the built-in trainer
    python -m tests.torture --trainer sd-scripts             the real loop (see project.py for what it needs)
    python -m tests.torture --seed 4711 --lives 1            one life again
    python -m tests.torture --only files,disk                families of faults

Every life is decided by its seed alone. Exit code 1 when something was lost.
"""

from __future__ import annotations

import argparse
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from tests.torture.faults import load_families
from tests.torture.project import TRAINERS
from tests.torture.run import LifeResult, Torture, drawn
from tests.torture.table import table_of


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m tests.torture", description=__doc__.split("\n")[0]
    )
    parser.add_argument("--trainer", choices=sorted(TRAINERS), default="built-in")
    parser.add_argument("--seed", type=int, default=1, help="of the first life")
    parser.add_argument("--points", type=int, default=200, help="faults to try")
    parser.add_argument(
        "--lives", type=int, default=0, help="at most; 0: as many as the faults need"
    )
    parser.add_argument("--minutes", type=float, default=60.0)
    parser.add_argument("--only", default="", help="families or names of faults, with commas")
    parser.add_argument("--jobs", type=int, default=1, help="lives at the same time")
    parser.add_argument("--results", type=Path, help="append a line of JSON for each life")
    parser.add_argument(
        "--scratch", type=Path, help="where lives take place (default: a new folder)"
    )
    parser.add_argument("--quiet", action="store_true", help="print what was lost, and the table")
    return parser.parse_args()


def main() -> int:
    args = arguments()
    if args.jobs > 1:
        return _side_by_side(args)
    table = load_families()
    if args.only:
        wanted = set(args.only.split(","))
        table = [one for one in table if {one.name, one.family} & wanted]
        if not table:
            raise SystemExit(f"no fault and no family is called {args.only}")
    scratch = args.scratch or Path(tempfile.mkdtemp(prefix="plasma-torture-"))
    torture = Torture(TRAINERS[args.trainer](), scratch)
    results: list[LifeResult] = []
    until, seed = time.monotonic() + 60 * args.minutes, args.seed
    while time.monotonic() < until and sum(len(r.points) for r in results) < args.points:
        result = torture.live(seed, drawn(seed, table, torture.trainer.name))
        results.append(result)
        if args.results:
            with args.results.open("a") as stream:
                stream.write(result.line() + "\n")
        if result.lost or not args.quiet:
            _show(result)
        seed += 1
        if args.lives and len(results) >= args.lives:
            break
    print(table_of(results))
    if not args.scratch and not any(one.lost for one in results):
        shutil.rmtree(scratch, ignore_errors=True)
    return 1 if any(one.lost for one in results) else 0


def _show(result: LifeResult) -> None:
    faults = ", ".join(f"{p.fault} ({p.phase})" for p in result.points)
    print(f"{result.seed:6} {result.took_s:5.1f} s {result.outcome:10} {faults}", flush=True)
    for sentence in result.lost:
        print(f"       LOST: {sentence}", flush=True)
    if result.lost:
        for note in result.notes:
            print(f"             {note}", flush=True)


def _side_by_side(args: argparse.Namespace) -> int:
    """The same with several processes, each with its own seeds; the results file holds the whole."""
    words = list(sys.argv[1:])
    for flag in ("--jobs", "--seed", "--points"):
        if flag in words:
            at = words.index(flag)
            del words[at : at + 2]
    share = str(-(-args.points // args.jobs))
    children = [
        subprocess.Popen(
            [sys.executable, "-m", "tests.torture", *words, "--points", share,
             "--seed", str(args.seed + 100_000 * number)]
        )
        for number in range(args.jobs)
    ]  # fmt: skip
    return max(child.wait() for child in children)


if __name__ == "__main__":
    sys.exit(main())
