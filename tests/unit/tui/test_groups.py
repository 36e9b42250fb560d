"""A sweep's group as RUN: compared, stopped, resumed and removed together."""

from __future__ import annotations

import json
from dataclasses import dataclass, replace
from pathlib import Path

import pytest

from runner.analysis.outcome import NOT_STARTED
from runner.control import orders
from runner.model import Cause, Outcome, RunSpec, RunState, Status, Waiting
from runner.store import queue
from runner.store.journal import read_json, write_json
from runner.store.queue import Mark
from runner.store.registry import group_of
from runner.store.rundir import RunDir
from scripts.bench.many_runs import make_runs
from tests import builders as b
from tui.cli.main import main

Captured = pytest.CaptureFixture[str]
GROUP = "spyke-sweep-a1b2"


def a_group(states: list[RunState], group: str = GROUP) -> list[Path]:
    """Oldest first."""
    paths = sorted(make_runs(len(states)))
    for at, (path, state) in enumerate(zip(paths, states, strict=True)):
        run = RunDir(path)
        spec = replace(read_json(run.spec, RunSpec), group=group, created_at=b.NOW + at)
        rates = ("1e-4", "5e-5", "2e-4", "1e-5")
        command = ("python", "train_network.py", f"--learning_rate={rates[at % 4]}")
        write_json(run.spec, replace(spec, command=command, cwd=str(path)))
        if state is not RunState.ENDED:
            run.summary_json.unlink(missing_ok=True)
            write_json(run.status, Status(state, 1, b.NOW, waiting=Waiting()))
        if state is RunState.QUEUED:
            queue.write_mark(run, Mark(1, b.NOW, at, "me", "here", {}))
    return paths


def test_a_group_is_found_by_its_name_its_start_or_its_last_part_oldest_run_first() -> None:
    paths = a_group([RunState.ENDED] * 3)
    for text in (GROUP, "spyke-sweep", "a1b2"):
        assert [one.id for one in group_of(text)] == [path.name for path in paths]
    assert group_of("") == () and group_of("other") == ()


def test_two_groups_that_begin_alike_need_their_full_name() -> None:
    paths = sorted(make_runs(2))
    for path, group in zip(paths, ("fox-sweep-1", "fox-sweep-2"), strict=True):
        spec = read_json(RunDir(path).spec, RunSpec)
        write_json(RunDir(path).spec, replace(spec, group=group))
    assert group_of("fox-sweep") == ()
    assert [one.id for one in group_of("fox-sweep-2")] == [paths[1].name]


def test_a_verb_for_one_run_names_the_runs_of_a_group(capsys: Captured) -> None:
    paths = a_group([RunState.ENDED] * 2)
    assert main(["show", GROUP]) == 3
    told = capsys.readouterr().err
    assert "is a group of 2 runs, name one of them" in told and paths[0].name in told


