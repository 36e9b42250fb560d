"""The index of runs: whatever happens to a run's folder or to the index itself, the list is right."""

from __future__ import annotations

import os
import random
import shutil
import socket
import threading
import time
from dataclasses import replace
from pathlib import Path

import pytest

from runner.model import (
    AttemptPlan,
    Checkpoint,
    Label,
    Outcome,
    RunListing,
    RunSpec,
    RunState,
    Status,
)
from runner.store import index, registry
from runner.store.index import forget, index_path
from runner.store.journal import Unreadable, read_json, write_json
from runner.store.labels import write_label
from runner.store.registry import list_runs, listing, live_run_of, live_runs, run_paths, same_target
from runner.store.rundir import RunDir, new_run_id, runs_root
from scripts.bench.many_runs import make_runs


@pytest.fixture(autouse=True)
def never_racy(monkeypatch: pytest.MonkeyPatch) -> None:
    """Folders of a test are young; two seconds are not waited for in every test."""
    monkeypatch.setattr(index, "RACY_S", -1.0)
    forget()


@pytest.fixture
def reads(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The ids of the runs that are really read, in order."""
    seen: list[str] = []
    really = registry.listing

    def counted(path: Path) -> RunListing:
        seen.append(path.name)
        return really(path)

    monkeypatch.setattr(registry, "listing", counted)
    return seen


def fresh() -> list[RunListing]:
    """As a new process would list."""
    forget()
    return list_runs()


def true_listings() -> list[RunListing]:
    return [listing(path) for path in run_paths()]


def test_a_second_listing_reads_no_run_and_says_the_same(reads: list[str]) -> None:
    made = make_runs(20)
    first = list_runs()
    assert len(reads) == 20
    reads.clear()
    assert list_runs() == first == fresh()
    assert reads == []
    assert first == true_listings()
    assert [run.id for run in first] == sorted((path.name for path in made), reverse=True)


def test_within_a_process_the_same_objects_come_back() -> None:
    make_runs(3)
    one, other = list_runs(), list_runs()
    assert all(a is b for a, b in zip(one, other, strict=True))


def test_a_folder_that_has_just_changed_is_read_again(
    monkeypatch: pytest.MonkeyPatch, reads: list[str]
) -> None:
    monkeypatch.setattr(index, "RACY_S", 2.0)
    make_runs(2)
    list_runs()
    reads.clear()
    list_runs()
    assert len(reads) == 2


def test_a_list_read_every_few_seconds_checks_older_ended_runs_in_turns(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Twenty thousand stats every two seconds are a twelfth of a core, and more on a network file system."""
    monkeypatch.setattr(registry, "ALWAYS_CHECKED", 3)
    monkeypatch.setattr(registry, "TURNS", 4)
    paths = make_runs(12)
    list_runs()
    checked: list[str] = []
    really = registry.mark_of

    def counted(folder: os.DirEntry[str]) -> index.Mark | None:
        checked.append(folder.name)
        return really(folder)

    monkeypatch.setattr(registry, "mark_of", counted)
    for path in paths:
        write_label(path, Label(f"changed {path.name}"))
    newest = [path.name for path in reversed(paths)][:3]
    names = [{one.name for one in list_runs(at_leisure=True)} for _ in range(4)]
    assert all(f"changed {name}" in names[0] for name in newest)
    assert names[-1] == {f"changed {path.name}" for path in paths}
    assert len(checked) == 4 * 3 + 9
    checked.clear()
    list_runs()
    assert len(checked) == 12


def test_at_leisure_a_run_that_has_gone_or_come_is_seen_at_once(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(registry, "ALWAYS_CHECKED", 0)
    paths = make_runs(6)
    list_runs()
    shutil.rmtree(paths[0])
    (new,) = make_runs(1, seed=8)
    found = [run.id for run in list_runs(at_leisure=True)]
    assert found == sorted((path.name for path in (*paths[1:], new)), reverse=True)


def test_a_clock_that_went_back_keeps_nothing_that_may_be_wrong(
    monkeypatch: pytest.MonkeyPatch, reads: list[str]
) -> None:
    monkeypatch.setattr(index, "RACY_S", 2.0)
    path = make_runs(1)[0]
    ahead = time.time() + 86_400
    os.utime(path, (ahead, ahead))  # written before the clock was set back by a day
    list_runs()
    reads.clear()
    list_runs()
    assert reads == [path.name]


def test_a_change_of_the_same_mtime_is_seen_by_the_other_time() -> None:
    path = make_runs(1)[0]
    before = list_runs()[0]
    kept = path.stat()
    write_label(path, Label("another"))
    os.utime(path, ns=(kept.st_atime_ns, kept.st_mtime_ns))  # a copying tool, or a clock set back
    assert before.name != "another"
    assert list_runs()[0].name == "another"


def test_a_label_shows_at_once() -> None:
    path = make_runs(1)[0]
    fresh()
    write_label(path, Label("the good one", ("keep",), "x" * 5_000))
    found = list_runs()[0]
    assert (found.name, found.tags) == ("the good one", ("keep",))
    assert len(found.note) == 1_000
    (path / "label.json").unlink()
    assert list_runs()[0].tags == ()
    assert fresh() == true_listings()


def test_a_resumed_attempt_shows_at_once() -> None:
    run = RunDir(make_runs(1)[0])
    assert list_runs()[0].outcome is not None
    status = read_json(run.status, Status)
    plan = AttemptPlan(2, ("python",), {}, "/", None, None)
    write_json(run.attempt(2), plan)
    going = replace(
        status, state=RunState.RUNNING, attempt=2, outcome=None, step=7, heartbeat_at=time.time()
    )
    write_json(run.status, going)
    assert list_runs()[0].step == 7
    write_json(run.status, replace(status, attempt=2, step=920))
    assert list_runs()[0].step == 920
    assert fresh() == true_listings()


def test_a_summary_that_is_written_again_shows_at_once() -> None:
    run = RunDir(make_runs(1)[0])
    status = read_json(run.status, Status)
    write_json(run.status, replace(status, checkpoints=()))
    assert list_runs()[0].smooth is None
    write_json(run.summary_json, {"schema": 1, "loss": {"smooth": 0.125}})
    assert list_runs()[0].smooth == 0.125


def test_a_live_run_shows_the_smoothed_loss_that_its_supervisor_wrote() -> None:
    run = live("elsewhere", time.time())
    status = Status(RunState.RUNNING, 1, time.time(), step=20, loss=0.9, smooth=0.125)
    write_json(run.status, status)
    assert (list_runs()[0].loss, list_runs()[0].smooth) == (0.9, 0.125)


def test_removed_and_renamed_folders_show_at_once() -> None:
    paths = make_runs(3)
    list_runs()
    shutil.rmtree(paths[0])
    moved = paths[1].rename(paths[1].with_name("20300101-000000-moved-0001"))
    ids = [run.id for run in list_runs()]
    assert ids == [moved.name, paths[2].name]
    assert fresh() == true_listings()
    # another folder under a known name
    shutil.rmtree(paths[2])
    moved.rename(paths[2])
    assert list_runs() == true_listings()


JUNK = (
    b"",
    b"\x00" * 64,
    b'{"schema":1,"entries":{"a":',
    b"[]",
    b"\xff\xfe",
    b'{"schema":99,"entries":{}}',
    b'{"schema":1,"entries":{"20260101-000000-x-0000":[[1,2,3],{"id":5}]}}',
)


@pytest.mark.parametrize("junk", JUNK)
def test_a_torn_or_foreign_index_is_as_none(junk: bytes, reads: list[str]) -> None:
    make_runs(4)
    good = list_runs()
    index_path().write_bytes(junk)
    reads.clear()
    assert fresh() == good
    assert len(reads) == 4
    reads.clear()
    assert fresh() == good  # and it has been written anew
    assert reads == []


def test_a_deleted_index_and_one_that_cannot_be_written_cost_time_alone() -> None:
    make_runs(4)
    good = list_runs()
    index_path().unlink()
    assert fresh() == good
    shutil.rmtree(index_path().parent)
    index_path().parent.write_text("a file where the folder should be")
    assert fresh() == good
    assert list_runs() == good


def test_an_index_that_cannot_be_written_is_not_tried_for_again_and_again(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    tries: list[Path] = []

    def refuses(path: Path, value: object) -> None:
        tries.append(path)
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(index, "write_json", refuses)
    make_runs(2)
    for _ in range(5):
        list_runs()
    assert len(tries) == 1


def test_half_written_copies_of_killed_processes_are_swept() -> None:
    make_runs(1)
    index_path().parent.mkdir(parents=True)
    old = index_path().with_name(".runs-index.json.4711.tmp")
    old.write_bytes(b"{")
    os.utime(old, (1.0, 1.0))
    young = index_path().with_name(".runs-index.json.4712.tmp")
    young.write_bytes(b"{")
    list_runs()
    assert not old.exists()
    assert young.exists()


def live(host: str, heartbeat_at: float, config: str = "/p/plasma.toml") -> RunDir:
    run = RunDir(runs_root() / new_run_id("spyke"))
    run.path.mkdir(parents=True)
    spec = RunSpec(
        id=run.id, name="spyke", command=("python",), cwd="/", env={}, created_at=time.time(),
        host=host, output_dir="/out", output_name="spyke", config_path=config,
    )  # fmt: skip
    write_json(run.spec, spec)
    write_json(run.status, Status(RunState.RUNNING, 1, heartbeat_at=heartbeat_at, started_at=1.0))
    return run


def test_a_run_of_another_host_does_not_freeze(reads: list[str]) -> None:
    """Its lock cannot be seen: whether it lives is told by the time alone, not by any change."""
    run = live("elsewhere", time.time())
    assert list_runs()[0].state is RunState.RUNNING
    status = read_json(run.status, Status)
    write_json(run.status, replace(status, heartbeat_at=time.time() - 600))
    assert list_runs()[0].state is RunState.LOST
    list_runs()
    assert reads == [run.id] * 3


def test_an_unjudged_run_is_read_every_time(reads: list[str]) -> None:
    run = live(socket.gethostname(), time.time())
    ended = replace(read_json(run.status, Status), state=RunState.ENDED, ended_at=5.0)
    write_json(run.status, ended)
    list_runs()
    list_runs()
    assert len(reads) == 2
    write_json(run.status, replace(ended, outcome=Outcome.FAILED))
    assert list_runs()[0].outcome is Outcome.FAILED
    list_runs()
    assert len(reads) == 3


def test_an_imported_run_whose_outcome_nobody_knows_is_kept(reads: list[str]) -> None:
    run = live("elsewhere", time.time())
    write_json(run.spec, replace(read_json(run.spec, RunSpec), origin="imported"))
    write_json(run.status, Status(RunState.ENDED, 1, heartbeat_at=5.0, started_at=4.0))
    found = list_runs()[0]
    assert (found.origin, found.duration_s) == ("imported", None)
    list_runs()
    assert len(reads) == 1


def test_unreadable_folders_are_read_every_time_and_say_why(reads: list[str]) -> None:
    path = runs_root() / "20260101-000000-x-0000"
    path.mkdir(parents=True)
    assert list_runs()[0].problem is not None
    list_runs()
    assert len(reads) == 2


def test_a_name_that_is_no_text_breaks_neither_list_nor_index(reads: list[str]) -> None:
    make_runs(2)
    odd = os.fsencode(runs_root()) + b"/2026\xff-odd"
    try:
        os.mkdir(odd)
    except OSError:
        pytest.skip("this file system takes no such name")
    for name in ("spec.json", "status.json"):
        Path(os.fsdecode(odd), name).write_bytes((run_paths()[1] / name).read_bytes())
    list_runs()
    reads.clear()
    assert len(fresh()) == 3
    assert len(reads) == 1


def test_folders_on_the_way_out_are_no_runs() -> None:
    path = make_runs(1)[0]
    path.rename(path.with_name(f".removed-{path.name}-1"))
    assert run_paths() == []
    assert list_runs() == []


def _timeless(runs: list[RunListing]) -> list[RunListing]:
    """Without what grows by itself."""
    return [one if one.ended_at is not None else replace(one, duration_s=None) for one in runs]


def _rewrite(dice: random.Random, run: RunDir) -> None:
    status = read_json(run.status, Status)
    ended = dice.random() < 0.7
    write_json(
        run.status,
        replace(
            status,
            step=dice.randrange(900),
            attempt=status.attempt + 1,
            state=RunState.ENDED if ended else RunState.RUNNING,
            outcome=dice.choice(list(Outcome)) if ended else None,
            ended_at=dice.random() if ended else None,
        ),
    )


def _happens(dice: random.Random, path: Path) -> None:
    """Something that a supervisor, a person or a bad disk does."""
    run = RunDir(path)
    what = dice.randrange(9)
    if what == 0:
        write_label(path, Label(f"name {dice.random()}", ("a",)[: dice.randrange(2)]))
    elif what in (1, 2):
        _rewrite(dice, run)
    elif what == 3:
        write_json(run.summary_json, {"loss": {"smooth": dice.random()}})
    elif what == 4:
        path.rename(path.with_name(f"{path.name[:20]}-{dice.randrange(10**6)}"))
    elif what == 5:
        shutil.rmtree(path)
    elif what == 6:
        make_runs(1, seed=dice.randrange(10**6))
    elif what == 7:
        index_path().write_bytes(dice.choice(JUNK))
        forget()
    else:
        kept = path.stat()
        run.spec.write_bytes(b"{torn")  # in place, and then the folder's time set back
        (path / "x").touch()
        os.utime(path, ns=(kept.st_atime_ns, kept.st_mtime_ns))


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(4))
def test_whatever_happens_the_list_is_that_of_the_files(seed: int) -> None:
    dice = random.Random(seed)
    make_runs(12, seed)
    for _ in range(60):
        list_runs()
        paths = run_paths()
        if not paths:
            make_runs(5, seed)
            continue
        path = dice.choice(paths)
        try:
            _happens(dice, path)
        except Unreadable:
            continue
        assert _timeless(list_runs()) == _timeless(true_listings())
        if dice.random() < 0.3:
            assert _timeless(fresh()) == _timeless(true_listings())


def test_threads_that_list_at_once_do_not_disturb_each_other() -> None:
    paths = make_runs(40)
    failed: list[BaseException] = []

    def work(number: int) -> None:
        try:
            for turn in range(10):
                write_label(paths[number], Label(f"{number} {turn}"))
                assert len(list_runs()) == 40
        except BaseException as error:
            failed.append(error)

    threads = [threading.Thread(target=work, args=(number,)) for number in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failed == []
    assert fresh() == true_listings()


# --------------------------------------------------------------------------- the living


def test_the_living_are_found_behind_a_full_index() -> None:
    make_runs(10)
    run = live("elsewhere", time.time())
    list_runs()
    assert [one.id for one in live_runs()] == [run.id]
    found = same_target("/out", "spyke")
    assert found is not None
    assert found.id == run.id
    assert live_run_of(Path("/p/plasma.toml")) == run.path


def test_a_run_that_is_resumed_is_among_the_living_whatever_the_index_says() -> None:
    """The index said that it had ended; a start that believed it would overwrite a training's files."""
    run = live("elsewhere", time.time())
    status = read_json(run.status, Status)
    write_json(
        run.status, replace(status, state=RunState.ENDED, outcome=Outcome.STOPPED, ended_at=9.0)
    )
    list_runs()
    assert same_target("/out", "spyke") is None
    write_json(run.status, replace(status, attempt=2, heartbeat_at=time.time()))
    found = same_target("/out", "spyke")
    assert found is not None
    assert found.id == run.id


def test_a_listing_tells_what_the_files_tell() -> None:
    run = live("elsewhere", time.time())
    spec = read_json(run.spec, RunSpec)
    write_json(run.spec, replace(spec, smoke=True, config_path=None))
    files = (
        Checkpoint("a", "/out/a", 10, None, 1, 5.0, loss=0.2),
        Checkpoint("b", "/out/b", 20, None, 1, 9.0, loss=0.1),
        Checkpoint("c", "/out/c", 15, None, 1, 7.0, loss=0.15, removed=True),
    )
    status = Status(
        RunState.ENDED, 1, 9.0, outcome=Outcome.SUCCEEDED, step=20, started_at=1.0, ended_at=9.0,
        device="mps", checkpoints=files, loss=0.3,
    )  # fmt: skip
    write_json(run.status, status)
    found = list_runs()[0]
    assert (found.smoke, found.device, found.ended_at, found.duration_s) == (True, "mps", 9.0, 8.0)
    assert (found.loss, found.smooth, found.checkpoints) == (0.3, 0.1, 2)
    assert found.project == "/out"
