"""Loss and learning rate of one step out of the records of event files."""

from __future__ import annotations

from runner.ingest.exact import ExactStep, exact_steps
from runner.ingest.tfevents import Scalar, ScalarTail
from tests import DATA

EVENTS = DATA / "tensorboard"


def records(step: int, *named: tuple[str, float]) -> list[Scalar]:
    return [Scalar(tag, step, float(step), value) for tag, value in named]


def test_the_records_of_a_step_are_one_and_the_unets_rate_wins() -> None:
    found = exact_steps(
        [
            *records(1, ("loss/current", 0.5), ("loss/average", 0.6)),
            *records(1, ("lr/textencoder", 5e-5), ("lr/unet", 1e-4)),
            *records(2, ("loss/current", 0.4), ("lr/unet", 9e-5), ("lr/textencoder", 4e-5)),
        ]
    )  # fmt: skip
    assert found == [ExactStep(1, 1.0, 0.5, 1e-4), ExactStep(2, 2.0, 0.4, 9e-5)]


def test_a_rate_that_comes_later_stands_alone() -> None:
    assert exact_steps(records(7, ("lr/unet", 1e-4))) == [ExactStep(7, 7.0, None, 1e-4)]


def test_with_accumulation_several_losses_share_a_step() -> None:
    found = exact_steps(
        [
            *records(3, ("loss/current", 0.1), ("lr", 1.0)),
            *records(3, ("loss/current", 0.2), ("lr", 1.0)),
        ]
    )
    assert [one.loss for one in found] == [0.1, 0.2]


def test_a_recorded_run_gives_a_rate_to_each_loss() -> None:
    tail = ScalarTail(EVENTS / "seed_full")
    found = exact_steps(tail.poll(5.0))
    assert [one.shown_step for one in found] == list(range(1, 41))
    assert all(one.loss is not None and one.rate is not None for one in found)
