"""A run folder with torn, truncated or foreign files is shown as far as it is readable."""

import os
import threading
import time
from pathlib import Path

import pytest

from runner.history.report import show_json
from runner.history.review.markdown import plain
from runner.history.summary import summary_text
from runner.model import (
    Checkpoint,
    ExitRecord,
    Label,
    Outcome,
    RunSpec,
    RunState,
    Status,
)
from runner.store.journal import step_row, write_json
from runner.store.labels import write_label
from runner.store.reader import RunReader
from runner.store.registry import RunNotFound, list_runs, listing, resolve
from runner.store.rundir import RunDir, new_run_id, runs_root


def make(
    name: str = "spyke", *, created_at: float | None = None, host: str = "elsewhere"
) -> RunDir:
    run = RunDir(runs_root() / new_run_id(name, created_at))
    run.path.mkdir(parents=True)
    at = created_at if created_at is not None else time.time()
    spec = RunSpec(
        id=run.id, name=name, command=("python", "train_network.py"), cwd="/", env={},
        created_at=at, host=host, output_dir="/out", output_name=name,
    )  # fmt: skip
    write_json(run.spec, spec)
    return run


def ended(run: RunDir, outcome: Outcome = Outcome.SUCCEEDED) -> RunDir:
    checkpoint = Checkpoint("a.safetensors", "/out/a.safetensors", 10, None, 1, 5.0, complete=True)
    status = Status(
        state=RunState.ENDED, attempt=1, heartbeat_at=9.0, outcome=outcome, step=10,
        total_steps=10, started_at=1.0, ended_at=9.0, checkpoints=(checkpoint,), average=float("nan"),
    )  # fmt: skip
    write_json(run.status, status)
    run.steps.write_bytes(
        b"".join(step_row(n, n * 0.1, 1 / n, None, None, 1) for n in range(1, 11))
    )
    return run


def test_an_ended_run_is_read_whole() -> None:
    snapshot = RunReader(ended(make()).path).read_all()
    assert snapshot.state is RunState.ENDED
    assert snapshot.loss.last_step == 10
    assert snapshot.problems == ()
    data = show_json(snapshot)
    assert data["outcome"] == "succeeded"
    assert data["loss"]["average"] is None  # NaN has no place in JSON
    assert data["loss"]["last"] == pytest.approx(0.1)
    assert data["checkpoints"][0]["step"] == 10


@pytest.mark.parametrize("name", ["spec.json", "status.json", "steps.jsonl", "events.jsonl", "keeper.json",
                                  "exit.json", "preflight.json", "hardware.jsonl", "console.log"])  # fmt: skip
@pytest.mark.parametrize("junk", [b"", b"\x00" * 100, b'{"a":', b"[]", b"\xff\xfe{}\n[1\n"])
def test_no_junk_in_any_file_makes_reading_fail(name: str, junk: bytes) -> None:
    run = ended(make())
    (run.path / name).write_bytes(junk)
    snapshot = RunReader(run.path).read_all()
    show_json(snapshot)
    summary_text(run.path, plot=False)
    assert listing(run.path).id == run.id
    if name in ("spec.json", "status.json"):
        assert any(name in problem for problem in snapshot.problems)


def test_an_empty_folder_is_a_run_that_cannot_be_read_not_a_crash() -> None:
    path = runs_root() / "20260101-000000-x-0000"
    path.mkdir(parents=True)
    snapshot = RunReader(path).read_all()
    assert snapshot.state is RunState.LOST
    assert "spec.json is missing" in snapshot.problems[0]
    assert list_runs()[0].problem is not None


def test_a_run_of_another_machine_lives_by_its_heartbeat_alone() -> None:
    run = make()
    write_json(run.status, Status(RunState.RUNNING, 1, heartbeat_at=time.time()))
    assert RunReader(run.path).read().state is RunState.RUNNING
    write_json(run.status, Status(RunState.RUNNING, 1, heartbeat_at=time.time() - 600))
    assert RunReader(run.path).read().state is RunState.LOST


