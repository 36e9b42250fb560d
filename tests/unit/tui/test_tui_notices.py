"""What the screen rings for, and how."""

from __future__ import annotations

from dataclasses import replace

from runner.model import Alarm, AlarmKind, NotifyRules, Outcome, RunSnapshot, RunState
from runner.notify.message import trial_message
from tests.builders import snapshot
from tui.notices import Ring, bytes_of, ring_of

KITTY = {"TERM": "xterm-kitty", "KITTY_WINDOW_ID": "1"}
STALL = Alarm(AlarmKind.STALLED, 5.0, "no step for 12 min", 412)


def live(*alarms: Alarm, rules: NotifyRules | None = None) -> RunSnapshot:
    made = snapshot()
    assert made.status is not None and made.spec is not None
    return replace(
        made,
        status=replace(made.status, alarms=alarms),
        spec=replace(made.spec, notify=rules or NotifyRules()),
    )


def ended(outcome: Outcome = Outcome.SUCCEEDED, rules: NotifyRules | None = None) -> RunSnapshot:
    made = live(rules=rules)
    assert made.status is not None
    status = replace(made.status, state=RunState.ENDED, outcome=outcome)
    return replace(made, status=status, state=RunState.ENDED, outcome=outcome)


def event(before: RunSnapshot | None, after: RunSnapshot) -> str | None:
    ring = ring_of(before, after)
    assert ring is not None
    return ring.message.event if ring.message is not None else None


def test_the_end_of_the_watched_run_rings_once() -> None:
    assert event(live(), ended()) == "finished"
    assert ring_of(ended(), ended()) is None


def test_a_run_that_had_ended_before_it_was_opened_is_no_news() -> None:
    assert ring_of(None, ended()) is None
    assert ring_of(replace(live(), id="another"), ended()) is None


def test_what_is_not_asked_for_does_not_ring() -> None:
    assert ring_of(live(), ended(Outcome.STOPPED)) is None
    assert ring_of(live(), ended(rules=NotifyRules(()))) is None
    assert event(live(), ended(Outcome.STOPPED, NotifyRules(("stopped",)))) == "stopped"


def test_a_new_alarm_rings_and_those_that_are_told_have_words() -> None:
    assert event(live(), live(STALL)) == "stalled"
    assert ring_of(live(STALL), live(STALL)) is None
    again = replace(STALL, since_at=9.0)
    assert event(live(replace(STALL, over_at=7.0)), live(again)) == "stalled"
    assert event(live(), live(replace(STALL, kind=AlarmKind.SLOW))) is None
    assert event(live(), live(STALL, rules=NotifyRules(()))) is None


def test_who_looks_at_it_gets_the_bell_alone() -> None:
    ring, rules = Ring(trial_message("spyke")), NotifyRules()
    assert bytes_of(ring, rules, KITTY, True) == "\x07"
    assert bytes_of(ring, rules, KITTY, None).startswith("\x07\x1b]99;i=plasma-tui:o=unfocused;")
    assert bytes_of(ring, rules, KITTY, False).startswith("\x07\x1b]99;i=plasma-tui;spyke")
    assert bytes_of(Ring(), rules, KITTY, None) == "\x07"


def test_bell_and_notification_can_each_be_switched_off() -> None:
    ring = Ring(trial_message("spyke"))
    assert bytes_of(ring, NotifyRules(bell=False), KITTY, False).startswith("\x1b]99;")
    assert bytes_of(ring, NotifyRules(terminal="off"), KITTY, False) == "\x07"
    assert bytes_of(ring, NotifyRules(bell=False, terminal="off"), KITTY, False) == ""
