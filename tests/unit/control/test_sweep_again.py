"""A sweep that exists already, all of it or a part, or with other settings."""

from __future__ import annotations

from pathlib import Path

import pytest

from runner.control.start_refusals import StartRefused
from runner.control.sweep import create
from runner.model import Checkpoint, RunState, Status
from runner.store.journal import write_json
from runner.store.rundir import RunDir
from tests.unit.control.sweeping import plan


def test_a_second_identical_sweep_finds_every_run_of_the_first(
    project: Path, no_processes: list[RunDir]
) -> None:
    made = list(create(plan(project), {}))
    assert [one.rival for one in plan(project).runs] == [run.id for run in made]
    with pytest.raises(ValueError, match="nothing is missing: all 4 runs exist"):
        plan(project, missing=True)


def test_a_sweep_killed_halfway_is_completed_in_its_own_group(
    project: Path, no_processes: list[RunDir]
) -> None:
    first = plan(project)
    half = create(first, {})
    made = [next(half), next(half)]
    half.close()
    again = plan(project, missing=True)
    assert again.group == first.group
    assert [one.name for one in again.runs] == [one.name for one in first.runs[2:]]
    assert len(list(create(again, {}))) == 2
    assert len(no_processes) == len(made) + 2


def test_a_run_that_cannot_be_created_ends_the_sweep_with_those_before_it(
    project: Path, no_processes: list[RunDir]
) -> None:
    found = plan(project)
    list(create(plan(project, "learning_rate=1e-4,2", "network_dim=4,16"), {}))
    made = []
    with pytest.raises(StartRefused, match="queued to write 'spyke-lr1e-4-dim4'"):
        made.extend(create(found, {}))
    assert len(no_processes) == 4 + 2


def ended(run: RunDir, name: str) -> None:
    """As after a training that wrote its final file."""
    file = Path(name)
    file.parent.mkdir(exist_ok=True)
    file.touch()
    checkpoint = Checkpoint(file.name, str(file), 4, None, 1, 1.0, final=True)
    write_json(run.status, Status(RunState.ENDED, 1, 1.0, checkpoints=(checkpoint,)))


def test_a_run_of_that_name_with_other_settings_is_not_one_that_exists(
    project: Path, no_processes: list[RunDir]
) -> None:
    made = list(create(plan(project), {}))
    with pytest.raises(ValueError, match="spyke-lr1e-3-dim4 exists with other settings") as refused:
        plan(project, "learning_rate=1e-3,1e-4", "network_dim=4,8", "seed=7", missing=True)
    assert f"run {made[0].id}" in str(refused.value) and "seed" in str(refused.value)
    assert "output_name" in str(refused.value)
    found = plan(project, "learning_rate=1e-3,1e-4", "network_dim=4,8", "seed=7")
    assert [(one.run, [c.name for c in one.found.differs]) for one in found.runs] == [
        (run.id, ["seed"]) for run in made
    ]
    assert not any(one.found.differs for one in plan(project).runs)


def test_the_number_of_steps_and_a_variable_are_settings_too(
    project: Path, no_processes: list[RunDir], monkeypatch: pytest.MonkeyPatch
) -> None:
    list(create(plan(project), {}))
    monkeypatch.setenv("PYTHONPATH", "/of/another/shell")
    assert not any(one.found.differs for one in plan(project).runs)
    found = plan(
        project, "learning_rate=1e-3,1e-4", "network_dim=4,8", "max_train_epochs=9", "env.FAST=1"
    )
    assert {one.name for one in found.runs[0].found.differs} == {"max_train_epochs", "env.FAST"}
    change = found.runs[0].found.differs[0]
    assert (change.before, change.after) == ("4", "9")


def test_files_are_matched_with_the_run_that_wrote_them(
    project: Path, no_processes: list[RunDir]
) -> None:
    first = plan(project)
    made = list(create(first, {}))
    for run, one in zip(made, first.runs, strict=True):
        ended(run, str(project / "out" / f"{one.name}.safetensors"))
    no_processes.clear()
    found = plan(project, "learning_rate=1e-3,1e-4", "network_dim=4,8", "seed=7")
    assert [one.run for one in found.runs] == [run.id for run in made]
    with pytest.raises(ValueError, match="exists with other settings"):
        plan(project, "learning_rate=1e-3,1e-4", "network_dim=4,8", "seed=7", missing=True)
