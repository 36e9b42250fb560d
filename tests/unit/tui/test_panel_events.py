"""What happened, for people: which events of a run are told, and how."""

from __future__ import annotations

import time
from dataclasses import replace

import pytest

from runner.model import Approval, GpuUser, JournalEvent, RunSnapshot
from tests import builders as b
from tests import machines as m
from tests.hostile import HOSTILE
from tui.kit.paint import plain, row_width
from tui.panels.events import Events, event_row, events_of, preflight_note


def happened(ago_s: float, what: str, /, **data: object) -> JournalEvent:
    return JournalEvent(b.NOW - ago_s, what, 1, None, data)


def run(*events: JournalEvent, **changes: object) -> RunSnapshot:
    return b.snapshot(412, events=events, **changes)


def told(snapshot: RunSnapshot) -> list[tuple[str, str]]:
    return [(one.role, one.text) for one in events_of(snapshot).rows]


def test_a_save_is_one_row_with_its_state_and_the_newest_stands_on_top() -> None:
    found = told(
        run(
            happened(900, "epoch", epoch=2, epochs=4),
            happened(37, "checkpoint_verified", name="a", step=400, complete=True, finite=True),
            happened(36, "state_verified", path="/out/a-state", step=400, complete=True),
        )
    )
    assert found == [
        ("good", "step 400 saved: complete, finite, with state"),
        ("dim", "epoch 2 of 4"),
    ]


def test_a_broken_save_says_what_is_wrong() -> None:
    broken = happened(
        5, "checkpoint_verified", name="a", step=400, complete=False, problem="cut off"
    )
    assert told(run(broken)) == [("bad", "step 400 is incomplete: cut off")]


def test_alarms_are_told_when_they_begin_and_when_they_are_over() -> None:
    alarm = {
        "kind": "slow",
        "since_at": b.NOW - 90,
        "text": "Steps are slow; ask why.",
        "brief": "Steps are slow",
        "step": 380,
    }
    found = told(
        run(happened(90, "alarm", **alarm), happened(30, "alarm_over", **alarm, over_at=b.NOW - 30))
    )
    assert found == [("dim", "over: Steps are slow"), ("warn", "Steps are slow")]


def test_what_is_not_known_is_never_called_none() -> None:
    found = told(
        run(
            happened(9, "resumed", state_path="/out/a-state", state_step=None, skip_steps=None),
            happened(8, "resumed", state_path="/out/a-state", state_step=160, skip_steps=None),
            happened(7, "resumed", state_path=None, state_step=None, skip_steps=160),
            happened(6, "epoch", epoch=2, epochs=None),
            happened(5, "state_verified", path="/out/a-state", step=None, complete=True),
            happened(4, "checkpoint_missing", name="a.safetensors", step=None),
        )
    )
    assert found == [
        ("warn", "a.safetensors: a.safetensors is missing"),
        ("good", "state of a-state saved"),
        ("dim", "skips 160 steps"),
        ("dim", "resumed from the state of step 160"),
    ]


def test_other_gpu_users_and_the_approval_have_their_times() -> None:
    user = GpuUser(3623, "ComfyUI", since_at=b.NOW - 60)
    made = run(status_changes={"gpu_users": (user,)})
    assert made.spec is not None
    made = replace(
        made, spec=replace(made.spec, approval=Approval("kim", b.NOW - 2000, "k", "smoke1"))
    )
    assert told(made) == [
        ("warn", "ComfyUI also uses the GPU (pid 3623)"),
        ("good", "approved by kim after a smoke test"),
    ]


def test_what_an_event_lacks_costs_only_its_own_row() -> None:
    odd = [
        happened(9, "epoch"),
        happened(8, "alarm", kind="none of ours"),
        happened(7, "sampling", step=5),
    ]
    assert told(run(*odd)) == [("dim", "sample images at step 5")]


@pytest.mark.parametrize("text", HOSTILE, ids=range(len(HOSTILE)))
def test_foreign_text_stays_one_harmless_row(text: str) -> None:
    made = run(happened(9, "fatal", text=text), happened(8, "exception", name=text, text=text))
    for one in events_of(made).rows:
        for width in (20, 80, 120):
            row = event_row(one, width, days=True)
            assert row_width(row) <= width and plain(row).isprintable()


def test_seconds_and_words_where_there_is_room() -> None:
    event = events_of(run(happened(0, "sampling", step=5))).rows[0]
    clock = time.strftime("%H:%M:%S", time.localtime(b.NOW))
    assert plain(event_row(event, 120, days=False)).startswith(f" {clock} · sample")
    assert plain(event_row(event, 80, days=False)).startswith(f" {clock[:5]} · sample")
    checks = Events(passed=36, warned=2, hint="p opens")
    assert plain(preflight_note(checks, 120)) == "Preflight 36 passed 2 warnings p opens"
    assert plain(preflight_note(checks, 80)) == "Preflight 36 ✓ 2 ! p opens"
    assert preflight_note(Events(), 80) == ()


def test_another_training_on_a_machine_without_a_gpu_is_not_said_to_use_one() -> None:
    other = GpuUser(9950, "another training", since_at=b.NOW - 60)
    assert ("warn", "another training is running too (pid 9950)") in told(
        m.on(m.sample(), gpu_users=(other,))
    )
