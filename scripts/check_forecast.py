"""Compare our forecast with the real loop: train each case and compare numbers and files.

    python scripts/check_forecast.py <checkout of sd-scripts> <its python> [--only TEXT] [--record]
    python scripts/check_forecast.py --embedded            the built-in trainer instead

Prints a line a case; exit code 1 when one differs. A case takes six to ten seconds, two run at a time.
`--record` writes what the trainer did to tests/data/expected/forecast_matrix.json, which the unit tests
hold the forecast to without a checkout.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import subprocess
import sys
import tempfile
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

from scripts.forecast_cases import CASES, Case  # noqa: E402
from scripts.forecast_cases.folder import case_words, differences, predicted, write_case  # noqa: E402

RECORD = ROOT / "tests" / "data" / "expected" / "forecast_matrix.json"
BANNER = {
    "train": r"num train images \* repeats / .*: (-?\d+)",
    "validation": r"num validation images \* repeats / .*: (-?\d+)",
    "reg": r"num reg images / .*: (-?\d+)",
    "batches": r"num batches per epoch / .*: (-?\d+)",
    "epochs": r"num epochs / .*: (-?\d+)",
    "steps": r"total optimization steps / .*: (-?\d+)",
}


@dataclass(frozen=True)
class Trainer:
    """How a case is started: `command` with one process, `launcher` before it with several."""

    command: list[str]
    env: dict[str, str]

    def argv(self, case: Case, flags: str | None = None) -> list[str]:
        if case.processes == 1:
            return [*self.command, *case_words(case, flags)]
        launcher = ["-m", "torch.distributed.run", "--standalone", "--nproc_per_node"]
        python, *rest = self.command
        return [python, *launcher, str(case.processes), *rest, *case_words(case)]


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("checkout", nargs="?")
    parser.add_argument("python", nargs="?")
    parser.add_argument("--embedded", action="store_true", help="check the built-in trainer")
    parser.add_argument("--only", default="", help="cases whose name contains this")
    parser.add_argument("--jobs", type=int, default=2, help="cases that run at a time")
    parser.add_argument("--record", action="store_true", help=f"write {RECORD.name}")
    args = parser.parse_args()
    if not args.embedded and not args.python:
        parser.error("give a checkout of sd-scripts and its python, or --embedded")
    env = {"COLUMNS": "500", "PYTHONUNBUFFERED": "1", "OMP_NUM_THREADS": "1"}
    trainer = Trainer([sys.executable, "-m", "runner.embedded"], env)
    if not args.embedded:
        loop = str(ROOT / "scripts" / "real_loop.py")
        trainer = Trainer([args.python, loop], {**env, "SD_SCRIPTS": args.checkout})
    cases = [case for case in CASES if args.only in case.name]
    if args.embedded:
        cases = [case for case in cases if case.processes == 1]
    wrong, seen_by_name = 0, {}
    with ThreadPoolExecutor(args.jobs) as pool:
        for case, (seen, problems) in zip(
            cases, pool.map(lambda case: check(case, trainer), cases), strict=True
        ):
            wrong += bool(problems)
            seen_by_name[case.name] = {k: v for k, v in seen.items() if k != "console"}
            print(f"{'differs' if problems else 'equal  '} {case.name}", flush=True)
            for problem in problems:
                print(f"        {problem}")
    print(f"{len(cases) - wrong} of {len(cases)} equal")
    if args.record and not args.embedded:
        record(seen_by_name)
    return int(wrong > 0)


def record(seen: dict[str, dict[str, Any]]) -> None:
    """Only the cases that ran are written anew; those that are gone are left out."""
    before = json.loads(RECORD.read_text()) if RECORD.exists() else {}
    names = [case.name for case in CASES if case.name in seen or case.name in before]
    lines = [
        f"  {json.dumps(name)}: {json.dumps(seen.get(name, before.get(name)))}" for name in names
    ]
    RECORD.write_text("{\n" + ",\n".join(lines) + "\n}\n")


def check(case: Case, trainer: Trainer) -> tuple[dict[str, Any], list[str]]:
    """Train one case in a folder of its own: what was seen, and what differs."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        write_case(case, folder)
        if case.before:
            run(trainer.argv(case, case.before), folder, trainer.env)
        told = predicted(case, folder)
        ran = run(trainer.argv(case), folder, trainer.env)
        seen = observed(ran.stdout, ran.returncode, folder / "out")
        problems = differences(case, told, seen)
        if problems and ran.returncode:
            problems.append(ran.stdout[-600:])
        return seen, problems


def run(command: list[str], folder: Path, env: dict[str, str]) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        command,
        cwd=folder,
        env={**os.environ, "PYTHONPATH": str(ROOT), **env},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        stdin=subprocess.DEVNULL,
        text=True,
        errors="replace",
        check=False,
    )


def observed(console: str, exit_code: int, out: Path) -> dict[str, Any]:
    """What the trainer printed and left: numbers of its banner, the last step of its bar, files and states
    in the order of their writing, what lies there at the end."""
    if exit_code:
        return {"ends": "stops"}
    if "No data found" in console:
        return {"ends": "no data"}
    seen: dict[str, Any] = {"ends": "trained"}
    for name, pattern in BANNER.items():
        found = re.search(pattern, console)
        seen[name] = int(found.group(1)) if found else None
    shown = re.findall(r"(?<!validation )steps:[^\r\n]*?\| (\d+)/\d+ \[", console)
    seen["bar"] = max(map(int, shown), default=0)
    written = re.findall(r"^saving checkpoint: (.+)$", console, re.MULTILINE)
    seen["written"] = [Path(path).name for path in written]
    seen["states"] = [
        Path(path).name for path in re.findall(r"Saving current state to (\S+)", console)
    ]
    there = {path.name for path in out.iterdir()} if out.is_dir() else set()
    seen["left"] = sorted(there - {"sample"})
    seen["samples"] = len(list((out / "sample").iterdir())) if "sample" in there else 0
    return seen


if __name__ == "__main__":
    sys.exit(main())
