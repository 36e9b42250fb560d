"""The turn of a queued run: what its checks see, and what happens when it cannot be held."""

from __future__ import annotations

import errno
import os
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from runner.model import AttemptPlan, CheckResult
from runner.store import queue
from runner.store.journal import read_json, write_json
from runner.store.queue import Mark
from runner.store.rundir import RunDir
from runner.supervisor import turn
from tests import builders as b

VISIBLE = "CUDA_VISIBLE_DEVICES"
Take = Callable[[], Any]


class Waits(Exception):
    """It became a waiting process again; the argument: what has just failed."""


@pytest.fixture
def take(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Take:
    """Take the turn of a queued run with the slot of GPU-7."""

    def become(*_: Any, more: str = "") -> None:
        raise Waits(more)

    monkeypatch.setattr(turn, "become", become)
    monkeypatch.setattr(turn, "notify_held", lambda *_: None)
    monkeypatch.setenv(VISIBLE, "what pytest restores")
    monkeypatch.delenv(VISIBLE)
    run = RunDir(tmp_path / "runs" / "20261130-190000-one-ab12")
    run.path.mkdir(parents=True)
    spec = b.spec(id=run.id, output_dir=str(tmp_path / "out"))
    write_json(run.spec, spec)
    write_json(run.attempt(1), spec.first_plan)
    queue.write_mark(run, Mark(1, 0.0, 5, "me", "here", {}, config={"text": ""}))

    (tmp_path / "link").symlink_to(tmp_path / "runs")

    def taken() -> Any:
        lock: Any = SimpleNamespace(fd=0)
        fd = os.open(tmp_path, os.O_RDONLY)
        return turn.turn_of(run, lock, f"{fd}:GPU-7", f'{{"{VISIBLE}": "GPU-7"}}')

    return taken


def test_the_checks_see_the_gpu_of_the_slot(take: Take, monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[str | None] = []
    monkeypatch.setattr(turn, "_checked", lambda *_: seen.append(os.environ.get(VISIBLE)) or ())
    assert take().starts
    assert seen == ["GPU-7"]
    assert os.environ[VISIBLE] == "GPU-7", "for the keeper and the trainer"


def test_on_a_full_disk_a_failed_check_is_not_repeated_at_once(
    take: Take, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    failed = (CheckResult("disk", "fail", "full"),)
    monkeypatch.setattr(turn, "_checked", lambda *_: failed)
    with pytest.raises(Waits) as held:
        take()
    assert held.value.args == ("",), "it is held"
    monkeypatch.setattr(turn, "hold", full)
    with pytest.raises(Waits) as waits:
        take()
    assert waits.value.args == ("turn",)


@pytest.mark.parametrize(
    ("home", "held"), [("runs", ""), ("link", ""), ("before", "was moved from")]
)
def test_a_run_whose_folder_was_moved_is_held_because_its_command_names_the_old_one(
    take: Take, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, home: str, held: str
) -> None:
    run = RunDir(next((tmp_path / "runs").iterdir()))
    plan = read_json(run.attempt(1), AttemptPlan)
    logs = f"--logging_dir={tmp_path}/{home}/{run.id}/tensorboard/attempt-1"
    write_json(run.attempt(1), replace(plan, command=(*plan.command, logs)))
    monkeypatch.setattr(turn, "_checked", lambda *_: ())
    if not held:
        assert take().starts
        return
    with pytest.raises(Waits):
        take()
    mark = queue.read_mark(run)
    assert mark is not None and held in mark.held and f"retry {run.id} --queue" in mark.held
