"""The wheel, built and installed into an environment of its own, as pipx does it."""

from __future__ import annotations

import importlib.util
import os
import re
import shutil
import subprocess
import sys
import venv
import zipfile
from dataclasses import dataclass
from pathlib import Path

import psutil
import pytest

from runner.model import Outcome
from runner.store.rundir import RunDir
from tests import ROOT
from tests.process.helpers import clean_up, wait_end, wait_step
from tests.run_folders import bytes_of

pytestmark = pytest.mark.slow
HOSTILE = "raise SystemExit('not the module of plasma-tui: ' + __name__)\n"
#: names that a folder of another project may hold, too
FOREIGN = (
    "runner/__init__.py", "tui/__init__.py", "textual.py", "json.py", "numpy.py", "msgspec.py", "signal.py",
)  # fmt: skip
FRAME = """
import asyncio
from tui.app import PlasmaApp
from tui.backend.door import Backend
from tui.themes import load_themes

async def main():
    app = PlasmaApp(Backend())
    async with app.run_test(size=(100, 30)) as pilot:
        await pilot.pause()
        print(type(app.screen).__name__)

asyncio.run(main())
themes, problems = load_themes()
print(sorted(theme.name for theme in themes), problems)
"""


@dataclass(frozen=True)
class Installed:
    wheel: Path
    environment: Path
    folder: Path

    @property
    def python(self) -> Path:
        return self.environment / "bin" / "python"

    def env(self, **more: str) -> dict[str, str]:
        home = {"HOME": str(self.folder), "PLASMA_HOME": str(self.folder / "home")}
        return {"PATH": os.environ["PATH"], **home, **more}

    def run(self, *words: str, cwd: Path, **more: str) -> subprocess.CompletedProcess[str]:
        command = [str(self.environment / "bin" / "plasma-tui"), *words]
        return subprocess.run(
            command, cwd=cwd, env=self.env(**more), capture_output=True, text=True, check=False
        )


def pip(*words: str) -> None:
    command = [sys.executable, "-m", "pip", "--disable-pip-version-check", "--quiet", *words]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


@pytest.fixture(scope="module")
def installed(tmp_path_factory: pytest.TempPathFactory) -> Installed:
    """Its dependencies are those of the tests: only plasma-tui itself is installed again."""
    folder = tmp_path_factory.mktemp("wheel")
    apart = () if importlib.util.find_spec("hatchling") is None else ("--no-build-isolation",)
    pip("wheel", "--no-deps", *apart, "--wheel-dir", str(folder), str(ROOT))
    (wheel,) = folder.glob("*.whl")
    environment = folder / "venv"
    venv.create(environment, symlinks=True, with_pip=False)
    (site,) = (environment / "lib").glob("python*/site-packages")
    (site / "dependencies.pth").write_text(f"{Path(psutil.__file__).parent.parent}\n")
    made = Installed(wheel, environment, folder)
    pip("--python", str(made.python), "install", "--no-deps", "--no-index", str(wheel))
    return made


@pytest.fixture
def elsewhere(installed: Installed, tmp_path: Path) -> Path:
    """The project of somebody whose own modules have the names of ours."""
    for name in FOREIGN:
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(HOSTILE)
    checkout = tmp_path / "sd-scripts"
    (checkout / "library").mkdir(parents=True)
    (checkout / "library" / "__init__.py").touch()
    shutil.copy(ROOT / "tests" / "fake_trainer.py", checkout / "train_network.py")
    (tmp_path / "plasma.toml").write_text(f"""\
[trainer]
sd_scripts = "{checkout}"
python = "{sys.executable}"
[train]
output_dir = "out"
output_name = "mine"
max_train_steps = 12
save_every_n_steps = 5
""")
    return tmp_path


def test_the_wheel_holds_every_file_that_the_program_reads_and_nothing_else(
    installed: Installed,
) -> None:
    with zipfile.ZipFile(installed.wheel) as archive:
        found = {name for name in archive.namelist() if not name.endswith("/")}
    tracked = subprocess.run(
        ["git", "ls-files", "plasma_tui.py", "runner", "tui", "themes"],
        cwd=ROOT, capture_output=True, text=True, check=True,
    ).stdout.split()  # fmt: skip
    wanted = {re.sub("^themes/", "tui/_themes/", name) for name in tracked}
    rest = {name.split("/", 1)[1] for name in found - wanted}
    assert wanted <= found, sorted(wanted - found)
    assert rest == {"METADATA", "WHEEL", "RECORD", "entry_points.txt", "licenses/LICENSE"}
    assert {"tui/plasma.tcss", "tui/_themes/plasma-dark.toml"} <= found


@pytest.mark.parametrize("named", [False, True])
def test_the_command_runs_in_a_folder_with_modules_of_the_same_names(
    installed: Installed, elsewhere: Path, named: bool
) -> None:
    """`named`: PYTHONPATH names that folder, too."""
    more = {"PYTHONPATH": str(elsewhere)} if named else {}
    for words in (("--version",), ("runs",), ("check", "--json"), ("hardware",)):
        done = installed.run(*words, cwd=elsewhere, **more)
        assert "Traceback" not in done.stderr and "not the module" not in done.stderr, done
        assert done.stdout or done.stderr.startswith("no runs yet"), done
    assert installed.run("--version", cwd=elsewhere, **more).stdout.startswith("plasma-tui ")


def test_the_screen_opens_and_has_its_themes(installed: Installed, tmp_path: Path) -> None:
    done = subprocess.run(
        [installed.python, "-P", "-c", FRAME], cwd=tmp_path, env=installed.env(), capture_output=True,
        text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    screen, themes = done.stdout.splitlines()
    assert screen.endswith("Screen")
    names = sorted(path.stem for path in (ROOT / "themes").glob("*.toml"))
    assert all(name in themes for name in names) and themes.endswith(" []"), themes


def test_a_training_outlives_the_removal_of_the_program_and_its_run_stays(
    installed: Installed, elsewhere: Path, tmp_path: Path
) -> None:
    """Last of this file: afterwards nothing is installed."""
    more = {"PYTHONPATH": str(elsewhere / "nowhere")}
    done = installed.run("start", "--force", "a test", cwd=elsewhere, **more)
    assert done.returncode == 0, done
    run = RunDir(installed.folder / "home" / "runs" / done.stdout.strip())
    try:
        wait_step(run, 3)
        pip("--python", str(installed.python), "uninstall", "--yes", "plasma-tui")
        assert not (installed.environment / "bin" / "plasma-tui").exists()
        snapshot = wait_end(run, 60)
        assert snapshot.status is not None
        assert snapshot.outcome is Outcome.SUCCEEDED, (snapshot.status.reasons, run.log.read_text())
        assert run.summary_md.exists() and bytes_of(run.path)
    finally:
        clean_up(run, elsewhere / "out")
