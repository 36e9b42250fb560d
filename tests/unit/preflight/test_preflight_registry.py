"""Running the checks side by side: order, crashes, cancelling, what is written."""

from __future__ import annotations

import threading
import time
from pathlib import Path

import pytest

from runner.config.interpreter import run_small
from runner.control.launch import _preflight as preflight_json
from runner.model import CheckResult
from runner.preflight import checks as topics
from runner.preflight.facts import Facts
from runner.preflight.model import EVIDENCE_LIMIT, Check, Finding, passed, short, some
from runner.preflight.registry import CHECKS, OF_A_CLUSTER, in_order, run_checks
from tests.unit.preflight.preflight_project import Project, project_fixture

#: they start the trainer's Python and wait for its imports
SLOW = {
    "device", "imports", "launcher", "mps", "optimizer", "precision", "torch_build", "xformers",
    "bitsandbytes", "triton", "memory_need",
}  # fmt: skip


project = project_fixture(2, "spyke", checkout=False)


def check(name: str, look: object = None, slow: bool = False) -> Check:
    def quick(facts: Facts) -> Finding:
        return passed(name)

    return Check(name, name.title(), look or quick, slow)  # type: ignore[arg-type]


def test_names_are_unique_and_titles_fit() -> None:
    assert len({check.name for check in CHECKS}) == len(CHECKS)
    assert all(0 < len(check.title) <= 12 for check in CHECKS)
    assert len(CHECKS) >= 30
    assert {check.name for check in CHECKS if check.slow} == SLOW


def test_every_check_but_the_slow_one_is_done_within_two_seconds(project: Project) -> None:
    config = project.config(expect='images = 2\ntrigger = "spyke"')
    begin = time.perf_counter()
    results = list(run_checks(config, slow=False))
    assert time.perf_counter() - begin < 2.0
    assert {result.name for result in results} == {c.name for c in CHECKS} - SLOW - OF_A_CLUSTER
    for result in results:
        assert result.status in ("pass", "warn", "fail", "skip")
        assert 0 < len(result.evidence) <= EVIDENCE_LIMIT, result
        assert result.title
        assert result.evidence != "check crashed", result
        assert result.advice or result.status in ("pass", "skip"), result


def test_slow_checks_come_last_though_they_are_listed_first(project: Project) -> None:
    def slow(facts: Facts) -> Finding:
        time.sleep(0.1)
        return passed("slow")

    checks = [check("last", slow, slow=True), check("first"), check("second")]
    names = [result.name for result in run_checks(project.config(), checks=checks)]
    assert names[-1] == "last"
    assert sorted(names) == ["first", "last", "second"]
    quick = {r.name for r in run_checks(project.config(), checks=checks, slow=False)}
    assert quick == {"first", "second"}


def test_a_result_is_handed_out_before_the_slow_ones_are_done(project: Project) -> None:
    free = threading.Event()

    def slow(facts: Facts) -> Finding:
        assert free.wait(5)
        return passed("slow")

    results = run_checks(project.config(), checks=[check("slow", slow, True), check("quick")])
    assert next(results).name == "quick"
    free.set()
    assert next(results).name == "slow"


def test_a_check_that_crashes_is_a_failed_check(project: Project) -> None:
    def broken(facts: Facts) -> Finding:
        raise KeyError("oops")

    (result,) = run_checks(project.config(), checks=[check("broken", broken)])
    assert (result.status, result.evidence) == ("fail", "check crashed")
    assert result.detail == "The check itself failed with KeyError: 'oops'."


def test_cancelling_ends_the_checks_and_what_they_started(project: Project) -> None:
    cancel, begun = threading.Event(), threading.Event()

    def sleeper(facts: Facts) -> Finding:
        begun.set()
        answer = run_small(["sleep", "30"], env={}, timeout_s=30, cancelled=facts.cancelled)
        return passed(answer.problem or "?")

    results = run_checks(project.config(), cancel=cancel, checks=[check("sleeper", sleeper)])
    threading.Timer(0.2, cancel.set).start()
    begin = time.perf_counter()
    assert list(results) == []
    assert begun.is_set()
    assert time.perf_counter() - begin < 5


def test_closing_the_iterator_cancels(project: Project) -> None:
    cancel = threading.Event()

    def sleeper(facts: Facts) -> Finding:
        run_small(["sleep", "30"], env={}, timeout_s=30, cancelled=facts.cancelled)
        return passed("slept")

    checks = [check("quick"), check("sleeper", sleeper, slow=True)]
    results = run_checks(project.config(), cancel=cancel, checks=checks)
    assert next(results).name == "quick"
    begin = time.perf_counter()
    results.close()  # type: ignore[attr-defined]
    assert cancel.is_set()
    assert time.perf_counter() - begin < 5


def test_an_answer_is_found_once_for_all_who_ask(project: Project) -> None:
    facts = Facts(project.config())
    asked: list[int] = []

    def find() -> int:
        asked.append(1)
        time.sleep(0.05)
        return 7

    answers: list[int] = []
    threads = [
        threading.Thread(target=lambda: answers.append(facts.once("x", find))) for _ in "abcd"
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert (answers, asked) == ([7, 7, 7, 7], [1])


def test_an_error_is_the_answer_for_all_who_ask(project: Project) -> None:
    facts = Facts(project.config())

    def find() -> int:
        raise ValueError("no")

    for _ in range(2):
        with pytest.raises(ValueError, match="no"):
            facts.once("x", find)


def test_results_are_in_the_order_of_the_panel() -> None:
    found = [CheckResult(name, "pass", "") for name in ("strange", "disk", "config")]
    assert [one.name for one in in_order(found)] == ["config", "disk", "strange"]


def test_a_failure_forbids_and_a_warning_does_not() -> None:
    fine = (CheckResult("a", "warn", ""), CheckResult("b", "skip", ""))
    assert preflight_json(fine)["passed"]
    assert not preflight_json((*fine, CheckResult("c", "fail", "")))["passed"]


def test_a_check_is_one_function_in_a_file_of_the_checks(project: Project) -> None:
    """No list names it: every registered check lies in there, each has a place of its own in the panel."""
    assert [check.order for check in CHECKS] == sorted({check.order for check in CHECKS})
    files = {path.stem for path in Path(topics.__path__[0]).glob("[!_]*.py")}
    assert {check.look.__module__.rpartition(".")[2] for check in CHECKS} == files


def test_notes_of_the_config_are_a_warning(project: Project) -> None:
    found = project.find("config", train="--seed = 1")
    assert (found.status, found.evidence) == ("warn", "1 note")
    assert found.detail.endswith("[train] --seed is read as seed")


def test_names_are_cut_in_the_middle() -> None:
    assert short("abcdefghij", 10) == "abcdefghij"
    assert short("abcdefghijk", 10) == "abcd…ghijk"
    assert len(short("x" * 99)) == EVIDENCE_LIMIT
    assert some(["a", "b"]) == "a, b"
    assert some(["a", "b", "c", "d", "e"]) == "a, b, c and 2 more"
