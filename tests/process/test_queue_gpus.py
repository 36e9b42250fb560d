"""The queue on a machine with two GPUs, as a fake driver reports them."""

from __future__ import annotations

import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from runner.control import orders as control
from runner.control.launch import start_run
from runner.control.queueing import QueueRequest
from runner.model import Outcome, RunState
from runner.store.rundir import RunDir
from tests.fake_nvml.machine import FIRST, SECOND
from tests.process.helpers import (
    FAKE,
    fake_command,
    look,
    spec_for,
    start,
    wait_end,
    wait_for,
    wait_step,
)

SHORT = ("--steps", "6", "--delay", "0.05")
LONG = ("--steps", "600", "--delay", "0.1")


@pytest.fixture
def driver(
    tmp_path: Path, nvml_library: Callable[..., Path], monkeypatch: pytest.MonkeyPatch
) -> Path:
    """What the driver answers; with two cards."""
    answers = tmp_path / "nvml.txt"
    answers.write_text("cards 2\n")
    monkeypatch.setenv("FAKE_NVML", str(answers))
    monkeypatch.setenv("LD_LIBRARY_PATH", str(nvml_library()))
    for name in ("PLASMA_SLOTS", "CUDA_VISIBLE_DEVICES", "HIP_VISIBLE_DEVICES"):
        monkeypatch.delenv(name, raising=False)
    return answers


def queued(output: Path, *flags: str, name: str) -> RunDir:
    spec, plan = spec_for(output, *flags, name=name)
    return start_run(spec, plan, queue=QueueRequest())


def visible(run: RunDir) -> str:
    """CUDA_VISIBLE_DEVICES of the live trainer."""
    wait_step(run, 1, 40)
    status = look(run).status
    assert status is not None
    words = Path(f"/proc/{status.trainer_pid}/environ").read_bytes().decode().split("\0")
    return next((w.partition("=")[2] for w in words if w.startswith("CUDA_VISIBLE_DEVICES=")), "")


def test_each_gpu_trains_one_run_and_shows_its_trainer_no_other(output: Path, driver: Path) -> None:
    first, second, third = (queued(output, *LONG, name=n) for n in ("one", "two", "three"))
    assert visible(first) == FIRST
    assert visible(second) == SECOND
    assert look(third).state is RunState.QUEUED
    control.stop(second.path)
    assert visible(third) == SECOND
    told = [event.data["env"] for event in look(third).events if event.kind == "slot"]
    assert told == [{"CUDA_VISIBLE_DEVICES": SECOND}]
    control.stop(first.path)
    control.stop(third.path)
    for run in (first, second, third):
        assert wait_end(run).outcome is Outcome.STOPPED


def test_a_run_that_names_its_gpu_waits_for_that_one(
    output: Path, driver: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "1")
    first, second = (queued(output, *LONG, name=n) for n in ("one", "two"))
    assert visible(first) == "1", "as the user set it"
    assert look(second).state is RunState.QUEUED
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "7")
    third = queued(output, *SHORT, name="three")
    control.stop(first.path)
    assert visible(second) == "1"
    held = wait_for(lambda: _waiting(third), 40)
    assert "GPU 7, which does not exist here" in held
    for run in (second, third):
        control.stop(run.path)
        wait_end(run)


def test_runs_of_another_gpu_pass_one_that_waits_for_its_own(
    output: Path, driver: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "0")
    first, second = (queued(output, *LONG, name=n) for n in ("one", "two"))
    assert visible(first) == "0"
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES")
    third = queued(output, *LONG, name="three")
    assert visible(third) == SECOND, "it passes the second, which waits for the other GPU"
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "0")
    fourth = queued(output, *SHORT, name="four")
    wait_for(lambda: f"GPU 0 is used by run {first.id}" in _reason(second), 40)
    control.stop(first.path)
    assert visible(second) == "0"
    assert look(fourth).state is RunState.QUEUED, "it never passes one for the same GPU"
    for run in (second, third):
        control.stop(run.path)
    assert wait_end(fourth).outcome is Outcome.SUCCEEDED


def test_a_gpu_that_vanished_is_not_offered(output: Path, driver: Path) -> None:
    first, second = (queued(output, *LONG, name=n) for n in ("one", "two"))
    assert visible(first) == FIRST
    assert visible(second) == SECOND
    third = queued(output, *LONG, name="three")
    driver.write_text("cards 2\n0.* 15\n")  # lost
    control.stop(first.path)
    wait_end(first)
    control.stop(second.path)
    assert visible(third) == SECOND
    control.stop(third.path)
    wait_end(third)


def test_a_plain_start_keeps_its_gpu_from_the_queue(output: Path, driver: Path) -> None:
    plain = start(output, *LONG, name="one")
    waiting = queued(output, *LONG, name="two")
    assert visible(waiting) == SECOND, "the first is the plain start's"
    for run in (plain, waiting):
        control.stop(run.path)
        wait_end(run)


def test_a_plain_start_beside_a_queued_run_claims_their_gpu_and_no_other(
    output: Path, driver: Path
) -> None:
    first = queued(output, *LONG, name="one")
    assert visible(first) == FIRST
    plain = start(output, *LONG, name="two")  # on the first GPU, as any training is
    wait_step(plain, 1, 40)
    third = queued(output, *LONG, name="three")
    assert visible(third) == SECOND
    fourth = queued(output, *LONG, name="four")
    control.stop(first.path)
    wait_end(first)
    wait_for(lambda: f"still used by the training of run {plain.id}" in _reason(fourth), 40)
    control.stop(plain.path)
    assert visible(fourth) == FIRST
    for run in (third, fourth):
        control.stop(run.path)
        wait_end(run)


def test_a_gpu_with_another_training_is_left_alone(output: Path, driver: Path) -> None:
    command = fake_command(output / "by hand", "--steps", "4000", "--delay", "0.1", name="by hand")
    script = output.parent / "train_network.py"
    script.symlink_to(FAKE)
    by_hand = subprocess.Popen([command[0], script, *command[3:]], stdout=subprocess.DEVNULL)
    try:
        driver.write_text(f"cards 2\n0.compute {by_hand.pid} {8 << 30}\n")
        first = queued(output, *LONG, name="one")
        assert visible(first) == SECOND
        second = queued(output, *LONG, name="two")
        used = f"GPU 0 is used outside this queue by another training (pid {by_hand.pid}, 8.0 GB)"
        wait_for(lambda: _reason(second) == f"{used}, GPU 1 is used by run {first.id}", 40)
    finally:
        by_hand.kill()
        by_hand.wait()
    control.stop(second.path)
    control.stop(first.path)
    for run in (first, second):
        assert wait_end(run).outcome is Outcome.STOPPED


def _reason(run: RunDir) -> str:
    status = look(run).status
    return status.waiting.reason if status is not None and status.waiting is not None else ""


def _waiting(run: RunDir) -> str:
    status = look(run).status
    waiting = status.waiting if status is not None else None
    return waiting.reason if waiting is not None and waiting.held else ""
