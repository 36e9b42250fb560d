"""Who may import whom: the contracts, and what really is loaded in a clean interpreter.

import-linter reads the source; it cannot see what an innocent import drags in. So each part is also
imported in a process of its own, and sys.modules is looked at.
"""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests import ROOT

TRAINING = ("torch", "accelerate", "PIL")
SCREEN = ("textual", "rich", "plotext", "tui")
NUMBERS = ("numpy", "tensorboard", "scipy", "pandas")


def loaded_by(source: str) -> set[str]:
    """Top-level names in sys.modules after the source ran in a fresh interpreter."""
    tell = "import sys; print(*{name.split('.')[0] for name in sys.modules})"
    done = subprocess.run(
        [sys.executable, "-c", f"{source}\n{tell}"],
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return set(done.stdout.split())


def modules_of(package: str) -> list[str]:
    """Every module of the package by its dotted name."""
    files = sorted((ROOT / package).rglob("*.py"))
    dotted = (str(f.relative_to(ROOT).with_suffix("")).replace("/", ".") for f in files)
    return [name.removesuffix(".__init__") for name in dotted]


def importing(names: list[str]) -> str:
    return "\n".join(f"import {name}" for name in names if not name.endswith("__main__"))


def test_the_contracts_hold() -> None:
    done = subprocess.run(
        [str(Path(sys.executable).with_name("lint-imports")), "--no-cache"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert " 0 broken" in done.stdout


@pytest.mark.parametrize(
    ("module", "never"),
    [
        ("tui.cli", (*TRAINING, *NUMBERS, "textual", "rich", "plotext", "psutil")),
        ("tui.app", (*TRAINING, *NUMBERS, "plotext", "tomlkit")),
        ("runner.supervisor.main", (*TRAINING, *NUMBERS, *SCREEN)),
        ("runner.store.reader", (*TRAINING, *NUMBERS, *SCREEN)),
        ("runner.config.load", (*TRAINING, *NUMBERS, *SCREEN, "tomlkit")),
        ("runner.trainers.command", (*TRAINING, *NUMBERS, *SCREEN, "tomlkit")),
        ("runner.preflight.registry", (*TRAINING, *NUMBERS, *SCREEN, "tomlkit")),
        ("runner.trainers.builtin.arguments", (*TRAINING, *NUMBERS, *SCREEN)),
    ],
)
def test_a_part_does_not_load_at_start_what_it_does_not_need(
    module: str, never: tuple[str, ...]
) -> None:
    assert loaded_by(f"import {module}") & set(never) == set()


def test_the_screen_loads_only_at_their_keys_what_other_screens_need() -> None:
    """Of our own modules: each costs about half a millisecond before the first frame."""
    source = """import tui.app
import sys
later = ("runner.config", "runner.preflight", "runner.control", "runner.trainers", "runner.checkpoints",
         "runner.history.samples", "runner.notify", "runner.model.events", "runner.model.preview",
         "tui.backend.samples", "tui.backend.flagsheet", "tui.backend.folders",
         "tui.cli", "tui.screens.samples", "tui.words.samples", "tui.images", "tui.words.resuming",
         "tui.screens.runs", "tui.screens.summary", "tui.screens.compare", "tui.screens.replay")
early = [m for m in sys.modules if any(m == one or m.startswith(one + ".") for one in later)]
assert not early, early"""
    assert "tui" in loaded_by(source)


def test_the_keeper_needs_the_standard_library_alone() -> None:
    """It runs with `-I` as a file, and nothing that is installed may be able to break it."""
    source = f"import runpy, sys; sys.path[:0] = []; runpy.run_path({str(ROOT / 'runner/process/keeper.py')!r})"
    before = loaded_by("import runpy")
    added = loaded_by(source) - before
    assert added <= set(sys.stdlib_module_names)


def test_the_model_loads_nothing_but_the_standard_library() -> None:
    added = loaded_by("import runner.model") - loaded_by("pass")
    assert added - {"runner"} <= set(sys.stdlib_module_names)


def test_what_the_built_in_trainer_shares_with_us_loads_nothing_but_the_standard_library() -> None:
    """It runs in an interpreter with torch, where our own packages need not be."""
    shared = (
        "trainers.sd_scripts.dataset",
        "trainers.sd_scripts.saves",
        "trainers.builtin.arguments",
    )
    added = loaded_by(importing([f"runner.{name}" for name in shared])) - loaded_by("pass")
    assert added - {"runner"} <= set(sys.stdlib_module_names)


@pytest.mark.slow
def test_no_part_of_the_runner_but_the_trainer_reaches_screen_or_torch() -> None:
    # runner.demo.sprites draws the demo's images
    drawing = ("runner.embedded", "runner.demo.sprites")
    names = [name for name in modules_of("runner") if not name.startswith(drawing)]
    assert len(names) > 30
    assert loaded_by(importing(names)) & {*TRAINING, *SCREEN, *NUMBERS} == set()


@pytest.mark.slow
def test_no_part_of_the_screen_reaches_torch_or_the_supervisor() -> None:
    names = modules_of("tui")
    assert len(names) > 20
    source = importing(names)
    assert loaded_by(source) & {*TRAINING, "tensorboard"} == set()
    told = loaded_by(f"{source}\nimport sys\nassert 'runner.supervisor.main' not in sys.modules")
    assert "tui" in told
