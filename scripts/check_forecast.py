"""Hold runner.forecast against the real loop: train each case and compare numbers and files.

    python scripts/check_forecast.py <checkout of sd-scripts> <its python> [--only TEXT]
    python scripts/check_forecast.py --embedded            the built-in trainer instead

Prints a line a case; exit code 1 when one differs. A case takes about ten seconds.
"""

from __future__ import annotations

import argparse
import os
import re
import shlex
import struct
import subprocess
import sys
import tempfile
import zlib
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from runner.dataset import FolderImages, plan_datasets, specs_from_flags
from runner.embedded.arguments import build_parser
from runner.forecast import forecast
from runner.model import Forecast
from scripts.forecast_cases import CASES, Case, Size

ROOT = Path(__file__).resolve().parent.parent
BANNER = {
    "train": r"num train images \* repeats / .*: (\d+)",
    "validation": r"num validation images \* repeats / .*: (\d+)",
    "reg": r"num reg images / .*: (\d+)",
    "batches": r"num batches per epoch / .*: (\d+)",
    "epochs": r"num epochs / .*: (\d+)",
    "steps": r"total optimization steps / .*: (\d+)",
}


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("checkout", nargs="?")
    parser.add_argument("python", nargs="?")
    parser.add_argument("--embedded", action="store_true", help="check the built-in trainer")
    parser.add_argument("--only", default="", help="cases whose name contains this")
    args = parser.parse_args()
    if not args.embedded and not args.python:
        parser.error("give a checkout of sd-scripts and its python, or --embedded")
    env = {"COLUMNS": "500", "PYTHONUNBUFFERED": "1", "OMP_NUM_THREADS": "1"}
    command = [sys.executable, "-m", "runner.embedded"]
    if not args.embedded:
        env["SD_SCRIPTS"] = args.checkout
        command = [args.python, str(ROOT / "scripts" / "real_loop.py")]
    wrong = 0
    for case in CASES:
        if args.only in case.name:
            problems = check(case, command, env)
            wrong += bool(problems)
            print(f"{'differs' if problems else 'equal  '} {case.name}", flush=True)
            for problem in problems:
                print(f"        {problem}")
    return int(wrong > 0)


def check(case: Case, command: list[str], env: dict[str, str]) -> list[str]:
    """Train one case in a folder of its own; what differs, a sentence each."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        write_dataset(case, folder)
        words = case_words(case)
        told = forecast(flags_of(words), folder, case.processes)
        ran = subprocess.run(
            [*command, *words],
            cwd=folder,
            env={**os.environ, "PYTHONPATH": str(ROOT), **env},
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            stdin=subprocess.DEVNULL,
            text=True,
            check=False,
        )
        if ran.returncode:
            return [f"exit code {ran.returncode}: {ran.stdout[-400:]}"]
        return [
            *compare_numbers(told, planned(words, folder), ran.stdout),
            *compare_files(told, folder / "out", ran.stdout),
        ]


def case_words(case: Case) -> list[str]:
    words = shlex.split(case.flags)
    if case.config is not None:
        words += ["--dataset_config", "dataset.toml"]
    if "at-step" not in case.flags and not case.name.startswith("default names"):
        words += ["--output_name", "x"]
    words += ["--output_dir", "out", "--network_module", "networks.lora", "--seed", "42"]
    return [*words, "--max_data_loader_n_workers", "0", "--cache_latents"]


def flags_of(words: list[str]) -> dict[str, object]:
    """The words as flags; only those that were given."""
    parser = build_parser()
    for action in parser._actions:
        action.default = argparse.SUPPRESS
    return vars(parser.parse_args(words))


def planned(words: list[str], folder: Path) -> dict[str, int]:
    import random

    specs = specs_from_flags(flags_of(words), folder)
    plan = plan_datasets(specs, FolderImages(folder), random.Random(42))
    return {
        "train": plan.train_images_with_repeats,
        "validation": plan.validation_images,
        "reg": plan.reg_images_with_repeats,
    }


def compare_numbers(told: Forecast, plan: dict[str, int], console: str) -> list[str]:
    expected = {
        **plan,
        "batches": told.batches_per_epoch,
        "epochs": told.epochs,
        "steps": told.steps,
    }
    problems = []
    for name, pattern in BANNER.items():
        found = re.search(pattern, console)
        seen = int(found.group(1)) if found else None
        if seen != expected[name]:
            problems.append(f"{name}: forecast {expected[name]}, trainer {seen}")
    shown = [int(n) for n in re.findall(r"(?<!validation )steps:[^\r\n]*?\| (\d+)/\d+ \[", console)]
    if max(shown, default=None) != told.steps:
        problems.append(f"last step: forecast {told.steps}, bar {max(shown, default=None)}")
    return problems


def compare_files(told: Forecast, folder: Path, console: str) -> list[str]:
    problems = []
    written = [
        Path(p).name for p in re.findall(r"^saving checkpoint: (.+)$", console, re.MULTILINE)
    ]
    names = [checkpoint.name for checkpoint in told.checkpoints]
    if written != names:
        problems.append(f"written: forecast {names}, trainer {written}")
    states = [Path(p).name for p in re.findall(r"Saving current state to (\S+)", console)]
    expected_states = [c.state_name for c in told.checkpoints if c.state_name]
    if states != expected_states:
        problems.append(f"states: forecast {expected_states}, trainer {states}")
    left = {c.name for c in told.checkpoints if c.removed_at_step is None}
    left |= {
        c.state_name
        for c in told.checkpoints
        if c.state_name is not None and c.state_removed_at_step is None
    }
    there = {path.name for path in folder.iterdir()}
    if there != left:
        problems.append(f"left: forecast {sorted(left)}, folder {sorted(there)}")
    return problems


def write_dataset(case: Case, folder: Path) -> None:
    for name, sizes in case.folders.items():
        (folder / name).mkdir(parents=True)
        for number, size in enumerate(sizes):
            image = folder / name / f"{number:03d}.png"
            image.write_bytes(png(size, number))
            image.with_suffix(".txt").write_text(f"a caption, number {number}")
    if case.config is not None:
        (folder / "dataset.toml").write_text(case.config)


def png(size: Size, shade: int) -> bytes:
    """A grey RGB picture."""
    width, height = size
    rows = (b"\0" + bytes([shade * 7 % 256]) * 3 * width) * height
    return b"\x89PNG\r\n\x1a\n" + b"".join(
        struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))
        for kind, data in (
            (b"IHDR", struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)),
            (b"IDAT", zlib.compress(rows)),
            (b"IEND", b""),
        )
    )


if __name__ == "__main__":
    sys.exit(main())
