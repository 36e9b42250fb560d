"""Records tests/data/run_folders/schema-N: a run folder of each ending, as this version writes them.

    python -m tests.record_runs OUT

Run it once after SCHEMA has risen, and never again for that schema: the folders are what people have on their
disks. They are recorded at a neutral place, PLACE, and say nothing of the machine.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import psutil
from safetensors.numpy import save_file

from tests import ROOT

PLACE = Path("/tmp/plasma-tui-sample")
HOST, USER, PYTHON = "workstation", "ada", "/usr/bin/python3"
#: the folders that keep every file
FULL = ("succeeded", "smoke")
#: the stand-in for sd-scripts: what it does is in a variable of [trainer] env
SCRIPT = """\
import os, runpy, sys
sys.argv += os.environ.get("FAKE", "").split()
runpy.run_path(os.path.join(os.path.dirname(__file__), "fake_trainer.py"), run_name="__main__")
"""
CONFIG = """\
name = "{name}"
[trainer]
sd_scripts = "{place}/sd-scripts"
python = "{place}/venv/bin/python"
env = {{ FAKE = "{fake}" }}
[train]
output_dir = "out"
output_name = "{name}"
max_train_steps = 24
save_every_n_steps = 8
save_state = true
seed = 42
learning_rate = 1e-4
[smoke]
max_train_steps = 4
"""
SLOW = "--exact --delay 0.2"


def main(out: Path) -> None:
    shutil.rmtree(PLACE, ignore_errors=True)
    checkout = PLACE / "sd-scripts"
    (checkout / "library").mkdir(parents=True)
    (checkout / "library" / "__init__.py").touch()
    (checkout / "train_network.py").write_text(SCRIPT)
    shutil.copy(ROOT / "tests" / "fake_trainer.py", checkout)
    make_venv()
    succeeded()
    for name, fake in (
        ("failed", "--exact --fail_at 10"), ("diverged", "--exact --nan_at 10 --nan_weights_at 10"),
    ):  # fmt: skip
        plasma("start", "--force", "sample", "--wait", project=project(name, fake))
    smoke = plasma(
        "start", "--smoke", "--force", "sample", "--wait", project=project("smoke", "--exact")
    )
    approve(smoke)
    stopped = start("stopped")
    wait_step(stopped, 9)
    plasma("stop", stopped)
    killed = start("killed")
    wait_step(killed, 9)
    os.kill(record(killed, "keeper.json")["pid"], signal.SIGKILL)
    wait_end(killed)
    lost = start("lost")
    wait_step(lost, 9)
    kill_everything(lost)
    for step in (10, 20):
        weights(PLACE / "imported" / "loras" / f"imported-step000000{step}.safetensors", step)
    plasma("import", str(PLACE / "imported" / "loras"), "--verify")
    log = shutil.copy(ROOT / "tests" / "data" / "runs" / "tiny_nan.log", PLACE)
    plasma("inspect", str(log))
    plasma("label", stopped, "--name", "a name of my own", "--tag", "keep", "--note", "two\nlines")
    write(out)


def make_venv() -> None:
    """This interpreter and its packages, under a neutral path."""
    venv = PLACE / "venv"
    (venv / "bin").mkdir(parents=True)
    (venv / "bin" / "python").symlink_to(sys.executable)
    (venv / "lib").symlink_to(Path(sys.prefix) / "lib")
    shutil.copy(Path(sys.prefix) / "pyvenv.cfg", venv)


def weights(path: Path, step: int) -> None:
    """A small LoRA as sd-scripts would have written it."""
    path.parent.mkdir(parents=True, exist_ok=True)
    metadata = {
        "ss_session_id": "77", "ss_training_started_at": "1795000000", "ss_steps": str(step),
        "ss_output_name": "imported", "ss_max_train_steps": "20", "ss_num_epochs": "2", "ss_epoch": "1",
        "ss_training_finished_at": str(1795000000 + step),
    }  # fmt: skip
    value = {"lora_unet_a.lora_up.weight": np.full((4, 4), 0.1 * step, np.float32)}
    save_file(value, str(path), metadata=metadata)
    os.utime(path, (1795000000 + step,) * 2)


def succeeded() -> None:
    """Two attempts: stopped, then resumed to the end."""
    run = start("succeeded")
    wait_step(run, 10)
    plasma("stop", run)
    plasma("resume", run, "--wait")


def project(name: str, fake: str) -> Path:
    folder = PLACE / name
    folder.mkdir()
    (folder / "plasma.toml").write_text(CONFIG.format(name=name, place=PLACE, fake=fake))
    return folder


def start(name: str) -> str:
    return plasma("start", "--force", "sample", project=project(name, SLOW))


def plasma(*words: str, project: Path = PLACE) -> str:
    env = {
        "PATH": os.environ["PATH"], "HOME": str(PLACE), "PLASMA_HOME": str(PLACE / "home"), "USER": USER,
        "LOGNAME": USER, "TZ": "UTC", "PYTHONPATH": str(ROOT), "LANG": "C.UTF-8",
    }  # fmt: skip
    command = [sys.executable, "-m", "tui.cli", *words]
    done = subprocess.run(
        command, cwd=project, env=env, capture_output=True, text=True, check=False
    )
    print(words, done.returncode, done.stdout[-300:], done.stderr[-300:], sep="\n  ")
    return done.stdout.strip().splitlines()[0] if done.stdout.strip() else ""


def place_of(run: str) -> Path:
    return PLACE / "home" / "runs" / run


def record(run: str, name: str) -> dict[str, int]:
    found: dict[str, int] = json.loads((place_of(run) / name).read_text())
    return found


def wait_step(run: str, step: int) -> None:
    while (place_of(run) / "steps.jsonl").read_bytes().count(b"\n") < step:
        time.sleep(0.05)


def wait_end(run: str) -> None:
    while record(run, "status.json")["state"] != "ended":
        time.sleep(0.1)


def kill_everything(run: str) -> None:
    """As when the power fails: no exit record, no verdict."""
    pids = [record(run, "status.json")["supervisor_pid"], *record(run, "keeper.json").values()]
    for pid in pids[:1] + [record(run, "keeper.json")[key] for key in ("keeper_pid", "pid")]:
        psutil.Process(pid).send_signal(signal.SIGSTOP)
        psutil.Process(pid).kill()


def approve(run: str) -> None:
    plasma("approve", run, "--note", "looks right")


def write(out: Path) -> None:
    """Without what is of this machine; names of runs that do not change with each recording."""
    shutil.rmtree(out, ignore_errors=True)
    shutil.copytree(PLACE / "home" / "runs", out / "runs", symlinks=True)
    for name in ("succeeded", "failed", "diverged", "stopped", "killed", "lost", "imported"):
        for folder in ("out", "loras"):
            if (PLACE / name / folder).is_dir():
                shutil.copytree(PLACE / name / folder, out / name / folder)
    for leftover in (*out.rglob("lock"), *out.rglob("supervisor.log")):
        leftover.unlink()
    for path in (out / "runs").glob("*"):
        if not any(name in path.name for name in FULL):  # they differ little, and are large
            (path / "summary.md").unlink(missing_ok=True)
            (path / "preflight.json").unlink(missing_ok=True)
    for events in out.rglob("events.out.tfevents.*"):
        events.rename(events.with_name(events.name.replace(os.uname().nodename, HOST)))
    ids = {}
    for number, path in enumerate(sorted((out / "runs").iterdir()), 1):
        new = re.sub(r"-[0-9a-f]{4}$", f"-{number:04d}", path.name)
        ids[path.name] = new
        path.rename(path.with_name(new))
    here = {
        os.uname().nodename: HOST, str(ROOT): "/home/ada/plasma-tui", sys.executable: PYTHON,
        os.path.realpath(sys.executable): PYTHON, sys.base_prefix: "/usr",
    }  # fmt: skip
    for file in (
        one for one in (out / "runs").rglob("*") if one.suffix in (".json", ".jsonl", ".md")
    ):
        text = file.read_text()
        for old, new in (*ids.items(), *here.items()):
            text = text.replace(old, new)
        file.write_text(text)


if __name__ == "__main__":
    main(Path(sys.argv[1]).absolute())
