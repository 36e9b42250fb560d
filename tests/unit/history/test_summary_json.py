"""summary.json against its documented schema."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import msgspec
import pytest
from jsonschema import Draft202012Validator

from runner.history.report import show_json
from runner.history.review.as_json import review_json
from runner.history.review.gather import bare_review
from runner.history.review.model import SUMMARY_VERSION, Review
from runner.model import AttemptStatus, ExitRecord
from tests import ROOT, reviews
from tests import builders as b
from tests.hostile import HOSTILE


def validator() -> Any:
    schema = json.loads((ROOT / "docs" / "summary.schema.json").read_text(encoding="utf-8"))
    Draft202012Validator.check_schema(schema)
    return Draft202012Validator(schema)


def strict(review: Review) -> Any:
    """As a reader gets it: NaN has no place in JSON."""
    json.dumps(review_json(review), allow_nan=False)
    return json.loads(msgspec.json.encode(review_json(review)))


@pytest.mark.parametrize(
    "make",
    [reviews.good, reviews.diverged, lambda: reviews.hostile("x\ud800\n|"),
     lambda: bare_review(b.snapshot(412)), lambda: reviews.review_for(b.snapshot(412)),
     lambda: reviews.review_for(b.snapshot(0), [])],
)  # fmt: skip
def test_every_summary_fits_the_schema(make: Callable[[], Review]) -> None:
    assert [error.message for error in validator().iter_errors(strict(make()))] == []


@pytest.mark.parametrize("foreign", HOSTILE, ids=range(len(HOSTILE)))
def test_foreign_text_keeps_the_form(foreign: str) -> None:
    assert not list(validator().iter_errors(strict(reviews.hostile(foreign))))


def test_all_keys_of_show_are_there_and_all_keys_are_documented() -> None:
    review = reviews.good()
    found = review_json(review)
    assert set(show_json(review.snapshot)) <= set(found)
    assert set(found) == set(validator().schema["properties"])
    assert found["version"] == SUMMARY_VERSION


def test_losses_that_are_not_finite_are_null_and_counted() -> None:
    found = strict(reviews.diverged())
    assert found["loss"]["last"] is None and found["loss"]["nonfinite_rows"] == 90
    assert found["loss"]["first_nonfinite_step"] == 431
    assert found["epoch_table"][-1]["mean"] is None


def test_what_the_end_of_an_attempt_cost_stands_with_that_attempt() -> None:
    """The end of the first one was not seen: unknowns cost."""
    attempts = (
        AttemptStatus(1, 100.0),
        AttemptStatus(2, 150.0, exit=ExitRecord(2, 1, None, 200.0)),
        AttemptStatus(3, 260.0),
    )
    shown = b.snapshot(412, status_changes={"attempts": attempts})
    lost = [one["lost"] for one in review_json(reviews.review_for(shown))["attempts"]]
    assert lost == [None, "The end of attempt 2 cost 1 min until attempt 3 was started.", None]
