"""What is told: events, words, keys, and the box that notices wait in."""

from __future__ import annotations

import time
from dataclasses import replace
from pathlib import Path

import pytest

from runner.model import (
    Alarm,
    AlarmKind,
    Cause,
    ExitRecord,
    NotifyRules,
    Outcome,
    RunSnapshot,
    RunState,
)
from runner.notify.box import MOST_TRIES, Box
from runner.notify.channel import Result
from runner.notify.message import (
    Message,
    alarm_message,
    end_event,
    end_message,
    flat,
    trial_message,
    wanted,
)
from runner.store.rundir import RunDir
from tests.builders import snapshot
from tests.hostile import HOSTILE

DONE = ExitRecord(1, 0, None, 0.0)


def ended(outcome: Outcome, **changes: object) -> RunSnapshot:
    made = snapshot()
    assert made.status is not None
    status = replace(
        made.status, state=RunState.ENDED, outcome=outcome, started_at=1000.0, ended_at=3460.0,
        **changes,  # type: ignore[arg-type]
    )  # fmt: skip
    return replace(made, status=status, state=RunState.ENDED, outcome=outcome)


def smoke(made: RunSnapshot, *, gate: bool) -> RunSnapshot:
    assert made.spec is not None
    spec = replace(made.spec, smoke=True, notify=NotifyRules(gate=gate))
    return replace(made, spec=spec)


@pytest.mark.parametrize(
    ("outcome", "event"),
    [
        (Outcome.SUCCEEDED, "finished"),
        (Outcome.FAILED, "failed"),
        (Outcome.NOTHING_TRAINED, "failed"),
        (Outcome.DIVERGED, "diverged"),
        (Outcome.KILLED, "killed"),
        (Outcome.STOPPED, "stopped"),
    ],
)
def test_every_outcome_is_an_event(outcome: Outcome, event: str) -> None:
    assert end_event(ended(outcome)) == event


def test_a_run_that_goes_on_or_was_not_judged_is_no_event() -> None:
    assert end_event(snapshot()) is None
    assert end_message(snapshot()) is None


def test_an_old_file_that_asks_for_failed_means_every_bad_end() -> None:
    rules = NotifyRules(("finished", "failed", "stalled"))
    asked = ("finished", "failed", "stalled", "diverged", "killed", "stopped", "waiting")
    assert [wanted(rules, e) for e in asked] == [True] * 5 + [False] * 2
    assert not wanted(NotifyRules(()), "failed")
    assert wanted(NotifyRules(("diverged",)), "diverged")
    assert not wanted(NotifyRules(("diverged",)), "failed")


def test_a_smoke_test_waits_only_where_somebody_has_to_approve_it(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    good = ended(Outcome.SUCCEEDED)
    monkeypatch.setattr("runner.notify.message.smoke_passed", lambda shown: True)
    assert end_event(smoke(good, gate=True)) == "waiting"
    assert end_event(smoke(good, gate=False)) == "finished"
    message = end_message(smoke(good, gate=True))
    assert message is not None and f"plasma-tui approve {good.id}" in message.text
    monkeypatch.setattr("runner.notify.message.smoke_passed", lambda shown: False)
    assert end_event(smoke(good, gate=True)) == "failed"


def test_the_words_of_an_end() -> None:
    good = end_message(ended(Outcome.SUCCEEDED))
    assert good is not None and good.end and good.key == "end-1"
    assert good.title == "spyke_plasma_v1: finished"
    assert good.text.startswith("succeeded, 412 of 920 steps in 21 min; loss ")
    bad = end_message(
        ended(Outcome.FAILED, cause=Cause("out_of_memory", "CUDA out of memory", "Use less."))
    )
    assert bad is not None and bad.text.endswith("; CUDA out of memory; Use less.")


def test_the_words_of_an_alarm_and_only_of_those_that_are_told() -> None:
    stall = Alarm(AlarmKind.STALLED, 5.25, "no step for 12 min", 412)
    message = alarm_message(snapshot(), stall)
    assert message is not None and not message.end
    assert (message.key, message.event) == ("stalled-1-5250", "stalled")
    assert message.text == "step 412: no step for 12 min"
    nan = alarm_message(snapshot(), replace(stall, kind=AlarmKind.NONFINITE, text="NaN"))
    assert nan is not None and nan.event == "diverged"
    assert nan.text.endswith("; the training continues") and "wrong" in nan.title
    assert alarm_message(snapshot(), replace(stall, kind=AlarmKind.SLOW)) is None
    assert alarm_message(snapshot(), replace(stall, over_at=6.0)) is None


@pytest.mark.parametrize("text", HOSTILE)
def test_foreign_text_is_one_harmless_line(text: str) -> None:
    for shown in (flat(text, 60), trial_message(text).title):
        assert shown.isprintable() or not shown.strip("\u0301\u0302\u0303\u0304")
        assert "\n" not in shown and len(shown) <= 80
        shown.encode()


# --------------------------------------------------------------------------- the box


def note(key: str = "stalled-1-5", **changes: object) -> Message:
    return replace(trial_message("spyke"), key=key, **changes)  # type: ignore[arg-type]


def test_an_occasion_is_told_once(tmp_path: Path) -> None:
    box = Box(RunDir(tmp_path))
    assert box.put(note()) and box.put(note())
    (waiting,) = box.waiting()
    box.close(waiting, (Result("ntfy", True, "sent"),))
    assert box.waiting() == []
    assert not box.put(note())
    assert box.put(note("stalled-1-9"))


def test_alarms_come_before_the_end_and_in_their_order(tmp_path: Path) -> None:
    box = Box(RunDir(tmp_path))
    for key, at, end in (("end-1", 1.0, True), ("b", 9.0, False), ("a", 5.0, False)):
        box.put(note(key, at=at, end=end))
    assert [one.message.key for one in box.waiting()] == ["a", "b", "end-1"]


def test_what_was_held_back_does_not_count_as_sent(tmp_path: Path) -> None:
    box = Box(RunDir(tmp_path))
    for key, held in (("a", False), ("b", True)):
        box.put(note(key))
        box.close(box.waiting()[0], (), held=held)
    assert box.sent_lately(time.time()) == 1
    assert box.sent_lately(time.time() + 3700) == 0


def test_tries_survive_a_second_put(tmp_path: Path) -> None:
    box = Box(RunDir(tmp_path))
    box.put(note())
    for _ in range(MOST_TRIES):
        box.count_try(box.waiting()[0])
    box.put(note())
    assert box.waiting()[0].tries == MOST_TRIES


def test_foreign_files_in_the_folder_do_no_harm(tmp_path: Path) -> None:
    box = Box(RunDir(tmp_path))
    assert box.waiting() == []
    box.put(note("../../end"))
    (tmp_path / "notices/torn.json").write_text('{"message"')
    (tmp_path / "notices/.x.1.tmp").write_text("")
    assert len(box.waiting()) == 1
    assert all(path.parent == tmp_path / "notices" for path in tmp_path.rglob("*.json"))
