"""The points that a person looks at after a run, each with the evidence that decides it."""

from __future__ import annotations

import math
from dataclasses import replace

import pytest

from runner.history.review.checklist import checklist
from runner.history.review.model import Review
from runner.model import (
    Approval,
    Checkpoint,
    CheckResult,
    Expectation,
    HardwareUse,
    Outcome,
    Overwrite,
)
from runner.model.checkpoint import CHANGED
from tests import builders as b
from tests import reviews


def point(review: Review, title: str) -> CheckResult:
    (found,) = [one for one in checklist(review) if title in one.title]
    return found


def status(review: Review, **changes: object) -> Review:
    shown = review.snapshot
    assert shown.status is not None
    changed = replace(shown.status, **changes)  # type: ignore[arg-type]
    return replace(review, snapshot=replace(shown, status=changed))


def spec(review: Review, **changes: object) -> Review:
    assert review.snapshot.spec is not None
    changed = replace(review.snapshot.spec, **changes)  # type: ignore[arg-type]
    return replace(review, snapshot=replace(review.snapshot, spec=changed))


def files(review: Review, at: int, **changes: object) -> Review:
    found: list[Checkpoint] = list(review.checkpoints)
    found[at] = replace(found[at], **changes)  # type: ignore[arg-type]
    return replace(review, checkpoints=tuple(found))


def test_a_good_run_names_its_five_files_with_their_sizes() -> None:
    found = point(reviews.good(), "expected file")
    assert found.status == "pass"
    assert found.evidence.startswith("5 of 5 files: spyke-step00000200.safetensors 72.1 MB, ")
    assert "spyke.safetensors 72.1 MB" in found.evidence


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"complete": False, "problem": "cut off: 5 bytes"}, "cut off: 5 bytes"),
        ({"finite": False, "problem": "528 of 792 tensors hold NaN"}, "528 of 792"),
        ({"missing": True}, "missing, not deleted by the trainer"),
        ({"missing": True, "replaced": CHANGED}, "was changed since it was checked"),
    ],
)
def test_one_bad_file_is_named_with_what_is_wrong(changes: dict[str, object], words: str) -> None:
    review = files(reviews.good(), 1, **changes)
    found = point(review, "expected file")
    assert found.status == "fail" and words in found.evidence
    assert "4 of 5 files" in found.evidence and "spyke-step00000400" in found.evidence


def test_a_file_that_was_never_written_is_missed_by_name() -> None:
    review = replace(reviews.good(), due=("spyke.safetensors", "spyke-000004.safetensors"))
    found = point(review, "expected file")
    assert (
        found.status == "fail" and "spyke-000004.safetensors: was never written" in found.evidence
    )


def test_a_file_that_nobody_looked_at_is_no_yes() -> None:
    assert (
        point(files(reviews.good(), 0, complete=None, finite=None), "expected file").status
        == "warn"
    )
    assert point(replace(reviews.good(), due=()), "expected file").status == "warn"


def test_a_file_that_the_trainer_deleted_as_told_is_no_fault() -> None:
    assert point(files(reviews.good(), 0, removed=True), "expected file").status == "pass"


def test_the_last_loss_is_told_with_its_step_and_number() -> None:
    found = point(reviews.good(), "loss is finite")
    assert found.status == "pass" and "at step 920 (exact)" in found.evidence
    assert "all of 920 recorded losses are finite" in found.evidence
    bad = point(reviews.diverged(), "loss is finite")
    assert bad.status == "fail" and "90 of 520 losses NaN, the first at step 431" in bad.evidence


def test_one_bad_step_in_the_middle_is_minded() -> None:
    values = b.losses(920)
    values[99] = math.nan
    found = point(reviews.review_for(b.ended(Outcome.SUCCEEDED), values), "loss is finite")
    assert found.status == "warn" and "the first at step 100" in found.evidence


def test_steps_are_held_to_the_plan_and_to_what_was_expected() -> None:
    good = reviews.good()
    assert point(good, "All steps").status == "pass"
    assert point(spec(good, expect=Expectation(steps=1840)), "All steps").status == "warn"
    assert point(status(good, step=412), "All steps").status == "fail"


def test_the_device_is_held_to_what_was_expected() -> None:
    good = spec(reviews.good(), expect=Expectation(device="mps"))
    assert point(good, "Device as expected").status == "pass"
    found = point(status(good, device="cpu"), "Device as expected")
    assert (found.status, found.evidence) == ("fail", "cpu, expected mps")
    assert point(spec(good, expect=Expectation()), "Device as expected").status == "skip"


def test_a_gpu_was_busy_idle_absent_or_not_measured() -> None:
    good = status(reviews.good(), hardware=HardwareUse(gpu_util_max=98.0, gpu_util_mean=91.0))
    found = point(good, "GPU was busy")
    assert found.status == "pass" and "at most 98 %, 91 % on average" in found.evidence
    assert (
        point(status(good, hardware=HardwareUse(gpu_util_max=3.0)), "GPU was busy").status == "fail"
    )
    assert point(status(good, device="cpu"), "GPU was busy").status == "skip"
    blind = status(good, hardware=HardwareUse())
    blind = replace(blind, snapshot=replace(blind.snapshot, hardware=b.hardware(gpu=False)))
    assert point(blind, "GPU was busy").status == "skip"
    assert "not measured" in point(blind, "GPU was busy").evidence


def test_sizes_are_held_to_what_was_expected() -> None:
    good = spec(reviews.good(), expect=Expectation(checkpoint_mb=(50, 200)))
    assert point(good, "Sizes").evidence == "72.1 MB, expected 50 to 200 MB"
    small = spec(good, expect=Expectation(checkpoint_mb=(100, 200)))
    assert point(small, "Sizes").status == "fail"
    assert point(files(good, 0, size_bytes=0), "Sizes").status == "fail"


def test_the_approval_of_the_smoke_test_is_named() -> None:
    good = reviews.good()
    assert point(good, "smoke test").status == "skip"
    given = Approval("ada", b.NOW, "k", "20261121-180000-spyke-smoke-1a2b")
    found = point(spec(good, approval=given), "smoke test")
    assert found.status == "pass" and "20261121-180000-spyke-smoke-1a2b" in found.evidence
    forced = point(
        spec(good, approval=Approval("ada", b.NOW, "k", None, "in a hurry")), "smoke test"
    )
    assert forced.status == "warn" and "in a hurry" in forced.evidence


def test_who_agreed_to_overwrite_earlier_files_is_named() -> None:
    good = reviews.good()
    titles = [one.title for one in checklist(good)]
    assert "No earlier checkpoint was overwritten" not in titles
    given = Overwrite("ann", b.NOW, "was a trial", ("a", "b"))
    found = point(spec(good, overwrite=given), "overwritten")
    assert found.status == "warn"
    assert found.evidence == "2 files overwritten, approved by ann: was a trial"


def test_a_living_run_is_judged_on_nothing_yet() -> None:
    review = reviews.review_for(b.snapshot(412), due=("spyke.safetensors",))
    assert {one.status for one in checklist(review) if "finite" not in one.title} <= {
        "skip",
        "pass",
    }
    assert "0 of 1 so far" in point(review, "expected file").evidence
