"""The runs of another machine, from its untrusted answer."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import msgspec
import pytest

from runner.hosts.answer import Answer
from runner.hosts.runs import (
    MOST_RUNS,
    HostRuns,
    NoAnswer,
    ask,
    decoded,
    remember,
    remembered,
    why_not,
)
from runner.hosts.settings import Host
from scripts.bench.many_runs import make_runs
from tests import builders as b
from tests.hosts import FakeSsh
from tests.security.test_no_shell import INJECTIONS


def answer(runs: list[Any], **more: Any) -> Answer:
    return Answer(0, json.dumps({"schema": 1, "runs": runs, **more}).encode())


def row(**changes: Any) -> dict[str, Any]:
    return {**msgspec.to_builtins(b.listing(id="20261121-182911-spyke-aa01")), **changes}


def test_a_list_is_read_and_marked_as_the_hosts() -> None:
    runs, total = decoded("gpu", answer([row()], total=7))
    assert [(one.remote, one.id, one.key) for one in runs] == [
        ("gpu", "20261121-182911-spyke-aa01", "gpu\n20261121-182911-spyke-aa01")
    ]
    assert total == 7


def test_what_a_later_version_adds_is_passed_over() -> None:
    runs, _ = decoded("gpu", answer([row(mood="good", state="dreaming", remote="me")], weather=[1]))
    assert (runs[0].state, runs[0].remote) == ("unknown", "gpu")


def test_what_start_files_of_the_shell_there_print_around_the_list_is_passed_over() -> None:
    listed = msgspec.json.format(answer([row()], total=1).output, indent=2)
    noisy = b"Welcome to {gpu}!\n\x1b[31m{\n" + listed + b"\nlogout: bye }\n"
    runs, total = decoded("gpu", Answer(0, noisy))
    assert [one.id for one in runs] == ["20261121-182911-spyke-aa01"] and total == 1


@pytest.mark.parametrize(
    "run_id", ["-x", "--read-only", "", "a b", "a\nb", "../x", "x/y", "a" * 300, *INJECTIONS[:6]]
)
def test_an_id_that_a_command_line_could_misread_is_left_out(run_id: str) -> None:
    runs, _ = decoded("gpu", answer([row(id=run_id), row()]))
    assert [one.id for one in runs] == ["20261121-182911-spyke-aa01"]


def test_equal_ids_of_one_answer_are_one_run_and_too_many_are_cut() -> None:
    assert len(decoded("gpu", answer([row(), row()]))[0]) == 1
    many = [row(id=f"20261121-182911-spyke-{n:04}") for n in range(MOST_RUNS + 9)]
    assert len(decoded("gpu", answer(many))[0]) == MOST_RUNS


REASONS: dict[str, tuple[Answer, str]] = {
    "older": (Answer(2, error=b"plasma-tui runs: no option is called --limit (see x)\n"),
              "its plasma-tui is older: update it there"),
    "much older": (Answer(2, error=b"usage: x\nplasma-tui: error: unrecognized arguments: --json\n"),
                   "its plasma-tui is older: update it there"),
    "wrong use": (Answer(2, error=b"plasma-tui: /data cannot be written\n"), "/data cannot be written"),
    "password": (Answer(255, error=b"me@gpu: Permission denied (publickey,password).\r\n"),
                 "Permission denied (publickey,password); ssh asks for no password here"),
    "garbage": (Answer(0, b"Welcome to gpu!\n{}"), "does a start file of its shell print something"),
    "empty": (Answer(0, b""), "its answer is no list of runs"),
    "torn": (Answer(0, b'{"schema": 1, "runs": ['), "cannot be read"),
    "wrong type": (answer([row(step="x" * 5000)]), "Expected `int`"),
    "deep": (Answer(0, b'{"runs": ' + b"[" * 100_000), "cannot be read"),
    "not UTF-8": (Answer(0, b'{"schema": 1, "runs": "\xff\xfe"}'), "cannot be read"),
    "newer": (Answer(0, b'{"schema": 3, "runs": {"a": 1}}'), "newer (schema 3): update plasma-tui here"),
    "newer and alike": (answer([row()], schema=9), "newer (schema 9)"),
    "no connection": (Answer(255, error=b"x\nssh: connect to host gpu port 22: Connection refused\r\n"),
                      "connect to host gpu port 22: Connection refused"),
    "no key": (Answer(255, error=b"me@gpu: Permission denied (publickey)."), "`plasma-tui attach --host gpu"),
    "unknown key": (Answer(255, error=b"Host key verification failed."), "run `ssh gpu` once"),
    "quiet": (Answer(255), "ssh could not connect"),
    "no program": (Answer(127, error=b"sh: 1: plasma-tui: not found"), "set command in [hosts.gpu]"),
    "refusal": (Answer(2, error=b"plasma-tui: the home is open\n"), "the home is open"),
    "crash": (Answer(1), "the command ended with code 1"),
    "late": (Answer(None, problem="no complete answer in time"), "no complete answer in time"),
}  # fmt: skip


@pytest.mark.parametrize("name", REASONS)
def test_what_is_no_list_is_a_short_reason(name: str) -> None:
    given, words = REASONS[name]
    with pytest.raises(NoAnswer) as why:
        decoded("gpu", given)
    assert words in str(why.value)
    assert len(str(why.value)) < 400
    if given.code:
        assert why_not("gpu", given) == str(why.value)


def test_the_last_list_and_the_first_failure_stay() -> None:
    runs = (replace(b.listing(), remote="gpu"),)
    known = HostRuns("gpu").answered(runs, 1, 100.0)
    failed = known.failed("refused", 110.0).failed("timed out", 120.0)
    assert (failed.runs, failed.read_at) == (runs, 100.0)
    assert (failed.problem, failed.since) == ("timed out", 110.0)
    again = failed.answered(runs, 1, 130.0)
    assert (again.problem, again.since, again.read_at) == ("", None, 130.0)


def test_the_list_is_remembered_for_the_next_process_under_its_own_name() -> None:
    runs = (replace(b.listing(id="20261121-182911-spyke-aa01"), remote="../gpu"),)
    remember(HostRuns("../gpu").answered(runs, 8, 100.0))
    assert remembered("../gpu") == HostRuns("../gpu", runs, 100.0, 8)
    assert remembered("gpu") == HostRuns("gpu")


def test_a_host_is_asked_over_ssh(fake_ssh: FakeSsh, monkeypatch: pytest.MonkeyPatch) -> None:
    with monkeypatch.context() as there:
        there.setenv("PLASMA_HOME", str(fake_ssh.host("gpu")))
        make_runs(2)
    host = Host("gpu")
    found = ask(host, HostRuns("gpu"))
    assert (len(found.runs), found.total, found.problem) == (2, 2, "")
    assert remembered("gpu").runs == found.runs
    fake_ssh.host("gpu", exits=255, says="ssh: connect to host gpu port 22: Connection refused\n")
    silent = ask(host, found)
    assert silent.runs == found.runs and "Connection refused" in silent.problem