def test_a_run_here_without_supervisor_keeper_and_exit_is_lost() -> None:
    import socket

    run = make(host=socket.gethostname(), created_at=time.time() - 100)
    write_json(run.status, Status(RunState.RUNNING, 1, heartbeat_at=time.time()))
    assert RunReader(run.path).read().state is RunState.LOST
    write_json(run.exit, ExitRecord(1, 0, None, 5.0))
    assert RunReader(run.path).read().state is RunState.ENDED


def test_a_lost_run_made_before_the_clock_was_set_back_is_not_called_starting() -> None:
    import socket

    run = make(host=socket.gethostname(), created_at=time.time() + 3600)
    run.status.unlink(missing_ok=True)
    assert RunReader(run.path).read().state is RunState.LOST


def test_the_console_shows_the_last_state_of_each_bar() -> None:
    run = ended(make())
    run.console.write_bytes(b"one\n\rsteps: 1/3\rsteps: 2/3\ntwo\r\nthree \xe2\x96\x88 open")
    assert RunReader(run.path).read().console == ("one", "steps: 2/3", "two", "three █ open")


def test_growth_is_noticed_and_read_from_where_reading_stopped() -> None:
    run = ended(make())
    reader = RunReader(run.path)
    reader.read_all()
    assert not reader.changed()
    with run.steps.open("ab") as stream:
        stream.write(step_row(11, 1.1, 0.05, None, None, 1) + b"[12,1.2,0.0")
    assert reader.changed()
    assert reader.read().loss.last_step == 11
    with run.steps.open("ab") as stream:
        stream.write(b"4,null,null,1]\n")
    assert reader.read().loss.last_step == 12


def test_a_label_given_while_it_is_shown_is_read() -> None:
    run = ended(make())
    reader = RunReader(run.path)
    assert reader.read_all().label == ""
    write_label(run.path, Label("a warmer face"))
    assert reader.changed()
    assert reader.read().label == "a warmer face"


def test_a_run_is_found_by_id_beginning_and_last() -> None:
    old = ended(make("older", created_at=1_700_000_000.0))
    new = ended(make("newer", created_at=1_700_000_100.0))
    assert resolve("last") == new.path
    assert resolve(old.id) == old.path
    assert resolve(old.id[:20]) == old.path
    with pytest.raises(RunNotFound, match="fits 2 runs"):
        resolve("2023")
    with pytest.raises(RunNotFound, match=old.id):
        resolve("older-x")


def test_without_runs_the_answer_says_how_to_get_one() -> None:
    with pytest.raises(RunNotFound, match="demo"):
        resolve("last")


def test_foreign_text_cannot_format_a_summary() -> None:
    assert plain("a|b\n# c \x1b[31m`d`") == "a\\|b # c \\[31m\\`d\\`"
    run = ended(make("evil | name\n# <b>x</b> \x1b]0;t\x07"))
    text = summary_text(run.path, plot=False)
    assert "\x1b" not in text
    (title,) = [line for line in text.splitlines() if line.startswith("# ")]
    assert title.startswith("# evil \\| name # \\<b\\>x")


@pytest.mark.parametrize("name", ["console.log", "steps.jsonl", "events.jsonl", "hardware.jsonl"])
def test_a_fifo_in_the_run_folder_hangs_no_reader(name: str, tmp_path: Path) -> None:
    run = RunDir(tmp_path / "r")
    run.path.mkdir()
    os.mkfifo(run.path / name)
    seen: list[object] = []
    reading = threading.Thread(target=lambda: seen.append(RunReader(run.path).read()), daemon=True)
    reading.start()
    reading.join(10)
    assert seen


def test_a_journal_that_was_emptied_and_filled_again_counts_from_its_new_beginning() -> None:
    run = ended(make())
    reader = RunReader(run.path)
    assert reader.read_all().loss.rows == 10
    run.steps.write_bytes(b"")
    assert reader.read().loss.last_step == 10  # nothing new came
    run.steps.write_bytes(step_row(1, 0.1, 0.5, None, None, 1))
    loss = reader.read().loss
    assert (loss.rows, loss.last_step, loss.last) == (1, 1, 0.5)
