"""The timeline of a review, out of the journal's events."""

from __future__ import annotations

from runner.history.review.journal_facts import MOST_MOMENTS, moments
from runner.model import JournalEvent


def event(at: float, kind: str, attempt: int = 1, **data: object) -> JournalEvent:
    return JournalEvent(at, kind, attempt, None, dict(data))


def verified(at: float, name: str, step: int, attempt: int = 1) -> JournalEvent:
    return event(at, "checkpoint_verified", attempt, name=name, step=step, size_bytes=160_000,
                 complete=True, finite=True)  # fmt: skip


def test_a_file_of_a_resumed_attempt_stands_under_the_name_it_was_given() -> None:
    found = moments(
        [
            verified(1.0, "x-step00000200.safetensors", 200),
            verified(2.0, "x-step00000200.safetensors", 410, attempt=2),
            event(2.1, "checkpoint_placed", 2, name="x-step00000410.safetensors", step=410),
        ]
    )
    assert [one.text for one in found] == [
        "x-step00000200.safetensors: 160 kB, complete and finite",
        "x-step00000410.safetensors: 160 kB, complete and finite",
    ]


def test_what_is_said_twice_in_a_row_stands_once() -> None:
    resumed = [event(1.0, "resumed", 2, state_path="/out/x-state", skip_steps=None)] * 2
    found = moments([*resumed, event(1.5, "resumed", 2, state_path=None, skip_steps=400)])
    assert [one.text for one in found] == ["resumed from x-state", "skips 400 steps"]


def test_a_long_run_keeps_what_matters_most() -> None:
    many = [verified(float(n), f"x-step{n:08}.safetensors", n) for n in range(1, 500)]
    found = moments(
        [*many, event(900.0, "model_saved"), event(901.0, "ended", outcome="succeeded")]
    )
    assert len(found) == MOST_MOMENTS
    assert [one.text for one in found[-2:]] == ["the model was saved", "judged: succeeded"]


def test_an_event_without_what_its_kind_holds_is_told_by_its_kind() -> None:
    assert [one.text for one in moments([event(1.0, "device")])] == ["device"]