def test_show_and_its_json_name_the_group(capsys: Captured) -> None:
    (path, _) = a_group([RunState.ENDED] * 2)
    assert main(["show", path.name]) == 0
    assert f"group {GROUP}" in capsys.readouterr().out
    assert main(["show", path.name, "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["group"] == GROUP


def test_compare_takes_a_group_and_lists_its_runs(capsys: Captured) -> None:
    paths = a_group([RunState.ENDED, RunState.ENDED, RunState.QUEUED])
    assert main(["compare", GROUP]) == 0
    out = capsys.readouterr().out
    assert "learning_rate" in out and "place" in out
    assert main(["compare", GROUP, "--json"]) == 0
    made = json.loads(capsys.readouterr().out)
    assert made["group"] == GROUP
    assert [run["id"] for run in made["runs"]] == [path.name for path in paths]
    assert made["runs"][2]["place"] is None


def test_of_a_large_group_the_runs_with_the_lowest_losses_are_compared(capsys: Captured) -> None:
    a_group([RunState.ENDED] * 28)
    assert main(["compare", GROUP, "--json"]) == 0
    told = capsys.readouterr()
    assert "26 of 28 runs of the group are compared" in told.err
    assert len(json.loads(told.out)["runs"]) == 26


def test_removing_a_group_removes_every_run_of_it(capsys: Captured) -> None:
    paths = a_group([RunState.ENDED] * 2)
    assert main(["remove", GROUP, "--yes"]) == 0
    assert not any(path.exists() for path in paths)


# ----------------------------------------------------------------- stop


#: ids of the runs that refuse
REFUSED: set[str] = set()


class Sent:
    attempt = 1


@dataclass(frozen=True)
class Accepted:
    text: str = "stopping"
    accepted: bool = True


@pytest.fixture
def ordered(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Ids of the runs that got an order; each is accepted at once."""
    found: list[str] = []

    def stop(path: Path, mode: str) -> object:
        found.append(path.name)
        if path.name in REFUSED:
            raise orders.Refused(f"run {path.name} does not answer")
        return Sent()

    REFUSED.clear()
    monkeypatch.setattr(orders, "stop", stop)
    monkeypatch.setattr(orders, "adopt", lambda path: False)
    monkeypatch.setattr(orders, "await_answer", lambda *_: Accepted())
    return found


def alive(monkeypatch: pytest.MonkeyPatch) -> None:
    """Without supervisors the reader would call these runs lost."""
    monkeypatch.setattr("runner.store.reader.lock_held", lambda _: True)


def test_queued_runs_of_a_group_leave_the_queue_first_and_the_last_one_first(
    ordered: list[str], capsys: Captured, monkeypatch: pytest.MonkeyPatch
) -> None:
    states = [RunState.ENDED, RunState.RUNNING, RunState.QUEUED, RunState.QUEUED]
    _, running, second, third = (path.name for path in a_group(states))
    alive(monkeypatch)
    assert main(["stop", GROUP, "--no-wait"]) == 0
    assert ordered == [third, second, running]
    assert capsys.readouterr().err.splitlines() == [f"{name}: stopping" for name in ordered]


def test_one_run_that_refuses_makes_the_exit_code_1_and_the_others_stop(
    ordered: list[str], capsys: Captured, monkeypatch: pytest.MonkeyPatch
) -> None:
    first, second = (path.name for path in a_group([RunState.RUNNING] * 2))
    alive(monkeypatch)
    REFUSED.add(first)
    assert main(["stop", GROUP, "--no-wait"]) == 1
    assert ordered == [first, second]
    assert capsys.readouterr().err.splitlines() == [
        f"{first}: does not answer",
        f"{second}: stopping",
    ]


def test_a_group_without_live_runs_has_nothing_to_stop(capsys: Captured) -> None:
    a_group([RunState.ENDED] * 2)
    assert main(["stop", GROUP]) == 1
    assert f"no run of {GROUP} is live" in capsys.readouterr().err


# ----------------------------------------------------------------- resume


def test_resume_leaves_succeeded_runs_alone_and_says_why_another_cannot(
    capsys: Captured,
) -> None:
    first, second = a_group([RunState.ENDED] * 2)
    status = read_json(RunDir(second).status, Status)
    write_json(
        RunDir(second).status, replace(status, outcome=Outcome.STOPPED, checkpoints=(), step=0)
    )
    assert main(["resume", GROUP, "--dry-run"]) == 1
    told = capsys.readouterr().err.splitlines()
    assert told[0] == f"{first.name}: succeeded, nothing to resume"
    assert told[1].startswith(f"{second.name}: ") and len(told) == 2


def never_started(path: Path) -> None:
    """As the stop of a queued run leaves it."""
    cause = Cause(NOT_STARTED, "", "")
    status = Status(RunState.ENDED, 1, b.NOW, outcome=Outcome.STOPPED, cause=cause)
    RunDir(path).steps.unlink(missing_ok=True)
    write_json(RunDir(path).status, status)
    spec = read_json(RunDir(path).spec, RunSpec)
    write_json(RunDir(path).attempt(1), spec.first_plan)


def test_a_run_of_the_group_that_never_started_begins_as_a_new_run_and_only_once(
    capsys: Captured,
) -> None:
    first, second = a_group([RunState.ENDED] * 2)
    never_started(second)
    assert main(["resume", GROUP, "--dry-run"]) == 0
    told = capsys.readouterr().err.splitlines()
    assert told[1] == f"{second.name}: starts from step 0 as a new run"
    spec = read_json(RunDir(first).spec, RunSpec)
    write_json(RunDir(first).spec, replace(spec, retry_of=second.name))
    assert main(["resume", GROUP, "--dry-run"]) == 0
    told = capsys.readouterr().err.splitlines()
    assert told[1] == f"{second.name}: retried as {first.name}"


@pytest.mark.parametrize("outcome", [Outcome.STOPPED, Outcome.FAILED, Outcome.KILLED])
def test_a_run_of_the_group_that_saved_nothing_starts_again(
    outcome: Outcome, capsys: Captured
) -> None:
    second = saved_nothing(outcome)
    assert main(["resume", GROUP, "--dry-run"]) == 0
    told = capsys.readouterr().err.splitlines()
    assert told[1] == f"{second.name}: starts from step 0 as a new run"


def test_a_run_of_the_group_that_diverged_is_not_started_again_unchanged(capsys: Captured) -> None:
    second = saved_nothing(Outcome.DIVERGED)
    assert main(["resume", GROUP, "--dry-run"]) == 1
    told = capsys.readouterr().err.splitlines()
    assert told[1].startswith(f"{second.name}: nothing was saved to resume from")
    assert main(["resume", GROUP, "--dry-run", "--set", "learning_rate=1e-6"]) == 0


def saved_nothing(outcome: Outcome) -> Path:
    """The second run of a group, which has trained some steps."""
    _, second = a_group([RunState.ENDED] * 2)
    never_started(second)
    status = read_json(RunDir(second).status, Status)
    cause = Cause("out_of_memory", "", "", changes=("gradient_checkpointing=true",))
    write_json(RunDir(second).status, replace(status, outcome=outcome, cause=cause, step=40))
    return second


def test_a_checkpoint_to_resume_from_is_of_one_run_only(capsys: Captured) -> None:
    a_group([RunState.ENDED] * 2)
    assert main(["resume", GROUP, "--from", "200"]) == 2
    assert "names a checkpoint of one run" in capsys.readouterr().err
