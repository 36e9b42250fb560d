"""Notices of real runs: sent by a process of its own, once, after the verdict, and never in its way."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import psutil
import pytest

from runner.config.channels import Channels
from runner.control import launch
from runner.control import orders as control
from runner.model import KeeperRecord, NotifyRules, Outcome, RunState, Status
from runner.notify.box import MOST_TRIES, Box
from runner.notify.deliver import deliver
from runner.notify.message import end_message, trial_message
from runner.store.journal import read_json
from runner.store.liveness import lock_held
from runner.store.rundir import RunDir
from tests.process.helpers import (
    clean_up,
    events,
    kill,
    kinds,
    look,
    processes_of,
    spec_for,
    wait_end,
    wait_for,
    wait_step,
)
from tests.web import HANG, web

IMPATIENT = Path(__file__).parent.parent / "impatient_supervisor.py"
TOKEN = "tk_AgQdq7mVBoFD37zQVN29RhuMzNIz2"


class Stage:
    """Runs whose notices go to a script that writes down what it is told."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.output = folder, folder / "out"
        self.told = folder / "told"
        self.runs: list[RunDir] = []
        self.children: list[subprocess.Popen[bytes]] = []

    def script(self, body: str = "") -> Channels:
        path = self.folder / "tell.sh"
        path.write_text(f'#!/bin/sh\necho "$PLASMA_EVENT $PLASMA_OUTCOME" >> {self.told}\n{body}\n')
        path.chmod(0o755)
        return Channels((str(path),))

    def start(
        self, *flags: str, channels: Channels, rules: NotifyRules | None = None, **more: object
    ) -> RunDir:
        spec, plan = spec_for(self.output, *flags, **more)  # type: ignore[arg-type]
        spec = replace(spec, notify=rules or NotifyRules())
        run = launch.start_run(spec, plan, channels=channels)
        self.runs.append(run)
        return run

    def lines(self) -> list[str]:
        return self.told.read_text().splitlines() if self.told.exists() else []

    def impatient(self, run: RunDir) -> None:
        orphan(run)
        log = run.log.open("ab")
        command = [sys.executable, str(IMPATIENT), str(run.path)]
        self.children.append(subprocess.Popen(command, stdout=log, stderr=log))
        wait_for(lambda: lock_held(run.lock), what="the impatient supervisor")


@pytest.fixture
def stage(tmp_path: Path) -> Iterator[Stage]:
    found = Stage(tmp_path)
    yield found
    for run in found.runs:
        for process in processes_of(found.output):
            kill(process.pid, signal.SIGCONT)
        clean_up(run, found.output)
        for process in senders_of(run):
            process.kill()
    for child in found.children:
        child.kill()
        child.wait()


def orphan(run: RunDir) -> None:
    """Kill the supervisor, as `kill -9` does."""
    status = wait_for(lambda: look(run).status)
    kill(status.supervisor_pid or 0)
    wait_for(lambda: not lock_held(run.lock))


def senders_of(run: RunDir) -> list[psutil.Process]:
    found = []
    for process in psutil.process_iter(["cmdline"]):
        words = process.info["cmdline"] or []
        if "runner.notify" in words and str(run.path) in words:
            found.append(process)
    return found


def notice(run: RunDir, number: int = 1) -> dict[str, object]:
    found = wait_for(
        lambda: [e.data for e in events(run) if e.kind == "notice"][number - 1 : number],
        what="a notice in the journal",
    )
    return found[0]


def test_the_end_of_a_run_is_told_once_after_summary_and_verdict(stage: Stage) -> None:
    state = stage.folder / "state"
    channels = stage.script(
        f'(test -s "$PLASMA_SUMMARY" && cat "$PLASMA_RUN_PATH/status.json") > {state}; cat >> {state}'
    )
    run = stage.start("--steps", "5", channels=channels)
    assert wait_end(run).outcome is Outcome.SUCCEEDED
    assert notice(run) == {"event": "finished", "sent": ["command"], "failed": {}}
    assert stage.lines() == ["finished succeeded"]
    assert '"state":"ended"' in state.read_text()
    assert "fake: finished\nsucceeded, 5 of 5 steps" in state.read_text()
    control.adopt(run.path)
    wait_for(lambda: not senders_of(run))
    assert len(stage.lines()) == 1
    assert kinds(run).count("notice") == 1


