"""What a training gets from whoever starts it: what its shell would have given, and what is documented."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import venv
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from runner.model import AttemptPlan, Outcome
from runner.store.journal import read_json
from runner.store.rundir import RunDir
from tests import ROOT
from tests.process.helpers import wait_end, wait_for

#: stands in for sd-scripts' train_network.py: writes down what it was given
TRAINER = """\
import argparse, json, os, resource, signal, sys
import numpy
environment = open("/proc/self/environ", "rb").read().decode("utf-8", "surrogateescape")
limits = [name for name in dir(resource) if name.startswith("RLIMIT_")]
found = {
    "environment": dict(line.split("=", 1) for line in environment.split("\\0") if line),
    "numpy": numpy.WHOSE,
    "modules": sorted({getattr(m, "__file__", None) or "" for m in sys.modules.values()}),
    "umask": os.umask(0o077),
    "fds": sorted(int(n) for n in os.listdir("/proc/self/fd"))[:-1],
    "blocked": [int(s) for s in signal.pthread_sigmask(signal.SIG_BLOCK, ())],
    "limits": {name: resource.getrlimit(getattr(resource, name)) for name in limits},
}
json.dump(found, open(os.environ["WRITE_TO"] + ".tmp", "w"))
os.rename(os.environ["WRITE_TO"] + ".tmp", os.environ["WRITE_TO"])
os.umask(found["umask"])
import runpy
runpy.run_path(os.path.join(os.path.dirname(__file__), "fake_trainer.py"), run_name="__main__")
"""

HOSTILE = "raise SystemExit('a module of the working folder was imported')"

linux = pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")


@dataclass(frozen=True)
class Place:
    """An installation beside a numpy of its own, a checkout, and a Python with another numpy.
    `work`: the folder commands are run from, full of modules named like ours."""

    installation: Path
    checkout: Path
    python: Path
    work: Path
    env: dict[str, str]

    def command(self, *words: str) -> list[str]:
        code = "import sys; sys.path.insert(0, sys.argv.pop(1)); from tui.cli import main; sys.exit(main())"
        return [sys.executable, "-P", "-c", code, str(self.installation), *words]

    def run(self, *words: str, **env: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            self.command(*words), cwd=self.work, env={**self.env, **env}, capture_output=True,
            text=True, check=False,
        )  # fmt: skip

    def runs(self) -> list[RunDir]:
        return [RunDir(path) for path in sorted(Path(self.env["PLASMA_HOME"]).glob("runs/2*"))]


def numpy_of(folder: Path, whose: str) -> None:
    (folder / "numpy").mkdir(parents=True)
    (folder / "numpy" / "__init__.py").write_text(f"WHOSE = {whose!r}\n")


@pytest.fixture
def place(tmp_path: Path) -> Place:
    installation = tmp_path / "installation"
    for package in ("runner", "tui"):
        shutil.copytree(ROOT / package, installation / package)
    numpy_of(installation, "plasma-tui's")
    checkout = tmp_path / "sd-scripts"
    (checkout / "library").mkdir(parents=True)
    (checkout / "library" / "__init__.py").touch()
    (checkout / "train_network.py").write_text(TRAINER)
    shutil.copy(ROOT / "tests" / "fake_trainer.py", checkout)
    venv.create(tmp_path / "venv", symlinks=True, with_pip=False)
    (packages,) = (tmp_path / "venv" / "lib").glob("python*/site-packages")
    numpy_of(packages, "the trainer's")
    work = tmp_path / "work"
    for package in ("runner", "tui", "msgspec"):
        (work / package).mkdir(parents=True)
        (work / package / "__init__.py").write_text(HOSTILE)
    for name in ("json.py", "numpy.py", "signal.py"):
        (work / name).write_text(HOSTILE)
    (work / "plasma.toml").write_text(f"""\
