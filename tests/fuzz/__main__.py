"""`make fuzz`: every target in turn, each in a process of its own with limits; a table at the end.

    make fuzz                                           an hour, all targets
    make fuzz ARGS='--minutes 10 --only console,log'    some of them
    python -m tests.fuzz --reproduce TARGET FILE        run one input again

Findings go to .cache/fuzz (or --found DIR). A finding becomes a file in tests/fuzz/corpus/TARGET, which the
tests read again, or a test of its own.
"""

from __future__ import annotations

import argparse
import importlib.util
import json
import os
import re
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psutil

from tests import ROOT
from tests.fuzz.guards import temporary
from tests.fuzz.targets import BY_NAME, TARGETS, Target

_COVERAGE = re.compile(r"\bcov: (\d+)")
#: a process that does nothing for so long waits for something that an input named
_IDLE_S = 300.0


@dataclass(frozen=True, slots=True)
class Outcome:
    """`coverage`: branches reached by the recordings, and in the end; None without atheris."""

    target: str
    runs: int
    cpu_s: float
    coverage: tuple[int, int] | None
    found: tuple[str, ...]


def fuzz(target: Target, seconds: float, how: str, found: Path) -> Outcome:
    with temporary() as work:
        notes, log = Path(work) / "notes.json", Path(work) / "log"
        worker = [sys.executable, "-m", "tests.fuzz.worker", target.name, f"{seconds:.0f}", work]
        worker += [str(found), how]
        with log.open("wb") as stream:
            ended = _wait(
                subprocess.Popen(
                    worker, cwd=ROOT, stdin=subprocess.DEVNULL, stdout=stream, stderr=stream
                )
            )
        text = log.read_text(errors="replace")
        told: dict[str, Any] = json.loads(notes.read_text()) if notes.exists() else {}
        problems = list(told.get("found", {}))
        if ended:
            found.mkdir(parents=True, exist_ok=True)
            (found / f"{target.name}-ended.txt").write_text(f"{ended}\n{text[-8000:]}")
            for path in Path(work).glob("*-*"):  # libFuzzer's crash-, oom- and timeout- files
                (found / f"{target.name}-{path.name[:14]}").write_bytes(path.read_bytes())
            problems.append(ended)
    seen = [int(number) for number in _COVERAGE.findall(text)]
    first = re.search(r"INITED cov: (\d+)", text)
    coverage = (int(first[1]), max(seen)) if first and seen else None
    return Outcome(
        target.name, told.get("runs", 0), told.get("cpu_s", 0.0), coverage, tuple(problems)
    )


def _wait(process: subprocess.Popen[bytes]) -> str:
    """Why it ended early, or ""; one that hangs is ended. On a busy machine a process may wait for long."""
    seen, since = -1.0, time.monotonic()
    while True:
        try:
            code = process.wait(5)
        except subprocess.TimeoutExpired:
            used = _cpu_s(process.pid)
            if used - seen > 0.05:
                seen, since = used, time.monotonic()
            elif time.monotonic() - since > _IDLE_S:
                process.kill()
                process.wait()
                return f"hung: nothing done in {_IDLE_S:.0f} s"
        else:
            return f"the process ended with {code}" if code else ""


def _cpu_s(pid: int) -> float:
    try:
        times = psutil.Process(pid).cpu_times()
    except psutil.Error:
        return 0.0
    return float(times.user + times.system)


def reproduce(name: str, file: Path) -> int:
    """The traceback of one input, without limits but that of its time."""
    BY_NAME[name].run(file.read_bytes())
    print(f"{name}: nothing wrong with {file}")
    return 0


def how_to(wanted: str) -> str:
    if wanted == "mutations" or importlib.util.find_spec("atheris") is not None:
        return "mutations" if wanted == "mutations" else "atheris"
    version = f"Python {sys.version_info.major}.{sys.version_info.minor} on {sys.platform}"
    print(
        f"atheris is not installed ({version}): plain mutations, without coverage.", file=sys.stderr
    )
    return "mutations"


def table(outcomes: list[Outcome]) -> str:
    rows = ["| target | executions | CPU s | coverage | found |", "|---|---:|---:|---:|---:|"]
    for one in outcomes:
        reached = "" if one.coverage is None else f"{one.coverage[0]} -> {one.coverage[1]}"
        rows.append(
            f"| {one.target} | {one.runs:,} | {one.cpu_s:,.0f} | {reached} | {len(one.found)} |"
        )
    runs, cpu_s = sum(one.runs for one in outcomes), sum(one.cpu_s for one in outcomes)
    found = sum(len(one.found) for one in outcomes)
    return "\n".join([*rows, f"| all | {runs:,} | {cpu_s:,.0f} | | {found} |"])


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.fuzz", description="Fuzz every reader.")
    parser.add_argument("--minutes", type=float, default=60.0, help="processor time in all")
    parser.add_argument("--only", default="", help="names of targets, separated by commas")
    parser.add_argument("--jobs", type=int, default=1, help="processes side by side")
    parser.add_argument("--found", type=Path, default=ROOT / ".cache" / "fuzz")
    parser.add_argument("--how", choices=("atheris", "mutations"), default="atheris")
    parser.add_argument("--reproduce", nargs=2, metavar=("TARGET", "FILE"))
    given = parser.parse_args()
    if given.reproduce:
        return reproduce(given.reproduce[0], Path(given.reproduce[1]))
    unknown = [name for name in filter(None, given.only.split(",")) if name not in BY_NAME]
    if unknown:
        parser.error(f"unknown target {unknown[0]}; one of {', '.join(BY_NAME)}")
    wanted = [one for one in TARGETS if not given.only or one.name in given.only.split(",")]
    how, found = how_to(given.how), given.found.absolute()
    unit_s = 60 * given.minutes / sum(one.share for one in wanted)
    os.nice(10)

    def run(target: Target) -> Outcome:
        outcome = fuzz(target, unit_s * target.share, how, found)
        for text in outcome.found:
            print(f"  {target.name}: {text}", flush=True)
        print(f"{target.name}: {outcome.runs:,} executions, {outcome.cpu_s:.0f} CPU s", flush=True)
        return outcome

    with ThreadPoolExecutor(given.jobs) as pool:
        outcomes = list(pool.map(run, wanted))
    print(f"\n{table(outcomes)}")
    if any(one.found for one in outcomes):
        print(f"\nreproduce: {sys.executable} -m tests.fuzz --reproduce TARGET {found}/FILE")
    return 1 if any(one.found for one in outcomes) else 0


if __name__ == "__main__":
    sys.exit(main())