def test_nothing_is_made_where_nobody_is_to_be_told(stage: Stage) -> None:
    run = stage.start("--steps", "3", channels=Channels())
    quiet = stage.start("--steps", "3", channels=stage.script(), rules=NotifyRules(()), name="b")
    for one in (run, quiet):
        wait_end(one)
        wait_for(lambda one=one: not lock_held(one.lock))  # type: ignore[misc]
        assert not one.notices.exists()
    assert not run.notify.exists()
    assert stage.lines() == []


def test_a_stop_by_a_person_is_not_told_unless_asked_for(stage: Stage) -> None:
    run = stage.start("--steps", "5000", "--delay", "0.05", channels=stage.script())
    wait_step(run, 2)
    control.stop(run.path)
    assert wait_end(run).outcome is Outcome.STOPPED
    wait_for(lambda: not lock_held(run.lock))
    assert stage.lines() == []
    assert not run.notices.exists()


def test_a_command_that_hangs_delays_no_verdict_and_dies_with_nobody(stage: Stage) -> None:
    run = stage.start("--steps", "5", channels=stage.script("sleep 120"))
    wait_for(stage.lines, what="the command")
    wait_end(run, 5)
    wait_for(lambda: not lock_held(run.lock), what="the supervisor to leave")
    (sender,) = wait_for(lambda: senders_of(run))
    assert sender.status() != psutil.STATUS_ZOMBIE
    assert sender.children()[0].status() != psutil.STATUS_ZOMBIE
    assert os.getsid(sender.children()[0].pid) == sender.children()[0].pid
    sender.children()[0].kill()
    assert notice(run)["failed"] == {"command": "tell.sh was killed by signal 9"}


def test_a_server_that_hangs_does_not_hold_up_the_training(stage: Stage) -> None:
    with web(HANG) as server:
        run = stage.start(
            "--steps", "5", channels=Channels(ntfy=f"{server.address}/topic"),
        )  # fmt: skip
        wait_end(run)
        wait_for(lambda: server.asked, what="the server to be asked")
        wait_for(lambda: not lock_held(run.lock), 5, "the supervisor to leave")
        assert kinds(run)[-1] == "ended"


# --------------------------------------------------------------------------- kill -9


def test_a_supervisor_that_was_killed_is_succeeded_by_one_that_tells(stage: Stage) -> None:
    run = stage.start("--steps", "25", "--delay", "0.1", channels=stage.script())
    wait_step(run, 3)
    orphan(run)
    control.adopt(run.path)
    wait_end(run)
    notice(run)
    assert stage.lines() == ["finished succeeded"]


def test_a_notice_put_down_before_a_kill_waits_for_the_verdict_of_the_next(stage: Stage) -> None:
    """Killed between the notice and status.json: nothing is told that was not judged."""
    run = stage.start("--steps", "5000", "--delay", "0.05", channels=stage.script())
    wait_step(run, 2)
    orphan(run)
    ended = replace(look(run), outcome=Outcome.SUCCEEDED, state=RunState.ENDED)
    message = end_message(ended)
    assert message is not None
    Box(run).put(message)
    deliver(run)
    assert stage.lines() == [] and len(Box(run).waiting()) == 1
    control.stop(run.path)
    assert wait_end(run).outcome is Outcome.STOPPED
    wait_for(lambda: not lock_held(run.lock))


def test_a_sender_that_was_killed_is_followed_by_the_next_who_looks(stage: Stage) -> None:
    run = stage.start("--steps", "5", channels=stage.script("sleep 120"))
    wait_for(stage.lines, what="the command")
    wait_end(run)
    wait_for(lambda: not lock_held(run.lock))
    (sender,) = senders_of(run)
    children = sender.children()
    sender.kill()
    for child in children:
        child.kill()
    # a killed process loses its command line a moment before its locks
    wait_for(lambda: not senders_of(run) and not lock_held(run.notices / "lock"))
    assert len(Box(run).waiting()) == 1
    stage.script()
    control.adopt(run.path)
    notice(run)
    assert stage.lines() == ["finished succeeded"] * 2  # at least once
    control.adopt(run.path)
    assert Box(run).waiting() == [] and not senders_of(run)


