"""`queue`, and `start --queue` of several files: what is refused, and what each file's failure costs."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from runner.control import begin, launch, orders
from runner.control import queue as control
from runner.control.queueing import QueueRequest
from runner.model import RunState, Status, Waiting
from runner.store.journal import write_json
from runner.store.rundir import RunDir
from tests import builders as b
from tui.cli import start as verb
from tui.cli.exits import NO, OK, WRONG_USE, Fail
from tui.cli.main import main

Run = Callable[..., tuple[int, str]]


@pytest.fixture
def run(capsys: pytest.CaptureFixture[str]) -> Run:
    def ran(*words: str) -> tuple[int, str]:
        code = main(list(words))
        out, err = capsys.readouterr()
        return code, out + err

    return ran


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("start", "a.toml", "b.toml"), "several with --queue"),
        (("start", "a.toml", "--config", "b.toml"), "either as FILE or with --config"),
        (
            ("start", "--queue", "--force", "a.toml", "b.toml"),
            "--force takes 'a.toml' as its REASON",
        ),
        (("queue", "--first"), "--first needs a RUN"),
    ],
)
def test_wrong_use_is_one_sentence(run: Run, words: tuple[str, ...], said: str) -> None:
    code, text = run(*words)
    assert code == WRONG_USE
    assert said in text


def test_an_empty_queue_says_how_to_fill_it(run: Run) -> None:
    assert run("queue") == (OK, "nothing is queued: `plasma-tui start --queue` adds a run\n")
    assert run("queue", "--json")[1].split() == ["{", '"schema":', "1,", '"queue":', "[]", "}"]


def test_a_file_that_is_refused_does_not_keep_the_next_one_out(
    run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[str] = []

    def started(options: object, file: str | None) -> RunDir:
        asked.append(str(file))
        if file == "bad.toml":
            raise Fail("not started: a check failed")
        return RunDir(tmp_path / str(file))

    monkeypatch.setattr(verb, "_started", started)
    code, text = run("start", "a.toml", "bad.toml", "c.toml", "--queue")
    assert asked == ["a.toml", "bad.toml", "c.toml"]
    assert code == NO and "bad.toml: not started: a check failed" in text


def test_the_queue_is_refused_before_any_check(
    run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PLASMA_SLOTS", "0")
    monkeypatch.setattr(begin, "checks", lambda *_, **__: pytest.fail("the checks ran"))
    file = tmp_path / "plasma.toml"
    file.write_text(
        '[trainer]\nsd_scripts = "embedded"\n[train]\npretrained_model_name_or_path = "builtin"\n'
        'train_data_dir = "img"\noutput_dir = "out"\nmax_train_steps = 2\n'
    )
    code, text = run("start", str(file), "--queue")
    assert code == NO
    assert "PLASMA_SLOTS='0'" in text


def test_a_waiting_run_keeps_its_name_in_the_list_and_shows_its_place(
    run: Run, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(launch, "_await_supervisor", lambda *_, **__: None)
    for module in (launch, control, orders):
        monkeypatch.setattr(module, "start_supervisor", lambda *_: None)
    spec = b.spec(name="otter", output_dir=str(tmp_path), host=control.queue.this_host())
    made = launch.start_run(spec, spec.first_plan, queue=QueueRequest())
    waits = Waiting("GPU 0 is used by run 20261130-190000-fox-ab12")
    write_json(made.status, Status(RunState.QUEUED, 1, b.NOW, waiting=waits))
    assert run("runs")[1].splitlines()[1].split()[-1] == "otter"
    assert f"queued: {waits.reason}, number 1 of 1" in run("show", made.id)[1]
    write_json(
        made.status, Status(RunState.QUEUED, 1, b.NOW, waiting=Waiting("disk full", held=True))
    )
    assert "held: disk full" in run("runs")[1]