[trainer]
sd_scripts = {json.dumps(str(checkout))}
python = {json.dumps(str(tmp_path / "venv" / "bin" / "python"))}
env = {{ FROM_PLASMA_TOML = "yes" }}
[train]
output_dir = "out"
output_name = "mine"
max_train_steps = 3
""")
    # no LANG: where the locale is C, an interpreter puts LC_CTYPE into its own environment
    env = {
        "PATH": os.environ["PATH"], "HOME": str(tmp_path), "PLASMA_HOME": str(tmp_path / "home"),
        "WRITE_TO": str(tmp_path / "found.json"), "ODD": "a=b\nc\udcff", "EMPTY": "", "LINES": "24",
    }  # fmt: skip
    return Place(installation, checkout, tmp_path / "venv" / "bin" / "python", work, env)


def given_by_a_shell(place: Place, env: dict[str, str]) -> dict[str, Any]:
    subprocess.run(
        [place.python, place.checkout / "train_network.py", "--output_dir", "shell", "--steps", "1"],
        cwd=place.work, env=env, check=True, stdin=subprocess.DEVNULL,
    )  # fmt: skip
    return take(place)


def take(place: Place) -> dict[str, Any]:
    path = Path(place.env["WRITE_TO"])
    found: dict[str, Any] = json.loads(wait_for(lambda: path.exists() and path.read_text()))
    path.unlink()
    return found


def started(place: Place, **env: str) -> RunDir:
    """Started by the command; --force, because the stand-in is no trainer."""
    done = place.run("start", "--force", "stand-in", **env)
    assert done.returncode == 0, done.stderr
    return place.runs()[-1]


@linux
@pytest.mark.parametrize("pythonpath", [None, "", "theirs"])
def test_the_trainer_gets_what_its_shell_would_give_and_the_documented_additions(
    place: Place, tmp_path: Path, pythonpath: str | None
) -> None:
    numpy_of(tmp_path / "theirs", "of PYTHONPATH")  # unusable for our own processes
    env = {} if pythonpath is None else {"PYTHONPATH": pythonpath and str(tmp_path / pythonpath)}
    shell = given_by_a_shell(place, {**place.env, **env})
    run = started(place, **env)
    found, plan = take(place), read_json(run.attempt(1), AttemptPlan)
    wanted = {**shell["environment"], **plan.env}
    assert found["environment"] == {k: v for k, v in wanted.items() if v is not None}
    assert plan.env == {
        "PYTHONUNBUFFERED": "1", "PYTHONIOENCODING": "utf-8", "COLUMNS": "500", "TQDM_MININTERVAL": "1",
        "LINES": None, "FROM_PLASMA_TOML": "yes",
    }  # fmt: skip
    assert found["numpy"] == ("of PYTHONPATH" if pythonpath else "the trainer's")
    assert not [name for name in found["modules"] if name.startswith(str(place.installation))]
    for what in ("umask", "fds", "blocked", "limits"):
        assert found[what] == shell[what], what
    assert wait_end(run).outcome is Outcome.SUCCEEDED


def test_modules_of_the_working_folder_and_of_pythonpath_break_no_command(
    place: Place, tmp_path: Path
) -> None:
    numpy_of(tmp_path / "theirs", "of PYTHONPATH")
    env = {"PYTHONPATH": str(tmp_path / "theirs")}
    run = started(place, **env)
    assert wait_end(run).outcome is Outcome.SUCCEEDED
    assert "looks at everything again" not in run.summary_md.read_text()  # not the short summary
    (tmp_path / "loras").mkdir()
    for words in (
        ("verify", "out/mine.safetensors"), ("export", run.id, "--to", str(tmp_path / "loras")),
        ("show", run.id), ("runs",),
    ):  # fmt: skip
        done = place.run(*words, **env)
        assert done.returncode == 0, (words, done)


def test_what_slows_the_screen_down_stays_out_of_the_environment(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """A training that is started from a screen inherits the screen's environment."""
    monkeypatch.setenv("TEXTUAL_FPS", "30")
    code = (
        "import os; before = dict(os.environ); from tui.cli.screen import _slow_textual\n"
        "_slow_textual(); from textual import constants\n"
        "print(constants.MAX_FPS, dict(os.environ) == before)"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True
    )
    assert done.stdout.split() == ["5", "True"]
