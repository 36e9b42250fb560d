"""The batch script, run by bash with stand-ins for the supervisor."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from runner.engines.slurm.script import Task, log_pattern, options, script
from runner.model import Engine

#: writes its arguments, and does what the file `do` beside the log says
STAND_IN = """\
import os, signal, sys, time
folder = os.environ["STAND_IN"]
name = os.path.join(folder, "calls")
with open(name, "a") as out:
    out.write(repr(sys.argv[1:]) + "\\n")
calls = len(open(name).readlines())
for number in (signal.SIGUSR1, signal.SIGTERM):
    signal.signal(number, lambda n, _: print("got", n, flush=True))
print("ready", flush=True)
what = open(os.path.join(folder, "do")).read().split()[calls - 1:calls]
if what == ["die"]:
    os.kill(os.getpid(), signal.SIGKILL)
if what == ["wait"]:
    while not os.path.exists(os.path.join(folder, "go")):
        time.sleep(0.01)
if what == ["fail"]:
    sys.exit(3)
"""
ODD = 'it\'s "a" $(touch broken) `x` ; run\\n%j'


def command(tmp_path: Path) -> list[str]:
    file = tmp_path / "stand_in.py"
    file.write_text(STAND_IN)
    return [sys.executable, str(file)]


def started(
    tmp_path: Path, do: str, engine: Engine, *tasks: Task, **env: str
) -> subprocess.Popen[bytes]:
    (tmp_path / "do").write_text(do)
    text = script(engine, tasks, [*command(tmp_path), "supervise"], [*command(tmp_path), "next"])
    return subprocess.Popen(
        ["bash", "-c", text], cwd=tmp_path, env={**os.environ, "STAND_IN": str(tmp_path), **env},
        stdin=subprocess.DEVNULL,
    )  # fmt: skip


def calls(tmp_path: Path) -> list[list[str]]:
    return [eval(line) for line in (tmp_path / "calls").read_text().splitlines()]


def ready(log: Path, text: str = "ready") -> None:
    deadline = time.monotonic() + 20
    while time.monotonic() < deadline:
        if log.exists() and text in log.read_text():
            return
        time.sleep(0.02)
    raise AssertionError(f"no {text!r} in {log}")


@pytest.fixture
def task(tmp_path: Path) -> Task:
    return Task(ODD, str(tmp_path / "it's a log"), 3, "plasma-tui x 3 ab")


def test_nothing_of_a_user_is_read_by_the_shell(tmp_path: Path, task: Task) -> None:
    assert started(tmp_path, "ok ok", Engine("slurm", requeue=True), task).wait(30) == 0
    assert calls(tmp_path) == [
        ["supervise", ODD, "--job", "3", "plasma-tui x 3 ab"],
        ["next", ODD, "3"],
    ]
    assert not (tmp_path / "broken").exists()


def test_without_requeue_there_is_no_further_command(tmp_path: Path, task: Task) -> None:
    assert started(tmp_path, "fail", Engine("slurm"), task).wait(30) == 3
    assert [call[0] for call in calls(tmp_path)] == ["supervise"]


def test_a_killed_supervisor_is_started_again_but_not_for_ever(tmp_path: Path, task: Task) -> None:
    assert started(tmp_path, "die die ok", Engine("slurm"), task).wait(30) == 0
    assert len(calls(tmp_path)) == 3
    (tmp_path / "calls").unlink()
    assert started(tmp_path, "die " * 20, Engine("slurm"), task).wait(30) > 128
    assert len(calls(tmp_path)) == 5


@pytest.mark.parametrize("number", [signal.SIGUSR1, signal.SIGTERM])
def test_signals_reach_the_supervisor_and_the_script_waits_for_it(
    tmp_path: Path, task: Task, number: signal.Signals
) -> None:
    process = started(tmp_path, "wait ok", Engine("slurm", requeue=True), task)
    ready(Path(task.log))
    process.send_signal(number)
    ready(Path(task.log), f"got {int(number)}")
    assert process.poll() is None
    (tmp_path / "go").touch()
    assert process.wait(30) == 0
    assert [call[0] for call in calls(tmp_path)] == ["supervise", "next"]


def test_a_task_of_an_array_runs_its_own_run(tmp_path: Path) -> None:
    tasks = [Task(f"run {n}", str(tmp_path / f"log{n}"), 1, f"t#{n}") for n in range(3)]
    process = started(tmp_path, "ok", Engine("slurm"), *tasks, SLURM_ARRAY_TASK_ID="2")
    assert process.wait(30) == 0
    assert calls(tmp_path) == [["supervise", "run 2", "--job", "1", "t#2"]]


def test_lines_of_the_user_come_before_the_commands() -> None:
    engine = Engine("slurm", extra=("#SBATCH --qos=high",))
    lines = script(engine, [Task("r", "l", 1, "t")], ["s"], ["n"]).splitlines()
    assert lines[:2] == ["#!/bin/bash", "#SBATCH --qos=high"]


def test_the_request_is_given_on_the_command_line() -> None:
    engine = Engine("slurm", partition="gpu", gres="gpu:1", time="60", cpus=4, memory="8G")
    found = options(engine, name="n", token="a b", log="/x", tasks=3)
    for option in (
        "--partition=gpu", "--gres=gpu:1", "--time=60", "--cpus-per-task=4", "--mem=8G", "--comment=a b",
        "--signal=B:USR1@120", "--no-requeue", "--open-mode=append", "--export=ALL", "--array=0-2",
    ):  # fmt: skip
        assert option in found
    assert not any(one.startswith("--account") for one in found)


def test_a_path_is_no_pattern_for_slurm() -> None:
    assert log_pattern("/a/100%j/log") == "/a/100%%j/log"
    assert log_pattern("/a\\b") == "/dev/null"
