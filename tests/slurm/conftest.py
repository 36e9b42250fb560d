"""One private Slurm for all tests of this folder; nothing of it is left afterwards."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from runner.control import jobs
from runner.engines.slurm import watch
from runner.model import RunSnapshot
from runner.store.rundir import RunDir, runs_root
from runner.store.unrecorded import keeper_pids
from tests.process.helpers import clean_up, kill, look, supervisors_of, wait_for
from tests.slurm.cluster import Cluster, why_not


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """All of them share one cluster, so one process runs them (--dist loadgroup)."""
    for item in items:
        if item.path.is_relative_to(Path(__file__).parent):
            item.add_marker(pytest.mark.xdist_group("slurm"))


@pytest.fixture(scope="session")
def daemons(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    if (why := why_not()) is not None:
        pytest.skip(why)
    cluster = Cluster(tmp_path_factory.mktemp("slurm"))
    try:
        cluster.begin()
        yield cluster
    finally:
        cluster.end()


@pytest.fixture
def cluster(daemons: Cluster, monkeypatch: pytest.MonkeyPatch) -> Iterator[Cluster]:
    for name, value in daemons.environment.items():
        monkeypatch.setenv(name, value)
    yield daemons
    daemons.ask("scancel", "--user", "root", check=False)
    wait_for(lambda: not daemons.ask("squeue", "-h").strip(), 60, "an empty queue")


@pytest.fixture
def output(cluster: Cluster, tmp_path: Path) -> Iterator[Path]:
    """An output folder; afterwards no run of this home has a process left."""
    folder = tmp_path / "out"
    yield folder
    cluster.ask("scancel", "--user", "root", check=False)
    for path in runs_root().glob("2*"):
        clean_up(RunDir(path), folder)
        for pid in (*keeper_pids(RunDir(path)), *supervisors_of(path)):
            kill(pid)


def seen(run: RunDir) -> RunSnapshot:
    """As a front end sees it that asks Slurm each time."""
    watch.refresh(least_age_s=0.0)
    jobs.look()
    return look(run)


def await_run(
    run: RunDir, wanted: Callable[[RunSnapshot], object], what: str, seconds: float = 90.0
) -> RunSnapshot:
    def found() -> RunSnapshot | None:
        snapshot = seen(run)
        return snapshot if wanted(snapshot) else None

    return wait_for(found, seconds, f"{what} of {run.id}")


def ended(run: RunDir, seconds: float = 120.0) -> RunSnapshot:
    return await_run(
        run, lambda s: str(s.state) == "ended" and s.outcome is not None, "the end", seconds
    )
