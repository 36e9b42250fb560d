"""plasma-tui is updated or removed while a training runs: its keeper and supervisor work to the end."""

from __future__ import annotations

import json
import shutil
import subprocess
import venv
from collections.abc import Callable, Iterator
from pathlib import Path

import psutil
import pytest

from runner.model import Outcome
from runner.store.rundir import RunDir
from tests import ROOT
from tests.process.helpers import clean_up, hurry, kinds, processes_of, start, wait_end, wait_step
from tui.cli.main import main

pytestmark = pytest.mark.slow
START = """
import json, sys
from pathlib import Path
sys.path[:0] = [sys.argv[1]]
sys.path.append(sys.argv[2])
from tests.process.helpers import clean_up, hurry, kinds, processes_of, start, wait_end, wait_step
from tui.cli.main import main
import runner
assert runner.__file__.startswith(sys.argv[1])
print(json.dumps(str(start(Path(sys.argv[3]), *sys.argv[4:]).path)))
"""
BROKEN = "raise SystemExit('the code of another version')\n"


@pytest.fixture
def training(tmp_path: Path) -> Iterator[tuple[RunDir, Path, Path]]:
    """A run that was started by an installation of its own; the trainer is at step 5."""
    output, environment = tmp_path / "out", tmp_path / "venv"
    venv.create(environment, symlinks=True, with_pip=False)
    (site,) = (environment / "lib").glob("python*/site-packages")
    (site / "dependencies.pth").write_text(f"{Path(psutil.__file__).parent.parent}\n")
    shutil.copytree(ROOT / "runner", site / "runner", ignore=shutil.ignore_patterns("__pycache__"))
    logs = ("--exact", "--logging_dir", str(tmp_path / "logs"))
    words = (*logs, "--save_state", "--delay", "0.2", "--steps", "30")
    done = subprocess.run(
        [environment / "bin" / "python", "-P", "-B", "-c", START, str(site), str(ROOT), str(output), *words],
        cwd=tmp_path, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    run = RunDir(Path(json.loads(done.stdout)))
    wait_step(run, 5)
    yield run, site / "runner", output
    clean_up(run, output)


def uninstalled(package: Path) -> None:
    """By pip, which keeps the interpreter and what else is installed."""
    shutil.rmtree(package)


def environment_removed(package: Path) -> None:
    """By pipx: its interpreter is gone, too."""
    shutil.rmtree(package.parents[3])


def of_another_version(package: Path) -> None:
    """Every module exists, and none works for a process of this version."""
    for path in package.rglob("*.py"):
        path.write_text(BROKEN)
    for path in package.rglob("*.toml"):
        path.write_text("not = [for this version\n")


@pytest.mark.parametrize("change", [uninstalled, environment_removed, of_another_version])
def test_a_training_is_evaluated_verified_and_summarized_without_its_package(
    training: tuple[RunDir, Path, Path], change: Callable[[Path], None]
) -> None:
    run, package, output = training
    change(package)
    hurry(output)
    snapshot = wait_end(run, 60)
    assert snapshot.status is not None
    log = run.log.read_text()
    assert snapshot.outcome is Outcome.SUCCEEDED, (snapshot.status.reasons, log)
    assert {(one.complete, one.finite) for one in snapshot.status.checkpoints} == {(True, True)}
    assert all(one.norm is not None for one in snapshot.status.checkpoints)
    assert json.loads(run.summary_json.read_text())["outcome"] == "succeeded"
    assert "succeeded, 30 of 30 steps" in run.summary_md.read_text()
    assert "checkpoint_unverified" not in kinds(run)
    assert "Traceback" not in log, log


def test_a_live_run_of_a_newer_version_is_stopped_by_an_older_one(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    output = tmp_path / "out"
    run = start(output, "--delay", "0.2")
    try:
        wait_step(run, 3)
        spec = json.loads(run.spec.read_text())
        run.spec.write_text(json.dumps(spec | {"schema": 99}))
        assert main(["stop", run.id]) == 0
        said = capsys.readouterr().err
        assert "stopping" in said and "no process of run" in said and "update plasma-tui" in said
        assert not processes_of(output)
        status = json.loads(run.status.read_text())
        assert (status["state"], status["outcome"]) == ("ended", "stopped")
    finally:
        run.spec.write_text(json.dumps(spec))
        clean_up(run, output)
