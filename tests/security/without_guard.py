"""Takes each guard of guards.toml out of a copy of the tree and sees its tests fail.

    python -m tests.security.without_guard [WORD ...]     # those whose line, text or file has a WORD

Exit code 0: with all guards the tests pass, and without each of them at least one of its tests fails.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
import tomllib
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from queue import SimpleQueue

from tests import ROOT

GUARDS = Path(__file__).with_name("guards.toml")
COPIED = ("runner", "tui", "tests", "scripts", "themes")
#: copies of the tree that are tried at once
COPIES = 2
PATIENCE_S = 300.0
ALL_PATIENCE_S = 1800.0
#: pytest's own exit codes
PASSED, FAILED = 0, 1


@dataclass(frozen=True, slots=True)
class Guard:
    """`old` in `file` is replaced by `new` to take it out. `root`: its tests are skipped for other users."""

    line: str
    what: str
    file: str
    old: str
    new: str
    tests: tuple[str, ...]
    root: bool = False

    def fits(self, words: list[str]) -> bool:
        return not words or any(w in f"{self.line} {self.what} {self.file}" for w in words)


def guards() -> list[Guard]:
    rows = tomllib.loads(GUARDS.read_text(encoding="utf-8"))["guard"]
    return [Guard(**(row | {"tests": tuple(row["tests"])})) for row in rows]


def run_tests(tree: Path, tests: tuple[str, ...], patience_s: float = PATIENCE_S) -> int:
    """pytest's exit code; a test that hangs has failed."""
    names = [os.path.normpath(f"tests/security/{name}") for name in tests]
    command = [
        sys.executable,
        "-m",
        "pytest",
        "-x",
        "-p",
        "no:cacheprovider",
        "-p",
        "no:xdist",
        *names,
    ]
    environment = {**os.environ, "PYTHONPATH": str(tree), "PYTHONDONTWRITEBYTECODE": "1"}
    try:
        done = subprocess.run(
            command, cwd=tree, env=environment, capture_output=True, timeout=patience_s, check=False
        )
    except subprocess.TimeoutExpired:
        return FAILED
    return done.returncode


def without(tree: Path, guard: Guard) -> str | None:
    """Why the guard is not proven; None: its tests fail without it."""
    file = tree / guard.file
    text = file.read_text(encoding="utf-8")
    if text.count(guard.old) != 1:
        return f"{guard.file} has its text {text.count(guard.old)} times: correct guards.toml"
    try:
        file.write_text(text.replace(guard.old, guard.new), encoding="utf-8")
        silent = [test for test in guard.tests if run_tests(tree, (test,)) != FAILED]
    finally:
        file.write_text(text, encoding="utf-8")
    return f"without it, these do not fail: {', '.join(silent)}" if silent else None


def main(words: list[str]) -> int:
    chosen = [one for one in guards() if one.fits(words) and (os.geteuid() == 0 or not one.root)]
    with tempfile.TemporaryDirectory(prefix="plasma-guards-") as scratch:
        trees: SimpleQueue[Path] = SimpleQueue()
        for number in range(COPIES):
            tree = Path(scratch) / str(number)
            for name in COPIED:
                ignored = shutil.ignore_patterns("__pycache__")
                shutil.copytree(ROOT / name, tree / name, ignore=ignored)
            shutil.copy(ROOT / "pyproject.toml", tree)
            trees.put(tree)
        tests = tuple(dict.fromkeys(test for one in chosen for test in one.tests))
        if run_tests(Path(scratch) / "0", tests, ALL_PATIENCE_S) != PASSED:
            sys.stdout.write("with all guards, a test fails already\n")
            return 1

        def tried(guard: Guard) -> bool:
            tree = trees.get()
            try:
                problem = without(tree, guard)
            finally:
                trees.put(tree)
            sys.stdout.write(
                f"{'ok ' if problem is None else 'BAD'} {guard.line}: {guard.what}"
                f"{f': {problem}' if problem else ''}\n"
            )
            sys.stdout.flush()
            return problem is None

        with ThreadPoolExecutor(COPIES) as pool:
            proven = list(pool.map(tried, chosen))
    sys.stdout.write(f"{sum(proven)} of {len(proven)} guards proven\n")
    return 0 if proven and all(proven) else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
