"""The timeline of a review, out of the journal's events."""

from __future__ import annotations

from runner.history.journal_words import sentences_of
from runner.history.review.journal_facts import MOST_MOMENTS, moments
from runner.model import JournalEvent


def event(at: float, kind: str, attempt: int = 1, **data: object) -> JournalEvent:
    return JournalEvent(at, kind, attempt, None, dict(data))


def verified(at: float, name: str, step: int, attempt: int = 1) -> JournalEvent:
    return event(at, "checkpoint_verified", attempt, name=name, step=step, size_bytes=160_000,
                 complete=True, finite=True)  # fmt: skip


def test_a_save_is_named_by_its_true_step_however_the_trainer_counts() -> None:
    found = moments(
        [
            verified(1.0, "x-step00000200.safetensors", 200),
            event(1.1, "state_verified", path="/out/x-state", step=200, complete=True),
            verified(2.0, "x-step00000200.safetensors", 410, attempt=2),
        ]
    )
    assert [one.text for one in found] == [
        "step 200 saved: complete, finite, with state",
        "step 410 saved: complete, finite",
    ]


def test_a_line_that_repeats_the_one_before_is_dropped() -> None:
    resumed = [event(1.0, "resumed", 2, state_step=160, skip_steps=None)] * 2
    found = moments([*resumed, event(1.5, "resumed", 2, state_step=None, skip_steps=400)])
    assert [one.text for one in found] == ["resumed from the state of step 160", "skips 400 steps"]


def test_a_long_run_keeps_what_matters_most() -> None:
    many = [verified(float(n), f"x-step{n:08}.safetensors", n) for n in range(1, 500)]
    found = moments(
        [*many, event(900.0, "model_saved"), event(901.0, "ended", outcome="succeeded")]
    )
    assert len(found) == MOST_MOMENTS
    assert [one.text for one in found[-2:]] == ["model saved", "succeeded"]


def test_an_ordered_stop_is_no_exception_and_a_stray_interrupt_is_only_a_warning() -> None:
    interrupt = event(2.0, "exception", name="KeyboardInterrupt", text="")
    ordered = event(1.0, "ordered", order="stop", mode="default", by="anna")
    found = moments([ordered, interrupt, event(3.0, "ended", outcome="stopped")])
    assert [one.text for one in found] == ["stop requested by anna", "stopped"]
    (stray,) = sentences_of([interrupt])
    assert (stray.role, stray.text) == ("warn", "the trainer was interrupted (SIGINT)")


def test_an_event_that_lacks_what_its_sentence_needs_is_left_out() -> None:
    odd = JournalEvent(2.0, "alarm", 1, None, {"kind": "none of ours"})
    assert moments([event(1.0, "device"), odd]) == ()
