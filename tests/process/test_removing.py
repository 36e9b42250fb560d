"""Removing runs with real processes: a training that lives in any form keeps its run."""

from __future__ import annotations

import signal
import subprocess
import sys
import time
from pathlib import Path

import psutil
import pytest

from runner.control.remove import RemoveRefused, removal_of, remove_run
from runner.model import KeeperRecord, RunState
from runner.store.journal import read_json
from runner.store.registry import list_runs, run_paths
from runner.store.rundir import RunDir, runs_root
from tests.process.helpers import (
    kill,
    look,
    processes_of,
    start,
    wait_end,
    wait_for,
    wait_step,
)


def refused(run: RunDir) -> str:
    with pytest.raises(RemoveRefused) as found:
        remove_run(run.path, with_checkpoints=True)
    assert run.spec.exists()
    return str(found.value)


def test_a_training_keeps_its_run_whoever_of_its_parents_is_killed(output: Path) -> None:
    run = start(output, "--max_train_steps", "2000", "--delay", "0.05")
    wait_step(run, 3)
    assert "stop it first" in refused(run)
    supervisor = look(run).status
    assert supervisor is not None
    assert supervisor.supervisor_pid is not None
    kill(supervisor.supervisor_pid)
    wait_for(lambda: not look(run).supervisor_alive)
    assert "stop it first" in refused(run)
    keeper = read_json(run.keeper, KeeperRecord)
    kill(keeper.keeper_pid)
    wait_for(lambda: not psutil.pid_exists(keeper.keeper_pid))
    assert look(run).state is RunState.RUNNING
    assert "stop it first" in refused(run)
    grown = run.console.stat().st_size
    wait_for(lambda: run.console.stat().st_size > grown, what="the training to go on")
    kill(keeper.pid)
    wait_for(lambda: look(run).state is RunState.LOST)
    assert not processes_of(output)
    remove_run(run.path)
    assert run_paths() == []


def test_an_ended_run_goes_and_what_it_trained_stays(output: Path) -> None:
    run = start(output, "--max_train_steps", "20", "--save_every_n_steps", "10")
    wait_end(run)
    before = sorted(path.name for path in output.rglob("*"))
    assert before
    looked = wait_for(lambda: found if not (found := removal_of(run.path)).refusal else None)
    assert looked.lost == ()
    remove_run(run.path)
    assert list_runs() == []
    assert sorted(path.name for path in output.rglob("*")) == before


def test_a_list_shows_a_run_from_its_start_to_its_end(output: Path) -> None:
    """With the index in between: no state is missed, no old one comes back."""
    run = start(output, "--max_train_steps", "30", "--delay", "0.02")
    seen: list[tuple[str, int]] = []
    while not (seen and seen[-1][0] == "succeeded"):
        one = list_runs()[0]
        seen.append((str(one.outcome or one.state), one.step))
        assert len(seen) < 2000
        time.sleep(0.01)
    assert [step for _, step in seen] == sorted(step for _, step in seen)
    assert seen[-1] == ("succeeded", 30)
    wait_end(run)


_REMOVE = """
import sys
from pathlib import Path
from runner.control.remove import remove_run
remove_run(Path(sys.argv[1]))
"""


@pytest.mark.parametrize("after_files", [0, 300, 3000])
def test_a_removal_killed_for_real_leaves_no_half_run(output: Path, after_files: int) -> None:
    run = start(output, "--max_train_steps", "3")
    wait_end(run)
    wait_for(lambda: removal_of(run.path).refusal is None)
    many = run.path / "many"
    many.mkdir()
    for number in range(6000):
        (many / str(number)).touch()
    child = subprocess.Popen([sys.executable, "-c", _REMOVE, str(run.path)])
    hidden = wait_for(lambda: next(iter(runs_root().glob(".removed-*")), None))
    wait_for(
        lambda: (
            len(list((hidden / "many").glob("*"))) <= 6000 - after_files
            if (hidden / "many").exists()
            else True
        )
    )
    child.send_signal(signal.SIGKILL)
    child.wait()
    assert run_paths() == []
    assert list_runs() == []
    other = start(output, "--max_train_steps", "3")  # a start is not hindered
    wait_end(other)
    wait_for(lambda: removal_of(other.path).refusal is None)
    remove_run(other.path)
    assert list(runs_root().iterdir()) == []