def test_a_notice_that_kills_its_sender_is_given_up(stage: Stage, tmp_path: Path) -> None:
    run = RunDir(tmp_path / "run")
    run.path.mkdir()
    launch.write_channels(run, stage.script())
    box = Box(run)
    box.put(replace(trial_message("x"), key="stalled-1-1"))
    for _ in range(MOST_TRIES):
        box.count_try(box.waiting()[0])
    deliver(run)
    assert stage.lines() == [] and box.waiting() == []
    assert "gave up" in str(notice(run)["failed"])


def test_too_many_alarms_are_held_back_and_an_end_never(stage: Stage, tmp_path: Path) -> None:
    run = stage.start("--steps", "3", channels=Channels(), rules=NotifyRules(per_hour=2))
    wait_end(run)
    launch.write_channels(run, stage.script())
    box = Box(run)
    for number in range(4):
        box.put(replace(trial_message("x"), key=f"stalled-1-{number}", at=time.time() + number))
    end = end_message(look(run))
    assert end is not None
    box.put(end)
    deliver(run)
    assert stage.lines() == ["test ", "test ", "finished succeeded"]
    told = [e.data.get("held", False) for e in events(run) if e.kind == "notice"]
    assert told == [False, False, True, True, False]


# --------------------------------------------------------------------------- alarms


@pytest.mark.slow
def test_a_stall_is_told_once_and_its_end_not(stage: Stage) -> None:
    run = stage.start("--steps", "5000", "--delay", "0.1", channels=stage.script())
    wait_step(run, 5)
    stage.impatient(run)
    wait_step(run, 60, 40)
    os.kill(read_json(run.keeper, KeeperRecord).pid, signal.SIGSTOP)
    wait_for(stage.lines, 60, "the notice of a stall")
    assert notice(run)["event"] == "stalled"
    time.sleep(2.5)  # several looks of the guard at the same stall
    assert stage.lines() == ["stalled "]
    supervisor = psutil.Process(read_json(run.status, Status).supervisor_pid)
    wait_for(lambda: not supervisor.children(), what="no child and no zombie")


def test_a_poisoned_loss_is_told_while_something_can_be_done(stage: Stage) -> None:
    logs = ("--exact", "--logging_dir", str(stage.folder / "logs"))
    spec, plan = spec_for(
        stage.output, "--steps", "5000", "--nan_at", "20", "--delay", "0.05", *logs
    )
    plan = replace(plan, logging_dir=str(stage.folder / "logs"))
    run = launch.start_run(spec, plan, channels=stage.script())
    stage.runs.append(run)
    wait_for(stage.lines, 60, "the notice")
    assert stage.lines() == ["diverged "]
    assert look(run).state is RunState.RUNNING


# --------------------------------------------------------------------------- secrets


def test_no_secret_is_in_any_file_but_its_own_or_in_any_command_line(
    stage: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MY_TOKEN", TOKEN)
    words: set[str] = set()
    with web(401) as server:
        channels = replace(
            stage.script(f"echo {TOKEN} >&2; echo {TOKEN}; sleep 1; exit 7"),
            ntfy=f"{server.address}/my-secret-topic",
            ntfy_token_env="MY_TOKEN",
        )
        run = stage.start("--steps", "5", channels=channels)

        def watch() -> bool:
            for process in psutil.process_iter(["cmdline"]):
                words.update(process.info["cmdline"] or [])
            return "notice" in kinds(run)

        wait_for(watch, 30, "the notice")
        wait_end(run)
        assert server.asked[0].headers["Authorization"] == f"Bearer {TOKEN}"
    assert notice(run)["failed"] == {
        "command": "tell.sh ended with exit code 7",
        "ntfy": "127.0.0.1 answered 401: the token is missing or not accepted",
    }
    assert not [word for word in words if TOKEN in word or "my-secret-topic" in word]
    for path in run.path.rglob("*"):
        if path.is_file() and path != run.notify:
            text = path.read_bytes().decode("utf-8", "replace")
            assert TOKEN not in text and "my-secret-topic" not in text, path
    assert TOKEN not in run.notify.read_text()
